/*
 * uni: charsets, case and accents.
 *
 * Knows how people's names are spelled in different places, and nothing about mail.
 */
#include "lib/mail/uni.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unictype.h>

#include "lib/base/ascii.h"

#define REPLACEMENT 0xfffd

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] > 0x7f)
			return false;
	return true;
}

/* Every octet that is no part of a character becomes U+FFFD. */
static void
decode_utf8(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len;) {
		size_t n = utf8_char(in.s + i, in.len - i, NULL);

		if (n > 0)
			buf_add(out, in.s + i, n);
		else
			utf8_add(out, REPLACEMENT);
		i += n > 0 ? n : 1;
	}
}

static void
convert(iconv_t cd, struct span in, struct buf *out)
{
	char text[512];
	char *from = mem_dupn(in.s, in.len), *p = from;
	size_t left = in.len;

	for (;;) {
		char *to = text;
		size_t room = sizeof(text);
		size_t rv = left > 0 ? iconv(cd, &p, &left, &to, &room) : iconv(cd, NULL, NULL, &to, &room);
		int error = errno;

		buf_add(out, text, sizeof(text) - room);
		if (rv != (size_t)-1 && left == 0)
			break;
		if (rv == (size_t)-1 && error != E2BIG) { /* EILSEQ; EINVAL: cut off in a character */
			utf8_add(out, REPLACEMENT);
			p++;
			left--;
			if (left == 0)
				break;
		}
	}
	free(from);
}

/* What iconv(3) understands behind a slash is none of a sender's business. */
static bool
charset_name(struct span s, char name[64])
{
	if (s.len == 0 || s.len >= 64)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_alnum((unsigned char)s.s[i]) && (s.s[i] == '\0' || strchr("-_.:+()", s.s[i]) == NULL))
			return false;
		name[i] = s.s[i];
	}
	name[s.len] = '\0';
	return true;
}

bool
uni_decode(struct span charset, struct span octets, struct buf *out)
{
	char name[64];
	iconv_t cd;

	if (!charset_name(charset, name))
		return false;
	if (span_case_is(charset, "utf-8") || span_case_is(charset, "utf8")) {
		decode_utf8(octets, out);
		return true;
	}
	cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1)
		return false;
	convert(cd, octets, out);
	iconv_close(cd);
	return true;
}

void
uni_from_header(struct span octets, struct buf *out)
{
	/* 0x80 to 0x9f; five of them are not assigned */
	static const uint16_t windows_1252[32] = {
		0x20ac, REPLACEMENT, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
		0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, REPLACEMENT, 0x017d, REPLACEMENT,
		REPLACEMENT, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
		0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, REPLACEMENT, 0x017e, 0x0178,
	};

	if (is_ascii(octets) || utf8_valid(octets.s, octets.len)) {
		buf_addspan(out, octets);
		return;
	}
	for (size_t i = 0; i < octets.len; i++) {
		unsigned char c = (unsigned char)octets.s[i];

		utf8_add(out, c >= 0x80 && c < 0xa0 ? windows_1252[c - 0x80] : c);
	}
}

/* Case folded and composed, in fresh memory; NULL for what is not UTF-8. */
static uint8_t *
fold(struct span s, size_t *len)
{
	return u8_casefold((const uint8_t *)s.s, s.len, NULL, UNINORM_NFC, NULL, len);
}

static uint8_t *
lower(struct span s, size_t *len)
{
	return u8_tolower((const uint8_t *)s.s, s.len, NULL, UNINORM_NFC, NULL, len);
}

static void
add_mapped(struct span s, uint8_t *(*map)(struct span, size_t *), struct buf *out)
{
	size_t len;
	uint8_t *mapped;

	if (is_ascii(s)) {
		for (size_t i = 0; i < s.len; i++)
			buf_addc(out, (char)ascii_lower((unsigned char)s.s[i]));
		return;
	}
	mapped = map(s, &len);
	if (mapped == NULL) {
		buf_addspan(out, s);
		return;
	}
	buf_add(out, mapped, len);
	free(mapped);
}

void
uni_fold(struct span s, struct buf *out)
{
	add_mapped(s, fold, out);
}

void
uni_lower(struct span s, struct buf *out)
{
	add_mapped(s, lower, out);
}

/* --- words of names ------------------------------------------------------ */

