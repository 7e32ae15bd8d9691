/* test_imap_reply: replies of IMAP servers, whole and octet by octet; what is none; limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "collector/imap_reply.h"

/* A reply as words: atoms plain, "strings", {size|octets} that passed by, [code], 'text'. '|' ends a reply, '!' is a
 * fault. */
#define S(literal) { literal, sizeof(literal) - 1 }
static const struct {
	struct span in;
	const char *out;
} rows[] = {
	{ S("* OK IMAP4rev1 ready {5}\r\n"), "* OK 'IMAP4rev1 ready {5}'|" },
	{ S("* OK [CAPABILITY IMAP4rev2 AUTH=PLAIN] hi (there\r\n"), "* OK [CAPABILITY IMAP4rev2 AUTH=PLAIN] 'hi (there'|" },
	{ S("* PREAUTH\r\n* bye\r\n"), "* PREAUTH ''|* bye ''|" },
	{ S("a1 OK [X]\r\na2 NO [Y \"a\\\"]b\"]z\r\na3 BAD  two\r\n"),
	  "a1 OK [X] ''|a2 NO [Y \"a\\\"]b\"] 'z'|a3 BAD ' two'|" },
	{ S("+ go ahead (\r\n+\r\n+ \r\n"), "+ 'go ahead ('|+ ''|+ ''|" },
	{ S("* 23 EXISTS\r\n* SEARCH\r\n* SEARCH 1 2 4294967295\r\n"), "* 23 EXISTS|* SEARCH|* SEARCH 1 2 4294967295|" },
	{ S("* LIST (\\HasNoChildren) \"/\" INBOX\r\n"), "* LIST ( \\HasNoChildren ) \"/\" INBOX|" },
	{ S("* LIST () NIL foo[bar\r\n* LIST () \"/\" {4}\r\na\nb\"\r\n"), "* LIST ( ) NIL foo[bar|* LIST ( ) \"/\" \"a\nb\"\"|" },
	{ S("* LIST () \"/\" \"a \\\"b\\\\\"\r\n"), "* LIST ( ) \"/\" \"a \"b\\\"|" },
	{ S("* FLAGS (\\Seen \\* $x)\r\n"), "* FLAGS ( \\Seen \\* $x )|" },
	{ S("* 1 FETCH (UID 7 BODY[] {5}\r\na\r\n)b FLAGS ())\r\n"), "* 1 FETCH ( UID 7 BODY[] {5|a\r\n)b} FLAGS ( ) )|" },
	{ S("* 1 fetch (BODY[]<0> {3+}\r\nabc)\r\n"), "* 1 fetch ( BODY[]<0> {3|abc} )|" },
	{ S("* 1 FETCH (BINARY[1] ~{2}\r\n\0\n)\r\n"), "* 1 FETCH ( BINARY[1] {2|\\0\n} )|" },
	{ S("* 1 FETCH (BODY[] {0}\r\n)\r\n* 2 FETCH (BODY[] NIL)\r\n* 3 FETCH (BODY[] \"x\")\r\n"),
	  "* 1 FETCH ( BODY[] {0|} )|* 2 FETCH ( BODY[] NIL )|* 3 FETCH ( BODY[] \"x\" )|" },
	{ S("* 1 FETCH (BODY[HEADER.FIELDS (TO \"X)\")] {2}\r\nhi RFC822 {1}\r\ny)\r\n"),
	  "* 1 FETCH ( BODY[HEADER.FIELDS (TO \"X)\")] {2|hi} RFC822 {1|y} )|" },
	{ S("* 1 FETCH (ENVELOPE ((\"a\" NIL) {1}\r\nz) UID 2)\r\n"), "* 1 FETCH ( ENVELOPE ( ( \"a\" NIL ) \"z\" ) UID 2 )|" },
	{ S("* 1 FETCH(UID 2)\n* 3 EXPUNGE\n"), "* 1 FETCH ( UID 2 )|* 3 EXPUNGE|" },
	{ S("* X ~tilde ~ {0}\r\n\r\n"), "* X ~tilde ~ \"\"|" },
	{ S("* LIST () \"/\" Entw\xc3\xbcrfe\r\n"), "* LIST ( ) \"/\" Entw\xc3\xbcrfe|" },
	/* what is none */
	{ S("\r\n"), "!" },
	{ S(" OK\r\n"), "!" },
	{ S("*\r\n"), "* !" },
	{ S("a1\r\n"), "a1 !" },
	{ S("a1 FETCH 1\r\n"), "a1 FETCH 1 !" },
	{ S("(a)\r\n"), "!" },
	{ S("a(OK)\r\n"), "a !" },
	{ S("Subject: hello\r\n"), "Subject: hello !" },
	{ S("* 1 FETCH (UID 7 BODY[] {2}\r\nabc)\r\n"), "* 1 FETCH ( UID 7 BODY[] {2|ab} !" },
	{ S("* 1 FETCH (UID 7 BODY[] {2}\r\nab c\r\n"), "* 1 FETCH ( UID 7 BODY[] {2|ab} c !" },
	{ S("* 1 FETCH (UID 7\r\n"), "* 1 FETCH ( UID 7 !" },
	{ S("* 1 FETCH (UID 7))\r\n"), "* 1 FETCH ( UID 7 ) !" },
	{ S("* 1 FETCH (UID 7)x\r\n"), "* 1 FETCH ( UID 7 ) !" },
	{ S("* X \"a\"b\r\n"), "* X \"a\" !" },
	{ S("* X \"a\r\n"), "* X \"a !" },
	{ S("* X \"a\0\"\r\n"), "* X \"a !" },
	{ S("* X a\0b\r\n"), "* X a !" },
	{ S("* 1 FETCH (BODY[ {1}\r\nx)\r\n"), "* 1 FETCH ( BODY[ {1} !" },
	{ S("* X {}\r\n"), "* X \" !" },
	{ S("* X {1x}\r\n"), "* X \" !" },
	{ S("* X {1} x\r\n"), "* X \" !" },
	{ S("* X {99999999999999999999}\r\n"), "* X \" !" },
	{ S("* X {9223372036854775808}\r\n"), "* X \" !" },
	{ S("* X {1048577}\r\nx"), "* X \" !" },
	{ S("* OK [ALERT\r\n"), "* OK [ALERT !" },
	{ S("* OK a\rb\r\n"), "* OK 'a !" },
	{ S("* X \x01\r\n"), "* X !" },
	{ S("* X ((((((((((((((((((((((((((((((((("),
	  "* X ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( !" },
};

