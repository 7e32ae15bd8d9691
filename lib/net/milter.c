/*
 * milter: one filter that speaks the Milter protocol.
 *
 * Knows where it is, how long to wait, and what may be said when. What is told to it, and what follows from its answers, is for
 * the program.
 */
#include "lib/net/milter.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define STOPPING_MS 4000 /* for an answer once SIGTERM came */
#define SECONDS_MAX 3600

/* --- where ------------------------------------------------------------------- */

static const char *const otherwise_names[] = { "tempfail", "accept", "shutdown", "reject", "quarantine" };

const char *
milter_otherwise_name(enum milter_otherwise otherwise)
{
	return otherwise_names[otherwise];
}

static int
set_otherwise(struct span v, enum milter_otherwise *out)
{
	for (unsigned i = 0; i < COUNT(otherwise_names); i++)
		if (span_is(v, otherwise_names[i])) {
			*out = (enum milter_otherwise)i;
			return 0;
		}
	return -1;
}

static int
set_seconds(struct span v, uint64_t *out)
{
	return num_duration(v, SECONDS_MAX, out) == 0 && *out > 0 ? 0 : -1;
}

static int
set_yes(struct span v, bool *out)
{
	*out = span_is(v, "yes");
	return *out || span_is(v, "no") ? 0 : -1;
}

static int
parse_word(struct span word, struct milter_settings *set, struct buf *why)
{
	struct span value = word, name = span_cut(&value, '=');
	int rv = -1;

	if (value.s == NULL)
		value = SPAN("");
	if (span_is(name, "default"))
		rv = set_otherwise(value, &set->otherwise);
	else if (span_is(name, "connect_timeout"))
		rv = set_seconds(value, &set->connect_s);
	else if (span_is(name, "timeout"))
		rv = set_seconds(value, &set->command_s);
	else if (span_is(name, "content_timeout"))
		rv = set_seconds(value, &set->content_s);
	else if (span_is(name, "reuse"))
		rv = set_yes(value, &set->reuse);
	if (rv == -1)
		buf_addf(why, "\"%.*s\": behind a milter stand default=tempfail, accept, reject, quarantine or shutdown, "
		    "connect_timeout=, timeout=, content_timeout= with 1s to 1h, and reuse=yes", (int)word.len, word.s);
	return rv;
}

static int
keep_host(struct span host, struct span port, struct milter_place *p)
{
	bool bracketed = host.len > 2 && host.s[0] == '[' && host.s[host.len - 1] == ']';
	uint64_t n;

	if (host.len == 0 || num_parse(port, UINT16_MAX, &n) == -1 || n == 0)
		return -1;
	if (bracketed)
		host = (struct span){ host.s + 1, host.len - 2 };
	p->host = mem_dupn(host.s, host.len);
	p->port = mem_dupn(port.s, port.len);
	return 0;
}

/* "host:port", "[::1]:port", "port@host" */
static int
parse_host(struct span text, struct milter_place *p)
{
	struct span host = text, port = span_cut(&host, '@');
	size_t i = text.len;

	if (host.s != NULL)
		return keep_host(host, port, p);
	while (i > 0 && text.s[i - 1] != ':')
		i--;
	if (i < 2 || (text.s[0] != '[' && memchr(text.s, ':', i - 1) != NULL))
		return -1;
	return keep_host((struct span){ text.s, i - 1 }, (struct span){ text.s + i, text.len - i }, p);
}

static int
parse_place(struct span text, struct milter_place *p, struct buf *why)
{
	struct span words = text, address = span_cut(&words, ' '), kind, rest;

	p->name = mem_dupn(address.s, address.len);
	rest = address;
	kind = span_cut(&rest, ':');
	if (rest.s != NULL && (span_is(kind, "unix") || span_is(kind, "local")) && rest.len > 1 && rest.s[0] == '/' &&
	    rest.len < sizeof(((struct sockaddr_un *)0)->sun_path))
		p->path = mem_dupn(rest.s, rest.len);
	else if (rest.s == NULL || !(span_is(kind, "inet") || span_is(kind, "inet6")) || parse_host(rest, p) == -1) {
		buf_addf(why, "\"%s\" is no milter: write unix:/path or inet:host:port, with commas between", p->name);
		return -1;
	}
	while (words.s != NULL) {
		struct span word = span_cut(&words, ' ');

		if (word.len > 0 && parse_word(word, &p->set, why) == -1)
			return -1;
	}
	return 0;
}

int
milter_places_parse(struct span text, const struct milter_settings *general, struct milter_place *places, struct buf *why)
{
	int n = 0;

	text = span_trim(text);
	while (text.s != NULL && text.len > 0) {
		struct span one = span_trim(span_cut(&text, ','));

		if (n == MILTER_PLACES_MAX) {
			buf_addf(why, "more than %d milters", MILTER_PLACES_MAX);
			milter_places_free(places, (size_t)n);
			return -1;
		}
		places[n] = (struct milter_place){ .set = *general };
		if (parse_place(one, &places[n++], why) == -1) {
			milter_places_free(places, (size_t)n);
			return -1;
		}
	}
	return n;
}

