/*
 * Promises of smtpd/patterns.c and lib/store/regex.c: any expression over any octets ends soon, and finds the same in whatever
 * pieces they come; where the window holds all of the text, it finds what the library finds. The input is an expression,
 * a line end, and the text.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "smtpd/patterns.h"
#include "t/fuzz/fuzz.h"

static struct regex *
expression(struct span text)
{
	struct buf why = BUF_INIT(4096);
	struct regex *r = regex_new(text, true, &why);

	PROMISE((r == NULL) == (why.len > 0));
	buf_free(&why);
	return r;
}

static int
look(struct span regex, struct span text, size_t step, bool *gave_up)
{
	struct patterns *p = patterns_new();
	int found;

	patterns_add(p, expression(regex), 1, 0);
	patterns_begin(p, 1);
	for (size_t i = 0; i < text.len; i += step)
		patterns_feed(p, (struct span){ text.s + i, text.len - i < step ? text.len - i : step });
	patterns_end(p);
	found = patterns_found(p);
	*gave_up = patterns_gave_up(p) != -1;
	patterns_free(p);
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span text = { (const char *)octets, n }, regex = span_cut(&text, '\n');
	struct regex *r = expression(regex);
	bool tired, tired_too;
	size_t begin = 0;
	int found;

	if (r == NULL || text.s == NULL || text.len == 0) {
		regex_free(r);
		return 0;
	}
	found = look(regex, text, text.len, &tired);
	if (!tired) {
		PROMISE(look(regex, text, 1, &tired_too) == found);
		if (text.len < PATTERNS_WINDOW && utf8_valid(text.s, text.len))
			PROMISE((regex_find(r, text, false, &begin, text.len) == REGEX_FOUND) == (found == 0));
	}
	regex_free(r);
	return 0;
}
