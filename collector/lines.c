/*
 * lines: numbers in words, for people.
 */
#include "collector/lines.h"

#include <stdio.h>

#include "lib/base/ascii.h"

static void
add_octets(struct buf *b, uint64_t octets)
{
	if (octets < 10 * 1024)
		buf_addf(b, "%llu octets", (unsigned long long)octets);
	else if (octets < 10 * 1024 * 1024)
		buf_addf(b, "%llu KiB", (unsigned long long)(octets / 1024));
	else
		buf_addf(b, "%llu MiB", (unsigned long long)(octets / 1024 / 1024));
}

void
line_put(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		putchar(ascii_print((unsigned char)b->s[i]) || (unsigned char)b->s[i] >= 0xa0 ? b->s[i] : '?');
	putchar('\n');
	fflush(stdout);
}

void
line_add_run(struct buf *b, const char *name, const struct state_run *r)
{
	buf_addf(b, "%s: %llu message%s, ", name, (unsigned long long)r->messages, r->messages == 1 ? "" : "s");
	add_octets(b, r->octets);
	if (r->left > 0)
		buf_addf(b, ", %llu left there", (unsigned long long)r->left);
}
