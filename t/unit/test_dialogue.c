/* Tests of lib/net/dialogue.c, against a server in a process of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "lib/net/dialogue.h"

static const struct ip here = { false, { 127, 0, 0, 1 } };

/* A listening socket on a free port. */
static int
listener(uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

/* A server that says these octets, all at once or one by one, and hangs up when
 * the client does (or at once). */
static pid_t
server(const char *says, size_t n, bool octetwise, bool hang_up, uint16_t *port)
{
	int fd = listener(port);
	pid_t pid = fork();
	char c;

	assert_int_not_equal(pid, -1);
	if (pid > 0) {
		close(fd);
		return pid;
	}
	fd = accept(fd, NULL, NULL);
	alarm(20);
	for (size_t i = 0; i < n; i += octetwise ? 1 : n)
		if (write(fd, says + i, octetwise ? 1 : n) == -1)
			_exit(1);
	while (!hang_up && read(fd, &c, 1) == 1)
		continue;
	_exit(0);
}

static void
gone(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* clang-format off */
static const struct {
	const char *says;
	int result; /* 0 or errno */
	int code;
	const char *text;
} replies[] = {
	{ "220 house.example ready\r\n", 0, 220, "house.example ready" },
	{ "220\r\n", 0, 220, "" },
	{ "220 \r\n", 0, 220, "" },
	{ "250-a\r\n250-b c\r\n250 d\r\n", 0, 250, "a\nb c\nd" },
	{ "250-\r\n250 \r\n", 0, 250, "\n" },
	{ "550 5.7.1 bare LF\n", 0, 550, "5.7.1 bare LF" },
	{ "550 \x1b[31m\r\n", 0, 550, "\x1b[31m" },
	{ "250-a\r\n251 b\r\n", EPROTO, 0, NULL },
	{ "250-a\r\nb\r\n", EPROTO, 0, NULL },
	{ "250+a\r\n", EPROTO, 0, NULL },
	{ "150 a\r\n", EPROTO, 0, NULL },
	{ "650 a\r\n", EPROTO, 0, NULL },
	{ "25 a\r\n", EPROTO, 0, NULL },
	{ "+OK\r\n", EPROTO, 0, NULL },
	{ "\r\n", EPROTO, 0, NULL },
	{ "250 unfinished", ECONNRESET, 0, NULL },
	{ "250-a\r\n", ECONNRESET, 0, NULL },
	{ "", ECONNRESET, 0, NULL },
};
/* clang-format on */

static void
reads_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(replies); i++) {
		size_t row = i / 2;
		struct buf text = BUF_INIT(65536), why = BUF_INIT(1024);
		struct dialogue d;
		uint16_t port;
		pid_t pid = server(replies[row].says, strlen(replies[row].says),
		    i % 2, true, &port);
		int code, rv;

		dialogue_init(&d);
		assert_int_equal(dialogue_connect(&d, &here, port, "house.example",
		    NULL, deadline_in(5000), &why), 0);
		rv = dialogue_smtp_reply(&d, &code, &text, deadline_in(5000), &why);
		assert_int_equal(rv == -1 ? errno : 0, replies[row].result);
		if (rv == 0) {
			assert_int_equal(code, replies[row].code);
			assert_string_equal(buf_str(&text), replies[row].text);
			assert_int_equal(why.len, 0);
		} else {
			assert_true(why.len > 0);
		}
		dialogue_close(&d);
		gone(pid);
		buf_free(&text);
		buf_free(&why);
	}
}

/* A reply of so many lines of so many octets. */
static int
reply_of(int lines, size_t octets)
{
	struct buf says = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20),
		   why = BUF_INIT(1024);
	struct dialogue d;
	uint16_t port;
	pid_t pid;
	int code, rv;

	for (int i = 0; i < lines; i++) {
		buf_adds(&says, i + 1 < lines ? "250-" : "250 ");
		for (size_t n = 4; n < octets; n++)
			buf_addc(&says, 'x');
		buf_adds(&says, "\r\n");
	}
	pid = server(says.s, says.len, false, true, &port);
	dialogue_init(&d);
	assert_int_equal(dialogue_connect(&d, &here, port, "h", NULL,
	    deadline_in(5000), &why), 0);
	rv = dialogue_smtp_reply(&d, &code, &text, deadline_in(5000), &why);
	rv = rv == -1 ? errno : 0;
	if (rv == 0)
		assert_int_equal(text.len, (octets - 4) * (size_t)lines +
		    (size_t)lines - 1);
	assert_true(d.transcript.len <= 16384);
	dialogue_close(&d);
	gone(pid);
	buf_free(&says);
	buf_free(&text);
	buf_free(&why);
	return rv;
}

