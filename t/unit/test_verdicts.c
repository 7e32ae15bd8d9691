/* test_verdicts: what servers said about recipients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "deliver/verdicts.h"

static const struct probe_result yes = { .answer = CALLOUT_YES };
static const struct probe_result no = { .answer = CALLOUT_NO, .code = 550, .enhanced = "5.1.1", .text = "no such" };

static void
kept(void **state)
{
	struct verdicts v;

	(void)state;
	verdicts_init(&v);
	assert_null(verdicts_find(&v, "ann@a.example"));
	verdicts_keep(&v, "ann@a.example", &yes, NEVER);
	verdicts_keep(&v, "bob@a.example", &no, NEVER);
	assert_null(verdicts_find(&v, "ann@a.example")->not_yes);
	assert_string_equal(verdicts_find(&v, "bob@a.example")->not_yes->text, "no such");
	verdicts_keep(&v, "bob@a.example", &yes, NEVER);
	assert_null(verdicts_find(&v, "bob@a.example")->not_yes);
	verdicts_keep(&v, "bob@a.example", &no, deadline_in(-1)); /* over */
	assert_null(verdicts_find(&v, "bob@a.example"));
	assert_non_null(verdicts_find(&v, "ann@a.example"));
	verdicts_free(&v);
}

/* However many there are: the table stays as large as it is, and what is in it is right. */
static void
crowded(void **state)
{
	struct verdicts v;
	char address[64];
	size_t found = 0;

	(void)state;
	verdicts_init(&v);
	for (int i = 0; i < 4 * VERDICTS; i++) {
		snprintf(address, sizeof(address), "u%d@a.example", i);
		verdicts_keep(&v, address, i % 2 == 0 ? &yes : &no, deadline_in(3600 * 1000 + i));
		assert_non_null(verdicts_find(&v, address));
	}
	for (int i = 0; i < 4 * VERDICTS; i++) {
		const struct verdict *found_one;

		snprintf(address, sizeof(address), "u%d@a.example", i);
		found_one = verdicts_find(&v, address);
		if (found_one != NULL) {
			assert_int_equal(found_one->not_yes != NULL, i % 2);
			found++;
		}
	}
	assert_in_range(found, VERDICTS / 2, VERDICTS);
	verdicts_free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(kept), cmocka_unit_test(crowded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
