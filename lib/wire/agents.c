/*
 * agents: the table of the dialogue between queued and those who deliver.
 */
#include "lib/wire/agents.h"

// clang-format off
const struct wire_msg agents_messages[] = {
	/* who    verb      fds  said in      leads to     words */
	{ CLIENT, "HELLO",  0,   AGENTS_NEW,  AGENTS_IDLE, "kind" },
	/* arrived: seconds; octets and wire: sizes for the maildir name; head: octets that only
	 * mailboxes get; flags: see above; nexthop: see router_nexthop_text() */
	{ SERVER, "JOB",    1,   AGENTS_IDLE, AGENTS_BUSY, "id sender arrived octets wire head flags nexthop ret envid +" },
	{ SERVER, "BOUNCE", 2,   AGENTS_IDLE, AGENTS_BUSY, "id why +" },
	{ CLIENT, "REPORT", 0,   AGENTS_BUSY, AGENTS_IDLE, "id host connected +" },
	{ 0 },
};
// clang-format on

const char *const agents_news[NEWS_COUNT] = { [NEWS_FAILED] = "failed", [NEWS_EXPIRED] = "expired",
	[NEWS_DELIVERED] = "delivered", [NEWS_RELAYED] = "relayed", [NEWS_DELAYED] = "delayed" };
