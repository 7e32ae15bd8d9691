/*
 * Promises of collector/imap_reply.c: it says the same of the same octets, however they are cut; words stay inside the
 * text, lists close, what passes by is as long as it was announced; a broken reply stays broken.
 */
#include <string.h>

#include "collector/imap_name.h"
#include "collector/imap_reply.h"
#include "t/fuzz/fuzz.h"

#define MOST 4096
#define SAID_MAX (64 * MOST)

static void
check_words(const struct imap_reply *r, bool whole)
{
	size_t depth = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct span text = imap_reply_text(r, i);
		uint64_t n;

		PROMISE(text.len == 0 || r->words[i].at + text.len <= r->text.len);
		PROMISE(imap_reply_behind(r, i) > i && imap_reply_behind(r, i) <= r->count);
		if (imap_reply_number(r, i, 1000, &n) == 0)
			PROMISE(n <= 1000);
		depth += r->words[i].kind == IMAP_OPEN;
		PROMISE(r->words[i].kind != IMAP_CLOSE || depth > 0);
		depth -= r->words[i].kind == IMAP_CLOSE;
		PROMISE(depth <= IMAP_DEPTH_MAX + 1);
	}
	PROMISE(!whole || (depth == 0 && r->count >= 2));
}

static void
say_words(const struct imap_reply *r, struct buf *said)
{
	for (size_t i = 0; i < r->count; i++) {
		buf_addf(said, " %d:", (int)r->words[i].kind);
		buf_addspan(said, imap_reply_text(r, i));
	}
	buf_addc(said, '\n');
}

/* What it says of these octets, step at a time. */
static void
read_all(const char *in, size_t n, size_t step, struct buf *said)
{
	enum imap_event event = IMAP_MORE;
	struct imap_reply r;
	uint64_t left = 0;

	imap_reply_init(&r);
	for (size_t at = 0; at < n && event != IMAP_BROKEN;) {
		size_t piece = n - at < step ? n - at : step, used = imap_reply_feed(&r, in + at, piece, &event);

		PROMISE(used <= piece);
		PROMISE(used == piece || event != IMAP_MORE);
		at += used;
		if (event == IMAP_BEGIN) {
			left = r.body_left;
			buf_addf(said, "{%llu}", (unsigned long long)left);
		} else if (event == IMAP_OCTETS) {
			PROMISE(r.piece.len > 0 && r.piece.len <= left);
			left -= r.piece.len;
			PROMISE(left == r.body_left);
			buf_addspan(said, r.piece);
		}
		check_words(&r, event == IMAP_WHOLE);
		if (event == IMAP_WHOLE)
			say_words(&r, said);
	}
	buf_adds(said, event == IMAP_BROKEN ? r.fault : ".");
	if (event == IMAP_BROKEN)
		PROMISE(imap_reply_feed(&r, "* OK\r\n", 6, &event) > 0 && event == IMAP_BROKEN);
	imap_reply_free(&r);
}

static int
count(void *arg, uint32_t first, uint32_t last)
{
	(void)arg;
	PROMISE(first <= last);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct buf whole = BUF_INIT(SAID_MAX), parts = BUF_INIT(SAID_MAX), name = BUF_INIT(8 * MOST);
	const char *in = (const char *)octets;

	if (n > MOST)
		return 0;
	read_all(in, n, n == 0 ? 1 : n, &whole);
	for (size_t step = 1; step <= 9; step += 4) {
		buf_reset(&parts);
		read_all(in, n, step, &parts);
		PROMISE(span_eq(buf_span(&whole), buf_span(&parts)));
	}
	(void)!imap_set_each((struct span){ in, n }, count, NULL);
	if (imap_name_add(&name, (struct span){ in, n }) == 0)
		for (size_t i = 0; i < name.len; i++)
			PROMISE(name.s[i] >= ' ' && name.s[i] < 0x7f);
	buf_free(&whole);
	buf_free(&parts);
	buf_free(&name);
	return 0;
}
