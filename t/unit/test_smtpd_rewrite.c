/* Tests of smtpd/rewrite.c: what filters change, in the file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "smtpd/rewrite.h"

#define HEAD "Return-Path: <x@client.example>\n"
#define OURS "Received: by mx.example.org\n\tid 1\n"
#define MESSAGE HEAD OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n"

struct file {
	int fd;
	struct rewrite w;
};

static void
open_file(struct file *f, const char *text, size_t ours)
{
	uint64_t lines = 0;

	f->fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_equal(write(f->fd, text, strlen(text)), strlen(text));
	for (const char *c = text; *c != '\0'; c++)
		lines += *c == '\n';
	assert_int_equal(rewrite_open(&f->w, f->fd, strlen(text), lines, strlen(HEAD), ours), 0);
}

static void
close_file(struct file *f, const struct buf *head, const char *want)
{
	uint64_t lines = 0;
	char *text;
	off_t n;

	assert_int_equal(rewrite_finish(&f->w, head), 0);
	n = lseek(f->fd, 0, SEEK_END);
	assert_int_equal(n, f->w.octets);
	text = calloc(1, (size_t)n + 1);
	assert_int_equal(pread(f->fd, text, (size_t)n, 0), n);
	for (const char *c = text; *c != '\0'; c++)
		lines += *c == '\n';
	assert_int_equal(lines, f->w.lines);
	if (want != NULL)
		assert_string_equal(text, want);
	free(text);
	rewrite_free(&f->w);
	close(f->fd);
}

static const struct {
	const char *ops; /* words: +Name=value, ^at:Name=value, !n:Name=value; "~" a line end, "_" a blank */
	bool leading;
	const char *want; /* behind HEAD */
	size_t ours;
} cases[] = {
	{ "", false, OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n", 0 },
	{ "+C=4", false, OURS "A: 1\nB: 2\n more\na: 3\nC: 4\n\nbody\n", 0 },
	{ "+C=_4", true, OURS "A: 1\nB: 2\n more\na: 3\nC: 4\n\nbody\n", 0 },
	{ "+C=", false, OURS "A: 1\nB: 2\n more\na: 3\nC: \n\nbody\n", 0 },
	{ "+C=4~5~~", false, OURS "A: 1\nB: 2\n more\na: 3\nC: 4\n\t5\n\nbody\n", 0 },
	{ "+C=4~_5", false, OURS "A: 1\nB: 2\n more\na: 3\nC: 4\n 5\n\nbody\n", 0 },
	{ "^0:C=4", false, "C: 4\n" OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n", 1 },
	{ "^1:C=4", false, OURS "C: 4\nA: 1\nB: 2\n more\na: 3\n\nbody\n", 0 },
	{ "^2:C=4", false, OURS "A: 1\nC: 4\nB: 2\n more\na: 3\n\nbody\n", 0 },
	{ "^99:C=4", false, OURS "A: 1\nB: 2\n more\na: 3\nC: 4\n\nbody\n", 0 },
	{ "^0:C=4 ^0:D=5", false, "D: 5\nC: 4\n" OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n", 2 },
	{ "!1:A=x", false, OURS "A: x\nB: 2\n more\na: 3\n\nbody\n", 0 },
	{ "!2:A=x", false, OURS "A: 1\nB: 2\n more\nA: x\n\nbody\n", 0 },
	{ "!3:A=x", false, OURS "A: 1\nB: 2\n more\na: 3\nA: x\n\nbody\n", 0 },
	{ "!3:A=", false, OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n", 0 },
	{ "!1:b=", false, OURS "A: 1\na: 3\n\nbody\n", 0 },
	/* numbers are those that the filter saw */
	{ "!1:A= !2:A=", false, OURS "B: 2\n more\n\nbody\n", 0 },
	{ "!2:A= !1:A=", false, OURS "B: 2\n more\n\nbody\n", 0 },
	{ "!1:A= !1:A=", false, OURS "B: 2\n more\na: 3\n\nbody\n", 0 },
	{ "!1:A= !1:A=back", false, OURS "A: back\nB: 2\n more\na: 3\n\nbody\n", 0 },
	{ "!1:Received=", false, OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n", 0 }, /* ours they have not seen */
	{ "^0:Received=mine !1:Received=", false, OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n", 0 },
	/* no names */
	{ "+=4 +C_D=4 +C:=4 +C~=4 ^0:=4 !9:_=4", false, OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n", 0 },
};

static void
put(char *to, size_t size, struct span from)
{
	size_t n = 0;

	for (; n < from.len && n + 1 < size; n++)
		to[n] = from.s[n] == '~' ? '\n' : from.s[n] == '_' ? ' ' : from.s[n];
	to[n] = '\0';
}

static void
run(struct rewrite *w, struct span op, bool leading)
{
	char kind = op.s[0], name[50], value[50];
	struct span rest = { op.s + 1, op.len - 1 }, number = kind == '+' ? SPAN("0") : span_cut(&rest, ':');
	unsigned long n = strtoul(number.s, NULL, 10);
	struct span text = rest, label = span_cut(&text, '=');

	put(name, sizeof name, label);
	put(value, sizeof value, text);
	if (kind == '+')
		rewrite_append(w, span_of(name), span_of(value), leading);
	else if (kind == '^')
		rewrite_insert(w, n, span_of(name), span_of(value), leading);
	else
		rewrite_change(w, n, span_of(name), span_of(value), leading);
}

static void
test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span ops = span_of(cases[i].ops);
		struct buf want = BUF_INIT(1000);
		struct file f;

		open_file(&f, MESSAGE, 0);
		while (ops.s != NULL && ops.len > 0)
			run(&f.w, span_cut(&ops, ' '), cases[i].leading);
		assert_int_equal(rewrite_ours(&f.w), cases[i].ours);
		buf_addf(&want, "%s%s", HEAD, cases[i].want);
		close_file(&f, NULL, buf_str(&want));
		buf_free(&want);
	}
}

/* The next filter: ours is where the one before has left it. */
static void
test_ours(void **state)
{
	struct file f;

	(void)state;
	open_file(&f, HEAD "Received: theirs\n" OURS "A: 1\n\nbody\n", 1);
	rewrite_change(&f.w, 1, SPAN("Received"), SPAN(""), false);
	assert_int_equal(rewrite_ours(&f.w), 0);
	close_file(&f, NULL, HEAD OURS "A: 1\n\nbody\n");
}

static void
test_heads(void **state)
{
	struct buf head = BUF_INIT(1000);
	struct file f;

	(void)state;
	buf_adds(&head, "Return-Path: <longer-than-that@client.example>\nDelivered-To: a@b\n");
	open_file(&f, MESSAGE, 0);
	close_file(&f, &head, "Return-Path: <longer-than-that@client.example>\nDelivered-To: a@b\n" OURS "A: 1\nB: 2\n more\na: 3\n\nbody\n");
	buf_reset(&head);
	buf_adds(&head, "R: x\n");
	open_file(&f, MESSAGE, 0);
	rewrite_append(&f.w, SPAN("C"), SPAN("4"), false);
	close_file(&f, &head, "R: x\n" OURS "A: 1\nB: 2\n more\na: 3\nC: 4\n\nbody\n");
	buf_free(&head);
}

/* A message that is a header only, or a body only. */
static void
test_halves(void **state)
{
	struct file f;

	(void)state;
	open_file(&f, HEAD OURS "A: 1\n", 0);
	rewrite_append(&f.w, SPAN("C"), SPAN("4"), false);
	close_file(&f, NULL, HEAD OURS "A: 1\nC: 4\n");
	open_file(&f, HEAD OURS "A: 1\n", 0);
	assert_int_equal(rewrite_body(&f.w, SPAN("new\r\n")), 0);
	close_file(&f, NULL, HEAD OURS "A: 1\n\nnew\n");
	open_file(&f, HEAD OURS "no field at all\n", 0);
	rewrite_append(&f.w, SPAN("C"), SPAN("4"), false);
	close_file(&f, NULL, HEAD OURS "C: 4\n\nno field at all\n");
	open_file(&f, HEAD OURS "no field at all\n", 0);
	close_file(&f, NULL, HEAD OURS "no field at all\n");
	open_file(&f, HEAD OURS "\n", 0);
	rewrite_append(&f.w, SPAN("C"), SPAN("4"), false);
	close_file(&f, NULL, HEAD OURS "C: 4\n\n");
}

/* Line ends are found wherever the pieces are cut. */
static void
test_bodies(void **state)
{
	static const char text[] = "one\r\n\r\ntwo\rthree\r\r\nfour\nend\r";

	(void)state;
	for (size_t step = 1; step < sizeof text; step++) {
		struct file f;

		open_file(&f, MESSAGE, 0);
		for (size_t at = 0; at < sizeof text - 1; at += step) {
			size_t n = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;

			assert_int_equal(rewrite_body(&f.w, (struct span){ text + at, n }), 0);
		}
		close_file(&f, NULL, HEAD OURS "A: 1\nB: 2\n more\na: 3\n\none\n\ntwo\rthree\r\nfour\nend\r");
	}
}

/* Long bodies move both ways, and stay what they are. */
static void
test_moves(void **state)
{
	enum { LONG = 300000 };
	char *text = malloc(LONG + sizeof MESSAGE), *body;
	static const int grow[] = { 1, 100, 70000, 200000 };

	(void)state;
	strlcpy(text, MESSAGE, sizeof MESSAGE);
	body = text + strlen(text);
	for (int i = 0; i < LONG; i++)
		body[i] = (char)('a' + i % 23 + (i % 1000 == 0 ? '\n' - 'a' - i % 23 : 0));
	body[LONG] = '\0';
	for (size_t i = 0; i < COUNT(grow); i++) {
		char *value = calloc(1, (size_t)grow[i] + 1);
		struct buf longer = BUF_INIT(LONG * 3);
		struct file f;

		memset(value, 'y', (size_t)grow[i]);
		buf_adds(&longer, HEAD OURS "A: 1\nB: 2\n more\na: 3\nC: ");
		buf_adds(&longer, value);
		buf_adds(&longer, "\n\nbody\n");
		buf_adds(&longer, body);
		open_file(&f, text, 0);
		rewrite_append(&f.w, SPAN("C"), span_of(value), false);
		close_file(&f, NULL, buf_str(&longer)); /* upwards */
		open_file(&f, buf_str(&longer), 0);
		rewrite_change(&f.w, 1, SPAN("C"), SPAN(""), false);
		close_file(&f, NULL, text); /* downwards */
		buf_free(&longer);
		free(value);
	}
	free(text);
}

static void
test_limits(void **state)
{
	char *value = calloc(1, LIMIT_HEADER + 1), *text = malloc(2 * LIMIT_HEADER + sizeof MESSAGE);
	struct file f;

	(void)state;
	memset(value, 'y', LIMIT_HEADER);
	open_file(&f, MESSAGE, 0);
	rewrite_append(&f.w, SPAN("C"), span_of(value), false);
	assert_true(f.w.over);
	f.w.over = false;
	rewrite_append(&f.w, SPAN("D"), (struct span){ value, LIMIT_HEADER / 2 }, false);
	assert_false(f.w.over);
	rewrite_change(&f.w, 1, SPAN("D"), (struct span){ value, LIMIT_HEADER / 2 }, false);
	assert_true(f.w.over);
	close_file(&f, NULL, NULL);
	open_file(&f, MESSAGE, 0);
	for (int i = 0; i < 4096; i++)
		rewrite_insert(&f.w, 0, SPAN("C"), SPAN("4"), false);
	assert_false(f.w.over);
	rewrite_insert(&f.w, 0, SPAN("C"), SPAN("4"), false);
	assert_true(f.w.over);
	close_file(&f, NULL, NULL);
	/* a header that is over it as it comes */
	strlcpy(text, HEAD OURS "A: ", sizeof MESSAGE);
	memset(text + strlen(HEAD OURS) + 3, 'y', LIMIT_HEADER);
	f.fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_equal(write(f.fd, text, LIMIT_HEADER + 10), LIMIT_HEADER + 10);
	assert_int_equal(rewrite_open(&f.w, f.fd, LIMIT_HEADER + 10, 3, strlen(HEAD), 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	rewrite_free(&f.w);
	close(f.fd);
	free(text);
	free(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
