/*
 * conf: posthouse.conf.
 *
 * One table says what there is; reading, defaults and printing go by it. Knows
 * single values and their bounds; whether two settings fit each other is for
 * those who use them.
 */
#include "lib/store/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"

#define FILE_MAX (1024 * 1024) /* octets of posthouse.conf */

enum conf_type { TEXT, BOOL, NUMBER, DURATION, SIZE, LIMIT /* a size, or 0: there is none */, CHOICE };

struct setting {
	const char *name;
	enum conf_type type;
	size_t offset;
	const char *standard; /* the default, as one would write it */
	uint64_t min, max;
	const char *const *choices; /* by number, NULL last; BOOL: no, yes */
};

static const char *const milter_choices[] = { "tempfail", "accept", "shutdown", "reject", "quarantine", NULL };
static const char *const no_yes[] = { "no", "yes", NULL };
static const char *const relay_choices[] = { "none", "trusted", NULL };
static const char *const newline_choices[] = { "reject", "normalize", NULL };
static const char *const tls_choices[] = { "no", "may", NULL };
static const char *const names_choices[] = { "auto", "always", NULL };
static const char *const dns_error_choices[] = { "accept", "defer", NULL };
static const char *const callout_choices[] = { "no", "relayed", NULL };
static const char *const level_choices[] = { "notice", "detail", NULL };
static const char *const error_choices[] = { "accept", "reject", "defer", NULL };
static const char *const sender_choices[] = { "own", "local", "any", NULL };
static const char *const relay_sender_choices[] = { "any", "local", "account", NULL };
static const char *const local_choices[] = { "anybody", "login", NULL };
static const char *const login_choices[] = { "loopback", "trusted", "never",
	"always", NULL };
static const char *const sandbox_choices[] = { "off", "auto", "required", NULL };

#define AT(member) offsetof(struct conf, member)
#define DAYS(n) ((uint64_t)(n) * 86400)
#define MB(n) ((uint64_t)(n) << 20)

