/*
 * gate: the listening parent of smtpd and pop3d, and its workers.
 *
 * The parent accepts, asks admit(), counts, and passes each connection
 * to an idle worker process, forking more up to workers_max. It
 * never parses the protocol. A worker serves one connection at a time, at most
 * reuse of them. Sockets come from LISTEN_FDS (named by service), from inetd on
 * fd 0, or from the addresses given.
 */
#ifndef LIB_NET_GATE_H
#define LIB_NET_GATE_H

#include <stdbool.h>

#include "lib/net/ip.h"

struct gate_conn {
	int fd;
	struct ip peer, local;
	uint16_t peer_port, local_port;
	char service[32]; /* "smtp", "submission", "pop3" ...: the listening socket's name */
};

struct gate {
	const char *program;
	unsigned workers_max;  /* processes */
	unsigned reuse;        /* sessions a worker serves before it is replaced */
	unsigned total;        /* connections at once, served and waiting */
	unsigned per_address;  /* of one client address */
	/* 0: come in. Otherwise the refusal, CRLF included, is sent and the connection closed. */
	const char *(*admit)(void *arg, const struct gate_conn *);
	const char *busy;      /* what a client over a limit is told, CRLF included */
	/* In the parent before its first accept, and in each worker: drop, sandbox. */
	void (*enter_parent)(void *arg);
	void (*enter_worker)(void *arg);
	void (*serve)(void *arg, struct gate_conn *); /* takes conn->fd; in the worker */
	void *arg;
};
/* inetd: is fd 0 a connected socket, and no LISTEN_FDS there? */
bool gate_inetd(void);
/* Serve until SIGTERM. fds/names: listening sockets. With inetd: one session in this process. */
int gate_run(struct gate *, const int *fds, const char *const *names, int n);

#endif
