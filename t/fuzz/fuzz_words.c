/* Promises of lib/store/words.c: words are no longer than the text, names are names. */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/store/words.h"
#include "t/fuzz/fuzz.h"

static void
check(const struct words *w, size_t n)
{
	size_t octets = 0;

	for (size_t i = 0; i < w->n; i++) {
		octets += w->w[i].name.len + w->w[i].value.len;
		for (size_t k = 0; k < w->w[i].name.len; k++) {
			int c = (unsigned char)w->w[i].name.s[k];

			PROMISE(ascii_alnum(c) || c == '-' || c == '_');
		}
	}
	PROMISE(octets <= n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	static const char *const names[] = { "postmaster", "catch-all", "name", NULL };
	struct span text = { (const char *)octets, n };
	struct buf why = BUF_INIT(4096);
	struct arena *mem = arena_new();
	struct words w;

	if (words_parse(text, mem, &w, &why) == 0) {
		check(&w, n);
		(void)words_get(&w, "name");
		PROMISE(why.len == 0);
	} else {
		PROMISE(why.len > 0);
	}
	(void)words_nearest(text, names);
	arena_free(mem);
	buf_free(&why);
	return 0;
}
