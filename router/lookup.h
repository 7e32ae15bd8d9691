/* lookup: what the files of the router share: how its maps are asked. */
#ifndef ROUTER_LOOKUP_H
#define ROUTER_LOOKUP_H

#include "router/entry.h"
#include "router/router.h"

/* Notes that compile leaves in the maps: keys that begin with a blank. */
#define NOTE_NO_SCRAM " no-scram"     /* in passwd: for somebody there is no verifier */
#define NOTE_DEFAULT " default"       /* in domains: where bare names belong */
#define NOTE_POSTMASTER " postmaster" /* in domains: who a bare <postmaster> is */
#define NOTE_BITS4 " bits4"           /* in access: prefix lengths there are, longest first: "32,24" */
#define NOTE_BITS6 " bits6"
#define NOTE_RCPT " rcpt"             /* in access: there are keys for recipients */
#define NOTE_AT " at"                 /* in access: ... for addresses of ours */

/* Keys of access. */
void access_key(struct buf *out, const struct ip_prefix *);
void access_at_key(struct buf *out, const struct ip *, uint16_t port); /* ip NULL: any; port 0: any */

/* 1, 0: no entry, -1: the maps are broken. */
int find_domain(const struct router *, struct span key, struct arena *, struct domain_entry *,
    unsigned *line) MUST_CHECK;
int find_user(const struct router *, struct span key, struct arena *, struct user_entry *,
    unsigned *line) MUST_CHECK;
/* The domain that holds the mailboxes of this one: itself or what it is an alias of, in *home. As above; 0
 * for those not local; and *home is empty for a name of this host that no domain stands for. */
int find_home(const struct router *, struct span key, struct arena *, struct span *home,
    struct domain_entry *, unsigned *line, struct buf *explain) MUST_CHECK;

/* An address of a map or of SMTP as key: path_key, with home as the domain of a bare name. -1: no
 * address, or bare without home. Spans of *p point into the arena. */
int address_key(struct span text, struct span home, struct arena *, struct path *p,
    struct span *key) MUST_CHECK;
struct span key_domain(struct span key); /* behind the last "@" */
struct span key_local(struct span key);
struct span rehome(struct span key, struct span home, struct arena *); /* its local-part in home */
struct span in_arena(struct arena *, const struct buf *);

/* A line of explanation; explain may be NULL. */
void explain_step(struct buf *explain, const char *map, unsigned line, const char *, ...) PRINTF_LIKE(4, 5);

#endif
