/* test_maptext: text maps, read entry by entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/sys/file.h"
#include "router/maptext.h"

/* Entries as LINE<KEY|VALUE>, and what was reported without the file's name. */
static const struct {
	const char *text, *want, *report;
} rows[] = {
	{ "", "", "" },
	{ "\n\n  \n", "", "" },
	{ "# only\n  # comments\n", "", "" },
	{ "a b\n", "1<a|b>", "" },
	{ "a b", "1<a|b>", "" },
	{ "a\n", "1<a|>", "" },
	{ "a   b\t c  \n", "1<a|b\t c>", "" },
	{ "a b\r\nc d\r\n", "1<a|b>2<c|d>", "" },
	{ "a b\n c\n\td\ne f\n", "1<a|b c d>4<e|f>", "" },
	{ "a\n b\n", "1<a|b>", "" },
	{ "a b\n\n# x\n  # y\n c\n", "1<a|b c>", "" },
	{ "a b # c\n", "1<a|b>", "" },
	{ "a b#c\n", "1<a|b#c>", "" },
	{ "a \"b # c\" # d\n", "1<a|\"b # c\">", "" },
	{ "a \"b \\\" # c\" # d\n", "1<a|\"b \\\" # c\">", "" },
	{ "\"a b\"@c d\n", "1<\"a b\"@c|d>", "" },
	{ "sender:\"a b\"@c d\n", "1<sender:\"a b\"@c|d>", "" },
	{ " a b\nc d\n", "2<c|d>", ":1: the line begins with a blank and there "
	  "is no entry that it continues\n" },
	{ "a \x01\nb c\n", "2<b|c>", ":1: the line holds a control character\n" },
	{ "a \xc3\xa9\nb \xff\n", "1<a|\xc3\xa9>",
	  ":2: the line is not UTF-8\n" },
	/* commands */
	{ "!printf a\\040b\\nc\\040d\\n\ne f\n", "1<a|b>1<c|d>2<e|f>", "" },
	{ "x y\n!printf %s \"a b\"\nz\n", "1<x|y>2<a|b>3<z|>", "" },
	{ "!printf name=%s value\n", "1<name=value|>", "" },
	{ "!true\n", "", "" },
	{ "!false\na b\n", "2<a|b>", ":1: false failed with exit status 1\n" },
	{ "!/nonexistent/x\n", "", ":1: cannot run /nonexistent/x: No such "
	  "file or directory\n" },
	{ "!\n", "", ":1: a command has 1 to 64 words\n" },
	{ "!printf \"x\n", "", ":1: a quote is opened and not closed: add the "
	  "missing \"\n" },
	{ "!printf !true\\n\n", "", ":1: line 1 of the command's output: a "
	  "command's output cannot run commands\n" },
	{ "!printf \\040x\\n\n", "", ":1: line 1 of the command's output: the "
	  "line begins with a blank and there is no entry that it continues\n" },
	/* nothing of it is for a shell */
	{ "!printf %s $HOME;id|`id`>x\n", "1<$HOME;id|`id`>x|>", "" },
};

static char *
file_of(const char *text, size_t n)
{
	char *name = mem_dup("/tmp/maptext.XXXXXX");
	int fd = mkstemp(name);

	assert_int_not_equal(fd, -1);
	assert_int_equal(file_write_all(fd, text, n), 0);
	file_close(fd);
	return name;
}

static void
read_map(const char *file, struct buf *got, struct buf *reported)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY), out[2];
	struct map_entry_text e;
	struct report report;
	struct maptext *t;
	char octets[65536];
	ssize_t n;

	assert_int_equal(pipe(out), 0);
	report_open(&report, out[1], 0);
	t = maptext_open(file, tmp, &report);
	assert_non_null(t);
	buf_reset(got);
	while (maptext_next(t, &e))
		buf_addf(got, "%u<%.*s|%.*s>", e.line, (int)e.key.len, e.key.s,
		    (int)e.value.len, e.value.s);
	maptext_close(t);
	buf_free(&report.line);
	file_close(out[1]);
	buf_reset(reported);
	while ((n = read(out[0], octets, sizeof(octets))) > 0)
		buf_add(reported, octets, (size_t)n);
	file_close(out[0]);
	file_close(tmp);
}

static void
entries(void **state)
{
	struct buf got = BUF_INIT(1 << 20), reported = BUF_INIT(1 << 20);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *file = file_of(rows[i].text, strlen(rows[i].text));

		read_map(file, &got, &reported);
		assert_string_equal(buf_str(&got), rows[i].want);
		if (rows[i].report[0] == '\0')
			assert_int_equal(reported.len, 0);
		else
			assert_string_equal(buf_str(&reported) + strlen(file),
			    rows[i].report);
		assert_int_equal(unlink(file), 0);
		free(file);
	}
	buf_free(&got);
	buf_free(&reported);
}

static void
no_map(void **state)
{
	struct buf got = BUF_INIT(100), reported = BUF_INIT(100);

	(void)state;
	read_map("/nonexistent/map", &got, &reported);
	assert_int_equal(got.len, 0);
	assert_int_equal(reported.len, 0);
	buf_free(&got);
	buf_free(&reported);
}

/* One octet under, at and over the bound, by one line and by continuations. */
static void
long_entries(void **state)
{
	struct buf text = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20),
	    reported = BUF_INIT(1 << 20);
	size_t n, i, lines;

	(void)state;
	for (lines = 1; lines <= 2; lines++)
		for (n = LIMIT_MAP_LINE - 1; n <= LIMIT_MAP_LINE + 1; n++) {
			char *file;

			buf_reset(&text);
			for (i = 0; i < n; i++)
				if (lines == 2 && i == 40000)
					buf_adds(&text, "\n ");
				else
					buf_addc(&text, 'x');
			buf_adds(&text, "\na b\n");
			file = file_of(text.s, text.len);
			read_map(file, &got, &reported);
			assert_int_equal(reported.len > 0, n > LIMIT_MAP_LINE);
			assert_non_null(strstr(got.s, lines == 1 ? "2<a|b>" :
			    "3<a|b>"));
			assert_int_equal(got.len > 100, n <= LIMIT_MAP_LINE);
			assert_int_equal(unlink(file), 0);
			free(file);
		}
	buf_free(&text);
	buf_free(&got);
	buf_free(&reported);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),
		cmocka_unit_test(no_map),
		cmocka_unit_test(long_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
