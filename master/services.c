/*
 * services: the table of the house.
 */
#include "master/services.h"

#include "lib/base/mem.h"
#include "lib/store/instance.h"

static bool
wants_collect(const struct conf *c)
{
	return c->collect_serve;
}

static bool
wants_callout(const struct conf *c)
{
	return c->callout;
}

// clang-format off
/* Who may connect is decided twice: by these modes, and by the server, which asks for the peer's uid. */
const struct socket_def socket_defs[] = {
	/* name         kind         setting                                  port    mode  group */
	{ "smtp",       SOCKET_SMTP, offsetof(struct conf, listen_smtp),       "25",   0,    NULL },
	{ "submission", SOCKET_SMTP, offsetof(struct conf, listen_submission), "587",  0,    NULL },
	{ "submissions", SOCKET_SMTPS, offsetof(struct conf, listen_submissions), "465", 0,    NULL },
	{ "lmtp",       SOCKET_SMTP, offsetof(struct conf, listen_lmtp),       "24",   0,    NULL },
	{ "pop3",       SOCKET_POP3, offsetof(struct conf, listen_pop3),       "110",  0,    NULL },
	{ "pop3s",      SOCKET_POP3S,offsetof(struct conf, listen_pop3s),      "995",  0,    NULL },
	{ "submit",     SOCKET_UNIX, 0,                                        NULL,   0666, NULL },
	{ "agents",     SOCKET_UNIX, 0,                                        NULL,   0660, USER_QUEUE },
	{ "control",    SOCKET_UNIX, 0,                                        NULL,   0660, "posthouse" },
	{ "auth",       SOCKET_UNIX, 0,                                        NULL,   0660, USER_AUTH },
	{ "token",      SOCKET_UNIX, 0,                                        NULL,   0660, USER_TOKEN },
	{ "callout",    SOCKET_UNIX, 0,                                        NULL,   0660, USER_SMTPD },
	{ "tls",        SOCKET_UNIX, 0,                                        NULL,   0660, USER_TLS },
};
const size_t socket_def_count = COUNT(socket_defs);

/* In the order of starting. */
const struct service_def service_defs[] = {
	/* name      user          phase  sockets                                   option     wanted */
	{ "queued",  USER_QUEUE,   2,     { "submit", "agents", "control" },        NULL,      NULL },
	{ "authd",   USER_AUTH,    1,     { "auth" },                               NULL,      NULL },
	{ "tokend",  USER_TOKEN,   1,     { "token" },                              NULL,      NULL },
	{ "tlsd",    USER_TLS,     1,     { "tls" },                                NULL,      NULL },
	{ "local",   USER_MAIL,    1,     { NULL },                                 NULL,      NULL },
	{ "remote",  USER_REMOTE,  1,     { NULL },                                 NULL,      NULL },
	{ "calloutd", USER_REMOTE, 1,     { "callout" },                            NULL,      wants_callout },
	{ "bounce",  USER_QUEUE,   1,     { NULL },                                 NULL,      NULL },
	{ "smtpd",   USER_SMTPD,   0,     { "smtp", "submission", "submissions", "lmtp" }, NULL,      NULL },
	{ "pop3d",   USER_POP3,    0,     { "pop3", "pop3s" },                      NULL,      NULL },
	{ "collect", USER_COLLECT, 0,     { NULL },                                 "--serve", wants_collect },
};
const size_t service_def_count = COUNT(service_defs);
// clang-format on

const char *
socket_setting(const struct socket_def *d, const struct conf *c)
{
	char *const *at =
	    (char *const *)(const void *)((const char *)c + d->setting);

	return *at;
}
