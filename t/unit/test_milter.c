/* Tests of lib/net/milter_wire.c and lib/net/milter.c: packets as opendkim, rspamd and clamav-milter sent them, whole and octet by octet. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/net/milter.h"

/* clang-format off */
#define OCTETS(s) { s, sizeof(s) - 1 }

/* --- recorded ------------------------------------------------------------------ */

/* rspamd 3.4: takes out one field, adds one, and accepts */
#define RSPAMD_OPTIONS "\0\0\0\x0d" "O\0\0\0\6\0\0\1\xff\0\x0f\xf0\x80"
#define RSPAMD_END "\0\0\0\x0f" "m\0\0\0\2X-Remove\0\0" "\0\0\0\x13" "hX-Seen\0ip=1.2.3.4\0" "\0\0\0\1a"
/* clamav-milter 1.4.6: holds */
#define CLAMAV_OPTIONS "\0\0\0\x0d" "O\0\0\0\6\0\0\0\x31\0\0\x03\x42"
#define CLAMAV_END "\0\0\0\x16" "m\0\0\0\1X-Virus-Scanned\0\0" "\0\0\0\x1e" "qquarantined by clamav-milter\0" "\0\0\0\1a"
/* opendkim 2.11: enough of the body, results on top */
#define OPENDKIM_OPTIONS "\0\0\0\x0d" "O\0\0\0\6\0\0\1\x11\0\x10\7\2"
#define OPENDKIM_BODY "\0\0\0\1s"
#define OPENDKIM_END "\0\0\0\x33" "i\0\0\0\0Authentication-Results\0 mx.example; dkim=none\0" "\0\0\0\1a"
/* a filter that asks for macros, before anything else says that it is at work, and refuses in two lines */
#define OWN_OPTIONS "\0\0\0\x26" "O\0\0\0\6\0\0\1\0\0\0\0\0" "\0\0\0\0j {client_addr}\0" "\0\0\0\2\0"
#define OWN_END "\0\0\0\1p\0\0\0\1p" "\0\0\0\x26" "y550-5.7.1 50%% off\r\n550 5.7.1 really\0"

static const struct {
	const char *what;
	struct span options, body, end;
	uint32_t actions, steps;
	const char *answers;       /* to the end */
	const char *names, *values; /* with them, each followed by "|" */
} recorded[] = {
	{ "rspamd", OCTETS(RSPAMD_OPTIONS), { NULL, 0 }, OCTETS(RSPAMD_END), 0x1ff, 0xff080, "mha", "X-Remove|X-Seen||", "|ip=1.2.3.4||" },
	{ "clamav-milter", OCTETS(CLAMAV_OPTIONS), { NULL, 0 }, OCTETS(CLAMAV_END), 0x31, 0x342, "mqa",
	    "X-Virus-Scanned|quarantined by clamav-milter||", "|||" },
	{ "opendkim", OCTETS(OPENDKIM_OPTIONS), OCTETS(OPENDKIM_BODY), OCTETS(OPENDKIM_END), 0x111, 0x100702, "ia",
	    "Authentication-Results||", " mx.example; dkim=none||" },
	{ "a filter of ours", OCTETS(OWN_OPTIONS), { NULL, 0 }, OCTETS(OWN_END), 0x100, 0, "y", "550-5.7.1 50%% off\r\n550 5.7.1 really|", "|" },
};

static const struct {
	struct span in;
	ssize_t used; /* or -errno; 0: more */
	char command;
} packets[] = {
	{ OCTETS("\0\0\0\1c"), 5, 'c' },
	{ OCTETS("\0\0\0\1c\0\0\0\1"), 5, 'c' },
	{ OCTETS("\0\0\0\3q?\0"), 7, 'q' },
	{ OCTETS("\0\0\0\3q?"), 0, 0 },
	{ OCTETS("\0\0\0"), 0, 0 },
	{ OCTETS(""), 0, 0 },
	{ OCTETS("\0\0\0\0"), -EPROTO, 0 },
	{ OCTETS("\0\x10\0\0"), 0, 0 },          /* one mebibyte is the most */
	{ OCTETS("\0\x10\0\1"), -EMSGSIZE, 0 },
	{ OCTETS("\xff\xff\xff\xff" "c"), -EMSGSIZE, 0 },
};

