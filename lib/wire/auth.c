/*
 * auth: the table of the dialogue with authd, and its client.
 */
#include "lib/wire/auth.h"

// clang-format off
const struct wire_msg auth_messages[] = {
	/* who    verb      fds  said in         leads to        words */
	{ CLIENT, "CHECK",  0,   AUTH_IDLE,      AUTH_DECIDING,  "login password service client" },
	{ SERVER, "YES",    0,   AUTH_DECIDING,  AUTH_IDLE,      "mailbox ticket" },
	{ SERVER, "NO",     0,   AUTH_DECIDING | AUTH_REDEEMING, AUTH_IDLE, "reason" },
	{ SERVER, "LATER",  0,   AUTH_DECIDING | AUTH_REDEEMING, AUTH_IDLE, "reason" },
	{ CLIENT, "REDEEM", 0,   AUTH_IDLE,      AUTH_REDEEMING, "ticket" },
	{ SERVER, "OWNER",  0,   AUTH_REDEEMING, AUTH_IDLE,      "mailbox maildir" },
	{ 0 },
};
// clang-format on
