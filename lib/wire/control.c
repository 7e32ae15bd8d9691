/*
 * control: the table of the administrators' dialogue with queued, and the lines of a listing.
 */
#include "lib/wire/control.h"

#include <string.h>

#include "lib/base/ascii.h"

#define CHANGED (CONTROL_CHANGING | CONTROL_SHOWING | CONTROL_LISTING)
#define ASKED (CHANGED | CONTROL_COUNTING)

// clang-format off
const struct wire_msg control_messages[] = {
	/* who    verb       fds  said in           leads to          words */
	{ CLIENT, "LIST",    0,   CONTROL_IDLE,     CONTROL_LISTING,  "what +" },
	{ SERVER, "ITEM",    0,   CONTROL_LISTING,  WIRE_SAME,        "+" },
	{ CLIENT, "RETRY",   0,   CONTROL_IDLE,     CONTROL_CHANGING, "+" },
	{ CLIENT, "FLUSH",   0,   CONTROL_IDLE,     CONTROL_CHANGING, "" },
	{ CLIENT, "LINK",    0,   CONTROL_IDLE,     CONTROL_CHANGING, "how by" },
	{ CLIENT, "HOLD",    0,   CONTROL_IDLE,     CONTROL_CHANGING, "by +" },
	{ CLIENT, "RELEASE", 0,   CONTROL_IDLE,     CONTROL_CHANGING, "by +" },
	{ CLIENT, "DELETE",  0,   CONTROL_IDLE,     CONTROL_CHANGING, "by +" },
	{ SERVER, "END",     0,   CHANGED,          CONTROL_IDLE,     "count" },
	{ CLIENT, "SHOW",    0,   CONTROL_IDLE,     CONTROL_SHOWING,  "id" },
	{ SERVER, "FILES",   2,   CONTROL_SHOWING,  CONTROL_IDLE,     "state next" },
	{ CLIENT, "STATUS",  0,   CONTROL_IDLE,     CONTROL_COUNTING, "" },
	{ SERVER, "COUNTS",  0,   CONTROL_COUNTING, CONTROL_IDLE,     "+" },
	{ SERVER, "DENIED",  0,   ASKED,            CONTROL_IDLE,     "" },
	{ 0 },
};
// clang-format on

void
control_item_add(struct buf *body, const struct control_item *item)
{
	for (size_t i = 0; i < ITEM_WORDS; i++) {
		word_encode(body, item->word[i], strlen(item->word[i]), NULL);
		buf_addc(body, i + 1 < ITEM_WORDS ? ' ' : '\n');
	}
}

int
control_item_next(struct span *body, struct arena *arena, struct control_item *item)
{
	struct span line;

	if (body->s == NULL || body->len == 0)
		return 0;
	line = span_cut(body, '\n');
	for (size_t i = 0; i < ITEM_WORDS; i++) {
		struct span word;
		char *s;

		if (line.s == NULL)
			return -1;
		word = span_cut(&line, ' ');
		s = arena_alloc(arena, word.len + 1);
		if (word_decode(s, word.s, word.len) == -1)
			return -1;
		item->word[i] = s;
	}
	return line.s == NULL ? 1 : -1;
}
