/*
 * domain: names of hosts and domains, with letters beyond ASCII.
 *
 * Knows labels and IDNA2008; no maps, no DNS. There is no compatibility mapping
 * (UTS 46): a full-width letter or dot is no U-label, so it can never be taken
 * for the ASCII one it looks like.
 */
#include "lib/mail/domain.h"

#include <errno.h>
#include <idn2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"

#define LABEL_MAX 63 /* octets; RFC 1035, 2.3.4 */

static bool
is_ascii(struct span t)
{
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.s[i] >= 0x80)
			return false;
	return true;
}

static struct span
without_dot(struct span t)
{
	if (t.len > 0 && t.s[t.len - 1] == '.')
		t.len--;
	return t;
}

/* NUL-terminated and ASCII letters folded: upper case is in no U-label, but
 * "B" for "b" is what people type. NULL when it is too long. */
static char *
fold(struct span t)
{
	char *s;

	if (t.len > LIMIT_DOMAIN || memchr(t.s, '\0', t.len) != NULL)
		return NULL;
	s = mem_dupn(t.s, t.len);
	ascii_lowern(s, t.len);
	return s;
}

static int
check_ascii(struct span t)
{
	size_t label = 0;

	for (size_t i = 0; i < t.len; i++) {
		label = t.s[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX) {
			errno = EMSGSIZE;
			return -1;
		}
	}
	return 0;
}

static int
idn(struct span t, struct buf *out)
{
	char *folded = fold(t);
	uint8_t *ascii = NULL;
	int rv = IDN2_TOO_BIG_DOMAIN;

	if (folded != NULL)
		rv = idn2_lookup_u8((uint8_t *)folded, &ascii,
		    IDN2_NFC_INPUT | IDN2_NO_TR46);
	free(folded);
	if (rv != IDN2_OK) {
		errno = rv == IDN2_TOO_BIG_DOMAIN || rv == IDN2_TOO_BIG_LABEL ?
		    EMSGSIZE : EINVAL;
		return -1;
	}
	if (out != NULL)
		buf_adds(out, (char *)ascii);
	idn2_free(ascii);
	return 0;
}

int
domain_check(struct span name)
{
	name = without_dot(name);
	return is_ascii(name) ? check_ascii(name) : idn(name, NULL);
}

int
domain_to_ascii(struct span name, struct buf *out)
{
	name = without_dot(name);
	if (!is_ascii(name))
		return idn(name, out);
	if (check_ascii(name) == -1)
		return -1;
	for (size_t i = 0; i < name.len; i++)
		buf_addc(out, (char)ascii_lower((unsigned char)name.s[i]));
	return 0;
}

void
domain_key(struct span name, struct buf *out)
{
	if (domain_to_ascii(name, out) == 0)
		return;
	name = without_dot(name);
	for (size_t i = 0; i < name.len; i++)
		buf_addc(out, (char)ascii_lower((unsigned char)name.s[i]));
}
