/*
 * words: the entries of text maps, taken apart.
 *
 * Knows blanks, quotes, comments and "name=". What the words mean is the business of
 * those who own the map.
 */
#include "lib/store/words.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/ascii.h"

struct span
words_line(struct span line)
{
	bool inside = false, blank = true;
	size_t i;

	for (i = 0; i < line.len; i++) {
		if (line.s[i] == '#' && blank && !inside)
			break;
		if (inside && line.s[i] == '\\' && i + 1 < line.len)
			i++;
		else if (line.s[i] == '"')
			inside = !inside;
		blank = ascii_space((unsigned char)line.s[i]);
	}
	line.len = i;
	while (line.len > 0 && (ascii_space((unsigned char)line.s[line.len - 1])
	    || line.s[line.len - 1] == '\r'))
		line.len--;
	return line;
}

void
words_entry(struct span entry, struct span *key, struct span *value)
{
	bool inside = false;
	size_t i;

	for (i = 0; i < entry.len; i++) {
		if (!inside && ascii_space((unsigned char)entry.s[i]))
			break;
		if (inside && entry.s[i] == '\\' && i + 1 < entry.len)
			i++;
		else if (entry.s[i] == '"')
			inside = !inside;
	}
	*key = (struct span){ entry.s, i };
	*value = span_trim((struct span){ entry.s + i, entry.len - i });
}

static bool
name_char(int c)
{
	return ascii_alnum(c) || c == '-' || c == '_';
}

/* Octets of "name" in front of '=' at the start of s; 0 if there is none. */
static size_t
name_length(struct span s)
{
	size_t i = 0;

	while (i < s.len && name_char((unsigned char)s.s[i]))
		i++;
	return i < s.len && s.s[i] == '=' ? i : 0;
}

/* The text in "..." that starts *s, unquoted. */
static int
quoted(struct span *s, struct arena *mem, struct span *out, struct buf *why)
{
	char *text = arena_alloc(mem, s->len);
	size_t i, n = 0;

	for (i = 1; i < s->len && s->s[i] != '"'; i++) {
		if (s->s[i] == '\\' && i + 1 < s->len &&
		    (s->s[i + 1] == '"' || s->s[i + 1] == '\\'))
			i++;
		text[n++] = s->s[i];
	}
	if (i >= s->len) {
		buf_adds(why, "a quote is opened and not closed: add the "
		    "missing \"");
		return -1;
	}
	i++;
	if (i < s->len && !ascii_space((unsigned char)s->s[i])) {
		buf_adds(why, "text follows a closing quote: put a blank "
		    "between, or write \\\" for a quote inside");
		return -1;
	}
	*out = (struct span){ text, n };
	*s = (struct span){ s->s + i, s->len - i };
	return 0;
}

static void
plain(struct span *s, struct span *out)
{
	size_t i = 0;

	while (i < s->len && !ascii_space((unsigned char)s->s[i]))
		i++;
	*out = (struct span){ s->s, i };
	*s = (struct span){ s->s + i, s->len - i };
}

int
words_parse(struct span text, struct arena *mem, struct words *out,
    struct buf *why)
{
	struct span s = span_trim(text);
	struct word *w;
	size_t n, most = 1;

	out->n = 0;
	out->w = NULL;
	if (s.len == 0)
		return 0;
	/* Blanks bound the words: count them rather than guess high. */
	for (n = 0; n < s.len; n++)
		most += ascii_space((unsigned char)s.s[n]);
	out->w = arena_alloc(mem, most * sizeof(*out->w));
	while (s.len > 0) {
		w = &out->w[out->n++];
		n = name_length(s);
		w->name = (struct span){ s.s, n };
		if (n > 0)
			s = (struct span){ s.s + n + 1, s.len - n - 1 };
		if (s.len == 0 || s.s[0] != '"')
			plain(&s, &w->value);
		else if (quoted(&s, mem, &w->value, why) == -1)
			return -1;
		s = span_trim(s);
	}
	return 0;
}

const struct span *
words_get(const struct words *words, const char *name)
{
	size_t i;

	for (i = 0; i < words->n; i++)
		if (words->w[i].name.len > 0 && span_is(words->w[i].name, name))
			return &words->w[i].value;
	return NULL;
}

int
words_argv(struct span text, struct arena *mem, char **argv, size_t most,
    struct buf *why)
{
	struct words words;
	size_t i, n;

	if (words_parse(text, mem, &words, why) == -1)
		return -1;
	if (words.n == 0 || words.n > most) {
		buf_addf(why, "a command has 1 to %zu words", most);
		return -1;
	}
	for (i = 0; i < words.n; i++) {
		const struct word *w = &words.w[i];

		n = w->name.len + (w->name.len > 0) + w->value.len;
		argv[i] = arena_alloc(mem, n + 1);
		memcpy(argv[i], w->name.s, w->name.len);
		if (w->name.len > 0)
			argv[i][w->name.len] = '=';
		memcpy(argv[i] + n - w->value.len, w->value.s, w->value.len);
	}
	argv[words.n] = NULL;
	return 0;
}

#define NEAR_MAX 32

/* How many single-octet edits turn a into b (Levenshtein); large if either is
 * longer than a name ever is. */
static size_t
edits(struct span a, struct span b)
{
	size_t row[NEAR_MAX + 1], i, j, corner, above, best;

	if (a.len > NEAR_MAX || b.len > NEAR_MAX)
		return NEAR_MAX;
	for (j = 0; j <= b.len; j++)
		row[j] = j;
	for (i = 1; i <= a.len; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= b.len; j++) {
			above = row[j];
			best = corner + (a.s[i - 1] != b.s[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = above;
			row[j] = best;
		}
	}
	return row[b.len];
}

const char *
words_nearest(struct span wrong, const char *const *names)
{
	const char *best = NULL;
	size_t d, least = wrong.len / 3 + 2;

	for (; *names != NULL; names++) {
		d = edits(wrong, span_of(*names));
		if (d < least && d < strlen(*names)) {
			least = d;
			best = *names;
		}
	}
	return best;
}
