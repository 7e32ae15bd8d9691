/*
 * conf: posthouse.conf, `name = value`, scalars only.
 *
 * One table (conf.c) names every setting with type, default and bounds; what is
 * not in it is an error. posthouse.conf(5) documents each; a test compares the
 * two. posthouse compile checks etc/posthouse.conf and copies it into the
 * generation; programs read it there, once, when they start.
 */
#ifndef LIB_STORE_CONF_H
#define LIB_STORE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/store/instance.h"
#include "lib/sys/sandbox.h"

enum plaintext_login { PLAINTEXT_LOOPBACK, PLAINTEXT_TRUSTED, PLAINTEXT_NEVER, PLAINTEXT_ALWAYS };
enum on_error { ON_ERROR_ACCEPT, ON_ERROR_REJECT, ON_ERROR_DEFER };
enum sender_rights { SENDER_OWN, SENDER_LOCAL, SENDER_ANY };
enum relay_senders { RELAY_SENDERS_ANY, RELAY_SENDERS_LOCAL, RELAY_SENDERS_ACCOUNT };

struct conf {
	/* who we are */
	char *hostname;        /* FQDN; default gethostname(2), completed when possible */
	char *helo_name;       /* default: hostname */
	char *default_domain;  /* bare names; default: the only local domain, else none */
	char *mail_root;       /* default: the instance's mail directory */
	/* listening; "" binds every address, "none" nothing; comma-separated */
	char *listen_smtp;       /* 127.0.0.1:25, [::1]:25 */
	char *listen_submission; /* 127.0.0.1:587, [::1]:587 */
	char *listen_lmtp;       /* none; RFC 2033, usually 24 */
	char *listen_pop3;       /* 127.0.0.1:110, [::1]:110 */
	char *listen_submissions, *listen_pop3s; /* none; with TLS at once: 465, 995 */
	/* smtpd */
	bool relay;               /* relay = trusted (default) | none: T8 */
	uint64_t message_size_limit; /* octets; 50M; 0: none */
	uint64_t rcpt_limit;      /* recipients a message; 1000 */
	uint64_t filter_body_limit; /* octets of bodies held against filters; 256k */
	enum on_error attachments_on_error; /* accept */
	uint64_t received_limit;  /* Received fields before it is a loop; 50 */
	uint64_t smtpd_workers;   /* 50 */
	uint64_t smtpd_reuse;     /* sessions a worker; 100 */
	uint64_t smtpd_connections, smtpd_connections_per_address; /* 500, 50 */
	uint64_t smtpd_connections_per_network, smtpd_connections_per_minute; /* 250, 0 */
	uint64_t banner_delay;    /* seconds strangers wait; 0 */
	char *dnsbl;              /* lists of clients; none */
	uint64_t dnsbl_threshold, dnsbl_timeout, dnsbl_probe; /* 1, 5s, 15m */
	char *proxy_from;         /* networks of balancers; none */
	uint64_t proxy_timeout;   /* seconds for their headers; 5 */
	bool sender_domain_check, defer_on_dns_error; /* no; on_dns_error = accept | defer */
	bool null_sender_one_rcpt, reverse_lookup;    /* no, no */
	uint64_t smtpd_timeout;   /* seconds a command; 300 */
	uint64_t smtpd_session_timeout; /* seconds in all; 3600 */
	uint64_t smtpd_errors;    /* errors before 421; 20 */
	bool smtpd_bare_newline_normalize; /* smtp_bare_newline = reject | normalize (trusted only) */
	char *milters;            /* "unix:/path, inet:host:port ..."; "": none */
	enum milter_default { MILTER_DEFAULT_TEMPFAIL, MILTER_DEFAULT_ACCEPT, MILTER_DEFAULT_SHUTDOWN,
		MILTER_DEFAULT_REJECT, MILTER_DEFAULT_QUARANTINE } milter_default;
	uint64_t milter_connect_timeout, milter_timeout, milter_content_timeout; /* 30, 30, 300 */
	bool received_hide_client; /* no */
	uint64_t login_rate;       /* messages an hour; 0: no limit */
	bool callout;              /* of relayed domains the server is asked at RCPT; no */
	uint64_t callout_timeout;  /* 10 */
	uint64_t callout_keep_yes, callout_keep_no; /* 7d, 3h */
	bool callout_defer;        /* on_callout_error = accept | defer */
	bool strict_smtp;          /* no blank behind MAIL FROM: and RCPT TO:; no */
	enum sender_rights sender_rights; /* own: of those who have logged in */
	enum relay_senders relay_senders; /* any: of those who may send to other domains */
	bool local_senders_login;  /* local_senders = anybody | login */
	/* pop3d, smtpd, authd */
	enum plaintext_login plaintext_login; /* loopback */
	uint64_t pop3d_workers, pop3d_connections, pop3d_connections_per_address, pop3d_connections_per_user;
	uint64_t pop3d_login_delay; /* 0: none */
	bool pop3d_lock;          /* one session a mailbox; no */
	bool pop3d_seen;          /* what was fetched moves to cur; yes */
	uint64_t pop3d_timeout;   /* 600; RFC 1939, 3 */
	uint64_t pop3d_keep;      /* 10; 0: a process a session */
	char *login_separators;   /* %#$: stand for @ in login names */
	uint64_t auth_cache;      /* seconds a verification is remembered; 600 */
	uint64_t scram_iterations; /* 32768; 0: no SCRAM */
	bool password_upgrade;     /* yes */
	char *auth_program_user;   /* phcheck: whose uid programs that know passwords run under */
	uint64_t auth_program_timeout; /* 10 */
	char *pam_directory;       /* "": the system's */
	bool auth_external;        /* verified names of certificates are logins of smtpd; no */
	char *oauth_validate;      /* a command that knows whose a token is; "": none, no tokens are taken */
	/* tlsd */
	char *tls_directory;      /* "" = tls below the maps */
	uint64_t tls_connections; /* 10000 */
	uint64_t tls_processes;   /* 32 */
	uint64_t tls_handshake_timeout; /* 30 */
	bool tls_client_certificates; /* asked for; no */
	char *tls_client_ca;      /* who vouches for their names; "" = nobody */
	/* queue */
	uint64_t retry_first, retry_last; /* 5m growing to 4h */
	uint64_t queue_lifetime;  /* 5d */
	uint64_t bounce_lifetime; /* 1d: for DSNs themselves */
	uint64_t delay_notice;    /* 4h: then a sender is told, once; 0: never */
	uint64_t direct_timeout_ms; /* 1000: then a direct delivery becomes a queued one */
	uint64_t local_agents;    /* 2 */
	uint64_t quota_grace;     /* 3d: so long a full mailbox defers; then it refuses */
	uint64_t remote_agents;   /* 20 */
	uint64_t site_concurrency; /* connections to one next hop; 5 */
	uint64_t queue_limit;     /* messages waiting beyond which clients get 421; 0: none */
	bool queue_limit_local;   /* for mail to mailboxes from those we trust, too; yes */
	uint64_t queue_free_floor; /* octets free on the spool below which 452; 100M */
	bool sync_names_always;   /* sync_names = auto | always */
	/* remote */
	char *resolver;           /* "" = /etc/resolv.conf */
	uint64_t dns_timeout, remote_connect_timeout, remote_timeout;
	bool remote_tls;          /* remote_tls = may | no */
	char *remote_tls_ca;      /* certificates to trust; "": the system's */
	uint64_t remote_port;     /* 25; for tests and odd firewalls */
	/* collector */
	uint64_t collect_parallel; /* 20 */
	uint64_t collect_timeout;  /* 60 */
	uint64_t collect_time_limit; /* 3600 */
	bool collect_serve;        /* the service runs; yes */
	uint64_t collect_idle;     /* connections that stay; 200 */
	uint64_t collect_backoff, collect_backoff_max; /* after a refused login: 15m growing to 12h */
	uint64_t collect_warn_after; /* of other trouble the postmaster hears; 4h */
	/* house */
	enum sandbox_mode sandbox; /* auto */
	uint64_t log_keep;         /* days; 30 */
	bool log_detail;           /* log_level = notice | detail */
};

/* Defaults, then the file (may be absent) over them. 0; -1 with errors appended to why as
 * "FILE:LINE: ...\n", all of them. */
int conf_read(struct conf *, const char *file, struct buf *why) MUST_CHECK;
/* May a password come without TLS from this client? */
bool conf_plaintext_login(const struct conf *, bool loopback, bool trusted);
/* The line that sets this; 0: none does. */
unsigned conf_line(const char *file, const char *setting);
/* The names there are with their defaults, for the test that compares them with the manual. NULL: no more. */
const char *conf_name(size_t i, const char **standard);
/* What every program does: the current generation's copy, fatal(EX_CONFIG) if there is none. */
void conf_load(struct conf *, const struct instance *);
void conf_free(struct conf *);
/* "name = value" for `posthouse conf`, with defaults filled in. */
void conf_print(const struct conf *, struct buf *out);

#endif
