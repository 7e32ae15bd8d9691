/* Promises of lib/net/sasl.c: whatever a server says, what we answer is base64, reasons are printable, and no server is
 * believed that has not proved to know the password. The first octet chooses the mechanism; each line is a challenge. */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/net/sasl.h"
#include "t/fuzz/fuzz.h"

static const char *const mechanisms[] = { "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "CRAM-MD5", "LOGIN", "PLAIN",
	"OAUTHBEARER", "XOAUTH2" };

static void
check_answer(const struct buf *out)
{
	char *said = mem_alloc(1, out->len / 4 * 3 + 1);

	PROMISE(base64_decode(said, buf_str(out), out->len) != -1);
	free(said);
}

static void
check_reason(const struct buf *why)
{
	for (size_t i = 0; i < why->len; i++)
		PROMISE(ascii_print((unsigned char)why->s[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	const char *name = mechanisms[n == 0 ? 0 : octets[0] % COUNT(mechanisms)];
	struct sasl_login login = { .login = "ann", .binding = SPAN("tls-exporter:x"), .host = "h", .port = 1 };
	struct span rest = { (const char *)octets + (n > 0), n - (n > 0) };
	struct buf out = BUF_INIT(65536), why = BUF_INIT(4096), challenge = BUF_INIT(65536);
	struct sasl *s;
	bool proved = false;

	*(strstr(name, "OAUTH") != NULL ? &login.token : &login.password) = "pencil";
	s = sasl_client(span_of(name), &login, name, true, &why);
	PROMISE(s != NULL);
	if (sasl_initial(s))
		PROMISE(sasl_step(s, SPAN(""), &out, &why) != -1);
	while (rest.s != NULL) {
		struct span line = span_cut(&rest, '\n');
		bool raw = line.len > 0 && line.s[0] == '!';
		int rv;

		buf_reset(&out);
		buf_reset(&why);
		buf_reset(&challenge);
		if (!raw)
			base64_add(&challenge, line.s, line.len);
		rv = sasl_step(s, raw ? line : buf_span(&challenge), &out, &why);
		if (rv == -1)
			PROMISE(why.len > 0 && out.len == 0);
		check_answer(&out);
		check_reason(&why);
	}
	proved = sasl_success(s, &why) == 0;
	check_reason(&why);
	PROMISE(!proved || strncmp(name, "SCRAM", 5) != 0);
	sasl_free(s);
	buf_free(&out);
	buf_free(&why);
	buf_free(&challenge);
	return 0;
}
