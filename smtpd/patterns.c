/*
 * patterns: regular expressions looked for in a stream of octets.
 *
 * Each text goes through a window. What an expression has found the beginning of when the window is full stays in it, with as
 * much in front as it may look back, so that the result is that of the whole text; only what spans more than half a window is
 * missed. How long senders can keep us busy is bounded: in steps at one place (lib/store/regex), and in time for a message.
 */
#include "smtpd/patterns.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ascii.h"

#define STRIDE 1024                    /* places tried between looks at the clock */
#define CONTEXT (4 * REGEX_BEHIND)     /* octets */

struct pattern {
	struct regex *regex;
	unsigned scopes, number;
	bool tired; /* gave up */
};

struct patterns {
	struct pattern *all;
	size_t count;
	struct buf window;
	size_t clean; /* octets of it that are UTF-8 for sure */
	size_t from; /* where in it nothing has begun yet */
	unsigned scope;
	int64_t left_us;
	int found, gave_up;
};

struct patterns *
patterns_new(void)
{
	struct patterns *p = mem_alloc(1, sizeof(*p));

	buf_init(&p->window, PATTERNS_WINDOW);
	patterns_reset(p);
	return p;
}

void
patterns_free(struct patterns *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		regex_free(p->all[i].regex);
	free(p->all);
	buf_wipe(&p->window);
	buf_free(&p->window);
	free(p);
}

void
patterns_add(struct patterns *p, struct regex *regex, unsigned scopes, unsigned number)
{
	p->all = mem_grow(p->all, p->count + 1, sizeof(*p->all));
	p->all[p->count++] = (struct pattern){ regex, scopes, number, false };
}

/* --- one expression ------------------------------------------------------- */

static int64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool
character_goes_on(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* One expression, a stride of places at a time. *from: as for regex_find(). */
static enum regex_result
find(struct patterns *p, const struct pattern *one, struct span text, bool more, size_t *from)
{
	enum regex_result result = REGEX_NONE;
	int64_t begun = cpu_us();

	while (result == REGEX_NONE && *from <= text.len) {
		size_t to = *from + STRIDE;

		while (to < text.len && character_goes_on(text.s[to]))
			to++;
		result = p->left_us <= 0 ? REGEX_GAVE_UP : regex_find(one->regex, text, more, from, to);
		if (result == REGEX_NONE)
			*from = to + 1;
		while (result == REGEX_NONE && *from < text.len && character_goes_on(text.s[*from]))
			++*from;
		p->left_us -= cpu_us() - begun;
		begun = cpu_us();
	}
	return result;
}

/* From where on the text has to be looked at again when there is more of it: half of it at most. */
static size_t
try_one(struct patterns *p, struct pattern *one, struct span text, bool more)
{
	size_t from = p->from, again = text.len;
	enum regex_result result = find(p, one, text, more, &from);

	if (result == REGEX_PARTIAL)
		again = from;
	if (again < text.len / 2) { /* what begins there cannot stay; is it there by now? */
		result = find(p, one, text, false, &from);
		again = text.len / 2;
	}
	if (result == REGEX_FOUND && (p->found == -1 || one->number < (unsigned)p->found))
		p->found = (int)one->number;
	one->tired = result == REGEX_GAVE_UP;
	if (one->tired && p->gave_up == -1)
		p->gave_up = (int)one->number;
	return again;
}

/* --- a text --------------------------------------------------------------- */

/* Octets without the character at the end, if that is not there as a whole. */
static size_t
whole_characters(struct span s)
{
	size_t n = s.len, back = 0;

	while (back < 3 && back < n && character_goes_on(s.s[n - back - 1]))
		back++;
	if (back < n && ((unsigned char)s.s[n - back - 1] & 0xc0) == 0xc0)
		return n - back - 1;
	return n;
}

/* What is no UTF-8 is an octet that nobody looks for. */
static void
make_clean(struct patterns *p, size_t upto)
{
	while (p->clean < upto) {
		size_t n = utf8_char(p->window.s + p->clean, upto - p->clean, NULL);

		if (n == 0)
			p->window.s[p->clean] = '\x1a';
		p->clean += n > 0 ? n : 1;
	}
}

static void
forget(struct patterns *p, size_t upto)
{
	size_t n = upto > CONTEXT ? upto - CONTEXT : 0;

	while (n > 0 && character_goes_on(p->window.s[n]))
		n--;
	buf_drop(&p->window, n);
	p->from = upto - n;
	p->clean -= n;
}

static void
look(struct patterns *p, bool more)
{
	struct span text = buf_span(&p->window);
	size_t keep;

	if (more)
		text.len = whole_characters(text);
	make_clean(p, text.len);
	keep = text.len;
	for (size_t i = 0; i < p->count; i++) {
		struct pattern *one = &p->all[i];
		size_t from;

		if ((one->scopes & p->scope) == 0 || one->tired || (p->found != -1 && one->number >= (unsigned)p->found))
			continue;
		from = try_one(p, one, text, more);
		if (from < keep)
			keep = from;
	}
	while (keep < text.len && character_goes_on(text.s[keep]))
		keep++;
	if (more)
		forget(p, keep);
}

void
patterns_begin(struct patterns *p, unsigned scope)
{
	patterns_end(p);
	p->scope = scope;
}

void
patterns_feed(struct patterns *p, struct span octets)
{
	while (octets.len > 0) {
		size_t room = PATTERNS_WINDOW - p->window.len, n = octets.len < room ? octets.len : room;

		buf_add(&p->window, octets.s, n);
		octets = (struct span){ octets.s + n, octets.len - n };
		if (p->window.len == PATTERNS_WINDOW)
			look(p, true);
	}
}

void
patterns_end(struct patterns *p)
{
	if (p->window.len > 0)
		look(p, false);
	buf_reset(&p->window);
	p->clean = p->from = 0;
}

int
patterns_found(const struct patterns *p)
{
	return p->found;
}

int
patterns_gave_up(const struct patterns *p)
{
	return p->gave_up;
}

void
patterns_reset(struct patterns *p)
{
	for (size_t i = 0; i < p->count; i++)
		p->all[i].tired = false;
	buf_wipe(&p->window);
	p->clean = p->from = 0;
	p->left_us = (int64_t)PATTERNS_CPU_MS * 1000;
	p->found = p->gave_up = -1;
}
