/* Promises of auth/oauth_answer.c and oauth_form.c: a status and an answer; what is fine can be said in a login. */
#include <string.h>

#include "auth/oauth_answer.h"
#include "auth/oauth_form.h"
#include "lib/base/ascii.h"
#include "lib/wire/token.h"
#include "t/fuzz/fuzz.h"

static void
printable(const char *s, size_t max)
{
	if (s == NULL)
		return;
	PROMISE(*s != '\0' && strlen(s) <= max);
	for (; *s != '\0'; s++)
		PROMISE(ascii_print((unsigned char)*s));
}

static void
tokens(int status, struct span body, struct arena *arena)
{
	struct buf why = BUF_INIT(512);
	struct oauth_tokens t;

	if (oauth_read_tokens(status, body, arena, &t, &why) == OAUTH_FINE) {
		PROMISE(t.access != NULL && status == 200 && why.len == 0);
		printable(t.access, LIMIT_TOKEN);
		printable(t.refresh, LIMIT_TOKEN);
		printable(t.scope, LIMIT_TOKEN);
		PROMISE(t.expires_s >= 0 && t.expires_s <= OAUTH_EXPIRES_MAX_S);
		PROMISE(t.refresh_expires_s >= 0 && t.refresh_expires_s <= OAUTH_EXPIRES_MAX_S);
	} else {
		printable(buf_str(&why), 512);
	}
	buf_free(&why);
}

static void
device(int status, struct span body, struct arena *arena)
{
	struct buf why = BUF_INIT(512);
	struct oauth_device d;

	if (oauth_read_device(status, body, arena, &d, &why) == OAUTH_FINE) {
		PROMISE(d.code != NULL && d.user_code != NULL && d.url != NULL);
		printable(d.code, LIMIT_TOKEN);
		printable(d.user_code, 256);
		printable(d.url, 2048);
		printable(d.complete, 2048);
	} else {
		printable(buf_str(&why), 512);
	}
	buf_free(&why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	static const int statuses[] = { 200, 400, 401, 429, 500, 302 };
	struct arena *arena = arena_new();
	struct span body = { (const char *)octets + 1, n - 1 };
	const char *code;

	if (n > 0) {
		int status = statuses[octets[0] % COUNT(statuses)];

		tokens(status, body, arena);
		device(status, body, arena);
		code = form_find(body, "code", arena);
		PROMISE(code == NULL || strlen(code) <= n);
	}
	arena_free(arena);
	return 0;
}
