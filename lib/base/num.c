/*
 * num: decimal numbers, durations and sizes, strictly.
 *
 * One parser for every number from outside; no locale, no signs, no blanks.
 */
#include "lib/base/num.h"

#include <errno.h>

#include "lib/base/ascii.h"

static int
fail(int error)
{
	errno = error;
	return -1;
}

int
num_parse(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	unsigned digit;
	bool over = false;
	size_t i;

	if (s.len == 0)
		return fail(EINVAL);
	for (i = 0; i < s.len; i++) {
		if (!ascii_digit(s.s[i]))
			return fail(EINVAL); /* also behind too many digits */
		digit = (unsigned)(s.s[i] - '0');
		if (over || value > (UINT64_MAX - digit) / 10) {
			over = true;
			continue;
		}
		value = value * 10 + digit;
	}
	if (over || value > max)
		return fail(ERANGE);
	*out = value;
	return 0;
}

struct unit {
	char letter; /* lower case */
	uint64_t factor;
};

/* A number and at most one letter of units (ends with letter 0). */
static int
parse_with_unit(struct span s, const struct unit *units, uint64_t max,
    uint64_t *out)
{
	uint64_t factor = 1, value;
	const struct unit *u;

	if (s.len == 0)
		return fail(EINVAL);
	for (u = units; u->letter != 0; u++) {
		if (ascii_lower(s.s[s.len - 1]) != u->letter)
			continue;
		factor = u->factor;
		s.len--;
		break;
	}
	if (num_parse(s, UINT64_MAX, &value) == -1)
		return -1;
	if (value > UINT64_MAX / factor || value * factor > max)
		return fail(ERANGE);
	*out = value * factor;
	return 0;
}

int
num_duration(struct span s, uint64_t max_s, uint64_t *out_s)
{
	static const struct unit units[] = { { 's', 1 }, { 'm', 60 },
		{ 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 }, { 0, 0 } };

	return parse_with_unit(s, units, max_s, out_s);
}

int
num_size(struct span s, uint64_t max, uint64_t *out_octets)
{
	static const struct unit units[] = { { 'k', 1 << 10 }, { 'm', 1 << 20 },
		{ 'g', 1 << 30 }, { 't', UINT64_C(1) << 40 }, { 0, 0 } };

	return parse_with_unit(s, units, max, out_octets);
}