static void
bounds_replies(void **state)
{
	(void)state;
	assert_int_equal(reply_of(1, LIMIT_SMTP_REPLY - 1), 0);
	assert_int_equal(reply_of(1, LIMIT_SMTP_REPLY), 0);
	assert_int_equal(reply_of(1, LIMIT_SMTP_REPLY + 1), EMSGSIZE);
	assert_int_equal(reply_of(LIMIT_REPLY_LINES - 1, 80), 0);
	assert_int_equal(reply_of(LIMIT_REPLY_LINES, LIMIT_SMTP_REPLY), 0);
	assert_int_equal(reply_of(LIMIT_REPLY_LINES + 1, 80), EMSGSIZE);
}

static void
keeps_a_transcript(void **state)
{
	static const char says[] = "220 hi\r\n250 ok\x1b\r\n";
	struct buf text = BUF_INIT(1024), why = BUF_INIT(1024);
	struct dialogue d;
	uint16_t port;
	pid_t pid = server(says, sizeof(says) - 1, false, false, &port);
	int code;

	(void)state;
	dialogue_init(&d);
	assert_int_equal(dialogue_connect(&d, &here, port, "house.example", NULL,
	    deadline_in(5000), &why), 0);
	assert_int_equal(dialogue_smtp_reply(&d, &code, &text, deadline_in(5000),
	    &why), 0);
	dialogue_say(&d, false, "EHLO %s", "me.example");
	dialogue_say(&d, true, "AUTH PLAIN %s", "c2VjcmV0");
	assert_int_equal(dialogue_smtp_reply(&d, &code, &text, deadline_in(5000),
	    &why), 0);
	assert_string_equal(buf_str(&d.transcript),
	    "S: 220 hi\nC: EHLO me.example\nC: ***\nS: 250 ok?\n");
	dialogue_close(&d);
	gone(pid);
	buf_free(&text);
	buf_free(&why);
}

/* Nothing of a command with a line end inside reaches the server. */
static void
says_one_line(void **state)
{
	static const char *const rows[] = { "a\r\nb", "a\nb", "a\rb" };
	struct buf text = BUF_INIT(1024), why = BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dialogue d;
		int pair[2], code;
		char c;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		dialogue_init(&d);
		io_reuse(&d.io, pair[0]);
		dialogue_say(&d, false, "RCPT TO:<%s>", rows[i]);
		dialogue_say(&d, false, "NOOP");
		assert_int_equal(dialogue_smtp_reply(&d, &code, &text,
		    deadline_in(100), &why), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(recv(pair[1], &c, 1, MSG_DONTWAIT), -1);
		dialogue_close(&d);
		close(pair[1]);
	}
	buf_free(&text);
	buf_free(&why);
}

static void
gives_up_in_time(void **state)
{
	struct buf text = BUF_INIT(1024), why = BUF_INIT(1024);
	struct dialogue d;
	uint16_t port;
	pid_t pid = server("22", 2, false, false, &port);
	int64_t start = clock_mono_ms();
	int code;

	(void)state;
	dialogue_init(&d);
	d.total = deadline_in(150); /* nearer than the wait's own */
	assert_int_equal(dialogue_connect(&d, &here, port, "h", NULL,
	    deadline_in(5000), &why), 0);
	assert_int_equal(dialogue_smtp_reply(&d, &code, &text, deadline_in(5000),
	    &why), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_in_range(clock_mono_ms() - start, 100, 2000);
	dialogue_close(&d);
	gone(pid);
	buf_free(&text);
	buf_free(&why);
}

static void
says_why_it_cannot_connect(void **state)
{
	struct buf why = BUF_INIT(1024), want = BUF_INIT(1024);
	struct dialogue d;
	uint16_t port;

	(void)state;
	close(listener(&port));
	dialogue_init(&d);
	assert_int_equal(dialogue_connect(&d, &here, port, "house.example", NULL,
	    deadline_in(5000), &why), -1);
	assert_int_equal(errno, ECONNREFUSED);
	buf_addf(&want, "connect to house.example[127.0.0.1]:%u: "
	    "Connection refused", (unsigned)port);
	assert_string_equal(buf_str(&why), buf_str(&want));
	dialogue_close(&d);
	buf_free(&why);
	buf_free(&want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_replies),
		cmocka_unit_test(bounds_replies),
		cmocka_unit_test(keeps_a_transcript),
		cmocka_unit_test(says_one_line),
		cmocka_unit_test(gives_up_in_time),
		cmocka_unit_test(says_why_it_cannot_connect),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
