/*
 * macros: what filters may know of a session, under the names that sendmail gave it.
 *
 * A filter may choose for each stage; else it gets those that sendmail sends by itself. A macro without a value is not sent.
 */
#include <string.h>

#include "smtpd/milters.h"

// clang-format off
static const char *const usual[STAGES] = {
	[STAGE_CONNECT] = "j v _ daemon_name daemon_addr daemon_port if_addr client_addr client_port client_name client_ptr",
	[STAGE_HELO]    = "tls_version cipher cipher_bits",
	[STAGE_MAIL]    = "i auth_type auth_authen auth_author mail_addr mail_host mail_mailer",
	[STAGE_RCPT]    = "i rcpt_addr rcpt_host rcpt_mailer",
	[STAGE_DATA]    = "i",
	[STAGE_END]     = "i msg_id",
	[STAGE_EOH]     = "i",
};
// clang-format on

static void
add_j(const struct session *s, struct buf *out)
{
	buf_adds(out, s->d->conf.hostname);
}

static void
add_v(const struct session *s, struct buf *out)
{
	(void)s;
	buf_adds(out, "Posthouse");
}

/* DNS has confirmed it, or XCLIENT has told it and nobody denies it. */
static bool
is_named(const struct session *s)
{
	return s->rdns[0] != '\0' && (s->fcrdns || !s->rdns_asked);
}

const char *
macros_client_name(const struct session *s)
{
	return is_named(s) ? s->rdns : s->client;
}

static void
add_client(const struct session *s, struct buf *out)
{
	if (s->rdns[0] != '\0')
		buf_addf(out, "%s ", s->rdns);
	buf_adds(out, s->client);
	if (s->rdns[0] != '\0' && !is_named(s))
		buf_adds(out, " (may be forged)");
}

static void
add_client_name(const struct session *s, struct buf *out)
{
	buf_adds(out, macros_client_name(s));
}

static void
add_client_ptr(const struct session *s, struct buf *out)
{
	buf_adds(out, s->rdns[0] != '\0' ? s->rdns : "unknown");
}

static void
add_client_addr(const struct session *s, struct buf *out)
{
	ip_add(out, &s->conn->peer);
}

static void
add_client_port(const struct session *s, struct buf *out)
{
	buf_addf(out, "%u", (unsigned)s->conn->peer_port);
}

static void
add_daemon_name(const struct session *s, struct buf *out)
{
	buf_adds(out, s->conn->service);
}

static void
add_daemon_addr(const struct session *s, struct buf *out)
{
	ip_add(out, &s->conn->local);
}

static void
add_daemon_port(const struct session *s, struct buf *out)
{
	buf_addf(out, "%u", (unsigned)s->conn->local_port);
}

static void
add_tls_version(const struct session *s, struct buf *out)
{
	buf_adds(out, s->facts.version);
}

static void
add_cipher(const struct session *s, struct buf *out)
{
	buf_adds(out, s->facts.cipher);
}

/* Of the key: the cipher's name says it (TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES256-GCM-SHA384). */
static void
add_cipher_bits(const struct session *s, struct buf *out)
{
	if (s->facts.cipher[0] != '\0')
		buf_adds(out, strstr(s->facts.cipher, "AES_128") != NULL || strstr(s->facts.cipher, "AES128") != NULL ? "128" : "256");
}

static void
add_user(const struct session *s, struct buf *out)
{
	buf_adds(out, s->user);
}

static void
add_auth_type(const struct session *s, struct buf *out)
{
	if (s->user[0] != '\0')
		buf_adds(out, s->mechanism[0] != '\0' ? s->mechanism : "XCLIENT");
}

static void
add_id(const struct session *s, struct buf *out)
{
	if (s->reception.begun || s->d->submit.msg_fd != -1)
		buf_adds(out, s->d->submit.id);
}

static void
add_sender(const struct session *s, struct buf *out)
{
	buf_adds(out, s->tx.sender == NULL ? "" : s->tx.sender);
}

