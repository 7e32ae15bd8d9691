/*
 * test_wire: the dialogues' rules: what the tables allow is carried exactly, all else is EPROTO.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire/agents.h"
#include "lib/wire/auth.h"
#include "lib/wire/gauge.h"
#include "lib/wire/token.h"
#include "lib/wire/control.h"
#include "lib/wire/submit.h"

#define SOON deadline_in(5000)
#define NOTHING ((struct span){ "", 0 })

static void
pair(struct wire *client, struct wire *server, const struct wire_msg *table, unsigned state)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	wire_open(client, fd[0], CLIENT, table, state);
	wire_open(server, fd[1], SERVER, table, state);
}

static void
end(struct wire *client, struct wire *server)
{
	wire_close(client);
	wire_close(server);
}

static void
test_words_and_body(void **state)
{
	const char *const words[] = { "0k", "", "1795315490", "5", "6", "0", "8bit,utf8", "mx:a b\n%",
		"", "x" };
	struct wire c, s;
	struct wire_packet p;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	pair(&c, &s, agents_messages, AGENTS_NEW);
	assert_int_equal(wire_say(&c, SOON, "HELLO", "local"), 0);
	assert_int_equal(c.state, AGENTS_IDLE);
	assert_int_equal(wire_recv(&s, SOON, &p), 1);
	assert_true(wire_is(&p, "HELLO"));
	assert_string_equal(p.word[0], "local");
	assert_int_equal(s.state, AGENTS_IDLE);

	assert_int_equal(wire_send(&s, SOON, &null, SPAN("0 a%20b - -\n1 c - -\n"), "JOB", words, 10), 0);
	assert_int_equal(wire_recv(&c, SOON, &p), 1);
	assert_int_equal(p.n, 10);
	for (size_t i = 0; i < 10; i++)
		assert_string_equal(p.word[i], words[i]);
	assert_true(span_is(p.body, "0 a%20b - -\n1 c - -\n"));
	assert_int_equal(c.state, AGENTS_BUSY);
	assert_int_not_equal(p.fds[0], -1);
	assert_int_equal(p.fds[1], -1);
	assert_int_equal(close(wire_fd(&p, 0)), 0);
	assert_int_equal(wire_fd(&p, 0), -1);
	assert_int_equal(wire_fd(&p, 99), -1);
	close(null);
	end(&c, &s);
}

/* What our own side may not say never leaves. */
static void
test_own_faults(void **state)
{
	const char *const word[] = { "a" };
	struct wire c, s;
	struct wire_packet p;

	(void)state;
	pair(&c, &s, submit_messages, SUBMIT_IDLE);
	assert_int_equal(wire_say(&c, SOON, "COMMIT", "1", "1"), -1); /* not yet */
	assert_int_equal(errno, EPROTO);
	assert_int_equal(wire_say(&c, SOON, "OPEN", "a", "b"), -1); /* one word too many */
	assert_int_equal(wire_say(&s, SOON, "OPEN", "a"), -1);      /* not the server's */
	assert_int_equal(wire_say(&c, SOON, "NONSENSE", "a"), -1);
	assert_int_equal(wire_send(&c, SOON, NULL, SPAN("body"), "OPEN", word, 1), -1);
	assert_int_equal(c.state, SUBMIT_IDLE);
	assert_int_equal(wire_say(&c, SOON, "OPEN", "a"), 0);
	assert_int_equal(wire_recv(&s, SOON, &p), 1);
	end(&c, &s);
}

static const struct {
	const char *packet;
	bool taken;
} from_a_stranger[] = {
	{ "OPEN smtpd", true },
	{ "OPEN %", true },
	{ "OPEN a%20b", true },
	{ "OPEN", false },
	{ "OPEN ", false },
	{ "OPEN a b", false },
	{ "OPEN a ", false },
	{ "OPEN  a", false },
	{ "open a", false },
	{ "OPENa", false },
	{ "OPEN a\n", false },
	{ "OPEN a\nbody", false },
	{ "OPEN a%00b", false },
	{ "OPEN a%0", false },
	{ "OPEN a%zz", false },
	{ "COMMIT 1 1", false },
	{ "LINKED a b c", false },
	{ "SYNCED 1", true }, /* in any state */
	{ "FAILED 1", true },
	{ "SYNCED", false },
	{ "\n", false },
	{ " ", false },
	{ "OPEN 1 2 3 4 5 6 7 8 9 10 11 12 13 14", false },
};

static void
test_strangers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(from_a_stranger); i++) {
		const char *text = from_a_stranger[i].packet;
		struct wire c, s;
		struct wire_packet p;
		int rv;

		pair(&c, &s, submit_messages, SUBMIT_IDLE);
		assert_int_equal(send(c.fd, text, strlen(text), 0), strlen(text));
		rv = wire_recv(&s, SOON, &p);
		if (rv != (from_a_stranger[i].taken ? 1 : -1))
			fail_msg("\"%s\": %d", text, rv);
		if (rv == -1)
			assert_int_equal(errno, EPROTO);
		end(&c, &s);
	}
}

