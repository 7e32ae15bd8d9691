/* Tests of lib/mail/zip.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/mail/zip.h"

/* --- archives, made by hand (APPNOTE, 4.3.7 and 4.3.12) ------------------- */

static void
add_number(struct buf *out, uint64_t n, int octets)
{
	for (int i = 0; i < octets; i++)
		buf_addc(out, (char)(i < 8 ? n >> 8 * i & 0xff : 0));
}

enum { STORED = 0, DEFLATED = 8 };

static void
add_local(struct buf *out, const char *name, unsigned method, struct span data)
{
	buf_addspan(out, SPAN("PK\3\4\x14\0\0\0"));
	add_number(out, method, 2);
	add_number(out, 0, 8); /* time, date, CRC */
	add_number(out, data.len, 4);
	add_number(out, data.len, 4);
	add_number(out, strlen(name), 2);
	add_number(out, 0, 2);
	buf_adds(out, name);
	buf_addspan(out, data);
}

static void
add_central(struct buf *out, struct span name, struct span extra)
{
	buf_addspan(out, SPAN("PK\1\2\x14\0\x14\0\0\0"));
	add_number(out, 0, 18);
	add_number(out, name.len, 2);
	add_number(out, extra.len, 2);
	add_number(out, 0, 14);
	buf_addspan(out, name);
	buf_addspan(out, extra);
}

/* Octets in blocks that are not compressed (RFC 1951, 3.2.4). */
static void
deflate(struct span in, struct buf *out)
{
	do {
		size_t n = in.len < 60000 ? in.len : 60000;

		buf_addc(out, n == in.len);
		add_number(out, n, 2);
		add_number(out, ~n, 2);
		buf_add(out, in.s, n);
		in = (struct span){ in.s + n, in.len - n };
	} while (in.len > 0);
}

/* --- what is told --------------------------------------------------------- */

static struct buf told = BUF_INIT(1 << 20);

static void
tell(void *arg, struct span name)
{
	(void)arg;
	buf_addspan(&told, name);
	buf_addc(&told, '|');
}

static void
assert_told(struct span archive, const char *names, const char *fault)
{
	static const size_t steps[] = { 1, 7, 5000, 1 << 20 };

	for (size_t k = 0; k < COUNT(steps); k++) {
		struct zip *z = zip_new(tell, NULL);

		buf_reset(&told);
		for (size_t i = 0; i < archive.len; i += steps[k])
			zip_feed(z, (struct span){ archive.s + i, archive.len - i < steps[k] ? archive.len - i : steps[k] });
		zip_end(z);
		if (names != NULL)
			assert_string_equal(buf_str(&told), names);
		if (fault == NULL)
			assert_null(zip_fault(z));
		else
			assert_string_equal(zip_fault(z), fault);
		zip_free(z);
	}
}

static void
tells_names(void **state)
{
	struct buf a = BUF_INIT(1 << 20), data = BUF_INIT(1 << 20);

	(void)state;
	deflate(SPAN("hello"), &data);
	add_local(&a, "a.txt", DEFLATED, buf_span(&data));
	add_local(&a, "dir/", STORED, SPAN(""));
	add_local(&a, "dir/b.exe", STORED, SPAN("PKPK\3PK\1"));
	add_central(&a, SPAN("x\\c.exe"), SPAN(""));
	add_central(&a, SPAN("\x84.exe"), SPAN("")); /* ä on a PC of 1981 */
	add_central(&a, SPAN("\xc3\xa4.exe"), SPAN(""));
	add_central(&a, SPAN("d.txt"), SPAN("\1\0\1\0xup\x0a\0\1crc_e.exe"));
	add_central(&a, SPAN("f.txt"), SPAN("up\xff\xff\1crc_g.exe")); /* longer than it can be */
	assert_told(buf_span(&a), "a.txt|b.exe|c.exe|\xc3\xa4.exe|\xc3\xa4.exe|d.txt|e.exe|f.txt|", NULL);
	buf_free(&a);
	buf_free(&data);
}

/* What is in front of a record may lie about where it ends. */
static void
believes_no_length(void **state)
{
	struct buf a = BUF_INIT(1 << 20);

	(void)state;
	buf_adds(&a, "anything in front");
	add_central(&a, SPAN("a"), SPAN(""));
	a.s[a.len - 18] = 0xf; /* the name has 0xf01 octets */
	add_central(&a, SPAN("evil.exe"), SPAN(""));
	assert_told(buf_span(&a), "evil.exe|", NULL);
	buf_reset(&a);
	add_local(&a, "a", STORED, SPAN("PK\3\4"));
	memcpy(a.s + 26, "\xff\xff\xff\xff", 4);
	add_central(&a, SPAN("evil.exe"), SPAN(""));
	assert_told(buf_span(&a), "evil.exe|", NULL);
	assert_told(SPAN("PK\3\4"), "", NULL);
	assert_told(SPAN(""), "", NULL);
	buf_free(&a);
}