void
milter_places_free(struct milter_place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(places[i].name);
		free(places[i].path);
		free(places[i].host);
		free(places[i].port);
		memset(&places[i], 0, sizeof places[i]);
	}
}

static void
add_address(struct milter_place *p, const void *address, socklen_t len)
{
	memcpy(&p->address[p->addresses], address, len);
	p->address_len[p->addresses++] = len;
}

int
milter_place_resolve(struct milter_place *p, struct buf *why)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP }, *list;
	int error;

	p->addresses = 0;
	if (p->path != NULL) {
		strlcpy(sun.sun_path, p->path, sizeof sun.sun_path);
		add_address(p, &sun, sizeof sun);
		return 0;
	}
	error = getaddrinfo(p->host, p->port, &hints, &list);
	if (error != 0) {
		buf_addf(why, "%s: %s", p->host, gai_strerror(error));
		return -1;
	}
	for (const struct addrinfo *a = list; a != NULL && p->addresses < COUNT(p->address); a = a->ai_next)
		add_address(p, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	return 0;
}

/* --- the connection ------------------------------------------------------------ */

void
milter_init(struct milter *m, const struct milter_place *place)
{
	*m = (struct milter){ .place = place };
	io_open(&m->io, -1);
	buf_init(&m->in, MILTER_REPLY_MAX + 65536);
}

/* Closed; its memory is kept. */
static void
drop(struct milter *m)
{
	file_close(m->io.fd);
	io_reuse(&m->io, -1);
	buf_wipe(&m->in);
	m->used = 0;
	m->kept = 0;
	for (size_t i = 0; i < STAGES; i++) {
		free(m->macros[i]);
		m->macros[i] = NULL;
	}
}

void
milter_free(struct milter *m)
{
	drop(m);
	io_close(&m->io);
	buf_free(&m->in);
}

static int
trouble(struct milter *m, struct buf *why, const char *what, const char *reason)
{
	buf_addf(why, "%s%s%s", what, reason[0] == '\0' ? "" : ": ", reason);
	drop(m);
	return -1;
}

