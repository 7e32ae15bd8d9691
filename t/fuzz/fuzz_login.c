/*
 * Promises of lib/mail/credentials.c and lib/mail/scram.c: a client that logs in can say what it likes; names and passwords
 * stay within their limits, and nobody proves a password that is not his. The first octet chooses the mechanism; each line
 * is what the client says next: base64, or behind "!" what will be base64.
 */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/credentials.h"
#include "lib/mail/scram.h"
#include "t/fuzz/fuzz.h"

static struct span
said(struct span *rest, struct buf *text)
{
	struct span line = rest->s == NULL ? SPAN("") : span_cut(rest, '\n');

	buf_reset(text);
	if (line.len == 0 || line.s[0] != '!')
		return line;
	base64_add(text, line.s + 1, line.len - 1);
	return buf_span(text);
}

static void
check_credentials(struct span mechanism, struct span rest, bool initial)
{
	struct buf text = BUF_INIT(1 << 20);
	struct credentials c;
	enum credentials_step step = credentials_begin(&c, mechanism, initial ? said(&rest, &text) : (struct span){ NULL, 0 });

	for (int i = 0; step == CREDENTIALS_MORE; i++) {
		PROMISE(i < 2 && c.challenge != NULL);
		step = credentials_feed(&c, said(&rest, &text));
	}
	if (step == CREDENTIALS_READY)
		PROMISE(memchr(c.login, '\0', sizeof(c.login)) != NULL && memchr(c.password, '\0', sizeof(c.password)) != NULL);
	credentials_wipe(&c);
	buf_free(&text);
}

static void
check_scram(bool plus, const char *binding, struct span rest)
{
	struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	struct scram s;

	scram_init(&s, plus, binding);
	if (scram_first(&s, said(&rest, &text)) == SCRAM_MORE) {
		PROMISE(memchr(s.login, '\0', sizeof(s.login)) != NULL);
		s.verifier.iterations = SCRAM_ITERATIONS_MIN;
		s.verifier.salt_n = SCRAM_SALT;
		memset(s.verifier.stored_key, 7, sizeof(s.verifier.stored_key)); /* nobody's: it is no digest of anything known */
		scram_challenge(&s, "nonce", &out);
		PROMISE(out.len > 0);
		buf_reset(&out);
		PROMISE(scram_final(&s, said(&rest, &text), &out) != SCRAM_MORE);
		PROMISE(out.len == 0);
	}
	scram_wipe(&s);
	buf_free(&text);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	static const char binding[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	struct span rest = { (const char *)octets + 1, n - 1 };
	struct scram_verifier v;

	if (n < 2)
		return 0;
	(void)!scram_parse(rest, &v);
	switch (octets[0] % 5) {
	case 0:
		check_credentials(SPAN("PLAIN"), rest, true);
		break;
	case 1:
		check_credentials(SPAN("LOGIN"), rest, false);
		break;
	case 2:
		check_scram(false, "", rest);
		break;
	case 3:
		check_scram(true, binding, rest);
		break;
	default:
		check_scram(false, binding, rest);
	}
	return 0;
}
