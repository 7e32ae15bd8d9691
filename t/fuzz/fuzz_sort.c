/*
 * Promises of the collector's sorter: every message has a class, somebody who gets it (or it is a loop), and the
 * digest does not depend on how the body comes. The first octet of the input chooses the account.
 */
#include <string.h>

#include "collector/sort.h"
#include "t/fuzz/fuzz.h"

static const char *const accounts[] = {
	"kind=domain protocol=pop3 host=mail.isp.example mailbox=office@example.org domain=example.org users=ann,bob,carol "
	"trusted=mail.isp.example fallback=carol alias=ann:sales",
	"kind=shared protocol=pop3 host=mail.isp.example mailbox=family@isp.example users=ann,bob "
	"name=\"ann:Ann Lee\" name=\"bob:Robert Łęcki\" trusted=192.0.2.0/24 fallback=ann public=ann,bob",
	"kind=single protocol=pop3 host=mail.isp.example mailbox=ann@isp.example users=ann fallback=ann",
};

static struct sort_account *
account(unsigned which)
{
	static struct sort_account *made[COUNT(accounts)];
	static struct upstream upstream[COUNT(accounts)];
	static struct arena *mem;
	struct buf why = BUF_INIT(4096);

	if (mem == NULL)
		mem = arena_new();
	if (made[which] != NULL)
		return made[which];
	if (upstream_parse(span_of(accounts[which]), mem, &upstream[which], &why) == 0)
		made[which] = sort_account_new(&upstream[which], "house.example", &why);
	if (made[which] == NULL)
		fprintf(stderr, "account %u: %s\n", which, buf_str(&why));
	PROMISE(made[which] != NULL);
	buf_free(&why);
	return made[which];
}

static void
digest(const struct sort_header *h, const char *s, size_t n, size_t piece, unsigned char out[DIGEST_OCTETS])
{
	struct sort_digest *d = sort_digest_new(h);

	for (size_t at = 0; at < n; at += piece)
		sort_digest_body(d, s + at, n - at < piece ? n - at : piece);
	sort_digest_end(d, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	const char *s = (const char *)octets + 1;
	unsigned char whole[DIGEST_OCTETS], pieces[DIGEST_OCTETS];
	struct buf explain = BUF_INIT(1 << 20);
	struct sort_header header;
	struct sort_result result = { 0 };
	struct sort_account *a;
	struct arena *mem;
	size_t gets = 0;

	if (n-- < 1)
		return 0;
	a = account(octets[0] % COUNT(accounts));
	mem = arena_new();
	sort_header_read((struct span){ s, n }, mem, &header);
	sort_message(a, &header, mem, &result, &explain);
	for (size_t i = 0; sort_account_user(a, i) != NULL; i++)
		gets += result.gets[i];
	PROMISE(gets == result.count);
	PROMISE(gets > 0 || result.class == SORT_LOOP);
	PROMISE(sort_class_name(result.class) != NULL);
	digest(&header, s, n, n + 1, whole);
	digest(&header, s, n, 1 + (octets[0] >> 4), pieces);
	PROMISE(memcmp(whole, pieces, sizeof(whole)) == 0);
	buf_free(&explain);
	arena_free(mem);
	return 0;
}
