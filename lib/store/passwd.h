/*
 * passwd: what a value of the map passwd says: how somebody's password is checked (posthouse-passwd(5)).
 */
#ifndef LIB_STORE_PASSWD_H
#define LIB_STORE_PASSWD_H

#include "lib/base/buf.h"
#include "lib/mail/scram.h"
#include "lib/store/hash.h"

enum passwd_kind {
	PASSWD_HASH,
	PASSWD_LOCKED,  /* no password is right */
	PASSWD_PROGRAM, /* {CHECKPASSWORD}: text is a command, its program's path absolute */
	PASSWD_PAM      /* {PAM}: text is a service */
};
struct passwd_entry {
	enum passwd_kind kind;
	char text[HASH_MAX]; /* the hash, as hash_verify() wants it, or what kind says */
	struct scram_verifier verifier;
	bool scram; /* there is one */
};
/* 0; -1 with why, a whole sentence without its end. */
int passwd_parse(struct span, struct passwd_entry *, struct buf *why) MUST_CHECK;
/* Somebody else knows the password: a program, or PAM. */
bool passwd_outside(const struct passwd_entry *);

#endif
