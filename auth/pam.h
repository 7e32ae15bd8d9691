/*
 * pam: a password of a system's user. The only module that knows PAM; without it nobody's password is right.
 */
#ifndef AUTH_PAM_H
#define AUTH_PAM_H

#include "auth/verify.h"

/* directory: of the services' files; "": the system's. Modules do as they like with the process: to be called in one that
 * ends behind it. */
enum verified pam_verify(const char *directory, const char *service, const char *user, const char *password,
    const char *client) MUST_CHECK;

#endif
