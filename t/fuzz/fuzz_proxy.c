/* Promises of lib/net/proxy.c: a whole header needs all its octets and no more; fewer are never wrong. */
#include <string.h>

#include "lib/net/proxy.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span s = { (const char *)octets, n };
	struct proxy p = { 0 }, again = { 0 };
	ssize_t len = proxy_parse(s, &p);

	(void)proxy_begins(s);
	PROMISE(len >= -1 && len <= (ssize_t)(n < PROXY_MAX ? n : PROXY_MAX));
	if (len == 0)
		PROMISE(n < PROXY_MAX);
	for (size_t i = 0; len > 0 && i < (size_t)len; i++)
		PROMISE(proxy_parse((struct span){ s.s, i }, &again) == 0);
	if (len > 0) {
		PROMISE(proxy_begins(s));
		PROMISE(proxy_parse((struct span){ s.s, (size_t)len }, &again) == len);
		PROMISE(p.told == again.told && (!p.told || ip_eq(&p.peer, &again.peer)));
	}
	return 0;
}