/* SYNCED may come while another transaction is open, and does not disturb it. */
static void
test_synced_between(void **state)
{
	const char *const id[] = { "id" };
	struct wire c, s;
	struct wire_packet p;
	int fds[2] = { 0, 0 };

	(void)state;
	pair(&c, &s, submit_messages, SUBMIT_IDLE);
	assert_int_equal(wire_say(&c, SOON, "OPEN", "t"), 0);
	assert_int_equal(wire_say(&c, SOON, "SYNCED", "earlier"), 0);
	assert_int_equal(wire_recv(&s, SOON, &p), 1);
	assert_int_equal(wire_recv(&s, SOON, &p), 1);
	assert_true(wire_is(&p, "SYNCED"));
	assert_int_equal(s.state, SUBMIT_OPENING);
	assert_int_equal(wire_send(&s, SOON, fds, NOTHING, "FILES", id, 1), 0);
	assert_int_equal(wire_recv(&c, SOON, &p), 1);
	assert_int_not_equal(p.fds[1], -1);
	wire_drop(&p);
	assert_int_equal(p.fds[1], -1);
	assert_int_equal(wire_say(&c, SOON, "FAILED", "earlier"), 0);
	assert_int_equal(wire_say(&c, SOON, "COMMIT", "1", "1"), 0);
	assert_int_equal(wire_recv(&s, SOON, &p), 1);
	assert_int_equal(wire_recv(&s, SOON, &p), 1);
	assert_int_equal(s.state, SUBMIT_DECIDING);
	end(&c, &s);
}

/* Descriptors that the table does not give a verb are refused and closed. */
static void
test_descriptors(void **state)
{
	static const struct wire_msg smuggle[] = {
		{ CLIENT, "OPEN", 1, SUBMIT_IDLE, SUBMIT_OPENING, "service" },
		{ 0 },
	};
	const char *const word[] = { "a" };
	struct wire c, s;
	struct wire_packet p;
	int pipe_fd[2];
	char octet;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	pair(&c, &s, submit_messages, SUBMIT_IDLE);
	c.table = smuggle;
	assert_int_equal(wire_send(&c, SOON, &pipe_fd[1], NOTHING, "OPEN", word, 1), 0);
	close(pipe_fd[1]);
	assert_int_equal(wire_recv(&s, SOON, &p), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(read(pipe_fd[0], &octet, 1), 0); /* nobody holds the other end */
	close(pipe_fd[0]);
	end(&c, &s);
}

static void
test_gone_and_waiting(void **state)
{
	struct wire c, s;
	struct wire_packet p;

	(void)state;
	pair(&c, &s, submit_messages, SUBMIT_IDLE);
	assert_int_equal(fcntl(s.fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(wire_recv(&s, NEVER, &p), -1);
	assert_int_equal(errno, EAGAIN);
	wire_close(&c);
	assert_int_equal(wire_recv(&s, NEVER, &p), 0);
	wire_close(&s);
	wire_close(&s); /* twice does no harm */
}

static void
test_items(void **state)
{
	const struct control_item in = { .word = { "7kq", "1", "2", "", "a b@c\n", "held", "3", "0",
	                                     "mx:x", "450 4.2.0 %" } };
	struct buf body = BUF_INIT(LIMIT_PACKET);
	struct arena *arena = arena_new();
	struct control_item out;
	struct span rest;

	(void)state;
	control_item_add(&body, &in);
	control_item_add(&body, &in);
	rest = buf_span(&body);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(control_item_next(&rest, arena, &out), 1);
		for (size_t k = 0; k < ITEM_WORDS; k++)
			assert_string_equal(out.word[k], in.word[k]);
	}
	assert_int_equal(control_item_next(&rest, arena, &out), 0);
	rest = SPAN("too few words\n");
	assert_int_equal(control_item_next(&rest, arena, &out), -1);
	rest = SPAN("1 2 3 4 5 6 7 8 9 10 11\n");
	assert_int_equal(control_item_next(&rest, arena, &out), -1);
	arena_free(arena);
	buf_free(&body);
}

/* Every state that is led to is one in which something may be said. */
static void
test_tables(void **state)
{
	static const struct wire_msg *const tables[] = { submit_messages, agents_messages,
		auth_messages, control_messages, token_messages };

	(void)state;
	for (size_t i = 0; i < COUNT(tables); i++) {
		unsigned said = 0;

		for (const struct wire_msg *m = tables[i]; m->verb != NULL; m++)
			if (m->said_in != WIRE_ANY)
				said |= m->said_in;
		for (const struct wire_msg *m = tables[i]; m->verb != NULL; m++) {
			assert_true(m->leads_to == WIRE_SAME || (said & m->leads_to) != 0);
			assert_true(m->fds <= LIMIT_PACKET_FDS);
		}
	}
}

/* What the writer says the reader sees, whoever came first; the next writer goes on with the same page. */
static void
test_gauge(void **state)
{
	char dir[] = "/tmp/gauge-XXXXXX";
	struct gauge writer, next, reader = { 0 };
	struct buf why = BUF_INIT(500);
	char *path;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = mem_fmt("%s/gauge", dir);
	assert_int_equal(gauge_read(&reader, path), 0);
	assert_null(reader.page);
	assert_int_equal(gauge_make(&writer, path, &why), 0);
	assert_int_equal(gauge_read(&reader, path), 0);
	gauge_set(&writer, GAUGE_FULL);
	assert_int_equal(gauge_read(&reader, path), GAUGE_FULL);
	assert_int_equal(gauge_make(&next, path, &why), 0);
	assert_int_equal(gauge_read(&reader, path), GAUGE_FULL);
	gauge_set(&next, GAUGE_LOW);
	assert_int_equal(gauge_read(&reader, path), GAUGE_LOW);
	gauge_set(&next, 0);
	assert_int_equal(gauge_read(&reader, path), 0);
	unlink(path);
	rmdir(dir);
	assert_int_equal(gauge_make(&writer, path, &why), -1);
	assert_non_null(strstr(buf_str(&why), path));
	gauge_set(&writer, GAUGE_FULL);
	free(path);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_and_body),
		cmocka_unit_test(test_own_faults),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_synced_between),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_gone_and_waiting),
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_gauge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