static void
add_host(const char *address, struct buf *out)
{
	const char *at = address == NULL ? NULL : strrchr(address, '@');

	if (at != NULL)
		buf_adds(out, at + 1);
}

static void
add_sender_host(const struct session *s, struct buf *out)
{
	add_host(s->tx.sender, out);
}

static void
add_smtp(const struct session *s, struct buf *out)
{
	(void)s;
	buf_adds(out, "smtp");
}

/* Of a recipient that we refuse: the reply. */
static void
add_rcpt(const struct session *s, struct buf *out)
{
	const struct reply *r = s->tx.milter_error;

	if (r != NULL)
		buf_addf(out, "%d %s %s", r->code, r->enhanced, r->text);
	else
		buf_adds(out, s->tx.milter_address == NULL ? "" : s->tx.milter_address);
}

static void
add_rcpt_host(const struct session *s, struct buf *out)
{
	if (s->tx.milter_error != NULL)
		buf_adds(out, s->tx.milter_error->enhanced);
	else
		add_host(s->tx.milter_address, out);
}

/* "local" when the mail stays here, at least a copy of it. */
static void
add_rcpt_mailer(const struct session *s, struct buf *out)
{
	const struct route_rcpt *r = s->tx.milter_finals;

	while (r != NULL && r->action != RCPT_LOCAL)
		r = r->next;
	buf_adds(out, s->tx.milter_error != NULL ? "error" : r != NULL ? "local" : "smtp");
}

static void
add_message_id(const struct session *s, struct buf *out)
{
	buf_addspan(out, s->tx.milter_message_id);
}

static const struct {
	const char *name;
	void (*add)(const struct session *, struct buf *);
} macros[] = {
	{ "j", add_j },
	{ "v", add_v },
	{ "i", add_id },
	{ "_", add_client },
	{ "daemon_name", add_daemon_name },
	{ "daemon_addr", add_daemon_addr },
	{ "daemon_port", add_daemon_port },
	{ "if_addr", add_daemon_addr },
	{ "client_addr", add_client_addr },
	{ "client_port", add_client_port },
	{ "client_name", add_client_name },
	{ "client_ptr", add_client_ptr },
	{ "tls_version", add_tls_version },
	{ "cipher", add_cipher },
	{ "cipher_bits", add_cipher_bits },
	{ "auth_type", add_auth_type },
	{ "auth_authen", add_user },
	{ "auth_author", add_user },
	{ "mail_addr", add_sender },
	{ "mail_host", add_sender_host },
	{ "mail_mailer", add_smtp },
	{ "rcpt_addr", add_rcpt },
	{ "rcpt_host", add_rcpt_host },
	{ "rcpt_mailer", add_rcpt_mailer },
	{ "msg_id", add_message_id },
};

/* Long names are in braces on the wire. */
static void
add_pair(struct buf *out, struct span name, struct span value)
{
	bool braces = name.len > 1;

	if (braces)
		buf_addc(out, '{');
	buf_addspan(out, name);
	if (braces)
		buf_addc(out, '}');
	buf_addc(out, '\0');
	milter_add_string(out, value);
}

void
macros_add(struct session *s, const struct milter_peer *f, const struct stage *stage, struct buf *out)
{
	const char *own = f->link.macros[stage->macros];
	struct span list = span_of(own != NULL ? own : usual[stage->macros]), name;
	struct buf value = BUF_INIT(2048);
	size_t begun = milter_begin(out, MILTER_MACRO), empty;

	buf_addc(out, (char)stage->command);
	empty = out->len;
	while (milter_next_macro(&list, &name))
		for (size_t i = 0; i < COUNT(macros); i++) {
			if (!span_is(name, macros[i].name))
				continue;
			buf_reset(&value);
			macros[i].add(s, &value);
			if (value.len > 0)
				add_pair(out, name, buf_span(&value));
		}
	milter_end(out, begun);
	if (out->len == empty)
		out->len = begun;
	buf_free(&value);
}
