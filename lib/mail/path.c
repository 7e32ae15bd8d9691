/*
 * path: the envelope addresses of SMTP (RFC 5321, 4.1.2; RFC 6531, 3.3).
 *
 * Knows that grammar and nothing else: no header fields, no maps, no DNS. '%'
 * and '!' are letters like others. Pure functions on octets, so a fuzzer can
 * run the whole module.
 */
#include "lib/mail/path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/mail/domain.h"

/* What is still to be read: at the end, peek() is -1, which no rule takes. */
struct cursor {
	const char *s;
	size_t n, at;
};

static int
peek(const struct cursor *c)
{
	return c->at < c->n ? (unsigned char)c->s[c->at] : -1;
}

static bool
take(struct cursor *c, int octet)
{
	if (peek(c) != octet)
		return false;
	c->at++;
	return true;
}

static struct span
since(const struct cursor *c, size_t start)
{
	return (struct span){ c->s + start, c->at - start };
}

/* UTF8-non-ascii (RFC 6531, 3.3): one character of two octets or more. */
static bool
take_utf8(struct cursor *c)
{
	size_t n;

	if (peek(c) < 0x80)
		return false;
	n = utf8_char(c->s + c->at, c->n - c->at, NULL);
	c->at += n;
	return n != 0;
}

