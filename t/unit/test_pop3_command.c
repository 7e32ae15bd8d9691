/* pop3d/command.c: the lines that a POP3 client sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop3d/command.h"

// clang-format off
static const struct command table[] = {
	{ "STAT", ARGS_NONE,    NULL },
	{ "LIST", ARGS_MAYBE,   NULL },
	{ "RETR", ARGS_NUMBER,  NULL },
	{ "TOP",  ARGS_NUMBERS, NULL },
	{ "PASS", ARGS_TEXT,    NULL },
	{ "LANG", ARGS_WORD,    NULL },
	{ NULL,   ARGS_NONE,    NULL },
};

static const struct {
	const char *in;
	enum parsed parsed;
	const char *verb;   /* NULL: none */
	size_t numbers;
	uint64_t a, b;
	const char *text;
} cases[] = {
	{ "STAT",                  COMMAND_OK,      "STAT", 0, 0, 0, NULL },
	{ "stat",                  COMMAND_OK,      "STAT", 0, 0, 0, NULL },
	{ "sTaT ",                 COMMAND_OK,      "STAT", 0, 0, 0, NULL },
	{ "STAT 1",                COMMAND_ARGS,    "STAT", 0, 0, 0, NULL },
	{ "STATS",                 COMMAND_UNKNOWN, NULL,   0, 0, 0, NULL },
	{ "STA",                   COMMAND_UNKNOWN, NULL,   0, 0, 0, NULL },
	{ "",                      COMMAND_UNKNOWN, NULL,   0, 0, 0, NULL },
	{ " STAT",                 COMMAND_UNKNOWN, NULL,   0, 0, 0, NULL },
	{ "STAT\t",                COMMAND_UNKNOWN, NULL,   0, 0, 0, NULL },
	{ "LIST",                  COMMAND_OK,      "LIST", 0, 0, 0, NULL },
	{ "LIST 1",                COMMAND_OK,      "LIST", 1, 1, 0, NULL },
	{ "LIST 0",                COMMAND_OK,      "LIST", 1, 0, 0, NULL },
	{ "LIST 1 2",              COMMAND_ARGS,    "LIST", 0, 0, 0, NULL },
	{ "LIST 1x",               COMMAND_ARGS,    "LIST", 0, 0, 0, NULL },
	{ "LIST 1.0",              COMMAND_ARGS,    "LIST", 0, 0, 0, NULL },
	{ "LIST +1",               COMMAND_ARGS,    "LIST", 0, 0, 0, NULL },
	{ "LIST -1",               COMMAND_ARGS,    "LIST", 0, 0, 0, NULL },
	{ "LIST  1",               COMMAND_ARGS,    "LIST", 0, 0, 0, NULL },
	{ "LIST all",              COMMAND_ARGS,    "LIST", 0, 0, 0, NULL },
	{ "LIST 4294967297",       COMMAND_OK,      "LIST", 1, 4294967297, 0, NULL },
	{ "LIST 18446744073709551615", COMMAND_OK,  "LIST", 1, UINT64_MAX, 0, NULL },
	{ "LIST 18446744073709551616", COMMAND_ARGS, "LIST", 0, 0, 0, NULL },
	{ "LIST 18446744073709551617", COMMAND_ARGS, "LIST", 0, 0, 0, NULL },
	{ "LANG",                  COMMAND_OK,      "LANG", 0, 0, 0, NULL },
	{ "LANG ",                 COMMAND_OK,      "LANG", 0, 0, 0, NULL },
	{ "LANG en ",              COMMAND_OK,      "LANG", 0, 0, 0, "en" },
	{ "LANG 1",                COMMAND_OK,      "LANG", 0, 0, 0, "1" },
	{ "LANG en de",            COMMAND_ARGS,    "LANG", 0, 0, 0, NULL },
	{ "RETR",                  COMMAND_ARGS,    "RETR", 0, 0, 0, NULL },
	{ "RETR ",                 COMMAND_ARGS,    "RETR", 0, 0, 0, NULL },
	{ "RETR 7",                COMMAND_OK,      "RETR", 1, 7, 0, NULL },
	{ "RETR 007",              COMMAND_OK,      "RETR", 1, 7, 0, NULL },
	{ "TOP 1",                 COMMAND_ARGS,    "TOP",  0, 0, 0, NULL },
	{ "TOP 1 0",               COMMAND_OK,      "TOP",  2, 1, 0, NULL },
	{ "TOP 1 4294967296",      COMMAND_OK,      "TOP",  2, 1, 4294967296, NULL },
	{ "TOP 1 2 3",             COMMAND_ARGS,    "TOP",  0, 0, 0, NULL },
	{ "PASS",                  COMMAND_ARGS,    "PASS", 0, 0, 0, NULL },
	{ "PASS ",                 COMMAND_ARGS,    "PASS", 0, 0, 0, NULL },
	{ "PASS two words ",       COMMAND_OK,      "PASS", 0, 0, 0, "two words " },
	{ "PASS  leading",         COMMAND_OK,      "PASS", 0, 0, 0, " leading" },
};
// clang-format on

static void
parses(void **state)
{
	const struct command *got;
	struct words_given given;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("# %s\n", cases[i].in);
		assert_int_equal(command_parse(table, span_of(cases[i].in), &got, &given), cases[i].parsed);
		if (cases[i].verb == NULL)
			assert_null(got);
		else
			assert_string_equal(got->verb, cases[i].verb);
		if (cases[i].parsed != COMMAND_OK)
			continue;
		assert_int_equal(given.numbers, cases[i].numbers);
		if (given.numbers > 0)
			assert_true(given.number[0] == cases[i].a);
		if (given.numbers > 1)
			assert_true(given.number[1] == cases[i].b);
		if (cases[i].text != NULL)
			assert_true(span_is(given.text, cases[i].text));
	}
}

/* A NUL is an octet like others: it never ends a word. */
static void
nul_is_no_end(void **state)
{
	const struct command *got;
	struct words_given given;

	(void)state;
	assert_int_equal(command_parse(table, SPAN("RETR 1\0 2"), &got, &given), COMMAND_ARGS);
	assert_int_equal(command_parse(table, SPAN("STAT\0"), &got, &given), COMMAND_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(nul_is_no_end),
	};

	return cmocka_run_group_tests_name("pop3_command", tests, NULL, NULL);
}
