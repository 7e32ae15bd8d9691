/*
 * Promises of lib/mail/header.c: the fields and what is left are the input, octet for
 * octet, and nothing unfolded has a line end in it.
 */
#include <string.h>

#include "lib/mail/header.h"
#include "t/fuzz/fuzz.h"

static void
check_field(const struct field *f)
{
	struct buf out = BUF_INIT(1 << 20);

	PROMISE(f->raw.len > 0);
	PROMISE(f->value.s >= f->raw.s &&
	    f->value.s + f->value.len <= f->raw.s + f->raw.len);
	if (f->name.len > 0)
		PROMISE(f->name.s == f->raw.s && f->name.s + f->name.len < f->value.s);
	header_unfold(f->value, &out);
	PROMISE(memchr(buf_str(&out), '\n', out.len) == NULL &&
	    memchr(buf_str(&out), '\r', out.len) == NULL);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span rest = { (const char *)octets, n };
	const char *at = rest.s;
	struct field f;

	while (header_next(&rest, &f)) {
		PROMISE(f.raw.s == at);
		check_field(&f);
		at += f.raw.len;
		PROMISE(rest.s == at);
	}
	PROMISE(rest.s - at <= 2); /* the empty line */
	PROMISE((const uint8_t *)rest.s + rest.len == octets + n);
	return 0;
}
