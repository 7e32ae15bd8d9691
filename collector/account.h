/*
 * account: an upstream account made ready: who its people are here, and how mail reaches them.
 */
#ifndef COLLECTOR_ACCOUNT_H
#define COLLECTOR_ACCOUNT_H

#include "collector/sort.h"
#include "lib/store/conf.h"
#include "lib/store/envelope.h"
#include "lib/store/instance.h"
#include "lib/store/map.h"
#include "router/router.h"

struct house {
	struct instance instance;
	struct conf conf;
	struct generation *maps; /* upstreams, users, secrets */
	struct router router;
	char *state_dir, *submit_path, *token_path;
};

struct person { /* by number of user of the sorter */
	const char *address;      /* for Delivered-To and the log */
	struct env_rcpt *rcpts;   /* final recipients; none: nobody takes mail there (disabled) */
	size_t rcpt_count;
};
struct account {
	const char *name;
	struct arena *arena;
	struct upstream up;
	struct sort_account *sort;
	struct person *people;
	size_t people_count;
	size_t fallback;
	int smtpd_fd;      /* protocol=atrn: our smtpd, held ready: turn.c */
	bool stay;     /* all fetched, wait for more where the protocol can (idle=yes, collect --serve) */
	bool tokenless;    /* tokend has no token for it now, and tells the postmaster itself */
	bool refused;      /* ... and the server did not take that */
	struct buf lists;  /* mailing lists that went to the fallback: lists.c */
	struct buf secret; /* what the command of secret=! said, or tokend: secret.c */
};

void house_open(struct house *, const char *dir);
/* fn for each account by name, in the order of the map; its value is what the entry says. */
int house_each_account(const struct house *, int (*fn)(void *, const char *name, struct span value), void *);
/* 0; -1 with why: the entry is wrong, or its fallback gets no mail here. */
int account_open(struct account *, struct house *, const char *name, struct span value, struct buf *why) MUST_CHECK;
/* Whose is it? As sort_message(), and among people who take mail. */
void account_sort(const struct account *, const struct sort_header *, struct arena *, struct sort_result *out,
    struct buf *explain);
void account_close(struct account *);
/* Before the first octet from its provider: no programs any more, no files but those that are needed. */
void account_sandbox(const struct account *, const struct house *);

#endif
