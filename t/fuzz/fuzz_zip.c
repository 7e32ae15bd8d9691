/*
 * Promises of lib/mail/zip.c: the same names are told in whatever pieces the archive comes; a name holds no slash and is not
 * empty; every name of a record that is there as a whole is told.
 */
#include <string.h>

#include "lib/mail/zip.h"
#include "t/fuzz/fuzz.h"

static void
tell(void *arg, struct span name)
{
	PROMISE(name.len > 0 && name.len <= 4 * ZIP_NAME);
	PROMISE(memchr(name.s, '/', name.len) == NULL && memchr(name.s, '\\', name.len) == NULL);
	buf_addspan(arg, name);
	buf_addc(arg, '/');
}

static void
walk(const char *s, size_t n, size_t step, struct buf *told)
{
	struct zip *z = zip_new(tell, told);

	for (size_t i = 0; i < n; i += step)
		zip_feed(z, (struct span){ s + i, n - i < step ? n - i : step });
	zip_end(z);
	zip_free(z);
}

/* The plainest reader: short names of the directory, in ASCII, must be among those told. */
static void
check_directory(const char *s, size_t n, struct span told)
{
	for (size_t i = 0; i + 46 <= n && told.len > 0; i++) {
		size_t len = (unsigned char)s[i + 28];
		bool plain = memcmp(s + i, "PK\1\2", 4) == 0 && s[i + 29] == 0 && s[i + 31] == 0 && len > 0;
		char want[300] = "";

		plain = plain && i + 46 + len + (unsigned char)s[i + 30] <= n;
		for (size_t k = 0; plain && k < len; k++)
			plain = s[i + 46 + k] >= 'a' && s[i + 46 + k] <= 'z';
		if (!plain)
			continue;
		memcpy(want, s + i + 46, len);
		want[len] = '/';
		PROMISE(memmem(told.s, told.len, want, len + 1) != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct buf whole = BUF_INIT(1 << 30), pieces = BUF_INIT(1 << 30);

	walk((const char *)octets, n, n + 1, &whole);
	walk((const char *)octets, n, 5, &pieces);
	PROMISE(span_eq(buf_span(&whole), buf_span(&pieces)));
	check_directory((const char *)octets, n, buf_span(&whole));
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