/* connect(2) waits as long as a send may (socket(7)). */
static int
connect_one(const struct milter_place *p, size_t i, deadline_ms until)
{
	const struct sockaddr *address = (const struct sockaddr *)&p->address[i];
	int left = deadline_left(until), fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval wait = { left / 1000, left % 1000 * 1000 + 1 };
	const int on = 1;

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	if (connect(fd, address, p->address_len[i]) == -1) {
		if (errno == EINPROGRESS || errno == EAGAIN)
			errno = ETIMEDOUT;
		file_close(fd);
		return -1;
	}
	if (address->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static deadline_ms
wait_for(uint64_t seconds, deadline_ms end)
{
	return deadline_earlier(deadline_in((int64_t)seconds * 1000), end);
}

int
milter_send(struct milter *m, deadline_ms end, struct buf *why)
{
	if (io_flush(&m->io, wait_for(m->place->set.content_s, end)) == -1)
		return trouble(m, why, "cannot be told", strerror(errno));
	return 0;
}

/* The next packet. */
static int
next_packet(struct milter *m, deadline_ms until, char *command, struct span *data, struct buf *why)
{
	buf_drop(&m->in, m->used);
	m->used = 0;
	for (;;) {
		ssize_t n = milter_packet(buf_span(&m->in), command, data);
		struct span more = io_unread(&m->io);
		int filled = 1;

		if (n == -1)
			return trouble(m, why, "says what is no packet", "");
		if (n > 0) {
			m->used = (size_t)n;
			return 0;
		}
		buf_addspan(&m->in, more);
		io_skip(&m->io, more.len);
		if (more.len == 0)
			filled = io_fill(&m->io, until);
		if (filled == 0)
			return trouble(m, why, "hung up", "");
		if (filled == -1 && errno == EINTR && proc_stopping)
			until = deadline_earlier(until, deadline_in(STOPPING_MS));
		else if (filled == -1)
			return trouble(m, why, "does not answer", strerror(errno));
	}
}

/* Only what we offered, and a version both know. */
static int
agree(struct milter *m, struct span data, struct buf *why)
{
	struct milter_options o;

	if (milter_read_options(data, &o) == -1 || o.version < MILTER_VERSION_LEAST || o.version > MILTER_VERSION ||
	    (o.actions & ~(uint32_t)MAY_ALL) != 0 || (o.steps & ~(uint32_t)STEPS_ALL) != 0)
		return trouble(m, why, "wants what we do not know", "");
	m->version = o.version;
	m->actions = o.actions;
	m->steps = o.steps | (o.version < 3 ? UNTOLD_UNKNOWN : 0u) | (o.version < 4 ? UNTOLD_DATA : 0u); /* not there yet */
	for (size_t i = 0; i < STAGES; i++)
		m->macros[i] = o.macros[i].s == NULL ? NULL : mem_dupn(o.macros[i].s, o.macros[i].len);
	return 0;
}

int
milter_open(struct milter *m, deadline_ms end, struct buf *why)
{
	static const struct milter_options offer = { .version = MILTER_VERSION, .actions = MAY_ALL, .steps = STEPS_ALL };
	const struct milter_place *p = m->place;
	deadline_ms until = wait_for(p->set.connect_s, end);
	struct span data;
	char command;
	int fd = -1;

	errno = EADDRNOTAVAIL;
	for (size_t i = 0; i < p->addresses && fd == -1; i++)
		fd = connect_one(p, i, until);
	if (fd == -1)
		return trouble(m, why, "cannot connect", p->addresses == 0 ? "its host has no address" : strerror(errno));
	io_reuse(&m->io, fd);
	milter_add_options(&m->io.out, &offer);
	if (next_packet(m, wait_for(p->set.command_s, end), &command, &data, why) == -1)
		return -1;
	if (command != MILTER_OPTIONS)
		return trouble(m, why, "does not begin with its options", "");
	return agree(m, data, why);
}

/* --- what it says ---------------------------------------------------------------- */

static const struct {
	char answer;
	uint32_t action; /* agreed upon; 0: none is needed */
} at_end[] = {
	{ MILTER_ADD_RCPT, MAY_ADD_RCPTS },
	{ MILTER_ADD_RCPT_ARGS, MAY_ADD_RCPT_ARGS },
	{ MILTER_DELETE_RCPT, MAY_DELETE_RCPTS },
	{ MILTER_REPLACE_BODY, MAY_CHANGE_BODY },
	{ MILTER_CHANGE_FROM, MAY_CHANGE_FROM },
	{ MILTER_ADD_HEADER, MAY_ADD_HEADERS },
	{ MILTER_INSERT_HEADER, MAY_ADD_HEADERS },
	{ MILTER_CHANGE_HEADER, MAY_CHANGE_HEADERS },
	{ MILTER_QUARANTINE, MAY_QUARANTINE },
};

static bool
fits(const struct milter *m, enum milter_command command, char answer)
{
	for (size_t i = 0; i < COUNT(at_end); i++)
		if (at_end[i].answer == answer)
			return command == MILTER_END && (m->actions & at_end[i].action) != 0;
	return answer != MILTER_SKIP || command == MILTER_BODY;
}

static bool
is_content(enum milter_command command)
{
	return command == MILTER_HEADER || command == MILTER_EOH || command == MILTER_BODY || command == MILTER_END;
}

int
milter_hear(struct milter *m, enum milter_command asked, deadline_ms end, struct milter_said *said, struct buf *why)
{
	const struct milter_settings *set = &m->place->set;
	struct span data;
	char command;

	do {
		if (next_packet(m, wait_for(is_content(asked) ? set->content_s : set->command_s, end), &command, &data, why) == -1)
			return -1;
		if (milter_read(command, data, said) == -1 || !fits(m, asked, said->answer))
			return trouble(m, why, "says what does not belong there", "");
	} while (said->answer == MILTER_PROGRESS);
	return 0;
}

#define LAST_WORD_MS 1000
#define KEPT_MS 300000 /* a connection that waits for its next client */

static int
last_word(struct milter *m, enum milter_command command)
{
	milter_end(&m->io.out, milter_begin(&m->io.out, command));
	return io_flush(&m->io, deadline_in(LAST_WORD_MS));
}

void
milter_close(struct milter *m)
{
	if (m->io.fd == -1)
		return;
	(void)!last_word(m, MILTER_QUIT);
	drop(m);
}

void
milter_part(struct milter *m, bool ended)
{
	if (m->io.fd == -1 || m->kept != 0)
		return;
	if (!m->place->set.reuse || m->version < MILTER_VERSION || !ended)
		milter_close(m);
	else if (last_word(m, MILTER_QUIT_NC) == -1)
		drop(m);
	else
		m->kept = deadline_in(KEPT_MS);
}

/* A filter that has been started anew, or speaks unasked, has left the connection readable. */
bool
milter_kept(struct milter *m)
{
	struct pollfd p = { m->io.fd, POLLIN, 0 };

	if (m->kept == 0)
		return false;
	if (deadline_over(m->kept) || m->in.len > m->used || io_unread(&m->io).len > 0 || poll(&p, 1, 0) != 0) {
		milter_close(m);
		return false;
	}
	m->kept = 0;
	return true;
}
