/*
 * dialogue: the client's side of a line protocol.
 *
 * Knows connections, deadlines, SMTP's form of a reply and the transcript; no
 * command and no meaning of a code. What a server says is hostile: bounded in
 * octets and lines here, and escaped by whoever shows it.
 */
#include "lib/net/dialogue.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/sys/file.h"

#define TRANSCRIPT_MAX 16384 /* octets */
#define COMMAND_MAX 65536    /* octets; SASL's lines are the longest */

void
dialogue_init(struct dialogue *d)
{
	*d = (struct dialogue){ .total = NEVER };
	io_open(&d->io, -1);
	buf_init(&d->transcript, TRANSCRIPT_MAX);
}

void
dialogue_close(struct dialogue *d)
{
	io_close(&d->io);
	buf_free(&d->transcript);
}

/* --- the connection --------------------------------------------------------- */

static int
set_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags == -1 ? -1 : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/* Wait for connect(2) to come to its end. */
static int
await_connect(int fd, deadline_ms until)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	int error = 0, n;
	socklen_t len = sizeof(error);

	do
		n = poll(&p, 1, deadline_left(until));
	while (n == -1 && errno == EINTR && !deadline_over(until));
	if (n == 0)
		errno = ETIMEDOUT;
	if (n <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return -1;
	errno = error;
	return error == 0 ? 0 : -1;
}

/* A connected socket, or -1 with errno. */
static int
connect_tcp(const struct ip *to, uint16_t port, const struct ip *from,
    deadline_ms until)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(to, port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0), yes = 1;

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (from != NULL) {
		struct sockaddr_storage local;
		socklen_t local_len = ip_to_sockaddr(from, 0, &local);

		if (bind(fd, (struct sockaddr *)&local, local_len) == -1)
			goto fail;
	}
	if (connect(fd, (struct sockaddr *)&ss, len) == -1 &&
	    (errno != EINPROGRESS || await_connect(fd, until) == -1))
		goto fail;
	if (set_blocking(fd) == 0) /* so that io waits inside recv(2) */
		return fd;
fail:
	file_close(fd);
	return -1;
}

int
dialogue_connect(struct dialogue *d, const struct ip *ip, uint16_t port,
    const char *host, const struct ip *from, deadline_ms until, struct buf *why)
{
	int fd = connect_tcp(ip, port, from, deadline_earlier(until, d->total));

	strlcpy(d->host, host, sizeof(d->host));
	d->peer = *ip;
	d->port = port;
	if (fd == -1) {
		int saved = errno;

		/* an address literal names itself */
		buf_addf(why, "connect to %s[", host[0] == '[' ? "" : host);
		ip_add(why, ip);
		buf_addf(why, "]:%u: %s", (unsigned)port, strerror(saved));
		errno = saved;
		return -1;
	}
	if (d->io.fd != -1) {
		io_close(&d->io);
		io_open(&d->io, fd);
	} else {
		io_reuse(&d->io, fd);
	}
	d->broken = false;
	return 0;
}

int
dialogue_starttls(struct dialogue *d, const struct tls_peer *peer,
    deadline_ms until, struct buf *why)
{
	struct tls_peer named = *peer;

	if (named.host == NULL)
		named.host = d->host;
	return tls_client(&d->io, &named, deadline_earlier(until, d->total), why);
}

/* --- the transcript ----------------------------------------------------------- */

/* Forget the oldest lines until n octets find room. */
static void
make_room(struct buf *t, size_t n)
{
	while (t->len > 0 && n > TRANSCRIPT_MAX - t->len) {
		const char *lf = memchr(t->s, '\n', t->len);

		buf_drop(t, lf != NULL ? (size_t)(lf - t->s) + 1 : t->len);
	}
}

static void
note(struct dialogue *d, char who, struct span line)
{
	struct buf *t = &d->transcript;

	if (line.len > LIMIT_SMTP_REPLY)
		line.len = LIMIT_SMTP_REPLY;
	make_room(t, line.len + 4);
	buf_addc(t, who);
	buf_adds(t, ": ");
	for (size_t i = 0; i < line.len; i++)
		buf_addc(t, ascii_print((unsigned char)line.s[i]) ?
		    line.s[i] : '?');
	buf_addc(t, '\n');
}

/* --- lines -------------------------------------------------------------------- */

static bool
is_one_line(const struct buf *b)
{
	return memchr(b->s, '\n', b->len) == NULL &&
	    memchr(b->s, '\r', b->len) == NULL &&
	    memchr(b->s, '\0', b->len) == NULL;
}

void
dialogue_say(struct dialogue *d, bool secret, const char *fmt, ...)
{
	struct buf line = BUF_INIT(COMMAND_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	if (buf_over(&line) || (line.len > 0 && !is_one_line(&line)))
		d->broken = true;
	if (!d->broken) {
		note(d, 'C', secret ? SPAN("***") : buf_span(&line));
		buf_adds(&line, "\r\n");
		io_put(&d->io, line.s, line.len);
	}
	if (secret)
		buf_wipe(&line);
	buf_free(&line);
}

static int
fail(int error, struct buf *why, const char *text)
{
	buf_adds(why, text);
	errno = error;
	return -1;
}

int
dialogue_line(struct dialogue *d, size_t max, bool shown, deadline_ms until,
    struct span *line, struct buf *why)
{
	if (d->broken)
		return fail(EINVAL, why, "a command would have been more than one line");
	switch (io_line_lenient(&d->io, max, deadline_earlier(until, d->total),
	    line)) {
	case LINE_OK:
		break;
	case LINE_LONG:
	case LINE_BARE:
		return fail(EMSGSIZE, why, "the server's line is too long");
	case LINE_EOF:
		return fail(ECONNRESET, why, "the server closed the connection");
	case LINE_TIMEOUT:
		return fail(ETIMEDOUT, why, "the server did not answer in time");
	case LINE_ERROR:
		buf_adds(why, strerror(errno));
		return -1;
	}
	if (shown)
		note(d, 'S', *line);
	return 0;
}

/* "250-text", "250 text", "250". */
static bool
reply_line(struct span line, int *code, bool *last, struct span *text)
{
	if (line.len < 3 || line.s[0] < '2' || line.s[0] > '5' ||
	    !ascii_digit((unsigned char)line.s[1]) ||
	    !ascii_digit((unsigned char)line.s[2]))
		return false;
	*code = (line.s[0] - '0') * 100 + (line.s[1] - '0') * 10 +
	    (line.s[2] - '0');
	*last = line.len == 3 || line.s[3] == ' ';
	*text = (struct span){ line.s + 3, line.len - 3 };
	if (line.len > 3)
		*text = (struct span){ line.s + 4, line.len - 4 };
	return *last || line.s[3] == '-';
}

int
dialogue_smtp_reply(struct dialogue *d, int *code, struct buf *text,
    deadline_ms until, struct buf *why)
{
	struct span line, words;
	bool last = false;
	int this_code;

	*code = 0;
	buf_reset(text);
	for (int i = 0; !last; i++) {
		if (dialogue_line(d, LIMIT_SMTP_REPLY, true, until, &line, why) == -1)
			return -1;
		if (!reply_line(line, &this_code, &last, &words) ||
		    (i > 0 && this_code != *code))
			return fail(EPROTO, why, "the server's answer is no SMTP reply");
		if (i == LIMIT_REPLY_LINES)
			return fail(EMSGSIZE, why, "the server's reply has too many lines");
		*code = this_code;
		if (i > 0)
			buf_addc(text, '\n');
		buf_addspan(text, words);
	}
	return 0;
}