static bool
is_atext(int c) /* RFC 5322, 3.2.3 */
{
	return ascii_alnum(c) ||
	    (c > 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
take_atom(struct cursor *c)
{
	size_t start = c->at;

	for (;;) {
		if (is_atext(peek(c)))
			c->at++;
		else if (!take_utf8(c))
			return c->at > start;
	}
}

static bool
take_dot_string(struct cursor *c)
{
	do
		if (!take_atom(c))
			return false;
	while (take(c, '.'));
	return true;
}

static bool
take_quoted_string(struct cursor *c)
{
	if (!take(c, '"'))
		return false;
	while (!take(c, '"')) {
		if (take(c, '\\')) {
			if (!ascii_print(peek(c)))
				return false;
			c->at++;
		} else if (ascii_print(peek(c))) {
			c->at++;
		} else if (!take_utf8(c)) {
			return false;
		}
	}
	return true;
}

static bool
take_local_part(struct cursor *c)
{
	return peek(c) == '"' ? take_quoted_string(c) : take_dot_string(c);
}

/* sub-domain = Let-dig [Ldh-str], or a U-label */
static bool
take_label(struct cursor *c)
{
	size_t start = c->at;

	if (peek(c) == '-')
		return false;
	while (ascii_alnum(peek(c)) || peek(c) == '-' || peek(c) >= 0x80) {
		if (peek(c) < 0x80)
			c->at++;
		else if (!take_utf8(c))
			return false;
	}
	return c->at > start && c->s[c->at - 1] != '-';
}

static bool
has_utf8(struct span t)
{
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.s[i] >= 0x80)
			return true;
	return false;
}

/* Domain, and a trailing dot that people write; *out is without it. */
static int
take_domain(struct cursor *c, struct span *out)
{
	size_t start = c->at;

	errno = EINVAL;
	if (!take_label(c))
		return -1;
	*out = since(c, start);
	while (take(c, '.')) {
		if (peek(c) == -1 || strchr(">,:", peek(c)) != NULL)
			break;
		if (!take_label(c))
			return -1;
		*out = since(c, start);
	}
	if (out->len > LIMIT_DOMAIN) {
		errno = EMSGSIZE;
		return -1;
	}
	return domain_check(*out);
}

/* What stands between the brackets of an address-literal (RFC 5321, 4.1.3),
 * as inet_pton(3) takes it. No other tag than IPv6 was ever registered. */
static int
literal_parse(struct span text, bool *v6, unsigned char address[16])
{
	char s[INET6_ADDRSTRLEN];
	struct span t = { text.s + 1, text.len - 2 };

	*v6 = t.len > 5 && ascii_caseeq(t.s, "IPv6:", 5);
	if (*v6)
		t = (struct span){ t.s + 5, t.len - 5 };
	if (t.len >= sizeof(s) || memchr(t.s, '\0', t.len) != NULL)
		return -1;
	memcpy(s, t.s, t.len);
	s[t.len] = '\0';
	return inet_pton(*v6 ? AF_INET6 : AF_INET, s, address) == 1 ? 0 : -1;
}

static int
take_literal(struct cursor *c, struct span *out)
{
	unsigned char address[16];
	size_t start = c->at;
	bool v6;

	errno = EINVAL;
	while (peek(c) != -1 && peek(c) != ']')
		c->at++;
	if (!take(c, ']'))
		return -1;
	*out = since(c, start);
	if (literal_parse(*out, &v6, address) == -1) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* Mailbox, or a Local-part alone where that may be. */
static int
take_mailbox(struct cursor *c, bool may_be_bare, struct path *p)
{
	size_t start = c->at;

	errno = EINVAL;
	if (!take_local_part(c))
		return -1;
	p->local = since(c, start);
	p->domain = (struct span){ c->s + c->at, 0 };
	p->bare = peek(c) != '@';
	if (p->local.len > LIMIT_LOCAL_PART) {
		errno = EMSGSIZE;
		return -1;
	}
	if (p->bare)
		return may_be_bare ? 0 : -1;
	c->at++;
	if ((peek(c) == '[' ? take_literal : take_domain)(c, &p->domain) == -1)
		return -1;
	p->utf8 = has_utf8(p->local) || has_utf8(p->domain);
	return 0;
}

/* A-d-l ":", which says which way and is not obeyed (appendix C) */
static int
skip_source_route(struct cursor *c)
{
	struct span domain;

	if (peek(c) != '@')
		return 0;
	do {
		errno = EINVAL;
		if (!take(c, '@') || take_domain(c, &domain) == -1)
			return -1;
	} while (take(c, ','));
	errno = EINVAL;
	return take(c, ':') ? 0 : -1;
}

ssize_t
path_parse(const char *s, size_t n, enum path_kind kind, struct path *out)
{
	struct cursor c = { s, n, 0 };
	struct path p = { .local = { s, 0 }, .domain = { s, 0 } };

	errno = EINVAL;
	if (!take(&c, '<'))
		return -1;
	if (kind != PATH_REVERSE || peek(&c) != '>') {
		if (skip_source_route(&c) == -1 ||
		    take_mailbox(&c, kind == PATH_FORWARD && c.at == 1, &p) == -1)
			return -1;
	}
	errno = EINVAL;
	if (!take(&c, '>'))
		return -1;
	if (c.at > LIMIT_PATH) {
		errno = EMSGSIZE;
		return -1;
	}
	p.utf8 = has_utf8(p.local) || has_utf8(p.domain);
	*out = p;
	return (ssize_t)c.at;
}

int
path_parse_address(const char *s, size_t n, struct path *out)
{
	struct cursor c = { s, n, 0 };
	struct path p = { .local = { s, 0 }, .domain = { s, 0 } };

	if (take_mailbox(&c, true, &p) == -1)
		return -1;
	errno = EINVAL;
	if (c.at != n)
		return -1;
	if (n > LIMIT_PATH - 2) { /* it must fit between brackets */
		errno = EMSGSIZE;
		return -1;
	}
	p.utf8 = has_utf8(p.local) || has_utf8(p.domain);
	*out = p;
	return 0;
}

static bool
is_dot_string(struct span t)
{
	struct cursor c = { t.s, t.len, 0 };

	return take_dot_string(&c) && c.at == t.len;
}

/* The octets that a quoted string means. */
static void
unquote(struct span quoted, struct buf *out)
{
	for (size_t i = 1; i + 1 < quoted.len; i++) {
		if (quoted.s[i] == '\\')
			i++;
		buf_addc(out, quoted.s[i]);
	}
}

static void
add_quoted(struct buf *out, struct span meant)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < meant.len; i++) {
		if (meant.s[i] == '"' || meant.s[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, meant.s[i]);
	}
	buf_addc(out, '"');
}

static void
add_local(struct buf *out, struct span local)
{
	struct buf meant = BUF_INIT(LIMIT_LOCAL_PART);

	if (local.len == 0 || local.s[0] != '"') {
		buf_addspan(out, local);
		return;
	}
	unquote(local, &meant);
	if (is_dot_string(buf_span(&meant)))
		buf_addspan(out, buf_span(&meant));
	else
		add_quoted(out, buf_span(&meant));
	buf_free(&meant);
}

/* One spelling for each address: [IPv6:0:0:0:0:0:0:0:1] is [IPv6:::1]. */
static void
add_literal(struct buf *out, struct span literal)
{
	unsigned char address[16];
	char s[INET6_ADDRSTRLEN];
	bool v6;

	if (literal_parse(literal, &v6, address) == -1 ||
	    inet_ntop(v6 ? AF_INET6 : AF_INET, address, s, sizeof(s)) == NULL)
		buf_addspan(out, literal); /* not from path_parse */
	else
		buf_addf(out, v6 ? "[IPv6:%s]" : "[%s]", s);
}

static void
add_lower(struct buf *out, struct span t)
{
	for (size_t i = 0; i < t.len; i++)
		buf_addc(out, (char)ascii_lower((unsigned char)t.s[i]));
}

void
path_canonical(const struct path *p, struct buf *out)
{
	add_local(out, p->local);
	if (p->domain.len == 0)
		return;
	buf_addc(out, '@');
	if (p->domain.s[0] == '[')
		add_literal(out, p->domain);
	else
		add_lower(out, p->domain);
}

void
path_key(const struct path *p, struct buf *out)
{
	size_t start = out->len;

	add_local(out, p->local);
	if (out->len > start)
		ascii_lowern(out->s + start, out->len - start);
	if (p->domain.len == 0)
		return;
	buf_addc(out, '@');
	if (p->domain.s[0] == '[')
		add_literal(out, p->domain);
	else
		domain_key(p->domain, out);
}
