/*
 * sort_parts: what the files of the sorter share; nobody else includes it.
 */
#ifndef COLLECTOR_SORT_PARTS_H
#define COLLECTOR_SORT_PARTS_H

#include "collector/sort.h"
#include "lib/mail/mailbox.h"
#include "lib/mail/uni.h"
#include "lib/net/ip.h"

/* An address in the one spelling under which addresses are compared. */
struct sort_key {
	struct span local, domain;
};
void sort_key(struct span local, struct span domain, struct arena *, struct sort_key *out);
struct span sort_fold(struct span, struct arena *);
bool sort_key_eq(const struct sort_key *, const struct sort_key *);

struct sort_words { /* a name */
	struct uni_word *v;
	size_t n;
	bool full; /* a full name, not a user name or alias */
};
struct sort_user {
	const char *id, *mark;
	bool member; /* of users=: not only a fallback or somebody's copy */
	struct sort_words *names;
	size_t name_count;
	struct span *locals;     /* local parts that mean this user */
	size_t local_count;
	struct sort_key *addresses; /* full-address aliases */
	size_t address_count;
	size_t *copies;          /* users who get what this one gets */
	size_t copy_count;
};
struct sort_list {
	bool by_address;
	struct sort_key address;
	struct span id;
	size_t *users;
	size_t user_count;
};
struct sort_trust {
	enum { TRUST_HOST, TRUST_BELOW, TRUST_PREFIX } kind;
	struct span name; /* of TRUST_BELOW with its leading dot */
	struct ip_prefix prefix;
};
struct sort_account {
	struct arena *arena;
	const struct upstream *up;
	const char *site;
	struct sort_user *users;
	size_t user_count;
	size_t fallback;
	struct sort_key *mailboxes;
	size_t mailbox_count;
	struct span *domains;
	size_t domain_count;
	struct sort_words *publics;
	struct span *public_locals;
	size_t public_count;
	struct sort_trust *trusted;
	size_t trusted_count;
	struct sort_list *lists;
	size_t list_count;
	struct span strip_prefix;
};

/* The trusted zone: fields 0 to end - 1 of the header. */
size_t sort_zone(const struct sort_account *, const struct sort_header *, struct buf *explain);
/* May what this host wrote be believed? word: a name or an address, as in a by clause. */
bool sort_trusts(const struct sort_account *, struct span word);
bool sort_is_received(const struct sort_field *);

enum sort_match { MATCH_NOBODY, MATCH_USER, MATCH_PUBLIC, MATCH_AMBIGUOUS };
/* Whom does a phrase (decoded) name? */
enum sort_match sort_match(const struct sort_account *, struct span phrase, struct arena *, size_t *user,
    const char **how);

void sort_explain(struct buf *, const char *, ...) PRINTF_LIKE(2, 3);

#endif
