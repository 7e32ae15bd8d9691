/*
 * Promises of lib/mail/mime.c and lib/mail/uni.c: an encoded word lies in the text; what is decoded fits where its users expect
 * it, and is UTF-8 when the rest of the text was; words of names are not empty.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/mime.h"
#include "lib/mail/uni.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span text = { (const char *)octets, n };
	struct buf readable = BUF_INIT(n * 4 + 1), decoded = BUF_INIT((n * 4 + 1) * 6 + 64);
	struct arena *mem = arena_new();
	struct uni_word *words;
	size_t count;

	PROMISE(mime_word(text) <= n);
	uni_from_header(text, &readable);
	PROMISE(!buf_over(&readable) && utf8_valid(readable.s != NULL ? readable.s : "", readable.len));
	mime_decode(buf_span(&readable), &decoded);
	PROMISE(!buf_over(&decoded) && utf8_valid(decoded.s != NULL ? decoded.s : "", decoded.len));
	count = uni_words(buf_span(&decoded), mem, &words);
	for (size_t i = 0; i < count; i++) {
		PROMISE(words[i].letters > 0 && uni_word_eq(&words[i], &words[i]));
		PROMISE(uni_word_begins(&words[i], &words[i]));
	}
	buf_free(&readable);
	buf_free(&decoded);
	arena_free(mem);
	return 0;
}