static void
add_octets(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.s[i] == '\0')
			buf_adds(b, "\\0");
		else
			buf_addc(b, s.s[i]);
}

/* Words of a reply; what passed by stands in bodies, each ended by NUL. */
static void
render(const struct imap_reply *r, bool whole, const char **body, struct buf *out)
{
	static const char *const marks[] = { [IMAP_ATOM] = "", [IMAP_STRING] = "\"\"", [IMAP_OPEN] = "",
		[IMAP_CLOSE] = "", [IMAP_CODE] = "[]", [IMAP_TEXT] = "''", [IMAP_BODY] = "{}" };

	for (size_t i = 0; i < r->count; i++) {
		const char *mark = marks[r->words[i].kind];
		bool half = !whole && i + 1 == r->count && r->words[i].kind != IMAP_BODY && r->fault != NULL;

		if (i > 0)
			buf_addc(out, ' ');
		if (r->words[i].kind == IMAP_OPEN || r->words[i].kind == IMAP_CLOSE)
			buf_addc(out, r->words[i].kind == IMAP_OPEN ? '(' : ')');
		if (*mark != '\0')
			buf_addc(out, mark[0]);
		if (r->words[i].kind == IMAP_BODY) {
			buf_adds(out, *body);
			*body += strlen(*body) + 1;
		}
		add_octets(out, imap_reply_text(r, i));
		/* The fault may be inside the last word: then it is not closed. */
		if (*mark != '\0' && (!half || strstr(r->fault, "should") != NULL))
			buf_addc(out, mark[1]);
	}
	if (!whole && r->count > 0)
		buf_addc(out, ' ');
	buf_addc(out, whole ? '|' : '!');
}

static void
read_row(size_t row, size_t step)
{
	struct imap_reply r;
	struct buf got = BUF_INIT(4096), passed = BUF_INIT(4096);
	struct span in = rows[row].in;
	enum imap_event event = IMAP_MORE;

	imap_reply_init(&r);
	for (size_t at = 0; at < in.len && event != IMAP_BROKEN;) {
		at += imap_reply_feed(&r, in.s + at, in.len - at < step ? in.len - at : step, &event);
		if (event == IMAP_BEGIN) {
			buf_addf(&passed, "%llu|", (unsigned long long)r.body_left);
		} else if (event == IMAP_OCTETS) {
			add_octets(&passed, r.piece);
		} else if (event == IMAP_WHOLE || event == IMAP_BROKEN) {
			const char *next = buf_str(&passed);

			render(&r, event == IMAP_WHOLE, &next, &got);
			buf_reset(&passed);
		}
		if ((event == IMAP_BEGIN || event == IMAP_OCTETS) && r.body_left == 0)
			buf_addc(&passed, '\0');
	}
	if (strcmp(buf_str(&got), rows[row].out) != 0)
		fail_msg("row %zu, step %zu: %s (%s)", row, step, buf_str(&got), r.fault != NULL ? r.fault : "");
	buf_free(&got);
	buf_free(&passed);
	imap_reply_free(&r);
}

