/*
 * packet: one SOCK_SEQPACKET packet with descriptors.
 */
#ifndef LIB_SYS_PACKET_H
#define LIB_SYS_PACKET_H

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

/* 0; -1 errno. EMSGSIZE over LIMIT_PACKET. fds stay the caller's. deadline
 * NEVER on a non-blocking socket means: do not wait (EAGAIN). A wait that SIGTERM ends
 * (proc_stopping) is EINTR. */
int packet_send(int fd, const void *, size_t n, const int *fds, int nfds, deadline_ms) MUST_CHECK;
/* Octets (never 0), 0: the peer is gone, -1: errno. The fds received, close-on-exec,
 * become the caller's; too many or a truncated packet is EBADMSG (and all are closed).
 * buf has room for LIMIT_PACKET + 1; a NUL is added. */
ssize_t packet_recv(int fd, char *buf, int *fds, int *nfds, deadline_ms) MUST_CHECK;

#endif