static const struct {
	struct span data;
	const char *name, *value;
	uint32_t index;
	char command;
	bool good;
} sayings[] = {
	{ OCTETS(""), "", "", 0, 'c', true },
	{ OCTETS("\0"), "", "", 0, 'a', true },
	{ OCTETS(""), "", "", 0, 'z', false },
	{ OCTETS(""), "", "", 0, 'O', false },
	{ OCTETS("X\0y\0"), "X", "y", 0, 'h', true },
	{ OCTETS("X\0y"), "", "", 0, 'h', false },
	{ OCTETS("X\0"), "", "", 0, 'h', false },
	{ OCTETS("X"), "", "", 0, 'h', false },
	{ OCTETS("\0\0\1\2X\0y\0"), "X", "y", 258, 'i', true },
	{ OCTETS("\xff\xff\xff\xffX\0\0"), "X", "", UINT32_MAX, 'm', true },
	{ OCTETS("\0\0\0"), "", "", 0, 'm', false },
	{ OCTETS("<a@b>\0"), "<a@b>", "", 0, '+', true },
	{ OCTETS("<a@b>"), "", "", 0, '+', false },
	{ OCTETS("<a@b>\0NOTIFY=NEVER\0"), "<a@b>", "NOTIFY=NEVER", 0, '2', true },
	{ OCTETS("<a@b>\0"), "<a@b>", "", 0, '2', true },
	{ OCTETS("<a@b>\0SIZE"), "", "", 0, 'e', false },
	{ OCTETS(""), "", "", 0, 'b', true },
	{ OCTETS("no end is needed"), "no end is needed", "", 0, 'b', true },
	{ OCTETS(""), "", "", 0, 'y', false },
};

static const struct {
	const char *said;
	int code; /* 0: no reply */
	const char *enhanced, *text;
} replies[] = {
	{ "550 5.7.1 Go away", 550, "5.7.1", "Go away" },
	{ "451 Later", 451, "", "Later" },
	{ "550 2.0.0 is no such code", 550, "", "2.0.0 is no such code" },
	{ "550", 550, "", "" },
	{ "550 ", 550, "", "" },
	{ "421-4.3.2 one\r\n421 4.3.2 two\r\n", 421, "4.3.2", "one\ntwo" },
	{ "550-5.1.1 one\n550 two", 550, "5.1.1", "one\ntwo" },
	{ "550 5.7.1 100%% of 50% %%%%", 550, "5.7.1", "100% of 50% %%" },
	{ "550 5.7.1 a\tb\x1b[1m\x7f", 550, "5.7.1", "ab[1m" },
	{ "550-5.1.1 one\r\n551 two", 0, "", "" },
	{ "250 2.0.0 fine", 0, "", "" },
	{ "350 go on", 0, "", "" },
	{ "600 what", 0, "", "" },
	{ "55 short", 0, "", "" },
	{ "5500 long", 0, "", "" },
	{ "550x", 0, "", "" },
	{ "hello", 0, "", "" },
	{ "", 0, "", "" },
};