// clang-format off
static const struct setting settings[] = {
	/* name                        type      where                              default  min max  choices */
	{ "hostname",                  TEXT,     AT(hostname),                      "", 0, 0, NULL },
	{ "helo_name",                 TEXT,     AT(helo_name),                     "", 0, 0, NULL },
	{ "default_domain",            TEXT,     AT(default_domain),                "", 0, 0, NULL },
	{ "mail_root",                 TEXT,     AT(mail_root),                     "", 0, 0, NULL },

	{ "listen_smtp",               TEXT,     AT(listen_smtp),                   "127.0.0.1:25, [::1]:25", 0, 0, NULL },
	{ "listen_submission",         TEXT,     AT(listen_submission),             "127.0.0.1:587, [::1]:587", 0, 0, NULL },
	{ "listen_submissions",        TEXT,     AT(listen_submissions),            "none", 0, 0, NULL },
	{ "listen_lmtp",               TEXT,     AT(listen_lmtp),                   "none", 0, 0, NULL },
	{ "listen_pop3",               TEXT,     AT(listen_pop3),                   "127.0.0.1:110, [::1]:110", 0, 0, NULL },
	{ "listen_pop3s",              TEXT,     AT(listen_pop3s),                  "none", 0, 0, NULL },

	{ "proxy_from",                TEXT,     AT(proxy_from),                    "", 0, 0, NULL },
	{ "proxy_timeout",             DURATION, AT(proxy_timeout),                 "5s", 1, 300, NULL },

	{ "relay",                     BOOL,     AT(relay),                         "trusted", 0, 0, relay_choices },
	{ "message_size_limit",        LIMIT,    AT(message_size_limit),            "50M", 1024, MB(1024 * 1024), NULL },
	{ "rcpt_limit",                NUMBER,   AT(rcpt_limit),                    "1000", 100, 100000, NULL },
	{ "filter_body_limit",         SIZE,     AT(filter_body_limit),             "256k", 0, MB(1024 * 1024), NULL },
	{ "attachments_on_error",      CHOICE,   AT(attachments_on_error),          "accept", 0, 0, error_choices },
	{ "received_limit",            NUMBER,   AT(received_limit),                "50", 10, 1000, NULL },
	{ "smtpd_workers",             NUMBER,   AT(smtpd_workers),                 "50", 1, 10000, NULL },
	{ "smtpd_reuse",               NUMBER,   AT(smtpd_reuse),                   "100", 1, 1000000, NULL },
	{ "smtpd_connections",         NUMBER,   AT(smtpd_connections),             "500", 1, 100000, NULL },
	{ "smtpd_connections_per_address", NUMBER, AT(smtpd_connections_per_address), "50", 1, 100000, NULL },
	{ "smtpd_connections_per_network", NUMBER, AT(smtpd_connections_per_network), "250", 0, 100000, NULL },
	{ "smtpd_connections_per_minute", NUMBER, AT(smtpd_connections_per_minute), "0", 0, 100000, NULL },
	{ "banner_delay",              DURATION, AT(banner_delay),                  "0", 0, 60, NULL },
	{ "dnsbl",                     TEXT,     AT(dnsbl),                         "", 0, 0, NULL },
	{ "dnsbl_threshold",           NUMBER,   AT(dnsbl_threshold),               "1", 1, 16000, NULL },
	{ "dnsbl_timeout",             DURATION, AT(dnsbl_timeout),                 "5s", 1, 60, NULL },
	{ "dnsbl_probe",               DURATION, AT(dnsbl_probe),                   "15m", 1, DAYS(1), NULL },
	{ "sender_domain_check",       BOOL,     AT(sender_domain_check),           "no", 0, 0, no_yes },
	{ "on_dns_error",              BOOL,     AT(defer_on_dns_error),            "accept", 0, 0, dns_error_choices },
	{ "null_sender_one_rcpt",      BOOL,     AT(null_sender_one_rcpt),          "no", 0, 0, no_yes },
	{ "reverse_lookup",            BOOL,     AT(reverse_lookup),                "no", 0, 0, no_yes },
	{ "smtpd_timeout",             DURATION, AT(smtpd_timeout),                 "5m", 1, DAYS(1), NULL },
	{ "smtpd_session_timeout",     DURATION, AT(smtpd_session_timeout),         "1h", 1, DAYS(7), NULL },
	{ "smtpd_errors",              NUMBER,   AT(smtpd_errors),                  "20", 1, 10000, NULL },
	{ "smtp_bare_newline",         BOOL,     AT(smtpd_bare_newline_normalize),  "reject", 0, 0, newline_choices },

	{ "milters",                   TEXT,     AT(milters),                       "", 0, 0, NULL },
	{ "milter_default",            CHOICE,   AT(milter_default),                "tempfail", 0, 0, milter_choices },
	{ "milter_connect_timeout",    DURATION, AT(milter_connect_timeout),        "30s", 1, 3600, NULL },
	{ "milter_timeout",            DURATION, AT(milter_timeout),                "30s", 1, 3600, NULL },
	{ "milter_content_timeout",    DURATION, AT(milter_content_timeout),        "5m", 1, 3600, NULL },

	{ "received_hide_client",      BOOL,     AT(received_hide_client),          "no", 0, 0, no_yes },
	{ "login_rate",                NUMBER,   AT(login_rate),                    "0", 0, 1000000, NULL },
	{ "callout",                   BOOL,     AT(callout),                       "no", 0, 0, callout_choices },
	{ "callout_timeout",           DURATION, AT(callout_timeout),               "10s", 1, 240, NULL },
	{ "callout_keep_yes",          DURATION, AT(callout_keep_yes),              "7d", 0, DAYS(365), NULL },
	{ "callout_keep_no",           DURATION, AT(callout_keep_no),               "3h", 0, DAYS(365), NULL },
	{ "on_callout_error",          BOOL,     AT(callout_defer),                 "accept", 0, 0, dns_error_choices },
	{ "strict_smtp",               BOOL,     AT(strict_smtp),                   "no", 0, 0, no_yes },
	{ "sender_rights",             CHOICE,   AT(sender_rights),                 "own", 0, 0, sender_choices },
	{ "relay_senders",             CHOICE,   AT(relay_senders),                 "any", 0, 0, relay_sender_choices },
	{ "local_senders",             BOOL,     AT(local_senders_login),           "anybody", 0, 0, local_choices },

	{ "plaintext_login",           CHOICE,   AT(plaintext_login),               "loopback", 0, 0, login_choices },
	{ "pop3d_workers",             NUMBER,   AT(pop3d_workers),                 "50", 1, 10000, NULL },
	{ "pop3d_connections",         NUMBER,   AT(pop3d_connections),             "500", 1, 100000, NULL },
	{ "pop3d_connections_per_address", NUMBER, AT(pop3d_connections_per_address), "50", 1, 100000, NULL },
	{ "pop3d_connections_per_user", NUMBER,  AT(pop3d_connections_per_user),    "20", 1, 100000, NULL },
	{ "pop3d_lock",                BOOL,     AT(pop3d_lock),                    "no", 0, 0, no_yes },
	{ "pop3d_seen",                BOOL,     AT(pop3d_seen),                    "yes", 0, 0, no_yes },
	{ "pop3d_login_delay",         DURATION, AT(pop3d_login_delay),             "0", 0, DAYS(1), NULL },
	{ "pop3d_timeout",             DURATION, AT(pop3d_timeout),                 "10m", 1, DAYS(1), NULL },
	{ "pop3d_keep",                DURATION, AT(pop3d_keep),                    "10s", 0, 3600, NULL },
	{ "login_separators",          TEXT,     AT(login_separators),              "%#$", 0, 0, NULL },
	{ "auth_cache",                DURATION, AT(auth_cache),                    "10m", 0, DAYS(1), NULL },
	{ "scram_iterations",          NUMBER,   AT(scram_iterations),              "32768", 0, 10000000, NULL },
	{ "password_upgrade",          BOOL,     AT(password_upgrade),              "yes", 0, 0, no_yes },
	{ "auth_program_user",         TEXT,     AT(auth_program_user),             USER_CHECK, 0, 0, NULL },
	{ "auth_program_timeout",      DURATION, AT(auth_program_timeout),          "10s", 1, 25, NULL },
	{ "pam_directory",             TEXT,     AT(pam_directory),                 "", 0, 0, NULL },
	{ "auth_external",             BOOL,     AT(auth_external),                 "no", 0, 0, no_yes },
	{ "oauth_validate",            TEXT,     AT(oauth_validate),                "", 0, 0, NULL },

	{ "tls_directory",             TEXT,     AT(tls_directory),                 "", 0, 0, NULL },
	{ "tls_connections",           NUMBER,   AT(tls_connections),               "10000", 4, 1000000, NULL },
	{ "tls_processes",             NUMBER,   AT(tls_processes),                 "32", 1, 10000, NULL },
	{ "tls_handshake_timeout",     DURATION, AT(tls_handshake_timeout),         "30s", 1, 600, NULL },
	{ "tls_client_certificates",   BOOL,     AT(tls_client_certificates),       "no", 0, 0, no_yes },
	{ "tls_client_ca",             TEXT,     AT(tls_client_ca),                 "", 0, 0, NULL },

	{ "retry_first",               DURATION, AT(retry_first),                   "5m", 1, DAYS(7), NULL },
	{ "retry_last",                DURATION, AT(retry_last),                    "4h", 1, DAYS(30), NULL },
	{ "queue_lifetime",            DURATION, AT(queue_lifetime),                "5d", 1, DAYS(365), NULL },
	{ "bounce_lifetime",           DURATION, AT(bounce_lifetime),               "1d", 1, DAYS(365), NULL },
	{ "delay_notice",              DURATION, AT(delay_notice),                  "4h", 0, DAYS(365), NULL },
	{ "direct_timeout_ms",         NUMBER,   AT(direct_timeout_ms),             "1000", 1, 60000, NULL },
	{ "local_agents",              NUMBER,   AT(local_agents),                  "2", 1, 1000, NULL },
	{ "quota_grace",               DURATION, AT(quota_grace),                   "3d", 0, DAYS(365), NULL },
	{ "remote_agents",             NUMBER,   AT(remote_agents),                 "20", 1, 10000, NULL },
	{ "site_concurrency",          NUMBER,   AT(site_concurrency),              "5", 1, 10000, NULL },
	{ "queue_limit",               NUMBER,   AT(queue_limit),                   "0", 0, 100000000, NULL },
	{ "queue_limit_local",         BOOL,     AT(queue_limit_local),             "yes", 0, 0, no_yes },
	{ "queue_free_floor",          SIZE,     AT(queue_free_floor),              "100M", 0, MB(1024 * 1024), NULL },
	{ "sync_names",                BOOL,     AT(sync_names_always),             "auto", 0, 0, names_choices },

	{ "resolver",                  TEXT,     AT(resolver),                      "", 0, 0, NULL },
	{ "dns_timeout",               DURATION, AT(dns_timeout),                   "10s", 1, 300, NULL },
	{ "remote_connect_timeout",    DURATION, AT(remote_connect_timeout),        "30s", 1, 3600, NULL },
	{ "remote_timeout",            DURATION, AT(remote_timeout),                "5m", 1, DAYS(1), NULL },
	{ "remote_tls",                BOOL,     AT(remote_tls),                    "may", 0, 0, tls_choices },
	{ "remote_tls_ca",             TEXT,     AT(remote_tls_ca),                 "", 0, 0, NULL },
	{ "remote_port",               NUMBER,   AT(remote_port),                   "25", 1, 65535, NULL },

	{ "collect_parallel",          NUMBER,   AT(collect_parallel),              "20", 1, 10000, NULL },
	{ "collect_timeout",           DURATION, AT(collect_timeout),               "1m", 1, 3600, NULL },
	{ "collect_time_limit",        DURATION, AT(collect_time_limit),            "1h", 1, 86400, NULL },
	{ "collect_serve",             BOOL,     AT(collect_serve),                 "yes", 0, 0, no_yes },
	{ "collect_idle",              NUMBER,   AT(collect_idle),                  "200", 0, 10000, NULL },
	{ "collect_backoff",           DURATION, AT(collect_backoff),               "15m", 1, DAYS(1), NULL },
	{ "collect_backoff_max",       DURATION, AT(collect_backoff_max),           "12h", 1, DAYS(7), NULL },
	{ "collect_warn_after",        DURATION, AT(collect_warn_after),            "4h", 1, DAYS(30), NULL },

	{ "sandbox",                   CHOICE,   AT(sandbox),                       "auto", 0, 0, sandbox_choices },
	{ "log_keep",                  NUMBER,   AT(log_keep),                      "30", 0, 36500, NULL },
	{ "log_level",                 BOOL,     AT(log_detail),                    "notice", 0, 0, level_choices },
};
// clang-format on

