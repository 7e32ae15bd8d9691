/*
 * relay: octets between a TLS session and the program that speaks the protocol inside it.
 *
 * A session that is idle has no buffer here. Octets go through one block that all sessions of the process use in
 * turn; what the destination would not take is kept with the session, and that direction reads no more until it is
 * gone: neither side can make this process hold more than a block a direction.
 */
#include "tls/relay.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/net/tls.h"

#define BLOCK_IN (16 * 1024)   /* a TLS record's plaintext (RFC 8446, 5.1) */
#define BLOCK_OUT (64 * 1024)
#define FAIR_ROUNDS 4          /* blocks a direction, before it is another session's turn */
#define DRAIN_ROUNDS 64        /* blocks to forget at once: who talks on and on keeps nobody else waiting */
#define LAST_WORDS_MS 10000    /* for a peer to take what was said before the end */

static char block[BLOCK_OUT];  /* one a process; nothing stays in it */

static bool
later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static void
forget(struct way *w)
{
	if (w->held != NULL)
		explicit_bzero(w->held, w->end);
	free(w->held);
	w->held = NULL;
	w->at = w->end = 0;
}

/* Of n octets the destination has taken done. */
static void
keep_rest(struct way *w, const char *s, size_t done, size_t n)
{
	if (w->held != NULL) {
		w->at += done;
		if (w->at == w->end)
			forget(w);
	} else if (done < n) {
		w->held = mem_alloc(n - done, 1);
		memcpy(w->held, s + done, n - done);
		w->end = n - done;
	}
}

/* May this direction use TLS now? OpenSSL says what it waits for when it stands still. */
static bool
tls_may(const struct relay *r, const struct way *w, short usual)
{
	return (r->tcp_ready & (unsigned)(w->wants != 0 ? w->wants : usual)) != 0;
}

/* Has it only to wait? Else the client has said goodbye, or broken off. */
static bool
tls_waits(struct relay *r, struct way *w, int rv)
{
	short wants = 0;

	if (tls_failure(r->ssl, rv, &wants) == 0)
		return false;
	r->broken = !later();
	w->wants = wants;
	r->tcp_ready &= ~(unsigned)wants;
	return !r->broken;
}

/* --- from the client ------------------------------------------------------ */

static size_t
send_plain(struct relay *r, const char *s, size_t n)
{
	ssize_t sent = send(r->plain, s, n, MSG_NOSIGNAL);

	if (sent >= 0) {
		if ((size_t)sent < n)
			r->plain_ready &= ~(unsigned)POLLOUT;
		return (size_t)sent;
	}
	if (later()) {
		r->plain_ready &= ~(unsigned)POLLOUT;
		return 0;
	}
	r->in.over = true; /* the program has ended; nobody hears the rest */
	return n;
}

/* One block further; false: there is nothing to be done now. */
static bool
go_in(struct relay *r)
{
	struct way *w = &r->in;
	int rv;

	if (w->held != NULL) {
		if ((r->plain_ready & POLLOUT) == 0)
			return false;
		keep_rest(w, NULL, send_plain(r, w->held + w->at, w->end - w->at), 0);
		return true;
	}
	if (w->over || !tls_may(r, w, POLLIN))
		return false;
	w->wants = 0;
	ERR_clear_error();
	errno = 0;
	rv = SSL_read(r->ssl, block, BLOCK_IN);
	if (rv <= 0) {
		w->over = !tls_waits(r, w, rv);
		return true;
	}
	keep_rest(w, block, send_plain(r, block, (size_t)rv), (size_t)rv);
	explicit_bzero(block, (size_t)rv);
	return true;
}

/* --- to the client -------------------------------------------------------- */

/* What it did not take has to be given again: as one piece that begins the same (SSL_write(3)). */
static size_t
send_tls(struct relay *r, const char *s, size_t n)
{
	struct way *w = &r->out;
	size_t done = 0;
	int rv = 1;

	while (done < n && rv > 0) {
		w->wants = 0;
		ERR_clear_error();
		errno = 0;
		rv = SSL_write(r->ssl, s + done, (int)(n - done));
		if (rv > 0)
			done += (size_t)rv;
	}
	if (rv <= 0 && !tls_waits(r, w, rv))
		r->broken = true;
	return done;
}

static bool
go_out(struct relay *r)
{
	struct way *w = &r->out;
	ssize_t n;

	if (w->held != NULL) {
		if (!tls_may(r, w, POLLOUT))
			return false;
		keep_rest(w, NULL, send_tls(r, w->held + w->at, w->end - w->at), 0);
		return true;
	}
	if (w->over || (r->plain_ready & POLLIN) == 0)
		return false;
	n = recv(r->plain, block, sizeof(block), 0);
	if (n > 0) {
		keep_rest(w, block, send_tls(r, block, (size_t)n), (size_t)n);
		explicit_bzero(block, (size_t)n);
	} else if (n == 0 || !later()) {
		w->over = true;
	} else {
		r->plain_ready &= ~(unsigned)POLLIN;
	}
	return true;
}

/* --- both ----------------------------------------------------------------- */

/* The client's end is told to the program once all it said is there; the program may still answer. */
static void
pass_end_on(struct relay *r)
{
	if (r->in.over && r->in.held == NULL && !r->told) {
		(void)shutdown(r->plain, SHUT_WR);
		r->told = true;
	}
	if (r->out.over && r->last == NEVER)
		r->last = deadline_in(LAST_WORDS_MS);
}

enum relay_state
relay_step(struct relay *r)
{
	bool more = true;

	for (int i = 0; i < FAIR_ROUNDS && more && !r->broken; i++) {
		more = go_in(r);
		more = (!r->broken && go_out(r)) || more;
	}
	pass_end_on(r);
	if (r->broken || (r->out.over && r->out.held == NULL))
		return RELAY_OVER;
	return more ? RELAY_GOES_ON : RELAY_WAITS;
}

void
relay_open(struct relay *r, SSL *ssl, int plain)
{
	*r = (struct relay){ .ssl = ssl, .tcp = SSL_get_fd(ssl), .plain = plain, .last = NEVER };
	r->tcp_ready = r->plain_ready = POLLIN | POLLOUT; /* nobody has looked */
}

void
relay_close(struct relay *r)
{
	forget(&r->in);
	forget(&r->out);
}

bool
relay_drained(struct relay *r)
{
	ssize_t n = 1;

	for (int i = 0; i < DRAIN_ROUNDS && n > 0; i++)
		n = recv(r->tcp, block, sizeof(block), 0);
	return n == 0 || (n == -1 && !later());
}
