/*
 * secret: what we prove to a provider who we are with: a password or a token, wherever it comes from.
 */
#ifndef COLLECTOR_SECRET_H
#define COLLECTOR_SECRET_H

#include "collector/account.h"
#include "lib/net/sasl.h"
#include "lib/sys/io.h"

/* One of them is empty, unless something failed. */
struct credentials {
	struct buf password;
	struct buf token; /* OAuth2 access token */
};
/*
 * secret=!COMMAND: run it, and keep what it says in the account. Before the sandbox, for that allows no programs.
 * Nothing to do for other accounts. 0; -1 with why.
 */
int secret_run(struct account *, struct buf *why) MUST_CHECK;
/* From the command, from the map secrets; a token of provider= from tokend. 0; -1 with why: tokend tells the postmaster. */
int credentials_get(struct account *, const struct house *, struct credentials *, struct buf *why) MUST_CHECK;
/*
 * The account's auth= with one of the mechanisms that the server offers, over this connection: tls= is fulfilled, so
 * the password may be shown. NULL for the connection: without a channel binding. NULL with why: none serves.
 */
struct sasl *credentials_sasl(const struct account *, const struct credentials *, const struct io *,
    struct span offered, struct buf *why) MUST_CHECK;
/* The server did not take them. True: tokend may have another token, so that it is worth a second attempt. */
bool credentials_refused(struct account *) MUST_CHECK;
void credentials_wipe(struct credentials *); /* whatever credentials_get() said */

#endif