/* Where in c this setting is kept. */
static void *
place(struct conf *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

static const struct setting *
find(struct span name)
{
	size_t i;

	for (i = 0; i < COUNT(settings); i++)
		if (span_is(name, settings[i].name))
			return &settings[i];
	return NULL;
}

/* --- values -------------------------------------------------------------- */

static void
add_choices(const char *const *choices, struct buf *out)
{
	size_t i;

	for (i = 0; choices[i] != NULL; i++)
		buf_addf(out, "%s%s", i == 0 ? "" :
		    choices[i + 1] == NULL ? " or " : ", ", choices[i]);
}

static int
set_choice(struct conf *c, const struct setting *s, struct span v,
    struct buf *why)
{
	unsigned i;

	for (i = 0; s->choices[i] != NULL; i++) {
		if (!span_is(v, s->choices[i]))
			continue;
		if (s->type == BOOL)
			*(bool *)place(c, s) = i != 0;
		else /* our enumerations count as the table does */
			*(unsigned *)place(c, s) = i;
		return 0;
	}
	buf_addf(why, "%s cannot be \"%.*s\": write ", s->name, (int)v.len, v.s);
	add_choices(s->choices, why);
	return -1;
}

static int
set_number(struct conf *c, const struct setting *s, struct span v,
    struct buf *why)
{
	static const char *const examples[] = {
		[NUMBER] = "a number", [DURATION] = "a time, for example 90s, "
		"15m, 12h or 5d", [SIZE] = "a size, for example 4096, 64k, 50M",
		[LIMIT] = "a size, for example 64k, 50M, or 0 for no limit"
	};
	uint64_t n;
	int rv;

	if (s->type == NUMBER)
		rv = num_parse(v, UINT64_MAX, &n);
	else if (s->type == DURATION)
		rv = num_duration(v, UINT64_MAX, &n);
	else
		rv = num_size(v, UINT64_MAX, &n);
	if (rv == -1 && errno != ERANGE) {
		buf_addf(why, "%s cannot be \"%.*s\": write %s", s->name,
		    (int)v.len, v.s, examples[s->type]);
		return -1;
	}
	if (rv == -1 || (n < s->min && (s->type != LIMIT || n != 0)) || n > s->max) {
		buf_addf(why, "%s cannot be %.*s: write %llu to %llu%s", s->name,
		    (int)v.len, v.s, (unsigned long long)s->min,
		    (unsigned long long)s->max,
		    s->type == DURATION ? " seconds" :
		    s->type == SIZE ? " octets" : s->type == LIMIT ? " octets, or 0 for no limit" : "");
		return -1;
	}
	*(uint64_t *)place(c, s) = n;
	return 0;
}

static int
set_text(struct conf *c, const struct setting *s, struct span v,
    struct buf *why)
{
	char **text = place(c, s);
	size_t i;

	if (v.len > LIMIT_CONF_VALUE) {
		buf_addf(why, "%s is longer than %d octets", s->name,
		    LIMIT_CONF_VALUE);
		return -1;
	}
	for (i = 0; i < v.len; i++)
		if ((unsigned char)v.s[i] < ' ' || v.s[i] == 0x7f) {
			buf_addf(why, "%s contains a control character: "
			    "remove it", s->name);
			return -1;
		}
	free(*text);
	*text = mem_dupn(v.s, v.len);
	return 0;
}

static int
set(struct conf *c, const struct setting *s, struct span v, struct buf *why)
{
	switch (s->type) {
	case TEXT:
		return set_text(c, s, v, why);
	case BOOL:
	case CHOICE:
		return set_choice(c, s, v, why);
	case NUMBER:
	case DURATION:
	case SIZE:
	case LIMIT:
		break;
	}
	return set_number(c, s, v, why);
}

/* --- the file ------------------------------------------------------------ */

struct reading {
	struct conf *c;
	const char *file;
	unsigned line;
	unsigned seen[COUNT(settings)]; /* line it was set in */
	struct buf *why;
	bool failed;
};

/* Begin an error; what is wrong follows, then its "\n". */
static void
wrong(struct reading *r)
{
	buf_addf(r->why, "%s:%u: ", r->file, r->line);
	r->failed = true;
}

static void
unknown(struct reading *r, struct span name)
{
	const char *names[COUNT(settings) + 1] = { NULL }, *near;
	size_t i;

	for (i = 0; i < COUNT(settings); i++)
		names[i] = settings[i].name;
	near = words_nearest(name, names);
	wrong(r);
	buf_addf(r->why, "there is no setting \"%.*s\"", (int)name.len, name.s);
	if (near != NULL)
		buf_addf(r->why, ": did you mean %s?\n", near);
	else
		buf_adds(r->why, "; posthouse.conf(5) lists those there are\n");
}

static void
read_line(struct reading *r, struct span line)
{
	struct span name, value = span_trim(line);
	const struct setting *s;
	struct buf why = BUF_INIT(2 * LIMIT_CONF_VALUE);

	if (value.len == 0 || value.s[0] == '#')
		return;
	name = span_trim(span_cut(&value, '='));
	if (value.s == NULL) {
		wrong(r);
		buf_adds(r->why, "a setting has the form name = value\n");
		return;
	}
	value = span_trim(value);
	s = find(name);
	if (s == NULL) {
		unknown(r, name);
		return;
	}
	if (r->seen[s - settings] != 0) {
		wrong(r);
		buf_addf(r->why, "%s was set in line %u already: keep one of "
		    "them\n", s->name, r->seen[s - settings]);
		return;
	}
	r->seen[s - settings] = r->line;
	if (set(r->c, s, value, &why) == -1) {
		wrong(r);
		buf_addspan(r->why, buf_span(&why));
		buf_addc(r->why, '\n');
	}
	buf_free(&why);
}

/* An FQDN for a bare host name, as /etc/hosts has it: nobody is asked. */
static char *
complete(const char *host)
{
	struct buf hosts = BUF_INIT(FILE_MAX);
	struct span rest, line, name, first;
	char *found = NULL;

	if (file_slurp_at(AT_FDCWD, "/etc/hosts", &hosts) == -1)
		goto out;
	for (rest = buf_span(&hosts); rest.s != NULL && found == NULL;) {
		line = span_cut(&rest, '\n');
		line = span_cut(&line, '#');
		first = SPAN("");
		while (line.s != NULL && line.len > 0 && found == NULL) {
			size_t i = 0;

			while (i < line.len && !ascii_space(line.s[i]))
				i++;
			name = (struct span){ line.s, i };
			line = span_trim((struct span){ line.s + i,
				line.len - i });
			if (memchr(name.s, '.', name.len) != NULL &&
			    ascii_alpha(name.s[0]) && first.len == 0)
				first = name;
			if (span_case_is(name, host) && first.len > 0)
				found = mem_dupn(first.s, first.len);
		}
	}
out:
	buf_free(&hosts);
	return found == NULL ? mem_dup(host) : found;
}

static void
name_ourselves(struct conf *c)
{
	char host[LIMIT_DOMAIN + 1] = "localhost";

	if (c->hostname[0] == '\0') {
		if (gethostname(host, sizeof(host) - 1) == -1 ||
		    host[0] == '\0')
			(void)strlcpy(host, "localhost", sizeof(host));
		free(c->hostname);
		c->hostname = strchr(host, '.') != NULL ? mem_dup(host) :
		    complete(host);
	}
	if (c->helo_name[0] == '\0') {
		free(c->helo_name);
		c->helo_name = mem_dup(c->hostname);
	}
}

static void
set_defaults(struct conf *c)
{
	struct buf why = BUF_INIT(LIMIT_CONF_VALUE);
	size_t i;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < COUNT(settings); i++)
		if (set(c, &settings[i], span_of(settings[i].standard),
		    &why) == -1)
			fatal(EX_SOFTWARE, "cannot set a default: %s",
			    buf_str(&why));
	buf_free(&why);
}

