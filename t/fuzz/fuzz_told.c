/* Promises of smtpd/told.c, XCLIENT's words: no value is longer than told, none holds a control character. */
#include <string.h>

#include "lib/net/told.h"
#include "t/fuzz/fuzz.h"

static void
check(const char *s, size_t room)
{
	PROMISE(strnlen(s, room) < room);
	for (; *s != '\0'; s++)
		PROMISE((unsigned char)*s >= ' ' && *s != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct told t;

	if (!told_parse((struct span){ (const char *)octets, n }, &t))
		return 0;
	PROMISE(n > 0 && t.port <= 65535 && t.destport <= 65535);
	check(t.name, sizeof(t.name));
	check(t.helo, sizeof(t.helo));
	check(t.login, sizeof(t.login));
	PROMISE(!t.esmtp || t.has_proto);
	return 0;
}
