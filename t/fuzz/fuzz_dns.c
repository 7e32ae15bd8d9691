/* Promises of lib/net/dns_loop.c: whatever a DNS server answers, addresses come out only with DNS_OK, and no more than asked for. */
#include <string.h>

#include "lib/net/dns_loop.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct dns_a list[DNS_LOOP_ANSWERS];
	int found = -1;

	if (n > 65535)
		return 0;
	memset(list, 0xff, sizeof(list));
	switch (dns_loop_read(octets, (int)n, list, &found)) {
	case DNS_OK:
		PROMISE(found > 0 && found <= DNS_LOOP_ANSWERS && n > 12);
		for (int i = 0; i < found; i++)
			PROMISE(memmem(octets, n, list[i].octets, 4) != NULL && list[i].ttl_s <= INT32_MAX);
		break;
	case DNS_NONE:
	case DNS_TRY_AGAIN:
		PROMISE(found == 0);
		break;
	}
	return 0;
}
