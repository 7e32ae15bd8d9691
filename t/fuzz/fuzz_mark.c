/*
 * Promises of collector/mark.c: without the lines from elsewhere all other octets are there, in their order; our own marks
 * are read only from the top, and what is read lies in the text.
 */
#include <string.h>

#include "collector/mark.h"
#include "t/fuzz/fuzz.h"

static void
check_within(struct span part, struct span whole)
{
	PROMISE(part.len == 0 || (part.s >= whole.s && part.s + part.len <= whole.s + whole.len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span text = { (const char *)octets, n }, rest = text, piece;
	const char *at = text.s;
	size_t left = 0;
	struct mark m;

	while (mark_without_foreign(&rest, &piece)) {
		PROMISE(piece.s >= at || piece.len == 0);
		check_within(piece, text);
		at = piece.s + piece.len;
		left += piece.len;
	}
	PROMISE(left <= n);
	if (mark_read(text, NULL, &m)) {
		PROMISE(m.end > 0 && m.end <= n);
		check_within(m.account, text);
		check_within(m.evidence, text);
		check_within(m.server, text);
	}
	return 0;
}
