/* Tests of queue/input.c and queue/compose.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "queue/compose.h"
#include "queue/input.h"

/* clang-format off */
static const struct {
	const char *in, *out, *out_i; /* with -i; NULL: the same */
} inputs[] = {
	{ "a\nb\n", "a\nb\n", NULL },
	{ "a\r\nb\r\n", "a\nb\n", NULL },
	{ "a\r\nb\nc", "a\nb\nc\n", NULL },
	{ "10%\r20%\r100%\ndone\n", "10%\n20%\n100%\ndone\n", NULL },
	{ "a\r\r\nb", "a\n\nb\n", NULL },
	{ "a\r", "a\n", NULL },
	{ "", "", NULL },
	{ "\n", "\n", NULL },
	{ "a\n.\nb\n", "a\n", "a\n.\nb\n" },
	{ "a\r\n.\r\nb\r\n", "a\n", "a\n.\nb\n" },
	{ "a\n.", "a\n", "a\n.\n" },
	{ ".\na\n", "", ".\na\n" },
	{ "..\n.a\n", "..\n.a\n", NULL },
	{ "a.\n.b\nc", "a.\n.b\nc\n", NULL },
	{ "a\n. \n", "a\n. \n", NULL },
	{ "a\n.\rb\n", "a\n", "a\n.\nb\n" },
};

#define ADDED "Date: Thu, 01 Jan 1970 00:00:00 +0000\nFrom: Ann Lee <ann@house.example>\nMessage-ID: <id1@host.example>\n"
static const struct {
	const char *in;
	bool extract;
	const char *rcpts; /* NULL: an error */
	const char *header, *body;
} messages[] = {
	{ "Subject: x\n\nbody\n", false, "", "Subject: x\n" ADDED "\n", "body\n" },
	{ "body only\nmore\n", false, "", ADDED "\n", "body only\nmore\n" },
	{ "Subject: x\nno field\n", false, "", "Subject: x\n" ADDED "\n", "no field\n" },
	{ "\nbody\n", false, "", ADDED "\n", "body\n" },
	{ "\n\nbody\n", false, "", ADDED "\n", "\nbody\n" },
	{ "", false, "", ADDED "\n", "" },
	{ "Subject: x\n", false, "", "Subject: x\n" ADDED "\n", "" },
	{ "From ann Sun Nov 22\nSubject: x\n\nbody\n", false, "", "Subject: x\n" ADDED "\n", "body\n" },
	{ " leading blank\n", false, "", ADDED "\n", " leading blank\n" },
	{ "from: b@b.example\nDATE: now\nmessage-id: <x@y>\n\n", false, "",
	  "from: b@b.example\nDATE: now\nmessage-id: <x@y>\n\n", "" },
	{ "To: ann, Bob <bob@b.example>\nCc: carol\nBcc: dora\n\n", true, "ann;bob@b.example;carol;dora;",
	  "To: ann@house.example, Bob <bob@b.example>\nCc: carol@house.example\n" ADDED "\n", "" },
	{ "To: ann\nBcc: dora\n\n", false, "ann;dora;",
	  "To: ann@house.example\nBcc: dora@house.example\n" ADDED "\n", "" },
	{ "To: ann,\n bob\nbcc: x,\n y\nSubject: z\n\n", true, "ann;bob;x;y;",
	  "To: ann@house.example,\n bob@house.example\nSubject: z\n" ADDED "\n", "" },
	{ "To: ann\nResent-To: bob\nResent-Bcc: carol\n\n", true, "bob;carol;",
	  "To: ann@house.example\nResent-To: bob@house.example\n" ADDED "\n", "" },
	{ "To: undisclosed-recipients:;\nBcc: a@b.example\n\n", true, "a@b.example;",
	  "To: undisclosed-recipients:;\n" ADDED "\n", "" },
	{ "From: root (Cron Daemon)\nDate: d\nMessage-Id: <a>\n\n", false, "",
	  "From: root@house.example (Cron Daemon)\nDate: d\nMessage-Id: <a>\n\n", "" },
	{ "Return-Path: <evil@x.example>\nTo : ann\n\n", true, "ann;", "To : ann@house.example\n" ADDED "\n", "" },
	{ "To: ann bob\n\n", true, NULL, NULL, NULL },
};
/* clang-format on */

static void
check_input(const char *in, const char *out, bool ignore_dots, bool octetwise)
{
	struct input i;
	size_t n = strlen(in);

	input_init(&i, -1, ignore_dots);
	for (size_t at = 0; at < n; at += octetwise ? 1 : n)
		input_feed(&i, in + at, octetwise ? 1 : n);
	input_end(&i);
	assert_string_equal(buf_str(&i.text), out);
	assert_true(i.ended);
	input_free(&i);
}

