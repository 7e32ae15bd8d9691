/*
 * params: what may follow the path in MAIL and RCPT (RFC 5321, 4.1.2: Mail-parameters), and BDAT.
 *
 * Grammar and values; whether a size or a body is welcome is the command's affair.
 */
#include "smtpd/params.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/mail/xtext.h"
#include "lib/store/envelope.h"

struct param {
	const char *name;
	/* value.s is NULL when there was no "=" */
	bool (*take)(struct params *, struct span value);
};

static bool
take_size(struct params *p, struct span value)
{
	p->size_given = true;
	/* 20 digits at most; what does not fit is certainly too large */
	if (value.s == NULL || value.len > 20)
		return false;
	if (num_parse(value, UINT64_MAX, &p->size) == 0)
		return true;
	for (size_t i = 0; i < value.len; i++)
		if (!ascii_digit((unsigned char)value.s[i]))
			return false;
	p->size = UINT64_MAX;
	return value.len > 0;
}

static bool
take_body(struct params *p, struct span value)
{
	if (value.s == NULL)
		return false;
	p->eightbit = span_case_is(value, "8BITMIME");
	return p->eightbit || span_case_is(value, "7BIT");
}

static bool
take_smtputf8(struct params *p, struct span value)
{
	p->smtputf8 = true;
	return value.s == NULL;
}

static bool
take_requiretls(struct params *p, struct span value)
{
	p->requiretls = true;
	return value.s == NULL;
}

static bool
take_ret(struct params *p, struct span value)
{
	if (value.s != NULL)
		p->ret = span_case_is(value, "FULL") ? "FULL" : span_case_is(value, "HDRS") ? "HDRS" : NULL;
	return p->ret != NULL;
}

static bool
take_envid(struct params *p, struct span value)
{
	p->envid = value;
	return value.s != NULL && value.len <= LIMIT_ENVID && xtext_decode(value, NULL) == 0;
}

static bool
take_notify(struct params *p, struct span value)
{
	return value.s != NULL && notify_parse(value, &p->notify) == 0;
}

/* An atom (RFC 5321, 4.1.2), as in "rfc822;". */
static bool
is_addr_type(struct span type)
{
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_alnum((unsigned char)type.s[i]) &&
		    (type.s[i] == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", type.s[i]) == NULL))
			return false;
	return type.len > 0;
}

/* An utf-8 address has forms of its own (RFC 6533, 3); ours, of RCPT itself, stands for it. */
static bool
take_orcpt(struct params *p, struct span value)
{
	struct span rest = value, type = value.s == NULL ? value : span_cut(&rest, ';');

	if (value.s == NULL || value.len > LIMIT_ORCPT || rest.s == NULL || rest.len == 0 || !is_addr_type(type))
		return false;
	if (span_case_is(type, "utf-8"))
		return true;
	p->orcpt = value;
	return xtext_decode(rest, NULL) == 0;
}

static const struct param mail_params[] = {
	{ "SIZE", take_size },
	{ "BODY", take_body },
	{ "SMTPUTF8", take_smtputf8 },
	{ "REQUIRETLS", take_requiretls },
	{ "RET", take_ret },
	{ "ENVID", take_envid },
	{ NULL, NULL },
};
static const struct param rcpt_params[] = {
	{ "NOTIFY", take_notify },
	{ "ORCPT", take_orcpt },
	{ NULL, NULL },
};

/* esmtp-keyword and esmtp-value */
static bool
well_formed(struct span name, struct span value)
{
	if (name.len == 0 || name.s[0] == '-')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_alnum((unsigned char)name.s[i]) && name.s[i] != '-')
			return false;
	if (value.s == NULL)
		return true;
	for (size_t i = 0; i < value.len; i++)
		if (value.s[i] == '=' || (unsigned char)value.s[i] < 0x21 || value.s[i] == 0x7f)
			return false;
	return value.len > 0;
}

static enum said
take_word(const struct param *table, struct span word, struct params *out)
{
	struct span value = word, name = span_cut(&value, '=');

	if (!well_formed(name, value))
		return SAY_PARAMETER_SYNTAX;
	for (unsigned i = 0; table[i].name != NULL; i++) {
		if (!span_case_is(name, table[i].name))
			continue;
		if ((out->seen & 1u << i) != 0)
			return SAY_PARAMETER_TWICE;
		out->seen |= 1u << i;
		return table[i].take(out, value) ? SAY_OK : SAY_PARAMETER_VALUE;
	}
	return SAY_PARAMETER_UNKNOWN;
}

static enum said
take_all(const struct param *table, struct span text, struct params *out)
{
	enum said said = SAY_OK;

	memset(out, 0, sizeof(*out));
	if (text.len > 0 && text.s[0] != ' ')
		return SAY_PARAMETER_SYNTAX;
	while (text.s != NULL && said == SAY_OK) {
		struct span word = span_cut(&text, ' ');

		if (word.len > 0)
			said = take_word(table, word, out);
	}
	return said;
}

enum said
params_mail(struct span text, struct params *out)
{
	return take_all(mail_params, text, out);
}

enum said
params_rcpt(struct span text, struct params *out)
{
	return take_all(rcpt_params, text, out);
}

bool
params_bdat(struct span text, uint64_t *octets, bool *last)
{
	struct span n = span_cut(&text, ' ');

	text = span_trim(text.s == NULL ? SPAN("") : text);
	*last = text.len > 0;
	return num_parse(n, INT64_MAX, octets) == 0 && (text.len == 0 || span_case_is(text, "LAST"));
}