static const struct {
	const char *text;
	const char *path, *host, *port; /* of the last */
	uint64_t connect_s, command_s, content_s;
	int n; /* -1: wrong */
	enum milter_otherwise otherwise;
	bool reuse;
} places[] = {
	{ "", NULL, NULL, NULL, 0, 0, 0, 0, 0, false },
	{ "unix:/run/x", "/run/x", NULL, NULL, 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ "local:/run/x", "/run/x", NULL, NULL, 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ "inet:127.0.0.1:8891", NULL, "127.0.0.1", "8891", 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ "inet:mail.example:1", NULL, "mail.example", "1", 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ "inet:[::1]:8891", NULL, "::1", "8891", 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ "inet6:8891@::1", NULL, "::1", "8891", 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ "inet:8891@localhost", NULL, "localhost", "8891", 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ " unix:/a ,  inet:h:2   default=quarantine timeout=1m ", NULL, "h", "2", 1, 60, 3, 2, OTHERWISE_QUARANTINE, false },
	{ "unix:/a default=reject connect_timeout=5s content_timeout=1h reuse=yes", "/a", NULL, NULL, 5, 2, 3600, 1, OTHERWISE_REJECT, true },
	{ "unix:/a default=shutdown reuse=no", "/a", NULL, NULL, 1, 2, 3, 1, OTHERWISE_SHUTDOWN, false },
	{ "unix:/a,", "/a", NULL, NULL, 1, 2, 3, 1, OTHERWISE_ACCEPT, false },
	{ "unix:/1,unix:/2,unix:/3,unix:/4,unix:/5,unix:/6,unix:/7,unix:/8,unix:/9,unix:/a,unix:/b,unix:/c,unix:/d,unix:/e,unix:/f,unix:/g",
	    "/g", NULL, NULL, 1, 2, 3, 16, OTHERWISE_ACCEPT, false },
	{ "unix:/1,unix:/2,unix:/3,unix:/4,unix:/5,unix:/6,unix:/7,unix:/8,unix:/9,unix:/a,unix:/b,unix:/c,unix:/d,unix:/e,unix:/f,unix:/g,unix:/h",
	    NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:relative", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "/run/x", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "inet:8891", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "inet:h:0", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "inet:h:65536", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "inet::1", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "inet:::1:8891", NULL, NULL, NULL, 0, 0, 0, -1, 0, false }, /* which colon? */
	{ "inet:x@h", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "inet:1@", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "tcp:h:1", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/a,,unix:/b", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/a default=perhaps", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/a timeout=0s", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/a timeout=2h", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/a timeout", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/a reuse=perhaps", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
	{ "unix:/a nonsense=1", NULL, NULL, NULL, 0, 0, 0, -1, 0, false },
};
/* clang-format on */

static void
is_span(struct span got, const char *want)
{
	if (!span_is(got, want))
		fail_msg("\"%.*s\", not \"%s\"", (int)got.len, got.s, want);
}

/* --- the wire ------------------------------------------------------------------ */

static void
test_packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(packets); i++) {
		struct span data;
		char command = 0;
		ssize_t n = milter_packet(packets[i].in, &command, &data);

		assert_int_equal(n == -1 ? -errno : n, packets[i].used);
		if (n > 0) {
			assert_int_equal(command, packets[i].command);
			assert_int_equal(data.len + 5, n);
		}
		for (size_t part = 0; n > 0 && part < (size_t)n; part++)
			assert_int_equal(milter_packet((struct span){ packets[i].in.s, part }, &command, &data), 0);
	}
}

static void
test_sayings(void **state)
{
	struct milter_said said;

	(void)state;
	for (size_t i = 0; i < COUNT(sayings); i++) {
		errno = 0;
		assert_int_equal(milter_read(sayings[i].command, sayings[i].data, &said), sayings[i].good ? 0 : -1);
		if (!sayings[i].good) {
			assert_int_equal(errno, EPROTO);
			continue;
		}
		assert_int_equal(said.answer, sayings[i].command);
		assert_int_equal(said.index, sayings[i].index);
		is_span(said.name, sayings[i].name);
		is_span(said.value, sayings[i].value);
	}
}

static void
test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct buf text = BUF_INIT(1000);
		char enhanced[12];
		int code, rv = milter_read_reply(span_of(replies[i].said), &code, enhanced, &text);

		assert_int_equal(rv, replies[i].code == 0 ? -1 : 0);
		if (rv == 0) {
			assert_int_equal(code, replies[i].code);
			assert_string_equal(enhanced, replies[i].enhanced);
			assert_string_equal(buf_str(&text), replies[i].text);
		}
		buf_free(&text);
	}
}

