/*
 * Promises of DSN's parameters (smtpd/params.c, lib/mail/xtext.c, lib/store/envelope.h): what is taken means printable ASCII, within
 * the RFC's lengths, and means the same when it is written again (RFC 3461, 4).
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/xtext.h"
#include "lib/store/envelope.h"
#include "smtpd/params.h"
#include "t/fuzz/fuzz.h"

static void
check_xtext(struct span s)
{
	struct buf once = BUF_INIT(1 << 20), written = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);

	if (xtext_decode(s, &once) == 0) {
		PROMISE(once.len > 0 && once.len <= s.len);
		for (size_t i = 0; i < once.len; i++)
			PROMISE(ascii_print((unsigned char)once.s[i]));
		xtext_add(&written, buf_str(&once));
		PROMISE(xtext_decode(buf_span(&written), &again) == 0);
		PROMISE(span_eq(buf_span(&once), buf_span(&again)));
	}
	PROMISE((xtext_decode(s, NULL) == 0) == (once.len > 0 && written.len > 0));
	buf_free(&once);
	buf_free(&written);
	buf_free(&again);
}

static void
check_params(struct span line)
{
	struct params p = { 0 };

	if (params_mail(line, &p) == SAY_OK) {
		PROMISE(p.ret == NULL || strcmp(p.ret, "FULL") == 0 || strcmp(p.ret, "HDRS") == 0);
		PROMISE(p.envid.s == NULL || (p.envid.len <= LIMIT_ENVID && xtext_decode(p.envid, NULL) == 0));
	}
	if (params_rcpt(line, &p) == SAY_OK) {
		struct span rest = p.orcpt;

		PROMISE((p.notify & NOTIFY_NEVER) == 0 || p.notify == NOTIFY_NEVER);
		if (p.orcpt.s != NULL) {
			PROMISE(p.orcpt.len <= LIMIT_ORCPT && span_cut(&rest, ';').len > 0);
			PROMISE(xtext_decode(rest, NULL) == 0);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span s = { (const char *)octets, n };

	check_xtext(s);
	check_params(s);
	return 0;
}
