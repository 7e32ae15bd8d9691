/* test_manual: the manuals of posthouse.conf and the maps say what the tables in the code say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/conf.h"
#include "lib/store/provider.h"
#include "lib/store/upstream.h"
#include "lib/sys/file.h"
#include "router/entry.h"

static void
read_page(const char *page, struct buf *out)
{
	const char *src = getenv("SRCDIR");
	char *file = mem_fmt("%s/man/%s", src != NULL ? src : "..", page);

	assert_int_equal(file_slurp_at(AT_FDCWD, file, out), 0);
	free(file);
}

/* Each setting with its default, in the order of the table, and no other. */
static void
settings(void **state)
{
	struct buf page = BUF_INIT(1 << 20), want = BUF_INIT(1 << 16),
	    got = BUF_INIT(1 << 16);
	const char *name, *standard;
	struct span rest, line;
	size_t i;

	(void)state;
	for (i = 0; (name = conf_name(i, &standard)) != NULL; i++)
		buf_addf(&want, ".It Ic %s No =%s%s\n", name,
		    standard[0] == '\0' ? "" : " Cm ", standard);
	read_page("posthouse.conf.5", &page);
	for (rest = buf_span(&page); rest.s != NULL;) {
		line = span_cut(&rest, '\n');
		if (line.len > 7 && memcmp(line.s, ".It Ic ", 7) == 0) {
			buf_addspan(&got, line);
			buf_addc(&got, '\n');
		}
	}
	assert_string_equal(buf_str(&got), buf_str(&want));
	buf_free(&page);
	buf_free(&want);
	buf_free(&got);
}

static void
map_words(void **state)
{
	const struct {
		const char *page;
		const char *const *words;
	} maps[] = {
		{ "posthouse-domains.5", domain_words },
		{ "posthouse-users.5", user_words },
		{ "posthouse-routes.5", route_words },
		{ "posthouse-access.5", access_words },
		{ "posthouse-filters.5", filter_words },
		{ "posthouse-attachments.5", attachment_words },
	};
	struct buf page = BUF_INIT(1 << 20), item = BUF_INIT(100);
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(maps); i++) {
		buf_reset(&page);
		read_page(maps[i].page, &page);
		for (j = 0; maps[i].words[j] != NULL; j++) {
			buf_reset(&item);
			buf_addf(&item, "\n.It Cm %s", maps[i].words[j]);
			if (strstr(page.s, item.s) == NULL)
				fail_msg("%s does not explain %s",
				    maps[i].page, maps[i].words[j]);
		}
	}
	buf_free(&page);
	buf_free(&item);
}

static void
provider_words(void **state)
{
	struct buf page = BUF_INIT(1 << 20), item = BUF_INIT(100);
	const char *word;

	(void)state;
	read_page("posthouse-providers.5", &page);
	for (size_t i = 0; (word = provider_word(i)) != NULL; i++) {
		buf_reset(&item);
		buf_addf(&item, "\n.It Cm %s= ", word);
		if (strstr(page.s, item.s) == NULL)
			fail_msg("posthouse-providers.5 does not explain %s", word);
	}
	buf_free(&page);
	buf_free(&item);
}

static void
upstream_words(void **state)
{
	struct buf page = BUF_INIT(1 << 20), item = BUF_INIT(100);
	const char *word;

	(void)state;
	read_page("posthouse-upstreams.5", &page);
	for (size_t i = 0; (word = upstream_word(i)) != NULL; i++) {
		buf_reset(&item);
		buf_addf(&item, "\n.It Cm %s= ", word);
		if (strstr(page.s, item.s) == NULL)
			fail_msg("posthouse-upstreams.5 does not explain %s", word);
	}
	buf_free(&page);
	buf_free(&item);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings),
		cmocka_unit_test(map_words),
		cmocka_unit_test(upstream_words),
		cmocka_unit_test(provider_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
