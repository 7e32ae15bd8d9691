/* test_envelope: what the queue must know about a message, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/envelope.h"
#include "lib/sys/file.h"

#define HEADER \
	"posthouse-envelope 1\n" \
	"id 0123456789abcde\n" \
	"arrived 1795315490\n" \
	"sender ann@example.org\n" \
	"octets 4096 4180\n" \
	"head 67\n" \
	"client [192.0.2.1] helo.example smtp\n" \
	"body 8BITMIME\n"
#define RCPT_ANN "T 0000 local ann@example.org rfc822;Ann@Example.ORG -\n"
#define RCPT_BOB "T 0000 relay bob@else.example % FAILURE,DELAY\n"

static int
file_of(const char *text)
{
	char name[] = "/tmp/envelope.XXXXXX";
	int fd = mkstemp(name);

	assert_int_not_equal(fd, -1);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	return fd;
}

static void
text_of(int fd, struct buf *out)
{
	char octets[65536];
	ssize_t n = pread(fd, octets, sizeof(octets), 0);

	assert_true(n >= 0);
	buf_reset(out);
	buf_add(out, octets, (size_t)n);
}

static void
written(void **state)
{
	struct env_rcpt rcpts[] = {
		{ .status = RCPT_TODO, .action = RCPT_LOCAL,
		  .address = "ann@example.org",
		  .orcpt = "rfc822;Ann@Example.ORG" },
		{ .status = RCPT_TODO, .action = RCPT_RELAY,
		  .notify = NOTIFY_FAILURE | NOTIFY_DELAY,
		  .address = "bob@else.example", .orcpt = "" },
	};
	struct envelope e = { .id = "0123456789abcde",
		.arrived_s = 1795315490, .sender = "ann@example.org",
		.octets = 4096, .wire_octets = 4180, .head_octets = 67,
		.client = "[192.0.2.1] helo.example smtp", .body_8bit = true,
		.ret = "", .envid = "", .rcpts = rcpts, .rcpt_count = 2 };
	struct buf out = BUF_INIT(LIMIT_ENVELOPE);

	(void)state;
	envelope_write(&e, &out);
	assert_string_equal(buf_str(&out), HEADER "rcpts 2\n" RCPT_ANN RCPT_BOB);
	strlcpy(e.key, "9tq4x0", sizeof(e.key));
	e.again = true;
	buf_reset(&out);
	envelope_write(&e, &out);
	assert_string_equal(buf_str(&out), HEADER "key 9tq4x0 again\nrcpts 2\n" RCPT_ANN RCPT_BOB);
	buf_free(&out);
}

static void
keys(void **state)
{
	static const struct {
		const char *line;
		bool good, again;
	} cases[] = {
		{ "key 9tq4x0\n", true, false },
		{ "key 9tq4x0 again\n", true, true },
		{ "key 0123456789abcdefghijklmnopqrstu\n", true, false },
		{ "key 0123456789abcdefghijklmnopqrstuv\n", false, false }, /* LIMIT_KEY octets */
		{ "key\n", false, false },
		{ "key \n", false, false },
		{ "key 9tq4x0 \n", false, false },
		{ "key 9tq4x0 twice\n", false, false },
		{ "key 9Tq4x0\n", false, false },
		{ "key a/b\n", false, false },
		{ "key a,b\n", false, false },
		{ "key a\nkey a\n", false, false },
	};
	struct arena *mem = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf text = BUF_INIT(4096), why = BUF_INIT(500);
		struct envelope got;
		int fd;

		buf_addf(&text, HEADER "%srcpts 1\n" RCPT_ANN, cases[i].line);
		fd = file_of(buf_str(&text));
		assert_int_equal(envelope_read(fd, mem, &got, &why), cases[i].good ? 0 : -1);
		if (cases[i].good) {
			assert_memory_equal(got.key, cases[i].line + 4, strlen(got.key));
			assert_true(strlen(got.key) >= 6);
			assert_int_equal(got.again, cases[i].again);
		}
		file_close(fd);
		buf_free(&text);
		buf_free(&why);
	}
	arena_free(mem);
}