struct spelling {
	unsigned cp;
	const char *plain, *longer;
};
// clang-format off
static const struct spelling spellings[] = { /* those that have no accent to take off, or two spellings */
	{ 0xe4, "a", "ae" },   { 0xf6, "o", "oe" },   { 0xfc, "u", "ue" },
	{ 0xf8, "o", "oe" },   { 0xe5, "a", "aa" },
	{ 0xdf, "ss", "ss" },  { 0xe6, "ae", "ae" },  { 0x153, "oe", "oe" }, { 0x142, "l", "l" },
	{ 0x111, "d", "d" },   { 0xf0, "d", "d" },    { 0xfe, "th", "th" },
};
// clang-format on

struct cutter {
	struct arena *arena;
	struct buf plain, longer;
	size_t letters;
	struct uni_word *words;
	size_t n, room;
};

static void
end_word(struct cutter *c)
{
	if (c->letters == 0)
		return;
	if (c->n == c->room) {
		struct uni_word *more;

		c->room = c->room == 0 ? 8 : c->room * 2;
		more = arena_alloc(c->arena, c->room * sizeof(*more));
		if (c->n > 0)
			memcpy(more, c->words, c->n * sizeof(*more));
		c->words = more;
	}
	c->words[c->n++] = (struct uni_word){
		.plain = { arena_dupn(c->arena, buf_str(&c->plain), c->plain.len), c->plain.len },
		.longer = { arena_dupn(c->arena, buf_str(&c->longer), c->longer.len), c->longer.len },
		.letters = c->letters,
	};
	c->letters = 0;
	buf_reset(&c->plain);
	buf_reset(&c->longer);
}

/* The letter without its accents, into both spellings. */
static void
add_base(struct cutter *c, unsigned cp)
{
	uint32_t from = cp, to[32];
	size_t len = COUNT(to);
	uint32_t *rv = u32_normalize(UNINORM_NFD, &from, 1, to, &len);

	for (size_t i = 0; rv != NULL && i < len; i++) {
		if (uc_is_general_category(rv[i], UC_MARK))
			continue;
		utf8_add(&c->plain, rv[i]);
		utf8_add(&c->longer, rv[i]);
	}
	if (rv != to)
		free(rv);
}

static void
add_letter(struct cutter *c, unsigned cp)
{
	c->letters++;
	if (cp < 0x80) {
		buf_addc(&c->plain, (char)cp);
		buf_addc(&c->longer, (char)cp);
		return;
	}
	for (size_t i = 0; i < COUNT(spellings); i++)
		if (spellings[i].cp == cp) {
			buf_adds(&c->plain, spellings[i].plain);
			buf_adds(&c->longer, spellings[i].longer);
			return;
		}
	add_base(c, cp);
}

static void
add_character(struct cutter *c, unsigned cp)
{
	if (cp == '\'' || cp == 0x2019)
		return;
	if (cp < 0x80 ? ascii_alnum((int)cp) : uc_is_general_category(cp, UC_LETTER) ||
	    uc_is_general_category(cp, UC_NUMBER))
		add_letter(c, cp);
	else if (cp < 0x80 || !uc_is_general_category(cp, UC_MARK))
		end_word(c);
}

size_t
uni_words(struct span text, struct arena *arena, struct uni_word **out)
{
	struct cutter c = { .arena = arena, .plain = BUF_INIT(text.len * 4 + 64),
	    .longer = BUF_INIT(text.len * 4 + 64) };
	struct buf folded = BUF_INIT(text.len * 4 + 64);

	uni_fold(text, &folded);
	for (size_t i = 0; i < folded.len;) {
		unsigned cp = ' ';
		size_t n = utf8_char(folded.s + i, folded.len - i, &cp);

		add_character(&c, cp);
		i += n > 0 ? n : 1;
	}
	end_word(&c);
	buf_free(&folded);
	buf_free(&c.plain);
	buf_free(&c.longer);
	*out = c.words;
	return c.n;
}

bool
uni_word_eq(const struct uni_word *a, const struct uni_word *b)
{
	return span_eq(a->plain, b->plain) || span_eq(a->longer, b->longer) || span_eq(a->plain, b->longer) ||
	    span_eq(a->longer, b->plain);
}

static bool
begins(struct span word, struct span with)
{
	return word.len >= with.len && memcmp(word.s, with.s, with.len) == 0;
}

bool
uni_word_begins(const struct uni_word *word, const struct uni_word *initial)
{
	return begins(word->plain, initial->plain) || begins(word->longer, initial->longer) ||
	    begins(word->plain, initial->longer) || begins(word->longer, initial->plain);
}