static void
all_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t step = 1; step < 8; step++)
			read_row(i, step);
		read_row(i, 1000);
	}
}

/* Feeds octets for as long as the reply is wanted; how many were read. */
static size_t
endless(const char *begin, const char *again, const char **fault)
{
	struct imap_reply r;
	enum imap_event event;
	size_t n = 0;

	imap_reply_init(&r);
	n += imap_reply_feed(&r, begin, strlen(begin), &event);
	while (event == IMAP_MORE && n < 3 * IMAP_REPLY_MAX)
		n += imap_reply_feed(&r, again, strlen(again), &event);
	assert_int_equal(event, IMAP_BROKEN);
	assert_int_equal(imap_reply_feed(&r, "* OK\r\n", 6, &event), 1);
	assert_int_equal(event, IMAP_BROKEN);
	*fault = r.fault;
	imap_reply_free(&r);
	return n;
}

static void
without_end(void **state)
{
	static const char *const again[][2] = { { "* OK ", "text" }, { "* OK [", "code" }, { "* SEARCH", " 1" },
		{ "* X ", "()" }, { "* X \"", "x" }, { "* X ", "a" }, { "* X", " " }, { "* 1 FETCH (BODY[", "x" }, { "a", "a" } };
	const char *fault;

	(void)state;
	for (size_t i = 0; i < COUNT(again); i++) {
		assert_int_equal(endless(again[i][0], again[i][1], &fault), IMAP_REPLY_MAX + 1);
		assert_string_equal(fault, "a reply that is too long");
	}
}

/* A message as large as a number can say costs no memory. */
static void
huge(void **state)
{
	static const char head[] = "* 1 FETCH (UID 1 BODY[] {9223372036854775807}\r\n";
	static char octets[65536];
	struct imap_reply r;
	enum imap_event event;

	(void)state;
	imap_reply_init(&r);
	assert_int_equal(imap_reply_feed(&r, head, strlen(head), &event), strlen(head));
	assert_int_equal(event, IMAP_BEGIN);
	assert_true(r.body_left == INT64_MAX);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(imap_reply_feed(&r, octets, sizeof(octets), &event), sizeof(octets));
		assert_int_equal(event, IMAP_OCTETS);
		assert_ptr_equal(r.piece.s, octets);
	}
	assert_true(r.text.cap < 4096);
	imap_reply_free(&r);
}

static void
questions(void **state)
{
	static const char in[] = "* 4 FETCH (FLAGS (\\Seen (x)) UID 12 X \"3\")\r\n";
	struct imap_reply r;
	enum imap_event event;
	uint64_t n = 0;

	(void)state;
	imap_reply_init(&r);
	assert_int_equal(imap_reply_feed(&r, in, strlen(in), &event), strlen(in));
	assert_int_equal(event, IMAP_WHOLE);
	assert_true(imap_reply_is(&r, 4, "flags"));
	assert_int_equal(imap_reply_behind(&r, 4), 5);
	assert_int_equal(imap_reply_behind(&r, 5), 11); /* ( \Seen ( x ) ) */
	assert_true(imap_reply_is(&r, 11, "UID"));
	assert_int_equal(imap_reply_number(&r, 12, 12, &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(imap_reply_number(&r, 12, 11, &n), -1);
	assert_int_equal(imap_reply_number(&r, 14, 12, &n), -1); /* a string is no number */
	assert_int_equal(imap_reply_number(&r, 99, 12, &n), -1);
	assert_int_equal(imap_reply_text(&r, 99).len, 0);
	assert_int_equal(imap_reply_behind(&r, 3), r.count);
	assert_int_equal(imap_reply_behind(&r, 99), r.count);
	imap_reply_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_rows), cmocka_unit_test(without_end),
		cmocka_unit_test(huge), cmocka_unit_test(questions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
