/* Tests of lib/mail/parts.c and lib/mail/parameters.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/parameters.h"
#include "lib/mail/parts.h"

#define B64 "Content-Transfer-Encoding: base64\n"
#define QP "Content-Transfer-Encoding: quoted-printable\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"

/* clang-format off */
static const struct {
	const char *in;
	const char *found; /* F top field, f field of a part, N name, P a part begins, T its text */
	const char *fault;
} cases[] = {
	{ "Subject: hi\nTo: a\n b\n\nx\ny\n", "F(Subject=hi)F(To=a b)PT(x\ny\n)", NULL },
	{ "Subject: hi\r\n\r\nx\r\n", "F(Subject=hi)PT(x\n)", NULL },
	{ "", "P", NULL },
	{ "Subject: hi", "F(Subject=hi)P", NULL },
	{ B64 "\nY2hlYXAgcGls\nbHM=\n", "F(Content-Transfer-Encoding=base64)PT(cheap pills)", NULL },
	{ B64 "\nY2hl YXAg!\ncGlsbHM\n", "F(Content-Transfer-Encoding=base64)PT(cheap pills)", NULL },
	{ QP "\nche=61p=20pi=\nlls =  \nx  \n=zz\n", "F(Content-Transfer-Encoding=quoted-printable)PT(cheap pills x\n=zz\n)", NULL },
	/* the boundaries of RFC 2046, 5.1.1: blanks behind one, none at the end of the message, preamble and epilogue */
	{ MIXED "preamble\n--b\nA: 1\n\none\n--b  \n\ntwo\n--b--\nepilogue\n",
	  "F(Content-Type=multipart/mixed; boundary=b)f(A=1)PT(one\n)PT(two\n)", NULL },
	{ MIXED "--b\n\none\n", "F(Content-Type=multipart/mixed; boundary=b)PT(one\n)", "a multipart does not end" },
	{ "Content-Type: multipart/mixed\n\n--b\n\none\n", "F(Content-Type=multipart/mixed)", "a multipart has no boundary" },
	{ "Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b\n\none\n--a b--\n",
	  "F(Content-Type=multipart/mixed; boundary=\"a b\")PT(one\n)", NULL },
	{ "Content-Type: multipart/mixed; boundary=b\n" B64 "\n--b\n\none\n--b--\n",
	  "F(Content-Type=multipart/mixed; boundary=b)F(Content-Transfer-Encoding=base64)PT(one\n)", "a multipart is encoded" },
	{ "Content-Transfer-Encoding: rot13\n\nx\n", "F(Content-Transfer-Encoding=rot13)PT(x\n)", "an unknown Content-Transfer-Encoding" },
	/* one inside the other; the outer boundary ends the inner one, too */
	{ MIXED "--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--bb--\n--b\n\ntwo\n--b--\n",
	  "F(Content-Type=multipart/mixed; boundary=b)f(Content-Type=multipart/alternative; boundary=bb)PT(one\n)PT(two\n)", NULL },
	{ MIXED "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--\n",
	  "F(Content-Type=multipart/mixed; boundary=b)f(Content-Type=multipart/alternative; boundary=c)PT(one\n)PT(two\n)",
	  "a multipart does not end" },
	/* a message inside, with an attachment */
	{ "Content-Type: message/rfc822\n\nSubject: in\nContent-Type: x/y; name=a.exe\n\nx\n",
	  "F(Content-Type=message/rfc822)f(Subject=in)N(a.exe)f(Content-Type=x/y; name=a.exe)PT(x\n)", NULL },
	{ "Content-Type: message/rfc822\n" B64 "\nU3ViamVjdDo=\n",
	  "F(Content-Type=message/rfc822)F(Content-Transfer-Encoding=base64)PT(Subject:)", "a message inside is encoded" },
	/* names */
	{ "Content-Disposition: attachment; filename=\"a b.exe\"\n\n",
	  "N(a b.exe)F(Content-Disposition=attachment; filename=\"a b.exe\")P", NULL },
	{ "Content-Disposition: attachment; filename=a.exe. \n\n", "N(a.exe)F(Content-Disposition=attachment; filename=a.exe.)P", NULL },
	{ "Content-Disposition: attachment; filename=a.txt; filename=b.exe\n\n",
	  "N(a.txt)N(b.exe)F(Content-Disposition=attachment; filename=a.txt; filename=b.exe)P", NULL },
	{ "Content-Type: x/y; name=\"=?utf-8?B?w6kuZXhl?=\"\n\n", "N(\xc3\xa9.exe)F(Content-Type=x/y; name=\"=?utf-8?B?w6kuZXhl?=\")P", NULL },
	{ "Content-Type: x/y; name*=iso-8859-1''%e9.e%78e\n\n", "N(\xc3\xa9.exe)F(Content-Type=x/y; name*=iso-8859-1''%e9.e%78e)P", NULL },
	{ "Content-Type: x/y;\n name*1*=.e%78;\n name*0*=utf-8'en'%c3%a9;\n name*2=e\n\n",
	  "N(\xc3\xa9.exe)F(Content-Type=x/y; name*1*=.e%78; name*0*=utf-8'en'%c3%a9; name*2=e)P", NULL },
	{ "Content-Type: x/y; name*=utf-8''a.exe%00.txt\n\n", "N(a.exe.txt)N(a.exe)F(Content-Type=x/y; name*=utf-8''a.exe%00.txt)P", NULL },
	/* one of two fields is for some programs, the other for others */
	{ "Content-Type: multipart/mixed; boundary=b\nContent-Type: text/plain\n\n--b\nA: 1\n\none\n--b--\n",
	  "F(Content-Type=multipart/mixed; boundary=b)F(Content-Type=text/plain)f(A=1)PT(one\n)", "a header has two Content-Type fields" },
	{ "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n\n--b\nA: 1\n\none\n--b--\n",
	  "F(Content-Type=text/plain)F(Content-Type=multipart/mixed; boundary=b)f(A=1)PT(one\n)", "a header has two Content-Type fields" },
	{ QP B64 "\neA==\n", "F(Content-Transfer-Encoding=quoted-printable)F(Content-Transfer-Encoding=base64)PT(x)",
	  "a header has two Content-Transfer-Encoding fields" },
	{ "Content-Type: message/partial; number=1; total=2; id=x\n\nx\n",
	  "F(Content-Type=message/partial; number=1; total=2; id=x)PT(x\n)", "a message comes in pieces" },
	{ "\nhello\nbegin 644 a.exe\nM...\nend\nbegin the day\n", "PN(a.exe)T(hello\nbegin 644 a.exe\nM...\nend\nbegin the day\n)", NULL },
	/* charsets of text */
	{ "Content-Type: text/plain; charset=iso-8859-1\n" QP "\nb=E4r\n",
	  "F(Content-Type=text/plain; charset=iso-8859-1)F(Content-Transfer-Encoding=quoted-printable)PT(b\xc3\xa4r\n)", NULL },
};

