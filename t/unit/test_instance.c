/* test_instance: where one installation keeps what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/instance.h"

static void
dirs_below(void **state)
{
	static const struct {
		const char *dir, *root; /* root: behind the working directory */
		bool below;
	} cases[] = {
		{ "/srv/mail", "/srv/mail", false },
		{ "/srv/mail//", "/srv/mail", false },
		{ "/", "/", false },
		{ "house", "/house", true },
		{ "a/b/", "/a/b", true },
		{ ".", "", true },
	};
	char here[PATH_MAX], want[PATH_MAX * 2];
	struct instance inst;
	size_t i;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	for (i = 0; i < COUNT(cases); i++) {
		instance_open(&inst, cases[i].dir);
		(void)snprintf(want, sizeof(want), "%s%s",
		    cases[i].below ? here : "", cases[i].root);
		assert_string_equal(inst.root, want);
		(void)strlcat(want, "/spool", sizeof(want));
		assert_string_equal(inst.spool, want);
		instance_close(&inst);
	}
}

static void
system_dirs(void **state)
{
	struct instance inst;

	(void)state;
	instance_open(&inst, NULL);
	assert_null(inst.root);
	assert_string_equal(inst.etc, ETC_DIR);
	assert_string_equal(inst.maps, STATE_DIR "/maps");
	assert_string_equal(inst.run, RUN_DIR);
	instance_close(&inst);
}

static void
path_joined(void **state)
{
	char *p = instance_path("/srv/run", "submit");

	(void)state;
	assert_string_equal(p, "/srv/run/submit");
	free(p);
}

static void
libexec_found(void **state)
{
	const char *dir = instance_libexec();

	(void)state;
	assert_int_equal(dir[0], '/');
	assert_non_null(strstr(dir, "/libexec/posthouse"));
	assert_ptr_equal(instance_libexec(), dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dirs_below),
		cmocka_unit_test(system_dirs),
		cmocka_unit_test(path_joined),
		cmocka_unit_test(libexec_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
