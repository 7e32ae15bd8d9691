/*
 * Promises of BDAT (smtpd/params.c, smtpd/body.c): what is announced is taken, octet by octet, whatever stands in it; a message
 * ends with its LAST and nowhere else, and comes out as a reader finds it who counts and does nothing else. The input is what
 * a client sends: "N" or "N LAST" in a line, then N octets, and so on.
 */
#include <string.h>

#include "smtpd/body.h"
#include "smtpd/params.h"
#include "t/fuzz/fuzz.h"

#define MOST 4096

/* CRLF is a line end, any other CR or LF a fault; a line without its end gets one. */
static bool
plain(const char *s, size_t n, char *out, size_t *len)
{
	*len = 0;
	for (size_t i = 0; i < n; i++) {
		bool pair = s[i] == '\r' && i + 1 < n && s[i + 1] == '\n';

		if (!pair && (s[i] == '\r' || s[i] == '\n'))
			return false;
		out[(*len)++] = pair ? '\n' : s[i];
		i += pair;
	}
	if (n > 0 && out[*len - 1] != '\n')
		out[(*len)++] = '\n';
	return true;
}

static void
check_message(const char *sent, size_t n, const char *got, size_t got_n, const struct body *b)
{
	static char want[MOST + 1];
	size_t want_n;

	if (!plain(sent, n, want, &want_n)) {
		PROMISE(b->fault == BODY_BARE_CR || b->fault == BODY_BARE_LF);
		return;
	}
	PROMISE(b->fault == BODY_FINE && b->ended);
	PROMISE(got_n == want_n && memcmp(got, want, got_n) == 0);
	PROMISE(b->octets == got_n);
}

static size_t
take(struct body *b, const char *s, size_t n, size_t step, char *out)
{
	size_t len = 0;

	for (size_t at = 0; at < n; at += step) {
		size_t made, piece = n - at < step ? n - at : step;

		PROMISE(body_feed(b, s + at, piece, out + len, &made) == piece); /* nothing in it ends the message */
		PROMISE(made <= piece && !b->ended);
		len += made;
	}
	return len;
}

static void
check(struct span in, size_t step)
{
	static char sent[MOST], got[MOST + 1];
	size_t sent_n = 0, got_n = 0, made;
	struct body b;

	body_init(&b, 0, MOST, false);
	b.counted = true;
	for (;;) {
		const char *lf = in.len > 0 ? memchr(in.s, '\n', in.len) : NULL;
		uint64_t n = 0;
		bool last = false;

		if (lf == NULL || !params_bdat((struct span){ in.s, (size_t)(lf - in.s) }, &n, &last))
			return;
		in = (struct span){ lf + 1, in.len - (size_t)(lf - in.s) - 1 };
		PROMISE(n <= INT64_MAX);
		if (n > in.len)
			return; /* the client is gone */
		memcpy(sent + sent_n, in.s, n);
		sent_n += n;
		got_n += take(&b, in.s, n, step, got + got_n);
		in = (struct span){ in.s + n, in.len - n };
		if (last)
			break;
	}
	body_end(&b, got + got_n, &made);
	PROMISE(made <= 1);
	check_message(sent, sent_n, got, got_n + made, &b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span in = { (const char *)octets, n };

	if (n == 0 || n > MOST)
		return 0;
	check(in, 1);
	check(in, 7);
	check(in, MOST);
	return 0;
}
