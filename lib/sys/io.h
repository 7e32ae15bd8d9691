/*
 * io: octets to and from a peer, with deadlines.
 *
 * One struct io a connection, blocking semantics with a deadline on each call.
 * Input is buffered here and nowhere else, so what was read ahead is known
 * (STARTTLS, hand-over). Output is collected and sent when the program next
 * waits for input (io_fill does so) or at io_flush: that is how pipelined
 * commands get their replies in one segment. The socket is non-blocking inside.
 * A wait that SIGTERM ends (proc_stopping) is EINTR, so a worker can say its last word.
 * A transport (TLS) may put itself in between.
 */
#ifndef LIB_SYS_IO_H
#define LIB_SYS_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"

struct io_transport { /* as read(2)/write(2) on a non-blocking socket; want tells poll events on EAGAIN */
	ssize_t (*read)(void *, void *, size_t, short *want);
	ssize_t (*write)(void *, const void *, size_t, short *want);
	void (*close)(void *);
	void *state;
};

struct io {
	int fd;                /* both ways; a socket */
	char *in;              /* 16 KiB ring-less buffer: in[in_pos .. in_end) is unread */
	size_t in_pos, in_end, in_cap;
	struct buf out;
	bool eof;
	bool hear_out;         /* what a peer said counts, even if it is gone and hears no answer */
	struct io_transport via; /* zero: the socket itself */
	uint64_t octets_in, octets_out;
	int error;             /* errno of a write that failed within io_put; the next call tells */
	int64_t put_wait_ms;   /* how long io_put may wait when it flushes itself; 5 minutes */
	/* io.c's own */
	size_t in_top;         /* input was never further: what has to be wiped */
	size_t scanned;        /* of the line that is not whole yet */
	bool skipping, bare;   /* ... what is known of it */
	int recv_wait_ms;      /* SO_RCVTIMEO as set last */
};

void io_open(struct io *, int fd); /* takes fd */
void io_close(struct io *);        /* wipes both buffers; closes fd (-1 is fine) */
/* Forget the old descriptor (it is not closed here: it may have gone to another process)
 * but keep the memory for the next session: buffers wiped, counters and transport at zero. */
void io_reuse(struct io *, int fd);
/* Wait until there is more input than now. 1: there is; 0: end of file; -1:
 * errno, ETIMEDOUT when the deadline passed, ENOBUFS when the buffer is full.
 * Sends what is pending first. */
int io_fill(struct io *, deadline_ms) MUST_CHECK;
struct span io_unread(const struct io *);
void io_skip(struct io *, size_t n);
/* Put octets in front of what is unread: a connection taken over with what its first
 * owner had read ahead. */
void io_unget(struct io *, struct span);
/* Pending; flushes itself when much is collected, waiting at most put_wait_ms. */
void io_put(struct io *, const void *, size_t);
void io_puts(struct io *, const char *);
int io_flush(struct io *, deadline_ms) MUST_CHECK; /* 0; -1 errno */
/* Send straight from the caller's memory, behind what is pending. */
int io_send(struct io *, const struct iovec *, int n, deadline_ms) MUST_CHECK;

/*
 * A line ends with CRLF and nothing else (RELIABILITY section 3, rule 3).
 * Result: LINE_OK and *line (without CRLF, valid until the next call on io),
 * or what is wrong. LINE_LONG: over max octets; it was skipped to its true end.
 * LINE_BARE: a bare CR, bare LF or NUL stood in it; skipped likewise.
 * max is at most 16382 (it has to fit the buffer).
 * LINE_EOF: the peer is gone (an unfinished line is dropped). LINE_TIMEOUT.
 * LINE_ERROR: errno.
 */
enum line { LINE_OK, LINE_LONG, LINE_BARE, LINE_EOF, LINE_TIMEOUT, LINE_ERROR };
enum line io_line(struct io *, size_t max, deadline_ms, struct span *line);
/* For reading what other servers say: a bare LF ends a line too, CR before it is
 * dropped; NUL stays. Never LINE_BARE. */
enum line io_line_lenient(struct io *, size_t max, deadline_ms, struct span *line);

#endif
