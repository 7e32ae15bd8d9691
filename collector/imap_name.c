/*
 * imap_name: folder names in modified UTF-7, quoted strings, sets of numbers.
 */
#include "collector/imap_name.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

#define QUOTED_MAX 1000 /* octets; what is longer goes as a literal */

/* --- modified UTF-7 ------------------------------------------------------ */

struct bits { /* UTF-16 on its way to base64 with "," for "/" */
	unsigned value, count;
};

static void
add_bits(struct buf *b, struct bits *bits, unsigned value, unsigned count)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

	bits->value = (bits->value << count | value) & 0x3fffff; /* at most 5 bits wait */
	bits->count += count;
	while (bits->count >= 6) {
		bits->count -= 6;
		buf_addc(b, digits[bits->value >> bits->count & 0x3f]);
	}
}

static void
add_utf16(struct buf *b, struct bits *bits, unsigned cp)
{
	if (cp >= 0x10000) {
		add_bits(b, bits, 0xd800 + ((cp - 0x10000) >> 10), 16);
		cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
	}
	add_bits(b, bits, cp, 16);
}

static void
end_shift(struct buf *b, struct bits *bits)
{
	if (bits->count > 0)
		add_bits(b, bits, 0, 6 - bits->count);
	buf_addc(b, '-');
	*bits = (struct bits){ 0, 0 };
}

int
imap_name_add(struct buf *b, struct span name)
{
	struct bits bits = { 0, 0 };
	bool shifted = false;
	unsigned cp;

	for (size_t i = 0, n; i < name.len; i += n) {
		n = utf8_char(name.s + i, name.len - i, &cp);
		if (n == 0)
			return -1;
		if (ascii_print((int)cp) != !shifted) {
			if (shifted)
				end_shift(b, &bits);
			else
				buf_addc(b, '&');
			shifted = !shifted;
		}
		if (shifted)
			add_utf16(b, &bits, cp);
		else
			buf_addc(b, (char)cp);
		if (cp == '&')
			buf_addc(b, '-');
	}
	if (shifted)
		end_shift(b, &bits);
	return 0;
}

/* --- strings ------------------------------------------------------------- */

bool
imap_name_quotable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_print((unsigned char)s.s[i]))
			return false;
	return s.len <= QUOTED_MAX;
}

void
imap_name_quote(struct buf *b, struct span s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.s[i] == '"' || s.s[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, s.s[i]);
	}
	buf_addc(b, '"');
}

/* --- sets ---------------------------------------------------------------- */

void
imap_set_end(struct imap_set *set, struct buf *b)
{
	if (set->first == 0)
		return;
	buf_addf(b, "%s%u", b->len > 0 ? "," : "", (unsigned)set->first);
	if (set->last > set->first)
		buf_addf(b, ":%u", (unsigned)set->last);
	*set = (struct imap_set){ 0, 0 };
}

void
imap_set_add(struct imap_set *set, struct buf *b, uint32_t uid)
{
	if (set->first != 0 && uid == set->last + 1) {
		set->last = uid;
		return;
	}
	imap_set_end(set, b);
	*set = (struct imap_set){ uid, uid };
}

int
imap_set_each(struct span set, int (*fn)(void *, uint32_t, uint32_t), void *arg)
{
	while (set.s != NULL) {
		struct span last = span_cut(&set, ','), first = span_cut(&last, ':');
		uint64_t from, to;

		if (num_parse(first, UINT32_MAX, &from) == -1)
			return -1;
		to = from;
		if (last.s != NULL && num_parse(last, UINT32_MAX, &to) == -1)
			return -1;
		if (fn(arg, (uint32_t)(from < to ? from : to), (uint32_t)(from < to ? to : from)) == -1)
			return -1;
	}
	return 0;
}
