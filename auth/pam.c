/*
 * pam: authentication and account management of a service, with the answers a password gives.
 */
#include "auth/pam.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"

#ifdef HAVE_PAM
#include <security/pam_appl.h>

struct answers {
	const char *user, *password;
};

/* What libpam frees. */
static char *
copy(const char *text)
{
	return mem_dup(text);
}

/* Whoever asks without echo means the password; nobody is there who could be told anything. */
static int
answer(int n, const struct pam_message **messages, struct pam_response **out, void *arg)
{
	const struct answers *a = arg;
	struct pam_response *said;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	said = mem_alloc((size_t)n, sizeof(*said));
	for (int i = 0; i < n; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			said[i].resp = copy(a->password);
		else if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON)
			said[i].resp = copy(a->user);
	*out = said;
	return PAM_SUCCESS;
}

/* authd has delays of its own (penalty.c), which keep nobody else waiting. */
static void
no_delay(int status, unsigned microseconds, void *arg)
{
	(void)status;
	(void)microseconds;
	(void)arg;
}

/* Both of them: right, wrong; anything else is a fault of the system, and says nothing of the password. */
static enum verified
verdict(int status)
{
	switch (status) {
	case PAM_SUCCESS:
		return VERIFIED_RIGHT;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_INSUFFICIENT:
		return VERIFIED_WRONG;
	default:
		return VERIFIED_NOT;
	}
}

enum verified
pam_verify(const char *directory, const char *service, const char *user, const char *password, const char *client)
{
	struct answers answers = { user, password };
	const struct pam_conv conv = { answer, &answers };
	pam_handle_t *pam = NULL;
	void (*delay)(int, unsigned, void *) = no_delay;
	const void *item;
	int status = pam_start_confdir(service, user, &conv, directory[0] == '\0' ? NULL : directory, &pam);

	memcpy(&item, &delay, sizeof(item)); /* a function behind a pointer to data: the interface wants it so */
	if (status == PAM_SUCCESS)
		status = pam_set_item(pam, PAM_RHOST, client);
	if (status == PAM_SUCCESS)
		status = pam_set_item(pam, PAM_FAIL_DELAY, item);
	if (status == PAM_SUCCESS)
		status = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (status == PAM_SUCCESS)
		status = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (verdict(status) == VERIFIED_NOT)
		log_event(EV_WARNING, LS("text", "PAM cannot tell"), LS("service", service),
		    LS("error", pam != NULL ? pam_strerror(pam, status) : "no such service"));
	if (pam != NULL)
		(void)pam_end(pam, status);
	return verdict(status);
}

#else

enum verified
pam_verify(const char *directory, const char *service, const char *user, const char *password, const char *client)
{
	(void)directory;
	(void)service;
	(void)user;
	(void)password;
	(void)client;
	log_event(EV_WARNING, LS("text", "PAM is wanted, and this posthouse was built without it"));
	return VERIFIED_NOT;
}

#endif
