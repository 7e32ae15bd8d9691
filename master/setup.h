/*
 * setup: what makes an instance is told, or asked for, once; then written.
 */
#ifndef MASTER_SETUP_H
#define MASTER_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/store/instance.h"

struct person {
	const char *name, *domain;
	const char *password;
};
struct strings {
	const char **s;
	size_t n;
};
struct setup { /* lives as long as the process */
	struct instance inst;
	struct arena *arena;      /* of the words below */
	bool batch, self_signed;
	bool tls;             /* ports for it are wanted, or there will be a certificate */
	struct strings domains;
	struct strings listen;    /* addresses; none: both loopbacks */
	struct person *people;
	size_t people_count;
	const char *smtp_port, *submission_port, *pop3_port;
	const char *submissions_port, *pop3s_port; /* NULL: not wanted */
	const char *smarthost;    /* NULL: straight to the MX */
	bool trouble;             /* something could not be done */
};
void strings_add(struct setup *, struct strings *, const char *);
/* NAME or NAME@DOMAIN; password NULL: there is none, which is an error. */
void setup_person(struct setup *, struct span address, const char *password);

/* ask.c: ask for what was not told, on the terminal. */
void setup_ask(struct setup *);
/* accounts.c: the users of DESIGN section 2, when we are root. */
void setup_accounts(void);
/* texts.c: configuration and maps; nothing that exists is touched. */
void setup_texts(struct setup *);
/* selfsigned.c: etc/tls/HOST.{key,pem}, for a year. 0; -1 with why. */
int setup_self_signed(const char *dir, const char *domain, const char *host, struct buf *why) MUST_CHECK;

#endif
