/* test_textmap: a map changed in place, everything else as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/store/textmap.h"

static const struct {
	const char *before, *key, *words, *after;
} continued[] = {
	{ "a x=1\nb y=2\n", "a", "z=3", "a x=1\n\tz=3\nb y=2\n" },
	{ "a x=1\n\ty=2 # why\n # a comment\n\tw=4\n# about b\nb y=2\n", "a", "z=3",
	  "a x=1\n\ty=2 # why\n # a comment\n\tw=4\n\tz=3\n# about b\nb y=2\n" },
	{ "# top\na x=1\nb y=2", "b", "list=dev.example.org:ann", "# top\na x=1\nb y=2\n\tlist=dev.example.org:ann\n" },
	{ "!command\na x=1\n\n", "a", "z=3", "!command\na x=1\n\tz=3\n\n" },
};

static bool
is_key(void *arg, struct span key)
{
	return span_is(key, arg);
}

static void
continues(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(continued); i++) {
		struct textmap m = { 0 };
		struct textmap_entry e;
		char key[16];

		buf_init(&m.text, 10000);
		buf_init(&m.before, 10000);
		buf_adds(&m.text, continued[i].before);
		(void)strlcpy(key, continued[i].key, sizeof(key));
		assert_true(textmap_find(&m, is_key, key, &e));
		textmap_continue(&m, &e, continued[i].words);
		assert_string_equal(buf_str(&m.text), continued[i].after);
		buf_free(&e.value);
		textmap_close(&m);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(continues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
