/*
 * ticket: issued at a good login, redeemed once. Knows no passwords.
 */
#include "auth/ticket.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"

#define TICKETS_MAX 4096 /* logins under way at once */
#define TICKET_LIFE_MS (30 * 1000)

struct ticket {
	struct table_item item;
	char mailbox[LIMIT_ADDRESS + 1];
};

void
ticket_init(struct table *t)
{
	table_init(t, TICKETS_MAX, sizeof(struct ticket), TICKET_LIFE_MS);
}

bool
ticket_issue(struct table *t, const char *mailbox, char text[TICKET_TEXT + 1])
{
	uint8_t bits[DIGEST_OCTETS];
	struct ticket *k;

	if (strlen(mailbox) > LIMIT_ADDRESS)
		return false;
	arc4random_buf(bits, sizeof(bits));
	k = table_add(t, bits);
	if (k == NULL)
		return false;
	strlcpy(k->mailbox, mailbox, sizeof(k->mailbox));
	digest_hex(bits, sizeof(bits), text);
	explicit_bzero(bits, sizeof(bits));
	return true;
}

static bool
ticket_bits(const char *text, uint8_t bits[DIGEST_OCTETS])
{
	int hi, lo;

	if (strlen(text) != TICKET_TEXT)
		return false;
	for (size_t i = 0; i < DIGEST_OCTETS; i++) {
		hi = hex_value(text[2 * i]);
		lo = hex_value(text[2 * i + 1]);
		if (hi == -1 || lo == -1)
			return false;
		bits[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

bool
ticket_redeem(struct table *t, const char *text, char mailbox[LIMIT_ADDRESS + 1])
{
	uint8_t bits[DIGEST_OCTETS];
	struct ticket *k;

	if (!ticket_bits(text, bits))
		return false;
	k = table_find(t, bits);
	explicit_bzero(bits, sizeof(bits));
	if (k == NULL)
		return false;
	strlcpy(mailbox, k->mailbox, LIMIT_ADDRESS + 1);
	table_remove(t, k);
	return true;
}
