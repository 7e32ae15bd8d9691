/*
 * fetch_imap: the dialogue with a provider's IMAP server.
 */
#include "collector/fetch.h"

int
fetch_imap(struct fetch *f)
{
	return fetch_failed(f, "protocol=imap", SPAN("not in this release"));
}