static void
test_written(void **state)
{
	static const struct milter_options offer = { .version = MILTER_VERSION, .actions = MAY_ALL, .steps = STEPS_ALL };
	static const char want[] = "\0\0\0\x0d" "O\0\0\0\6\0\0\1\xff\0\x1f\xff\xff" "\0\0\0\x0d" "Ca b\0" "4\x01\x02" "\0\0\0\7\0";
	struct buf out = BUF_INIT(100);
	size_t begun;

	(void)state;
	milter_add_options(&out, &offer);
	begun = milter_begin(&out, MILTER_CONNECT);
	milter_add_string(&out, (struct span)OCTETS("a\0b"));
	buf_addc(&out, '4');
	milter_add_u16(&out, 0x102);
	milter_add_u32(&out, 7);
	buf_addc(&out, '\0');
	milter_end(&out, begun);
	assert_int_equal(out.len, sizeof want - 1);
	assert_memory_equal(out.s, want, out.len);
	buf_free(&out);
}

static void
test_macros(void **state)
{
	static const char *const want[] = { "j", "client_addr", "_", "x", "{}" };
	struct span list = SPAN(" j,  {client_addr}\t,_ x,{} ,"), name;
	struct milter_options o;
	size_t n = 0;

	(void)state;
	for (; milter_next_macro(&list, &name); n++)
		is_span(name, want[n]);
	assert_int_equal(n, COUNT(want));
	assert_int_equal(milter_read_options((struct span)OCTETS("\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\6i\0\0\0\0\7x\0"), &o), 0);
	is_span(o.macros[STAGE_EOH], "i");
	assert_null(o.macros[STAGE_CONNECT].s);
	assert_int_equal(milter_read_options((struct span)OCTETS("\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\6i"), &o), -1);
	assert_int_equal(milter_read_options((struct span)OCTETS("\0\0\0\6\0\0\0\0\0\0\0"), &o), -1);
}

/* --- where ------------------------------------------------------------------------ */

static void
is_place(const struct milter_place *p, size_t i)
{
	if (places[i].path != NULL)
		assert_string_equal(p->path, places[i].path);
	else
		assert_null(p->path);
	if (places[i].host != NULL) {
		assert_string_equal(p->host, places[i].host);
		assert_string_equal(p->port, places[i].port);
	}
	assert_int_equal(p->set.otherwise, places[i].otherwise);
	assert_int_equal(p->set.connect_s, places[i].connect_s);
	assert_int_equal(p->set.command_s, places[i].command_s);
	assert_int_equal(p->set.content_s, places[i].content_s);
	assert_int_equal(p->set.reuse, places[i].reuse);
}

static void
test_places(void **state)
{
	static const struct milter_settings general = { OTHERWISE_ACCEPT, 1, 2, 3, false };
	struct milter_place got[MILTER_PLACES_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		struct buf why = BUF_INIT(1000);
		int n = milter_places_parse(span_of(places[i].text), &general, got, &why);

		assert_int_equal(n, places[i].n);
		assert_int_equal(n == -1, why.len > 0);
		if (n > 0)
			is_place(&got[n - 1], i);
		if (n != -1)
			milter_places_free(got, (size_t)n);
		buf_free(&why);
	}
	assert_string_equal(milter_otherwise_name(OTHERWISE_QUARANTINE), "quarantine");
}

/* --- a filter that says what was recorded -------------------------------------------- */

struct script {
	struct milter_place place;
	char path[64];
	pid_t child;
};

static void
say(int fd, struct span text, size_t step)
{
	for (size_t at = 0; at < text.len; at += step) {
		size_t n = text.len - at < step ? text.len - at : step;

		if (write(fd, text.s + at, n) != (ssize_t)n)
			_exit(1);
	}
}