static const struct {
	const char *in, *name, *plain, *extended; /* NULL: none */
} parameters[] = {
	{ "; a=1; b=2", "b", "2", NULL },
	{ ";A = \"x;\\\"y\"", "a", "x;\"y", NULL },
	{ "; (a=1;) a=2 (c)", "a", "2 (c)", NULL },
	{ ";; a", "a", NULL, NULL },
	{ "; a=\"open", "a", "open", NULL },
	{ "; a*0=x; a*1=y; a*01=no", "a", NULL, "xy" },
	{ "; a*=x", "a", NULL, "x" },
	{ "; a*=no-such-charset''%41", "a", NULL, "A" },
	{ "; a*999=x; ab*=y", "a", NULL, NULL },
	{ "; a*=utf-8''%4", "a", NULL, "%4" },
};
/* clang-format on */

static struct buf seen = BUF_INIT(4 << 20);
static bool in_text;

static void
close_text(void)
{
	if (in_text)
		buf_addc(&seen, ')');
	in_text = false;
}

static void
field(void *arg, bool top, struct span name, struct span value)
{
	(void)arg;
	close_text();
	buf_addf(&seen, "%c(%.*s=%.*s)", top ? 'F' : 'f', (int)name.len, name.s, (int)value.len, value.s);
}

