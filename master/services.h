/*
 * services: what a house consists of: programs, and the sockets they are given.
 */
#ifndef MASTER_SERVICES_H
#define MASTER_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/store/conf.h"

enum socket_kind { SOCKET_UNIX, SOCKET_SMTP, SOCKET_SMTPS, SOCKET_POP3, SOCKET_POP3S };

struct socket_def {
	const char *name;    /* in LISTEN_FDNAMES; of a unix socket also its file in run/ */
	enum socket_kind kind;
	size_t setting;      /* tcp: offset of the addresses in struct conf */
	const char *port;    /* tcp: when an address has none */
	mode_t mode;         /* unix */
	const char *group;   /* unix, as root: the group that may connect; NULL: root's.
	                      * One that does not exist here: nobody but root. */
};
extern const struct socket_def socket_defs[];
extern const size_t socket_def_count;
const char *socket_setting(const struct socket_def *, const struct conf *);

#define SERVICE_SOCKETS 4
struct service_def {
	const char *name;      /* the program, in libexec/posthouse */
	const char *user;      /* that it becomes by itself when started as root */
	int phase;             /* of stopping: 0 goes first */
	const char *sockets[SERVICE_SOCKETS]; /* with tcp ones: runs while one of them is open */
	const char *option;    /* it gets, or NULL */
	bool (*wanted)(const struct conf *); /* NULL: always */
};
extern const struct service_def service_defs[];
extern const size_t service_def_count;
#define STOP_PHASES 3

#endif
