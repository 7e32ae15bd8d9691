/*
 * bars: a few lines at the bottom of a terminal, drawn anew each time (ECMA-48: cursor up, erase line).
 */
#include "collector/bars.h"

#include <stdio.h>

#include "collector/lines.h"

#define NAME_COLUMNS 20
#define BAR_COLUMNS 24

void
bars_clear(struct bars *b)
{
	for (; b->shown > 0; b->shown--)
		fputs("\033[A\033[2K", stdout);
	if (b->terminal)
		fflush(stdout);
}

bool
bars_add(struct bars *b, const char *account, const struct fetch_progress *p)
{
	struct buf line = BUF_INIT(256);
	uint64_t full = p->total == 0 ? 0 : p->done >= p->total ? BAR_COLUMNS : p->done * BAR_COLUMNS / p->total;

	if (!b->terminal || b->shown == BARS_MAX)
		return false;
	buf_addf(&line, "%-*.*s [", NAME_COLUMNS, NAME_COLUMNS, account);
	for (uint64_t i = 0; i < BAR_COLUMNS; i++)
		buf_addc(&line, i < full ? '#' : '.');
	buf_addf(&line, "] %llu/%llu, ", (unsigned long long)p->done, (unsigned long long)p->total);
	line_add_octets(&line, p->octets);
	line_put(&line);
	b->shown++;
	buf_free(&line);
	return true;
}