int
conf_read(struct conf *c, const char *file, struct buf *why)
{
	struct reading r = { .c = c, .file = file, .why = why };
	struct buf text = BUF_INIT(FILE_MAX);
	struct span rest;

	set_defaults(c);
	if (file_slurp_at(AT_FDCWD, file, &text) == -1 && errno != ENOENT) {
		buf_addf(why, "%s:0: cannot read: %s\n", file, strerror(errno));
		r.failed = true;
	}
	rest = buf_span(&text);
	for (r.line = 1; rest.s != NULL; r.line++)
		read_line(&r, span_cut(&rest, '\n'));
	buf_free(&text);
	name_ourselves(c);
	return r.failed ? -1 : 0;
}

unsigned
conf_line(const char *file, const char *setting)
{
	struct buf text = BUF_INIT(FILE_MAX);
	struct span rest, line;
	unsigned n, found = 0;

	if (file_slurp_at(AT_FDCWD, file, &text) == -1)
		text.len = 0;
	rest = buf_span(&text);
	for (n = 1; rest.s != NULL && found == 0; n++) {
		line = span_cut(&rest, '\n');
		if (span_is(span_trim(span_cut(&line, '=')), setting) &&
		    line.s != NULL)
			found = n;
	}
	buf_free(&text);
	return found;
}

