/*
 * Promises of lib/mail/mailbox.c: an entry has a local part and a domain and no more of them than there are octets; comments
 * taken out leave nothing that was not there.
 */
#include <string.h>

#include "lib/mail/mailbox.h"
#include "t/fuzz/fuzz.h"

static void
check_entry(const struct mailbox_entry *e, size_t n)
{
	PROMISE(e->local.len > 0 && e->domain.len > 0);
	PROMISE(e->local.len + e->domain.len < n);
	PROMISE(e->phrase.len <= 2 * n + 2 && e->comment.len <= n);
	PROMISE(e->extra.s == NULL || e->extra.len > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span text = { (const char *)octets, n };
	struct arena *mem = arena_new();
	struct buf plain = BUF_INIT(n + 1);
	struct mailbox_entry *e, one;
	size_t count = mailbox_list(text, mem, &e);

	PROMISE(count <= n);
	for (size_t i = 0; i < count; i++)
		check_entry(&e[i], n);
	if (mailbox_address(text, mem, &one) == 1)
		check_entry(&one, n);
	mailbox_uncomment(text, &plain);
	PROMISE(plain.len <= n && !buf_over(&plain));
	buf_free(&plain);
	arena_free(mem);
	return 0;
}
