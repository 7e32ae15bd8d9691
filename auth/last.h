/*
 * last: who logged in when, as authd remembers it.
 */
#ifndef AUTH_LAST_H
#define AUTH_LAST_H

#include "lib/store/instance.h"
#include "lib/wire/auth.h"

struct last {
	char *path;
	struct auth auth;
	bool asked; /* authd answers */
};
struct last_login {
	int64_t at_s;
	char service[32], client[64];
};
/* Connects, as who we are now; what authd cannot tell is left out. */
void last_open(struct last *, const struct instance *);
void last_close(struct last *);
/* 1; 0: nobody ever; -1: authd cannot be asked. */
int last_of(struct last *, const char *mailbox, struct last_login *) MUST_CHECK;
/* By local time: "2026-11-22 10:04". */
#define LAST_TIME 17
void last_time(int64_t at_s, char out[LAST_TIME]);

#endif