const char *
conf_name(size_t i, const char **standard)
{
	if (i >= COUNT(settings))
		return NULL;
	*standard = settings[i].standard;
	return settings[i].name;
}

void
conf_load(struct conf *c, const struct instance *inst)
{
	struct buf why = BUF_INIT(65536);
	char *file = mem_fmt("%s/current/posthouse.conf", inst->maps);

	if (access(file, R_OK) == -1)
		fatal(EX_CONFIG, "cannot read %s: %s; run posthouse compile",
		    file, strerror(errno));
	if (conf_read(c, file, &why) == -1)
		fatal(EX_CONFIG, "cannot use the settings: %s", buf_str(&why));
	if (c->mail_root[0] == '\0') {
		free(c->mail_root);
		c->mail_root = mem_dup(inst->mail);
	}
	free(file);
	buf_free(&why);
}

void
conf_free(struct conf *c)
{
	size_t i;

	for (i = 0; i < COUNT(settings); i++)
		if (settings[i].type == TEXT)
			free(*(char **)place(c, &settings[i]));
	memset(c, 0, sizeof(*c));
}

/* --- printing ------------------------------------------------------------ */

/* n in the largest unit that divides it. */
static void
add_scaled(struct buf *out, uint64_t n, const char *units,
    const uint64_t *factors)
{
	size_t i;

	for (i = 0; units[i] != '\0'; i++)
		if (n != 0 && n % factors[i] == 0)
			break;
	buf_addf(out, "%llu", (unsigned long long)(units[i] == '\0' ? n :
	    n / factors[i]));
	if (units[i] != '\0')
		buf_addc(out, units[i]);
}