/* Says it all, whatever it hears; what is told to it goes nowhere. */
static void
play(int listener, const struct span *text, size_t n, size_t step, bool hang_up)
{
	char ignored[1000];
	int fd = accept(listener, NULL, NULL);

	for (size_t i = 0; i < n; i++)
		say(fd, text[i], step);
	while (read(fd, ignored, sizeof ignored) > 0 && !hang_up)
		continue;
	_exit(0);
}

static void
start(struct script *s, const struct milter_settings *set, const struct span *text, size_t n, size_t step, bool hang_up)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct buf why = BUF_INIT(200), place = BUF_INIT(100);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	strlcpy(s->path, "/tmp/test_milter.XXXXXX", sizeof s->path);
	assert_non_null(mkdtemp(s->path));
	buf_addf(&place, "unix:%s/s", s->path);
	strlcpy(sun.sun_path, buf_str(&place) + 5, sizeof sun.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(listener, 5), 0);
	s->child = fork();
	if (s->child == 0)
		play(listener, text, n, step, hang_up);
	close(listener);
	assert_int_equal(milter_places_parse(buf_span(&place), set, &s->place, &why), 1);
	assert_int_equal(milter_place_resolve(&s->place, &why), 0);
	buf_free(&place);
	buf_free(&why);
}

static void
stop(struct script *s)
{
	unlink(s->place.path);
	rmdir(s->path);
	milter_places_free(&s->place, 1);
	kill(s->child, SIGKILL);
	waitpid(s->child, NULL, 0);
}

static const struct milter_settings patient = { OTHERWISE_TEMPFAIL, 10, 10, 10, true };

static void
hear_end(struct milter *m, size_t i)
{
	struct buf names = BUF_INIT(1000), values = BUF_INIT(1000), why = BUF_INIT(1000);
	struct milter_said said;

	for (const char *a = recorded[i].answers; *a != '\0'; a++) {
		assert_int_equal(milter_hear(m, MILTER_END, deadline_in(10000), &said, &why), 0);
		assert_int_equal(said.answer, *a);
		buf_addspan(&names, said.name);
		buf_addc(&names, '|');
		buf_addspan(&values, said.value);
		buf_addc(&values, '|');
	}
	is_span(buf_span(&names), recorded[i].names);
	is_span(buf_span(&values), recorded[i].values);
	buf_free(&names);
	buf_free(&values);
	buf_free(&why);
}

static void
hear_recorded(size_t i, size_t step)
{
	const struct span text[] = { recorded[i].options, recorded[i].body, recorded[i].end };
	struct buf why = BUF_INIT(1000);
	struct milter_said said;
	struct script s;
	struct milter m;

	start(&s, &patient, text, COUNT(text), step, false);
	milter_init(&m, &s.place);
	assert_int_equal(milter_open(&m, deadline_in(10000), &why), 0);
	assert_int_equal(m.actions, recorded[i].actions);
	assert_int_equal(m.steps, recorded[i].steps);
	if (recorded[i].body.len > 0) {
		assert_int_equal(milter_hear(&m, MILTER_BODY, deadline_in(10000), &said, &why), 0);
		assert_int_equal(said.answer, MILTER_SKIP);
	}
	if (strcmp(recorded[i].what, "a filter of ours") == 0) {
		assert_string_equal(m.macros[STAGE_CONNECT], "j {client_addr}");
		assert_string_equal(m.macros[STAGE_MAIL], "");
		assert_null(m.macros[STAGE_RCPT]);
	}
	hear_end(&m, i);
	milter_free(&m);
	stop(&s);
	buf_free(&why);
}

static void
test_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(recorded); i++) {
		hear_recorded(i, 4096);
		hear_recorded(i, 1);
	}
}

