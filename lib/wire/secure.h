/*
 * secure: have TLS spoken with a client by tlsd. Server: tlsd; clients: smtpd, pop3d.
 *
 * TERMINATE hands over the client's TCP socket, from which nothing was read ahead. SECURED, behind the handshake:
 * one end of a stream of what stands inside TLS, and the facts; tlsd then keeps the TCP socket until one of the two
 * sides ends. FAILED: no handshake; the TCP socket is gone. One connection to tlsd serves one client. ASK: can TLS
 * be spoken at all (is there a certificate)? STATUS: what new clients get now, for administrators.
 */
#ifndef LIB_WIRE_SECURE_H
#define LIB_WIRE_SECURE_H

#include "lib/wire/wire.h"

enum { SECURE_IDLE = 1, SECURE_ASKING = 2, SECURE_SHAKING = 4, SECURE_DONE = 8 };
extern const struct wire_msg secure_messages[];

#define SECURE_BINDING (64 + 1 + 24 + 1)
struct secure_facts {       /* "" when there is none */
	char version[16];   /* "TLSv1.3" */
	char cipher[64];    /* "TLS_AES_256_GCM_SHA384" */
	char sni[256];      /* the name that the client asked for */
	char certificate[65]; /* SHA-256 of the client's certificate, in hex; it has the key, more is not known of it */
	/* tls-exporter (RFC 9266), 32 octets in hex, and in TLS 1.2, whose clients know no other, ":" and tls-unique
	 * (RFC 5929), 12 octets; "" when there is none that is safe. */
	char binding[SECURE_BINDING];
	char name[256];     /* in the client's certificate, when tls_client_ca vouches for it; printable ASCII */
};
/* Is there a tlsd, and has it a certificate? Asks anew after a minute, after a second when there was none. */
struct secure {
	const char *path;   /* of the socket */
	deadline_ms asked;  /* what is known holds until then */
	bool ready;
};
void secure_init(struct secure *, const char *socket_path);
bool secure_ready(struct secure *);
/* For a client that wants it now: what is known to be missing is asked for anew. */
bool secure_wanted(struct secure *);
/* Takes fd, also in failure. The new descriptor; -1 with why, in a few words. */
int secure_terminate(const struct secure *, int fd, const char *service, const char *client, deadline_ms,
    struct secure_facts *, struct buf *why) MUST_CHECK;

/* What is served, not what lies on the disk. */
struct secure_standing {
	uint64_t connections, processes;
	int64_t tickets_s;      /* when their newest key was made */
	struct buf pairs;       /* for secure_pair_next() */
};
struct secure_pair {
	char name[256];         /* its file */
	char kind[16];          /* "EC", "RSA" */
	char digest[65];        /* SHA-256, hex */
	uint64_t from_s, until_s;
	uint64_t ocsp_from_s, ocsp_until_s; /* of the stapled response; 0: none is; until 0: no end is said */
	bool usual;             /* for clients that name no host, or one we have not */
	char hosts[1024];       /* with commas between; as many as fit */
};
/* The caller frees pairs. 0; -1 errno: no tlsd, or not for us. */
int secure_status(const char *socket_path, struct secure_standing *) MUST_CHECK;
void secure_pair_add(const struct secure_pair *, struct buf *out);
/* The next of standing's pairs; *rest begins as their span. */
bool secure_pair_next(struct span *rest, struct secure_pair *);

#endif