/* What strangers chose comes back as it was, on its own line. */
static void
hostile(void **state)
{
	struct env_rcpt rcpt = { .status = RCPT_BOUNCED, .action = RCPT_RELAY,
		.attempts = 12345, .address = "\"a b%\n\"@x.example",
		.orcpt = "rfc822;\xc3\xa9 ", .notify = NOTIFY_NEVER };
	struct envelope e = { .id = "0123456789abcde", .sender = "",
		.client = " [192.0.2.1]  a\nT 0000 local eve % - \x01",
		.smtputf8 = true, .requiretls = true, .ret = "HDRS", .envid = "Q=Q 3",
		.rcpts = &rcpt, .rcpt_count = 1 }, got;
	struct arena *mem = arena_new();
	struct buf out = BUF_INIT(LIMIT_ENVELOPE), why = BUF_INIT(500);
	int fd;

	(void)state;
	envelope_write(&e, &out);
	fd = file_of(buf_str(&out));
	assert_int_equal(envelope_read(fd, mem, &got, &why), 0);
	assert_string_equal(got.sender, "");
	assert_string_equal(got.client, e.client);
	assert_string_equal(got.ret, "HDRS");
	assert_string_equal(got.envid, "Q=Q 3");
	assert_true(got.smtputf8);
	assert_true(got.requiretls);
	assert_false(got.body_8bit);
	assert_int_equal(got.rcpt_count, 1);
	assert_string_equal(got.rcpts[0].address, rcpt.address);
	assert_string_equal(got.rcpts[0].orcpt, rcpt.orcpt);
	assert_string_equal(got.rcpts[0].last, "");
	assert_int_equal(got.rcpts[0].status, RCPT_BOUNCED);
	assert_int_equal(got.rcpts[0].attempts, 9999);
	assert_int_equal(got.rcpts[0].notify, NOTIFY_NEVER);
	file_close(fd);
	buf_free(&out);
	buf_free(&why);
	arena_free(mem);
}

static const struct {
	const char *text;
	const char *why; /* NULL: it parses */
} broken[] = {
	{ HEADER "rcpts 1\n" RCPT_ANN, NULL },
	{ HEADER "rcpts 1\n" RCPT_ANN "note 12 1 450 4.2.0 wait\n", NULL },
	{ HEADER "rcpts 1\n" RCPT_ANN "note 12 1 45", NULL },
	{ HEADER "rcpts 0\n", NULL },
	{ "", "the field id is missing" },
	{ "posthouse-envelope 2\n", "line 1: not an envelope of version 1" },
	{ "posthouse-envelope 1", "line 1: a line without its end" },
	{ HEADER, "the field rcpts is missing" },
	{ HEADER "rcpts 2\n" RCPT_ANN, "1 of 2 recipients are missing" },
	{ HEADER "rcpts 2\n" RCPT_ANN "T 0000 relay b",
	  "line 11: a line without its end" },
	{ HEADER "rcpts 2\n" RCPT_ANN "T 0000 relay b\n",
	  "line 11: a recipient cut short" },
	{ HEADER "rcpts 1\nX 0000 local a % -\n", "line 10: not a recipient" },
	{ HEADER "rcpts 1\nT 00x0 local a % -\n", "line 10: not a recipient" },
	{ HEADER "rcpts 1\nT 0000 pipe a % -\n",
	  "line 10: no action has this name" },
	{ HEADER "rcpts 1\nT 0000 local a % SOON\n",
	  "line 10: no NOTIFY has this name" },
	{ HEADER "rcpts 1\nT 0000 local a%zz % -\n",
	  "line 10: not an encoded word" },
	{ HEADER "rcpts 1\n" RCPT_ANN "note 12 2 450 4.2.0 wait\n",
	  "line 11: not a note" },
	{ HEADER "rcpts 1\n" RCPT_ANN "note 12 0 450 4.2.0 wait\n",
	  "line 11: not a note" },
	{ HEADER "rcpts 18446744073709551615\n",
	  "line 9: no number of recipients" },
	{ HEADER "rcpts 100000\n", "line 9: no number of recipients" },
	{ HEADER "head 3\nrcpts 0\n", "line 9: this field was there already" },
	{ HEADER "colour blue\nrcpts 0\n", "line 9: no field has this name" },
};

/* The power went: the file is as long as its newest note, which is not there. */
static void
notes_of_nul(void **state)
{
	static const char nul[64];
	struct arena *mem = arena_new();
	struct buf why = BUF_INIT(500);
	struct envelope e;
	int fd = file_of(HEADER "rcpts 1\n" RCPT_ANN "note 12 1 450 4.2.0 wait\n");
	off_t end = lseek(fd, 0, SEEK_END);

	(void)state;
	assert_int_equal(pwrite(fd, nul, sizeof(nul), end), sizeof(nul));
	assert_int_equal(envelope_read(fd, mem, &e, &why), 0);
	assert_string_equal(e.rcpts[0].last, "450 4.2.0 wait");
	assert_int_equal(envelope_note(fd, 0, 13, "451 later"), 0);
	assert_int_equal(envelope_read(fd, mem, &e, &why), 0);
	assert_string_equal(e.rcpts[0].last, "451 later");
	/* Among the recipients they are no accident to be overlooked. */
	assert_int_equal(pwrite(fd, nul, 1, end - 30), 1);
	assert_int_equal(envelope_read(fd, mem, &e, &why), -1);
	file_close(fd);
	buf_free(&why);
	arena_free(mem);
}