static void
cleans_lines(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(inputs); k++) {
		for (int octetwise = 0; octetwise < 2; octetwise++) {
			check_input(inputs[k].in, inputs[k].out, false, octetwise);
			check_input(inputs[k].in, inputs[k].out_i != NULL ?
			    inputs[k].out_i : inputs[k].out, true, octetwise);
		}
	}
}

/* What is behind the dot stays with whoever writes. */
static void
reads_no_more_than_asked(void **state)
{
	struct input i;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "one\n.\n", 6), 6);
	input_init(&i, p[0], false);
	assert_int_equal(input_fill(&i, INPUT_MAX), 0); /* would wait for ever otherwise */
	assert_string_equal(buf_str(&i.text), "one\n");
	input_free(&i);
	close(p[0]);
	close(p[1]);
}

static int
note(void *seen, struct span address)
{
	buf_addspan(seen, address);
	buf_addc(seen, ';');
	return 0;
}

static void
composes(void **state)
{
	const struct compose_added added = { .name = "Ann Lee",
		.address = "ann@house.example", .id = "id1", .host = "host.example" };

	(void)state;
	for (size_t k = 0; k < COUNT(messages); k++) {
		struct compose c = { .extract = messages[k].extract,
			.domain = SPAN("house.example") };
		struct buf out = BUF_INIT(65536), why = BUF_INIT(1024);
		struct arena *mem = arena_new();
		int rv;

		assert_true(compose_read(&c, span_of(messages[k].in)));
		rv = compose_recipients(&c, mem, note, &out, &why);
		assert_int_equal(rv, messages[k].rcpts != NULL ? 0 : -1);
		if (rv == 0) {
			assert_string_equal(buf_str(&out), messages[k].rcpts);
			buf_reset(&out);
			compose_write(&c, mem, &added, &out);
			assert_string_equal(buf_str(&out), messages[k].header);
			assert_true(span_is(c.body, messages[k].body));
		}
		arena_free(mem);
		buf_free(&out);
		buf_free(&why);
	}
}

static void
names_the_sender(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *from;
	} rows[] = {
		{ "", "From: a@b.example\n" },
		{ "Ann Lee", "From: Ann Lee <a@b.example>\n" },
		{ "Lee, Ann", "From: \"Lee, Ann\" <a@b.example>\n" },
		{ "A. \"X\" \\", "From: \"A. \\\"X\\\" \\\\\" <a@b.example>\n" },
		{ "\xc5\xbb\xc3\xb3\xc5\x82w", "From: =?UTF-8?B?xbvDs8WCdw==?= <a@b.example>\n" },
		{ "x\nBcc: y", "From: =?UTF-8?B?eApCY2M6IHk=?= <a@b.example>\n" },
		/* 23 letters of two octets: 44 fit the first word */
		{ "\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb"
		  "\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb\xc5\xbb",
		  "From: =?UTF-8?B?xbvFu8W7xbvFu8W7xbvFu8W7xbvFu8W7xbvFu8W7xbvFu8W7xbvFu8W7xbs=?=\n"
		  " =?UTF-8?B?xbs=?= <a@b.example>\n" },
	};
	/* clang-format on */
	struct compose c = { .has_date = true, .has_message_id = true };

	(void)state;
	for (size_t k = 0; k < COUNT(rows); k++) {
		const struct compose_added added = { .name = rows[k].name,
			.address = "a@b.example", .id = "i", .host = "h" };
		struct buf out = BUF_INIT(65536);
		struct arena *mem = arena_new();

		c.header = SPAN("");
		compose_write(&c, mem, &added, &out);
		assert_int_equal(out.len, strlen(rows[k].from) + 1);
		assert_memory_equal(out.s, rows[k].from, out.len - 1);
		arena_free(mem);
		buf_free(&out);
	}
}

static void
bounds_the_header(void **state)
{
	(void)state;
	for (int more = -1; more <= 1; more++) {
		size_t n = (size_t)(LIMIT_HEADER + more);
		char *s = malloc(n + 1);
		struct compose c = { 0 };

		memset(s, 'x', n);
		s[0] = 'X';
		s[1] = ':';
		s[n - 1] = '\n';
		s[n] = '\n';
		assert_int_equal(compose_read(&c, (struct span){ s, n + 1 }), more <= 0);
		free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleans_lines),
		cmocka_unit_test(reads_no_more_than_asked),
		cmocka_unit_test(composes),
		cmocka_unit_test(names_the_sender),
		cmocka_unit_test(bounds_the_header),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