static void
add_value(struct buf *out, const struct conf *c, const struct setting *s)
{
	static const uint64_t seconds[] = { 86400, 3600, 60, 1 };
	static const uint64_t octets[] = { 1 << 30, 1 << 20, 1 << 10 };
	const char *at = (const char *)c + s->offset;
	uint64_t n = 0;

	if (s->type == NUMBER || s->type == DURATION || s->type == SIZE || s->type == LIMIT)
		memcpy(&n, at, sizeof(n));
	switch (s->type) {
	case TEXT:
		buf_adds(out, *(char *const *)(const void *)at);
		break;
	case BOOL:
		buf_adds(out, s->choices[*(const bool *)at ? 1 : 0]);
		break;
	case CHOICE:
		buf_adds(out, s->choices[*(const unsigned *)(const void *)at]);
		break;
	case NUMBER:
		buf_addf(out, "%llu", (unsigned long long)n);
		break;
	case DURATION:
		add_scaled(out, n, "dhms", seconds);
		break;
	case SIZE:
	case LIMIT:
		add_scaled(out, n, "GMk", octets);
		break;
	}
}

void
conf_print(const struct conf *c, struct buf *out)
{
	size_t i;

	for (i = 0; i < COUNT(settings); i++) {
		buf_addf(out, "%s = ", settings[i].name);
		add_value(out, c, &settings[i]);
		buf_addc(out, '\n');
	}
}

bool
conf_plaintext_login(const struct conf *c, bool loopback, bool trusted)
{
	switch (c->plaintext_login) {
	case PLAINTEXT_ALWAYS:
		return true;
	case PLAINTEXT_NEVER:
		return false;
	case PLAINTEXT_LOOPBACK:
		return loopback;
	case PLAINTEXT_TRUSTED:
		return loopback || trusted;
	}
	return false;
}
