/*
 * gate: the listening parent of smtpd and pop3d, and its workers.
 *
 * The parent accepts, asks admit(), counts, and passes each connection
 * to an idle worker process, forking more up to workers_max. It
 * never parses the protocol. A worker serves one connection at a time, at most
 * reuse of them; one that dies is replaced when it is needed. Connections wait in the
 * parent while all workers are busy, and while one client address, or a network that is not trusted, has three
 * quarters of them. Limits count an IPv6 client by its /64, networks as /24 and /48.
 * Sockets come from LISTEN_FDS (named by service), from inetd on fd 0, or from
 * the addresses given.
 */
#ifndef LIB_NET_GATE_H
#define LIB_NET_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/net/dnsbl.h"
#include "lib/net/ip.h"

struct gate_conn {
	int fd;
	struct ip peer, local;
	uint16_t peer_port, local_port;
	bool proxied;      /* a balancer has told peer and local: it is via */
	struct ip via;
	bool trusted, xclient; /* view said so */
	uint8_t listed;    /* of the lists (dnsbl): which one has it, counted from 1; 0: none */
	char service[32]; /* "smtp", "submission", "pop3" ...: the listening socket's name */
};

/* What is known of a client before it is served. */
struct gate_view {
	bool proxy;   /* a balancer: its PROXY header says who the client is */
	bool trusted; /* no limit but the total one */
	bool xclient; /* it may say for whom it speaks (XCLIENT); a word for who serves it */
	bool wait;    /* a stranger: banner_ms and lists are for it */
};

struct gate {
	const char *program;
	unsigned workers_max;  /* processes */
	unsigned reuse;        /* sessions a worker serves before it is replaced */
	unsigned total;        /* connections at once, served and waiting */
	unsigned per_address;  /* of one client address */
	unsigned per_network;  /* of one network, but never less than of an address; 0: as many as there may be */
	unsigned per_minute;   /* new ones of one address; 0: no limit */
	int proxy_ms;          /* how long a balancer's header may take */
	int banner_ms;         /* how long a stranger waits */
	int lists_ms;          /* ... for the lists at most */
	struct dnsbl_settings lists; /* without rules: none are asked */
	const char *early;     /* what a stranger is told that speaks before the banner, CRLF included */
	/* Who this is; asked again when a balancer has told. *view is zeroed. May be NULL. */
	void (*view)(void *arg, const struct gate_conn *, struct gate_view *view);
	/* 0: come in. Otherwise the refusal, CRLF included, is sent and the connection closed. */
	const char *(*admit)(void *arg, const struct gate_conn *);
	const char *busy;      /* what a client over a limit is told, CRLF included */
	/* A client is turned away: for the log. limit: "connections", "connections_per_address", "connections_per_network",
	 * "connections_per_minute"; NULL: it is no
	 * limit, detail says what happened, NULL: it spoke before the banner.
	 * May be NULL. */
	void (*refused)(void *arg, const struct gate_conn *, const char *limit, const char *detail);
	/* In the parent before its first accept (workers fork from it later: it keeps fork, and drops to
	 * what they need), and in each worker before its first connection: drop, sandbox. */
	void (*enter_parent)(void *arg);
	void (*enter_worker)(void *arg);
	/* Takes conn->fd (blocking, as lib/sys/io likes it; TCP_NODELAY set); in the worker. After SIGTERM proc_stopping is set
	 * and the signal repeated: end the session soon; there are 8 seconds. */
	void (*serve)(void *arg, struct gate_conn *);
	const struct ip *peer; /* inetd: whose the connection is that says it of no address itself; may be NULL */
	void *arg;
};
/* inetd: is fd 0 a connected socket, and no LISTEN_FDS there? One that systemd has accepted (Accept=yes) is put there. */
bool gate_inetd(void);
/* Under inetd: keep standard error, if it is the connection, out of the client's sight.
 * gate_run does so; for programs that log or fork before. */
void gate_inetd_log(void);
/* In a worker: do connections wait for one? Then who takes his time may be told to go. */
bool gate_crowded(void);
/* Serve until SIGTERM. fds/names: listening sockets, at most 32. With inetd n is 0 and names[0] the
 * service: one session in this process. The exit code. */
int gate_run(struct gate *, const int *fds, const char *const *names, int n);

#endif