static void
read_or_refused(void **state)
{
	struct arena *mem = arena_new();
	struct buf why = BUF_INIT(500);
	struct envelope e;
	size_t i;
	int fd, rv;

	(void)state;
	for (i = 0; i < COUNT(broken); i++) {
		buf_reset(&why);
		fd = file_of(broken[i].text);
		rv = envelope_read(fd, mem, &e, &why);
		assert_string_equal(buf_str(&why), broken[i].why == NULL ? "" :
		    broken[i].why);
		assert_int_equal(rv, broken[i].why == NULL ? 0 : -1);
		file_close(fd);
	}
	buf_free(&why);
	arena_free(mem);
}

/* A file that the power failed in the middle of is noticed at every length. */
static void
cut_short(void **state)
{
	static const char whole[] = HEADER "rcpts 2\n" RCPT_ANN RCPT_BOB;
	struct arena *mem = arena_new();
	struct buf why = BUF_INIT(500);
	struct envelope e;
	size_t n;
	int fd = file_of(whole);

	(void)state;
	assert_int_equal(envelope_read(fd, mem, &e, &why), 0);
	for (n = sizeof(whole) - 1; n-- > 0;) {
		assert_int_equal(ftruncate(fd, (off_t)n), 0);
		assert_int_equal(envelope_read(fd, mem, &e, &why), -1);
		/* ... and when its octets were never written out. */
		assert_int_equal(ftruncate(fd, sizeof(whole) - 1), 0);
		assert_int_equal(envelope_read(fd, mem, &e, &why), -1);
	}
	file_close(fd);
	buf_free(&why);
	arena_free(mem);
}

static void
in_place(void **state)
{
	struct arena *mem = arena_new();
	struct buf why = BUF_INIT(500), text = BUF_INIT(65536);
	struct envelope e;
	int fd = file_of(HEADER "rcpts 2\n" RCPT_ANN RCPT_BOB);

	(void)state;
	assert_int_equal(envelope_read(fd, mem, &e, &why), 0);
	e.rcpts[0].status = RCPT_DONE;
	e.rcpts[0].attempts = 1;
	e.rcpts[1].attempts = 42;
	assert_int_equal(envelope_mark(fd, &e.rcpts[0]), 0);
	assert_int_equal(envelope_mark(fd, &e.rcpts[1]), 0);
	assert_int_equal(envelope_note(fd, 1, 1795315999,
	    "450 4.2.0 host said: wait\nplease"), 0);
	text_of(fd, &text);
	assert_string_equal(buf_str(&text), HEADER "rcpts 2\n"
	    "D 0001 local ann@example.org rfc822;Ann@Example.ORG -\n"
	    "T 0042 relay bob@else.example % FAILURE,DELAY\n"
	    "note 1795315999 2 450 4.2.0 host said: wait%0Aplease\n");

	/* The next note takes the place of one that was cut off. */
	assert_int_equal(ftruncate(fd, (off_t)text.len - 5), 0);
	assert_int_equal(envelope_note(fd, 0, 7, "451 short"), 0);
	assert_int_equal(envelope_note(fd, 0, 8, "452 4.0.0 newer"), 0);
	assert_int_equal(envelope_read(fd, mem, &e, &why), 0);
	assert_string_equal(e.rcpts[0].last, "452 4.0.0 newer");
	assert_string_equal(e.rcpts[1].last, "");
	assert_int_equal(e.rcpts[0].status, RCPT_DONE);
	assert_int_equal(e.rcpts[1].attempts, 42);
	file_close(fd);
	buf_free(&why);
	buf_free(&text);
	arena_free(mem);
}

static void
many(void **state)
{
	enum { N = 5000 };
	struct env_rcpt *rcpts = mem_alloc(N, sizeof(*rcpts));
	struct envelope e = { .id = "0123456789abcde", .sender = "a@b.example",
		.client = "x", .rcpts = rcpts, .rcpt_count = N };
	struct arena *mem = arena_new();
	struct buf out = BUF_INIT(LIMIT_ENVELOPE), why = BUF_INIT(500);
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < N; i++)
		rcpts[i] = (struct env_rcpt){ .status = RCPT_TODO,
			.action = RCPT_RELAY, .orcpt = "",
			.address = mem_fmt("user%zu@else.example", i) };
	envelope_write(&e, &out);
	fd = file_of(buf_str(&out));
	assert_int_equal(envelope_read(fd, mem, &e, &why), 0);
	assert_int_equal(e.rcpt_count, N);
	assert_string_equal(e.rcpts[N - 1].address, "user4999@else.example");
	for (i = 0; i < N; i++)
		free((void *)(uintptr_t)rcpts[i].address);
	free(rcpts);
	file_close(fd);
	buf_free(&out);
	buf_free(&why);
	arena_free(mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(keys),
		cmocka_unit_test(hostile),
		cmocka_unit_test(read_or_refused),
		cmocka_unit_test(notes_of_nul),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(in_place),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