/* An archive of one file in depth - 1 others. */
static void
nest(struct buf *out, unsigned depth, const char *inner)
{
	struct buf in = BUF_INIT(1 << 20), data = BUF_INIT(1 << 20);

	if (depth > 1)
		nest(&in, depth - 1, inner);
	deflate(depth > 1 ? buf_span(&in) : SPAN("hello"), &data);
	add_local(out, depth > 1 ? "n.zip" : inner, DEFLATED, buf_span(&data));
	add_central(out, SPAN("n"), SPAN(""));
	buf_free(&in);
	buf_free(&data);
}

static void
looks_inside(void **state)
{
	struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);

	(void)state;
	nest(&a, 2, "evil.exe");
	/* Stored blocks: the records are seen from outside, too. Not so the end of this chain when it is compressed. */
	assert_told(buf_span(&a), NULL, NULL);
	assert_non_null(strstr(buf_str(&told), "evil.exe|"));
	nest(&b, ZIP_DEPTH, "evil.exe");
	assert_told(buf_span(&b), NULL, NULL);
	buf_reset(&b);
	nest(&b, ZIP_DEPTH + 1, "evil.exe");
	assert_told(buf_span(&b), NULL, "archives lie too deep in one another");
	buf_free(&a);
	buf_free(&b);
}

/* An archive of "evil.exe", twice, in an archive, as Python's zipfile compresses it: only who unpacks it sees the name. */
/* clang-format off */
static const char compressed[] =
    "\120\113\003\004\024\000\000\000\010\000\000\000\166\135\023\362"
    "\334\073\110\000\000\000\362\000\000\000\011\000\000\000\151\156"
    "\156\145\162\056\172\151\160\013\360\146\146\021\141\140\140\340"
    "\000\342\262\130\231\354\300\145\354\100\126\012\124\044\265\054"
    "\063\107\057\265\042\365\163\357\247\245\226\054\014\001\336\214"
    "\114\042\314\270\225\303\100\003\043\003\222\346\000\157\126\066"
    "\020\237\021\010\315\200\264\056\130\115\300\100\131\014\000\120"
    "\113\001\002\024\003\024\000\000\000\010\000\000\000\166\135\023"
    "\362\334\073\110\000\000\000\362\000\000\000\011\000\000\000\000"
    "\000\000\000\000\000\000\000\200\001\000\000\000\000\151\156\156"
    "\145\162\056\172\151\160\120\113\005\006\000\000\000\000\001\000"
    "\001\000\067\000\000\000\157\000\000\000\000\000";
/* clang-format on */

static void
unpacks(void **state)
{
	struct span in = { compressed, sizeof(compressed) - 1 };

	(void)state;
	assert_null(memmem(in.s, in.len, "evil", 4));
	assert_told(in, "inner.zip|evil.exe|evil.exe|evil.exe|evil.exe|inner.zip|", NULL);
	for (size_t n = 0; n < in.len; n++) /* cut off anywhere */
		assert_told((struct span){ in.s, n }, NULL, NULL);
}

static void
keeps_limits(void **state)
{
	struct buf a = BUF_INIT(1 << 24), data = BUF_INIT(1 << 26), bomb = BUF_INIT(1 << 26);
	struct zip *z = zip_new(tell, NULL);

	(void)state;
	for (int i = 0; i <= ZIP_NAMES; i++)
		add_central(&a, SPAN("a"), SPAN(""));
	assert_told(buf_span(&a), NULL, "too many names in archives");
	buf_addspan(&data, SPAN("PK\3\4"));
	while (data.len < ZIP_INFLATED / 2)
		buf_adds(&data, "0123456789abcdef");
	deflate(buf_span(&data), &bomb);
	buf_reset(&data);
	add_local(&data, "bomb", DEFLATED, buf_span(&bomb));
	for (int i = 0; i < 3; i++) {
		zip_feed(z, buf_span(&data));
		zip_end(z);
		zip_begin(z);
		assert_int_equal(zip_fault(z) != NULL, i > 1);
	}
	assert_string_equal(zip_fault(z), "an archive holds too much to look into");
	zip_free(z);
	buf_free(&a);
	buf_free(&data);
	buf_free(&bomb);
	buf_free(&told);
}

/* A record every eight octets, each with a directory of 3,887 octets behind it, in no UTF-8. */
static void
directories_are_cheap(void **state)
{
	struct zip *z = zip_new(tell, NULL);
	struct buf a = BUF_INIT(1 << 22);
	clock_t begun = clock();

	(void)state;
	while (a.len < 1 << 21)
		buf_addspan(&a, SPAN("PK\1\2\x2f\x0f\x80\0"));
	buf_reset(&told);
	zip_feed(z, buf_span(&a));
	zip_end(z);
	assert_string_equal(buf_str(&told), "");
	assert_null(zip_fault(z));
	assert_true((clock() - begun) / CLOCKS_PER_SEC < 2);
	zip_free(z);
	buf_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_names), cmocka_unit_test(believes_no_length), cmocka_unit_test(looks_inside),
		cmocka_unit_test(unpacks), cmocka_unit_test(keeps_limits),
		cmocka_unit_test(directories_are_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
