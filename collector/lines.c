/*
 * lines: numbers in words, for people.
 */
#include "collector/lines.h"

#include <stdio.h>

#include "lib/base/ascii.h"

void
line_add_octets(struct buf *b, uint64_t octets)
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
	for (size_t i = 0; i < b->len;) {
		unsigned cp = 0;
		size_t n = utf8_char(b->s + i, b->len - i, &cp);

		if (n > 0 && cp >= 0x20 && cp != 0x7f && (cp < 0x80 || cp >= 0xa0))
			fwrite(b->s + i, 1, n, stdout);
		else
			putchar('?');
		i += n > 0 ? n : 1;
	}
	putchar('\n');
	fflush(stdout);
}

void
line_add_run(struct buf *b, const char *name, const struct state_run *r)
{
	buf_addf(b, "%s: %llu message%s, ", name, (unsigned long long)r->messages, r->messages == 1 ? "" : "s");
	line_add_octets(b, r->octets);
	if (r->left > 0)
		buf_addf(b, ", %llu left there", (unsigned long long)r->left);
}
