/*
 * relay: octets between a TLS session and the program that speaks the protocol inside it.
 *
 * One buffer a direction; a direction reads when its buffer is empty, so neither side can make this process
 * hold more than that.
 */
#include "tls/relay.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/net/tls.h"

#define BLOCK (16 * 1024)     /* a TLS record's plaintext (RFC 8446, 5.1) */
#define LAST_WORDS_MS 10000   /* for a peer to take what was said before the end */

struct way {
	char block[BLOCK];
	size_t at, end;
	bool over;            /* its source has ended */
	short read_wants, write_wants; /* of the TLS side: what it waits for, when it cannot */
};
struct relay {
	SSL *ssl;
	int tcp, plain;
	struct way in, out;   /* in: from the client */
	bool broken;
	deadline_ms last;     /* NEVER, until one side has ended */
};

static bool
later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* --- from the client ------------------------------------------------------ */

static void
read_tls(struct relay *r)
{
	struct way *w = &r->in;
	int rv;

	w->read_wants = 0;
	ERR_clear_error();
	errno = 0;
	rv = SSL_read(r->ssl, w->block, BLOCK);
	if (rv > 0) {
		w->at = 0;
		w->end = (size_t)rv;
		return;
	}
	if (tls_failure(r->ssl, rv, &w->read_wants) == 0)
		w->over = true;
	else if (!later())
		w->over = r->broken = true;
}

static void
write_plain(struct relay *r)
{
	struct way *w = &r->in;
	ssize_t n = send(r->plain, w->block + w->at, w->end - w->at, MSG_NOSIGNAL);

	if (n > 0)
		w->at += (size_t)n;
	else if (!later()) /* the program has ended; nobody hears the rest */
		w->at = w->end = 0, w->over = true;
}

/* --- to the client -------------------------------------------------------- */

static void
read_plain(struct relay *r)
{
	struct way *w = &r->out;
	ssize_t n = recv(r->plain, w->block, BLOCK, 0);

	if (n > 0) {
		w->at = 0;
		w->end = (size_t)n;
	} else if (n == 0 || !later()) {
		w->over = true;
	}
}

static void
write_tls(struct relay *r)
{
	struct way *w = &r->out;
	int rv;

	w->write_wants = 0;
	ERR_clear_error();
	errno = 0;
	rv = SSL_write(r->ssl, w->block + w->at, (int)(w->end - w->at));
	if (rv > 0)
		w->at += (size_t)rv;
	else if (tls_failure(r->ssl, rv, &w->write_wants) == 0 || !later())
		r->broken = true;
}

/* --- both ----------------------------------------------------------------- */

static bool
full(const struct way *w)
{
	return w->at < w->end;
}

/* As far as it goes without waiting. */
static void
carry(struct relay *r, short tcp, short plain)
{
	if (!full(&r->in) && !r->in.over && (tcp != 0 || SSL_has_pending(r->ssl) == 1))
		read_tls(r);
	if (full(&r->in))
		write_plain(r);
	if (!full(&r->out) && !r->out.over && plain != 0)
		read_plain(r);
	if (full(&r->out))
		write_tls(r);
}

static short
tcp_events(const struct relay *r)
{
	short events = 0;

	if (!full(&r->in) && !r->in.over)
		events = (short)(events | (r->in.read_wants != 0 ? r->in.read_wants : POLLIN));
	if (full(&r->out))
		events = (short)(events | (r->out.write_wants != 0 ? r->out.write_wants : POLLOUT));
	return events;
}

static short
plain_events(const struct relay *r)
{
	return (short)((full(&r->in) ? POLLOUT : 0) | (!full(&r->out) && !r->out.over ? POLLIN : 0));
}

/* The client's end is told to the program once all it said is there; the program may still answer. */
static void
pass_end_on(struct relay *r, bool *told)
{
	if (r->in.over && !full(&r->in) && !*told) {
		(void)shutdown(r->plain, SHUT_WR);
		*told = true;
	}
	if (r->out.over && r->last == NEVER)
		r->last = deadline_in(LAST_WORDS_MS);
}

/* close_notify, and then until the client has gone, or its last octets would make the kernel
 * reset the connection under ours. */
static void
part(struct relay *r)
{
	struct pollfd p = { r->tcp, POLLIN, 0 };
	deadline_ms until = deadline_in(2000);

	ERR_clear_error();
	if (r->broken || SSL_shutdown(r->ssl) < 0)
		return;
	(void)shutdown(r->tcp, SHUT_WR);
	while (poll(&p, 1, deadline_left(until)) == 1 && recv(r->tcp, r->in.block, BLOCK, 0) > 0)
		continue;
}

void
relay_run(SSL *ssl, int plain)
{
	static struct relay r; /* one a process; zero between sessions */
	bool told = false;

	r.ssl = ssl;
	r.tcp = SSL_get_fd(ssl);
	r.plain = plain;
	r.last = NEVER;
	while (!r.broken && !(r.out.over && !full(&r.out))) {
		struct pollfd p[] = { { r.tcp, tcp_events(&r), 0 }, { plain, plain_events(&r), 0 } };
		bool more = !full(&r.in) && !r.in.over && SSL_has_pending(ssl) == 1 && r.in.read_wants == 0;

		for (size_t i = 0; i < 2; i++)
			if (p[i].events == 0)
				p[i].fd = -1; /* it would tell of a hang-up again and again */
		if (poll(p, 2, more ? 0 : deadline_left(r.last)) == 0 && !more)
			break;
		carry(&r, p[0].revents, p[1].revents);
		pass_end_on(&r, &told);
	}
	part(&r);
	explicit_bzero(&r, sizeof(r));
}
