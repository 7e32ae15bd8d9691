/*
 * submit: the table of the dialogue with queued, and its client.
 */
#include "lib/wire/submit.h"

// clang-format off
const struct wire_msg submit_messages[] = {
	/* who    verb       fds  said in          leads to         words */
	{ CLIENT, "OPEN",    0,   SUBMIT_IDLE,     SUBMIT_OPENING,  "service" },
	{ SERVER, "FILES",   2,   SUBMIT_OPENING,  SUBMIT_FILLING,  "id" },
	{ CLIENT, "COMMIT",  0,   SUBMIT_FILLING,  SUBMIT_DECIDING, "octets rcpts" },
	{ CLIENT, "ABORT",   0,   SUBMIT_FILLING,  SUBMIT_IDLE,     "" },
	{ SERVER, "LINKED",  0,   SUBMIT_DECIDING, SUBMIT_IDLE,     "id how sync" },
	{ SERVER, "REFUSED", 0,   SUBMIT_OPENING | SUBMIT_DECIDING, SUBMIT_IDLE, "code enhanced text" },
	{ CLIENT, "SYNCED",  0,   WIRE_ANY,        WIRE_SAME,       "id" },
	{ CLIENT, "FAILED",  0,   WIRE_ANY,        WIRE_SAME,       "id" },
	{ 0 },
};
// clang-format on
