/*
 * listen: sockets that others connect to, ours or handed over (LISTEN_FDS).
 */
#ifndef LIB_SYS_LISTEN_H
#define LIB_SYS_LISTEN_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/base/buf.h"

/* Descriptors handed over by master or systemd (sd_listen_fds(3)): LISTEN_PID,
 * LISTEN_FDS, LISTEN_FDNAMES. The i-th, from 0; its name in *name. -1: no more. */
int listen_passed(int i, const char **name);
/* "127.0.0.1:25", "[::1]:25", "*:25" (both families), "25", "name:smtp" → one
 * or more listening TCP sockets, appended to fds (room for max). The number
 * made, or -1 with why: "cannot listen on 0.0.0.0:25: address in use by exim4 (pid 7)". */
int listen_tcp(const char *address, int backlog, int *fds, int max, struct buf *why) MUST_CHECK;
/* A SOCK_SEQPACKET socket at path (an old one is replaced). */
int listen_unix(const char *path, mode_t, struct buf *why) MUST_CHECK;
/* Connect to one; close-on-exec. -1 errno. */
int connect_unix(const char *path) MUST_CHECK;
/* The uid at the other end (SO_PEERCRED). */
int peer_uid(int fd, uid_t *uid, pid_t *pid) MUST_CHECK;

#endif
