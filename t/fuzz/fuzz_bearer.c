/* Promises of lib/mail/bearer.c: whatever a client says, a token taken from it is printable and not empty, ends within its
 * room, and stands in what was said. The first octet chooses the mechanism. */
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/bearer.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	static struct bearer b;
	enum bearer_kind kind = n > 0 && octets[0] == 'x' ? BEARER_XOAUTH2 : BEARER_OAUTH;
	struct span said = { (const char *)octets + (n > 0), n - (n > 0) };

	if (bearer_parse(kind, said, &b) == -1)
		return 0;
	PROMISE(b.token[0] != '\0' && strlen(b.token) < sizeof(b.token) && strlen(b.login) < sizeof(b.login));
	PROMISE(kind == BEARER_OAUTH || b.login[0] != '\0');
	for (const char *s = b.token; *s != '\0'; s++)
		PROMISE(ascii_print((unsigned char)*s) && *s != ' ');
	PROMISE(memmem(said.s, said.len, b.token, strlen(b.token)) != NULL);
	return 0;
}