/* What comes instead of an answer: why it is not asked any more. */
static void
fails(struct span after_options, enum milter_command asked, const char *want)
{
	const struct span text[] = { OCTETS("\0\0\0\x0d" "O\0\0\0\6\0\0\0\0\0\0\0\0"), after_options };
	struct buf why = BUF_INIT(1000);
	struct milter_said said;
	struct script s;
	struct milter m;

	start(&s, &patient, text, COUNT(text), 4096, after_options.len == 0);
	milter_init(&m, &s.place);
	assert_int_equal(milter_open(&m, deadline_in(10000), &why), 0);
	assert_int_equal(milter_hear(&m, asked, deadline_in(after_options.len == 1 ? 50 : 10000), &said, &why), -1);
	is_span(buf_span(&why), want);
	assert_int_equal(m.io.fd, -1);
	milter_free(&m);
	stop(&s);
	buf_free(&why);
}

static void
test_failures(void **state)
{
	(void)state;
	fails((struct span){ NULL, 0 }, MILTER_MAIL, "hung up");
	fails((struct span)OCTETS("\0"), MILTER_MAIL, "does not answer: Connection timed out");
	fails((struct span)OCTETS("\0\0\0\0"), MILTER_MAIL, "says what is no packet");
	fails((struct span)OCTETS("\0\0\0\1z"), MILTER_MAIL, "says what does not belong there");
	fails((struct span)OCTETS("\0\0\0\1s"), MILTER_MAIL, "says what does not belong there"); /* SKIP is for bodies */
	fails((struct span)OCTETS("\0\0\0\5hX\0y\0"), MILTER_MAIL, "says what does not belong there"); /* too early */
	fails((struct span)OCTETS("\0\0\0\5hX\0y\0"), MILTER_END, "says what does not belong there"); /* not agreed upon */
}

static void
test_versions(void **state)
{
	static const struct {
		struct span options;
		uint32_t untold;
	} cases[] = {
		{ OCTETS("\0\0\0\x0d" "O\0\0\0\2\0\0\0\0\0\0\0\0"), UNTOLD_UNKNOWN | UNTOLD_DATA },
		{ OCTETS("\0\0\0\x0d" "O\0\0\0\3\0\0\0\0\0\0\0\0"), UNTOLD_DATA },
		{ OCTETS("\0\0\0\x0d" "O\0\0\0\4\0\0\0\0\0\0\0\0"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf why = BUF_INIT(1000);
		struct script s;
		struct milter m;

		start(&s, &patient, &cases[i].options, 1, 4096, false);
		milter_init(&m, &s.place);
		assert_int_equal(milter_open(&m, deadline_in(10000), &why), 0);
		assert_int_equal(m.steps, cases[i].untold);
		milter_part(&m, true); /* QUIT_NC came with version 6 */
		assert_int_equal(m.io.fd, -1);
		milter_free(&m);
		stop(&s);
		buf_free(&why);
	}
}

/* A connection waits for its next client, unless the filter has gone or spoken meanwhile. */
static void
test_kept(void **state)
{
	static const struct span quiet = OCTETS(CLAMAV_OPTIONS), talking = OCTETS(CLAMAV_OPTIONS "\0\0\0\1c");

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct buf why = BUF_INIT(1000);
		struct script s;
		struct milter m;

		start(&s, &patient, i == 1 ? &talking : &quiet, 1, 4096, false);
		milter_init(&m, &s.place);
		assert_false(milter_kept(&m));
		assert_int_equal(milter_open(&m, deadline_in(10000), &why), 0);
		assert_false(milter_kept(&m)); /* a client has it */
		milter_part(&m, i < 3); /* in the middle libmilter would not hear of it */
		milter_part(&m, true); /* once is enough */
		assert_int_equal(m.io.fd == -1, i == 3);
		if (i == 2) { /* it goes */
			kill(s.child, SIGKILL);
			waitpid(s.child, NULL, 0);
		}
		assert_int_equal(milter_kept(&m), i == 0);
		assert_int_equal(m.io.fd != -1, i == 0);
		assert_false(milter_kept(&m));
		milter_free(&m);
		stop(&s);
		buf_free(&why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_sayings),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