static void
name(void *arg, struct span s)
{
	(void)arg;
	close_text();
	buf_addf(&seen, "N(%.*s)", (int)s.len, s.s);
}

static void
part(void *arg)
{
	(void)arg;
	close_text();
	buf_addc(&seen, 'P');
}

static void
text(void *arg, struct span s)
{
	(void)arg;
	if (!in_text)
		buf_adds(&seen, "T(");
	in_text = true;
	buf_addspan(&seen, s);
}

static const struct parts_found all = { field, name, text, part };

/* step octets at a time, each from memory of its own. */
static void
walk(struct parts *p, const char *in, size_t n, size_t step)
{
	buf_reset(&seen);
	parts_init(p, &all, NULL);
	for (size_t i = 0; i < n; i += step) {
		size_t len = n - i < step ? n - i : step;
		char *copy = malloc(len);

		memcpy(copy, in + i, len);
		parts_feed(p, copy, len);
		free(copy);
	}
	parts_end(p);
	close_text();
	parts_free(p);
}

static void
walks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t steps[] = { 1, 7, 1 << 20 };

		for (size_t k = 0; k < COUNT(steps); k++) {
			struct parts p;

			walk(&p, cases[i].in, strlen(cases[i].in), steps[k]);
			assert_string_equal(buf_str(&seen), cases[i].found);
			if (cases[i].fault == NULL)
				assert_null(p.fault);
			else
				assert_string_equal(p.fault, cases[i].fault);
		}
	}
}

static void
reads_parameters(void **state)
{
	struct buf value = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < COUNT(parameters); i++) {
		struct span in = span_of(parameters[i].in);

		assert_int_equal(parameters_get(in, parameters[i].name, &value), parameters[i].plain != NULL);
		assert_string_equal(buf_str(&value), parameters[i].plain == NULL ? "" : parameters[i].plain);
		assert_int_equal(parameters_get_extended(in, parameters[i].name, &value), parameters[i].extended != NULL);
		assert_string_equal(buf_str(&value), parameters[i].extended == NULL ? "" : parameters[i].extended);
	}
	buf_free(&value);
}

/* Whatever is long or deep or many: a fault, and no more memory than promised. */
static void
keeps_limits(void **state)
{
	struct buf in = BUF_INIT(64 << 20);
	struct parts p;

	(void)state;
	buf_adds(&in, "X: ");
	for (size_t i = 0; i < PARTS_FIELD; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "\n\ntext\n");
	walk(&p, buf_str(&in), in.len, 1000);
	assert_string_equal(p.fault, "a field of the header is too long");

	buf_reset(&in);
	for (int i = 0; i <= PARTS_DEPTH; i++)
		buf_addf(&in, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	buf_adds(&in, "\nx\n");
	walk(&p, buf_str(&in), in.len, 1000);
	assert_string_equal(p.fault, "parts lie too deep in one another");

	buf_reset(&in);
	for (int i = 0; i <= PARTS_DEPTH; i++)
		buf_adds(&in, "Content-Type: message/rfc822\n\n");
	walk(&p, buf_str(&in), in.len, 1000);
	assert_string_equal(p.fault, "parts lie too deep in one another");

	buf_reset(&in);
	buf_adds(&in, MIXED);
	for (int i = 0; i <= PARTS_COUNT; i++)
		buf_adds(&in, "--b\n\n");
	buf_adds(&in, "--b--\n");
	walk(&p, buf_str(&in), in.len, 1000);
	assert_string_equal(p.fault, "too many parts");

	buf_reset(&in); /* a line of a megabyte is text like any other */
	buf_adds(&in, QP "\n");
	for (int i = 0; i < 1 << 18; i++)
		buf_adds(&in, "abcd");
	buf_adds(&in, "\n");
	walk(&p, buf_str(&in), in.len, 65536);
	assert_null(p.fault);
	assert_int_equal(seen.len, strlen("F(Content-Transfer-Encoding=quoted-printable)PT(") + (1 << 20) + 2);
	buf_free(&in);
	buf_free(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks),
		cmocka_unit_test(reads_parameters),
		cmocka_unit_test(keeps_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
