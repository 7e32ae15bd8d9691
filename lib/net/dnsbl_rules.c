/*
 * dnsbl_rules: which DNS lists are asked about clients, and what their answers count.
 *
 * Pure functions. Who asks is dnsbl.c.
 */
#include "lib/net/dnsbl_rules.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

static void
allow(struct dnsbl_rule *r, size_t field, uint64_t from, uint64_t to)
{
	for (uint64_t o = from; o <= to; o++)
		r->counts[field][o / 32] |= 1u << (o % 32);
}

/* "4" or "2..11" */
static bool
take_range(struct dnsbl_rule *r, size_t field, struct span text)
{
	uint64_t from, to;

	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.s[i] != '.' || text.s[i + 1] != '.')
			continue;
		if (num_parse((struct span){ text.s, i }, 255, &from) == -1 ||
		    num_parse((struct span){ text.s + i + 2, text.len - i - 2 }, 255, &to) == -1 || from > to)
			return false;
		allow(r, field, from, to);
		return true;
	}
	if (num_parse(text, 255, &from) == -1)
		return false;
	allow(r, field, from, from);
	return true;
}

/* An octet of a filter, or some in brackets. What it takes of *rest; false: it is none. */
static bool
take_field(struct dnsbl_rule *r, size_t field, struct span *rest)
{
	struct span inside;

	if (rest->s == NULL || rest->len == 0)
		return false;
	if (rest->s[0] != '[')
		return take_range(r, field, span_cut(rest, '.'));
	*rest = (struct span){ rest->s + 1, rest->len - 1 };
	inside = span_cut(rest, ']');
	if (rest->s == NULL || (rest->len > 0 && rest->s[0] != '.'))
		return false;
	*rest = rest->len > 0 ? (struct span){ rest->s + 1, rest->len - 1 } : (struct span){ NULL, 0 };
	while (inside.s != NULL)
		if (!take_range(r, field, span_cut(&inside, ';')))
			return false;
	return true;
}

static bool
take_filter(struct dnsbl_rule *r, struct span text)
{
	for (size_t field = 0; field < 4; field++)
		if (!take_field(r, field, &text))
			return false;
	return text.s == NULL;
}

static bool
take_weight(struct dnsbl_rule *r, struct span text)
{
	bool minus = text.len > 0 && text.s[0] == '-';
	uint64_t n;

	if (minus)
		text = (struct span){ text.s + 1, text.len - 1 };
	if (num_parse(text, 1000, &n) == -1 || n == 0)
		return false;
	r->weight = minus ? -(int)n : (int)n;
	return true;
}

/* A domain of which a client's octets in front still make a name. */
static bool
is_list(struct span s)
{
	if (s.len == 0 || s.len > LIMIT_DOMAIN - 72 || s.s[0] == '.' || memchr(s.s, '.', s.len) == NULL)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alnum((unsigned char)s.s[i]) && strchr(".-_", s.s[i]) == NULL)
			return false;
	return true;
}

static int
take_list(struct dnsbl_rule *r, struct span text, struct buf *why)
{
	struct span whole = text, words = text, name = span_cut(&words, ' '), weight = name, filter;
	struct buf url = BUF_INIT(400);

	memset(r, 0, sizeof(*r));
	r->weight = 1;
	filter = span_cut(&weight, '*');
	name = span_cut(&filter, '=');
	if (!is_list(name))
		buf_addf(why, "\"%.*s\": write LIST, LIST=FILTER or LIST*WEIGHT", (int)whole.len, whole.s);
	else if (weight.s != NULL && !take_weight(r, weight))
		buf_addf(why, "\"%.*s\": a weight is a number from 1 to 1000, or -1 to -1000", (int)whole.len, whole.s);
	else if (!take_filter(r, filter.s != NULL ? filter : SPAN("127.0.0.[2..254]")))
		buf_addf(why, "\"%.*s\": a filter is like 127.0.0.[2;4..11]", (int)whole.len, whole.s);
	else {
		buf_addf(&url, "https://%.*s/", (int)name.len, name.s);
		r->name = mem_dupn(name.s, name.len);
		words = words.s == NULL ? words : span_trim(words);
		r->url = words.s != NULL && words.len > 0 ? mem_dupn(words.s, words.len) : mem_dup(buf_str(&url));
	}
	buf_free(&url);
	return r->name == NULL ? -1 : 0;
}

int
dnsbl_rules_parse(struct span text, struct dnsbl_rules *out, struct buf *why)
{
	out->n = 0;
	text = span_trim(text);
	while (text.s != NULL && text.len > 0) {
		struct span one = span_trim(span_cut(&text, ','));

		if (out->n == DNSBL_MAX)
			buf_addf(why, "more than %d lists", DNSBL_MAX);
		if (out->n == DNSBL_MAX || take_list(&out->list[out->n], one, why) == -1) {
			dnsbl_rules_free(out);
			return -1;
		}
		out->n++;
	}
	return 0;
}

void
dnsbl_rules_free(struct dnsbl_rules *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->list[i].name);
		free(r->list[i].url);
	}
	r->n = 0;
}

const char *
dnsbl_trouble(const uint8_t a[4])
{
	if (a[0] != 127)
		return "answers-outside-127/8";
	return a[1] == 255 && a[2] == 255 ? "query-refused" : NULL;
}

bool
dnsbl_counts(const struct dnsbl_rule *r, const uint8_t answer[4])
{
	if (dnsbl_trouble(answer) != NULL)
		return false;
	for (size_t i = 0; i < 4; i++)
		if ((r->counts[i][answer[i] / 32] >> (answer[i] % 32) & 1) == 0)
			return false;
	return true;
}

void
dnsbl_query(struct buf *out, const struct ip *ip, const char *list)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = ip->v6 ? 15 : 3; i >= 0; i--) {
		if (ip->v6)
			buf_addf(out, "%c.%c.", hex[ip->octets[i] & 0xf], hex[ip->octets[i] >> 4]);
		else
			buf_addf(out, "%u.", (unsigned)ip->octets[i]);
	}
	buf_adds(out, list);
}
