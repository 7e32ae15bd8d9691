/*
 * inflate: compressed octets as they were (RFC 1951), over zlib.
 */
#include "lib/mail/inflate.h"

#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

struct inflate {
	z_stream z;
};

static void *
grant(void *arg, unsigned n, unsigned size)
{
	(void)arg;
	return mem_alloc(n, size);
}

static void
give_back(void *arg, void *memory)
{
	(void)arg;
	free(memory);
}

struct inflate *
inflate_new(void)
{
	struct inflate *f = mem_alloc(1, sizeof(*f));

	f->z.zalloc = grant;
	f->z.zfree = give_back;
	if (inflateInit2(&f->z, -MAX_WBITS) != Z_OK) /* negative: no header of zlib's around it */
		abort();
	return f;
}

void
inflate_free(struct inflate *f)
{
	if (f == NULL)
		return;
	inflateEnd(&f->z);
	free(f);
}

void
inflate_begin(struct inflate *f)
{
	(void)inflateReset(&f->z);
}

enum inflate_result
inflate_some(struct inflate *f, struct span *in, char *out, size_t room, size_t *made)
{
	unsigned give = in->len > UINT_MAX ? UINT_MAX : (unsigned)in->len, take = room > UINT_MAX ? UINT_MAX : (unsigned)room;
	int rv;

	f->z.next_in = (const Bytef *)in->s;
	f->z.avail_in = give;
	f->z.next_out = (Bytef *)out;
	f->z.avail_out = take;
	rv = inflate(&f->z, Z_NO_FLUSH);
	*in = (struct span){ in->s + (give - f->z.avail_in), in->len - (give - f->z.avail_in) };
	*made = take - f->z.avail_out;
	if (rv == Z_STREAM_END)
		return INFLATE_ENDED;
	return rv == Z_OK || rv == Z_BUF_ERROR ? INFLATE_MORE : INFLATE_BROKEN;
}
