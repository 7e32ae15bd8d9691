/*
 * sort: the evidence, strongest first.
 *
 * Each stage looks at one kind of evidence and either decides or says nothing; the first that decides is
 * the last that is asked. Knows no protocol, no disk and no map.
 */
#include "collector/sort.h"

#include <stdio.h>
#include <string.h>

#include "collector/sort_parts.h"
#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/mail/mime.h"
#include "lib/mail/trace.h"

struct sorter {
	const struct sort_account *a;
	const struct sort_header *h;
	struct arena *arena;
	struct sort_result *out;
	struct buf *explain;
	size_t zone;      /* fields 0 to zone - 1 are the upstream's */
	bool is_public;   /* a public name matched */
	bool by_name;     /* a phrase decided */
};

enum verdict { SAYS_NOTHING, NAMES_USER, NAMES_UNKNOWN };

const char *
sort_class_name(enum sort_class class)
{
	static const char *const names[] = { "envelope-header", "received-for", "list-rule", "header-recipient",
		"display-name", "public", "fallback", "duplicate-suppressed", "loop-rejected", "single", "assigned" };

	return names[class];
}

void
sort_explain(struct buf *b, const char *text, ...)
{
	va_list ap;

	if (b == NULL)
		return;
	va_start(ap, text);
	buf_addv(b, text, ap);
	va_end(ap);
	buf_addc(b, '\n');
}

/* --- users found --------------------------------------------------------- */

static void
give(struct sorter *s, size_t user)
{
	if (!s->out->gets[user])
		s->out->count++;
	s->out->gets[user] = true;
}

static void
give_all(struct sorter *s)
{
	for (size_t i = 0; i < s->a->user_count; i++)
		if (s->a->users[i].member)
			give(s, i);
	s->is_public = true;
}

static enum verdict
decide(struct sorter *s, enum sort_class class, struct span field)
{
	s->out->class = class;
	s->out->field = arena_dupn(s->arena, field.s, field.len);
	return NAMES_USER;
}

static void
remember_unknown(struct sorter *s, struct span local, struct span domain)
{
	struct buf b = BUF_INIT(LIMIT_ADDRESS);

	buf_addf(&b, "%.*s%s%.*s", (int)local.len, local.s, domain.len > 0 ? "@" : "", (int)domain.len, domain.s);
	if (*s->out->unknown == '\0' && !buf_over(&b))
		s->out->unknown = arena_dupn(s->arena, buf_str(&b), b.len);
	buf_free(&b);
}

/* --- whose address is it? ------------------------------------------------ */

static bool
by_alias_address(struct sorter *s, const struct sort_key *k, bool apply)
{
	bool found = false;

	for (size_t i = 0; i < s->a->user_count; i++)
		for (size_t n = 0; n < s->a->users[i].address_count; n++)
			if (sort_key_eq(k, &s->a->users[i].addresses[n])) {
				if (apply)
					give(s, i);
				found = true;
			}
	return found;
}

static bool
by_local_part(struct sorter *s, struct span local)
{
	bool found = false;

	for (size_t i = 0; i < s->a->user_count; i++)
		for (size_t n = 0; n < s->a->users[i].local_count; n++)
			if (span_eq(local, s->a->users[i].locals[n])) {
				give(s, i);
				found = true;
			}
	for (size_t i = 0; i < s->a->public_count && !found; i++)
		if (span_eq(local, s->a->public_locals[i])) {
			give_all(s);
			found = true;
		}
	return found;
}

/* Octets in front of the first subaddress delimiter; the whole length if nothing would be left, or be off. */
static size_t
base_length(const struct sorter *s, struct span local)
{
	const char *mark = NULL;

	if (s->a->up->subaddress != 0 && local.len > 0)
		mark = memchr(local.s, s->a->up->subaddress, local.len);
	return mark == NULL || mark == local.s ? local.len : (size_t)(mark - local.s);
}

static bool
known_user(struct sorter *s, const struct sort_key *k)
{
	struct sort_key base = *k;

	if (by_alias_address(s, k, true) || by_local_part(s, k->local))
		return true;
	base.local.len = base_length(s, k->local);
	if (base.local.len == k->local.len)
		return false;
	return by_alias_address(s, &base, true) || by_local_part(s, base.local);
}

static bool
is_mailbox(const struct sorter *s, const struct sort_key *k)
{
	for (size_t i = 0; i < s->a->mailbox_count; i++)
		if (sort_key_eq(k, &s->a->mailboxes[i]))
			return true;
	return false;
}

/* mail+detail of the mailbox mail: the detail; empty if it is not that. */
static struct span
detail_of(const struct sorter *s, const struct sort_key *k)
{
	for (size_t i = 0; i < s->a->mailbox_count; i++) {
		const struct sort_key *m = &s->a->mailboxes[i];
		size_t n = m->local.len;

		if (s->a->up->subaddress != 0 && span_eq(k->domain, m->domain) && k->local.len > n + 1 &&
		    memcmp(k->local.s, m->local.s, n) == 0 && k->local.s[n] == s->a->up->subaddress)
			return (struct span){ k->local.s + n + 1, k->local.len - n - 1 };
	}
	return (struct span){ "", 0 };
}

static bool
in_domains(const struct sorter *s, const struct sort_key *k)
{
	for (size_t i = 0; i < s->a->domain_count; i++)
		if (span_eq(k->domain, s->a->domains[i]))
			return true;
	return false;
}

static bool
shared(const struct sorter *s)
{
	return s->a->up->kind == UPSTREAM_SHARED;
}

static bool
is_ours(struct sorter *s, const struct sort_key *k)
{
	if (by_alias_address(s, k, false))
		return true;
	return shared(s) ? is_mailbox(s, k) || detail_of(s, k).len > 0 : in_domains(s, k);
}

/* In a shared account an address says more than the mailbox only by an alias or a detail. */
static bool
shared_user(struct sorter *s, const struct sort_key *k)
{
	struct span detail = detail_of(s, k);

	return by_alias_address(s, k, true) || (detail.len > 0 && by_local_part(s, detail));
}

/* What an address says that the upstream put down as the envelope's recipient. */
static enum verdict
judge(struct sorter *s, const struct sort_key *k)
{
	if (shared(s))
		return shared_user(s, k) ? NAMES_USER : SAYS_NOTHING;
	if (!is_ours(s, k) || is_mailbox(s, k))
		return SAYS_NOTHING;
	if (known_user(s, k))
		return NAMES_USER;
	remember_unknown(s, k->local, k->domain);
	return NAMES_UNKNOWN;
}

static const char *const verdicts[] = { "says nothing", "is known", "is ours, but nobody's" };

/* --- stage 1: what the upstream wrote about the envelope ------------------ */

static struct span
strip_prefix(const struct sorter *s, struct span local)
{
	size_t n = s->a->strip_prefix.len;

	if (n > 0 && local.len > n && memcmp(local.s, s->a->strip_prefix.s, n) == 0)
		return (struct span){ local.s + n, local.len - n };
	return local;
}

/* The part of a value up to a comma that is not quoted; *rest moves behind it. */
static struct span
cut_part(struct span *rest)
{
	struct span part = *rest;
	bool in_quotes = false;

	for (size_t i = 0; i < rest->len; i++) {
		if (rest->s[i] == '"')
			in_quotes = !in_quotes;
		if (rest->s[i] != ',' || in_quotes)
			continue;
		part.len = i;
		*rest = (struct span){ rest->s + i + 1, rest->len - i - 1 };
		return part;
	}
	*rest = (struct span){ NULL, 0 };
	return part;
}

/* The verdict of an address as it stands in a value without phrases. */
static enum verdict
judge_text(struct sorter *s, struct span text, bool strip, const char *what)
{
	struct mailbox_entry e;
	struct sort_key k;
	enum verdict v;

	if (!mailbox_address(text, s->arena, &e) || e.extra.s != NULL)
		return SAYS_NOTHING;
	sort_key(e.local, e.domain, s->arena, &k);
	if (strip)
		k.local = strip_prefix(s, k.local);
	v = judge(s, &k);
	sort_explain(s->explain, "%s: %.*s@%.*s %s", what, (int)k.local.len, k.local.s, (int)k.domain.len,
	    k.domain.s, verdicts[v]);
	return v;
}

static enum verdict
judge_field(struct sorter *s, const struct sort_field *f)
{
	struct buf plain = BUF_INIT(f->value.len + 1), what = BUF_INIT(128);
	struct span rest;
	enum verdict v = SAYS_NOTHING;

	mailbox_uncomment(f->value, &plain);
	buf_addspan(&what, f->name);
	rest = buf_span(&plain);
	while (rest.s != NULL) {
		struct span part = cut_part(&rest);
		enum verdict one = judge_text(s, span_cut(&part, ';'), true, buf_str(&what));

		if (v != NAMES_USER && one != SAYS_NOTHING)
			v = one;
	}
	buf_free(&plain);
	buf_free(&what);
	return v;
}

/* With envelope=auto the headers are asked in three groups, the surest first. */
static bool
in_group(const struct sorter *s, struct span name, size_t group)
{
	static const char *const groups[3][9] = {
		{ "X-Envelope-To", "Envelope-To", "X-Original-To", "X-Gm-Original-To", "X-Rcpt-To",
		    "X-Original-Recipient", "X-Delivered-To", "X-Apparently-To", NULL },
		{ "Delivered-To", NULL },
		{ "Apparently-To", NULL },
	};

	if (s->a->up->envelope == UPSTREAM_ENVELOPE_FIELD)
		return group == 0 && span_case_is(name, s->a->up->envelope_field);
	for (size_t i = 0; groups[group][i] != NULL; i++)
		if (span_case_is(name, groups[group][i]))
			return true;
	return false;
}

/* What looks like evidence and is none: the sender could have written it. */
static void
explain_below(const struct sorter *s, bool (*is_evidence)(const struct sorter *, const struct sort_field *), const char *what)
{
	for (size_t i = s->zone; s->explain != NULL && i < s->h->n; i++) {
		const struct sort_field *f = &s->h->v[i];

		if (is_evidence(s, f))
			sort_explain(s->explain, "%.*s%s: not believed, it stands below the zone: %.*s", (int)f->name.len,
			    f->name.s, what, (int)f->value.len, f->value.s);
	}
}

static bool
is_envelope_header(const struct sorter *s, const struct sort_field *f)
{
	return in_group(s, f->name, 0) || in_group(s, f->name, 1) || in_group(s, f->name, 2);
}

static enum verdict
by_envelope_header(struct sorter *s)
{
	const struct upstream *up = s->a->up;
	size_t end = up->envelope_any ? s->h->n : s->zone;
	enum verdict all = SAYS_NOTHING;

	if (up->envelope == UPSTREAM_ENVELOPE_NONE)
		return SAYS_NOTHING;
	if (!up->envelope_any)
		explain_below(s, is_envelope_header, "");
	for (size_t group = 0; group < 3; group++) {
		uint64_t nth = 0;

		for (size_t i = 0; i < end; i++) {
			enum verdict v;

			if (!in_group(s, s->h->v[i].name, group) ||
			    (up->envelope_nth != 0 && ++nth != up->envelope_nth))
				continue;
			v = judge_field(s, &s->h->v[i]);
			if (v == NAMES_USER)
				return decide(s, SORT_ENVELOPE_HEADER, s->h->v[i].name);
			if (v == NAMES_UNKNOWN)
				all = v;
		}
	}
	return all;
}

/* --- stage 2: the for clauses of the zone --------------------------------- */

static bool
has_for(const struct sorter *s, const struct sort_field *f)
{
	struct trace t;

	(void)s;
	if (!sort_is_received(f))
		return false;
	trace_parse(f->value, &t);
	return t.rcpt.s != NULL;
}

static enum verdict
by_received_for(struct sorter *s)
{
	enum verdict all = SAYS_NOTHING;

	explain_below(s, has_for, " for");
	for (size_t i = s->zone; i-- > 0;) {
		struct trace t;
		struct span word;
		enum verdict v;

		if (!sort_is_received(&s->h->v[i]))
			continue;
		trace_parse(s->h->v[i].value, &t);
		if (t.rcpt.s == NULL ||
		    (s->a->trusted_count > 0 && (t.by.s == NULL || !sort_trusts(s->a, trace_word(t.by)))))
			continue;
		word = trace_word(t.rcpt);
		v = judge_text(s, word, false, "Received for");
		if (v == NAMES_USER)
			return decide(s, SORT_RECEIVED_FOR, SPAN("Received"));
		if (v == NAMES_UNKNOWN)
			all = v;
	}
	return all;
}

/* --- stage 3: mailing lists ----------------------------------------------- */

static bool
is_one_of(struct span name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (span_case_is(name, *names))
			return true;
	return false;
}

static bool
separates_words(char c)
{
	return c == '<' || c == '>' || c == ',' || c == ';' || ascii_space((unsigned char)c);
}

/* Every word with an @ is an address here. */
static bool
word_is_list(struct sorter *s, struct span value, const struct sort_list *l)
{
	for (size_t i = 0; i < value.len;) {
		struct span word = { value.s + i, 0 }, domain;
		struct sort_key k;

		while (i < value.len && !separates_words(value.s[i]))
			i++, word.len++;
		if (word.len == 0) {
			i++;
			continue;
		}
		if (word.len > 7 && ascii_caseeq(word.s, "mailto:", 7))
			word = (struct span){ word.s + 7, word.len - 7 };
		domain = word;
		word = span_cut(&domain, '@');
		if (domain.s == NULL || word.len == 0)
			continue;
		sort_key(word, domain, s->arena, &k);
		if (sort_key_eq(&k, &l->address))
			return true;
	}
	return false;
}

static bool
entry_is_list(struct sorter *s, struct span value, const struct sort_list *l)
{
	struct mailbox_entry *e;
	size_t n = mailbox_list(value, s->arena, &e);

	for (size_t i = 0; i < n; i++) {
		struct sort_key k;

		if (e[i].extra.s != NULL)
			continue;
		sort_key(e[i].local, e[i].domain, s->arena, &k);
		if (sort_key_eq(&k, &l->address))
			return true;
	}
	return false;
}

struct span
sort_list_id(struct span value, struct arena *arena)
{
	struct buf plain = BUF_INIT(value.len + 1);
	struct span id;
	const char *open;

	mailbox_uncomment(value, &plain);
	id = buf_span(&plain);
	if (id.len > 0 && (open = memrchr(id.s, '<', id.len)) != NULL) {
		id = (struct span){ open + 1, id.len - (size_t)(open + 1 - id.s) };
		id = span_cut(&id, '>');
	}
	id = sort_fold(span_trim(id), arena);
	buf_free(&plain);
	return id;
}

static bool
field_is_list(struct sorter *s, const struct sort_field *f, const struct sort_list *l)
{
	static const char *const wordy[] = { "List-Post", "X-BeenThere", "X-Mailing-List", "Mailing-List", "Sender",
		"Return-Path", NULL };

	if (!l->by_address)
		return span_case_is(f->name, "List-Id") && span_eq(sort_list_id(f->value, s->arena), l->id);
	if (is_one_of(f->name, wordy))
		return word_is_list(s, f->value, l);
	if (span_case_is(f->name, "To") || span_case_is(f->name, "Cc"))
		return entry_is_list(s, f->value, l);
	return false;
}

static void
note_unknown_list(struct sorter *s, struct span id)
{
	sort_explain(s->explain, "List-Id: %.*s is in no list=", (int)id.len, id.s);
	if (*s->out->list == '\0')
		s->out->list = arena_dupn(s->arena, id.s, id.len);
}

static enum verdict
by_list_rule(struct sorter *s)
{
	enum verdict v = SAYS_NOTHING;

	for (size_t i = 0; i < s->a->list_count; i++) {
		const struct sort_list *l = &s->a->lists[i];
		size_t k = 0;

		while (k < s->h->n && !field_is_list(s, &s->h->v[k], l))
			k++;
		if (k == s->h->n)
			continue;
		sort_explain(s->explain, "%.*s: matches list=%s", (int)s->h->v[k].name.len, s->h->v[k].name.s,
		    s->a->up->lists.v[i].key);
		for (size_t n = 0; n < l->user_count; n++)
			give(s, l->users[n]);
		if (v == SAYS_NOTHING)
			v = decide(s, SORT_LIST_RULE, s->h->v[k].name);
	}
	for (size_t k = 0; k < s->h->n && v == SAYS_NOTHING; k++)
		if (span_case_is(s->h->v[k].name, "List-Id"))
			note_unknown_list(s, sort_list_id(s->h->v[k].value, s->arena));
	return v;
}

/* --- stage 4: whom the sender wrote to ------------------------------------ */

static bool
match_phrase(struct sorter *s, struct span phrase, const char *what)
{
	static const char *const nobody[] = { "names nobody", "", "", "fits more than one, so nobody" };
	struct buf text = BUF_INIT(phrase.len * 6 + 64);
	size_t user = 0;
	const char *how;
	enum sort_match m;

	mime_decode(phrase, &text);
	m = sort_match(s->a, buf_span(&text), s->arena, &user, &how);
	if (m == MATCH_PUBLIC)
		give_all(s);
	else if (m == MATCH_USER)
		give(s, user);
	if (m == MATCH_USER || m == MATCH_PUBLIC)
		sort_explain(s->explain, "%s: \"%s\" is %s (%s)", what, buf_str(&text),
		    m == MATCH_PUBLIC ? "everybody" : s->a->users[user].id, how);
	else
		sort_explain(s->explain, "%s: \"%s\" %s", what, buf_str(&text), nobody[m]);
	if (m == MATCH_NOBODY)
		remember_unknown(s, span_trim(buf_span(&text)), (struct span){ "", 0 });
	buf_free(&text);
	return m == MATCH_USER || m == MATCH_PUBLIC;
}

/* An entry whose address is ours: whom does it name? */
static bool
entry_names(struct sorter *s, const struct mailbox_entry *e, const struct sort_key *k, const char *what)
{
	struct span phrase = e->phrase;
	bool known = shared(s) ? shared_user(s, k) : known_user(s, k);

	if (known || !shared(s)) {
		sort_explain(s->explain, "%s: %.*s@%.*s %s", what, (int)k->local.len, k->local.s, (int)k->domain.len,
		    k->domain.s, verdicts[known ? NAMES_USER : NAMES_UNKNOWN]);
		if (!known)
			remember_unknown(s, k->local, k->domain);
		return known;
	}
	if (phrase.len == 0)
		phrase = e->extra.s != NULL ? e->extra : e->comment;
	known = match_phrase(s, phrase, what);
	s->by_name = s->by_name || known;
	return known;
}

/* Did the field's entries name anybody? *ours: one had an address of ours. */
static bool
field_names(struct sorter *s, const struct sort_field *f, bool *ours)
{
	struct mailbox_entry *e;
	size_t n = mailbox_list(f->value, s->arena, &e);
	char *what = arena_dupn(s->arena, f->name.s, f->name.len);
	bool named = false;

	for (size_t i = 0; i < n; i++) {
		struct sort_key k;

		if (e[i].extra.s != NULL && !shared(s))
			continue; /* two @: malformed */
		sort_key(e[i].local, e[i].domain, s->arena, &k);
		if (!is_ours(s, &k)) {
			sort_explain(s->explain, "%s: %.*s@%.*s is not ours", what, (int)k.local.len, k.local.s,
			    (int)k.domain.len, k.domain.s);
			continue;
		}
		*ours = true;
		named = entry_names(s, &e[i], &k, what) || named;
	}
	return named;
}

static void
decide_header(struct sorter *s, enum verdict *v, struct span field)
{
	if (*v == NAMES_USER)
		return;
	*v = decide(s, SORT_HEADER_RECIPIENT, field);
}

static bool
seen_in(const struct sort_header *h, size_t from, size_t to)
{
	const struct span *name = &h->v[to].name;

	for (size_t i = from; i < to; i++)
		if (h->v[i].name.len == name->len && ascii_caseeq(h->v[i].name.s, name->s, name->len))
			return true;
	return false;
}

/* The most recent Resent block; *ours: it has an address of ours, so it decides. */
static enum verdict
by_resent(struct sorter *s, bool *ours)
{
	static const char *const recipients[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };
	enum verdict v = SAYS_NOTHING;
	size_t first = s->h->n;

	for (size_t i = 0; i < s->h->n; i++) {
		const struct sort_field *f = &s->h->v[i];

		if (f->name.len < 7 || !ascii_caseeq(f->name.s, "Resent-", 7))
			continue;
		if (first == s->h->n)
			first = i;
		else if (seen_in(s->h, first, i))
			break;
		if (is_one_of(f->name, recipients) && field_names(s, f, ours))
			decide_header(s, &v, f->name);
	}
	return v;
}

static enum verdict
by_recipients(struct sorter *s)
{
	static const char *const recipients[] = { "To", "Cc", "Bcc", "Apparently-To", NULL };
	bool ours = false;
	enum verdict v = by_resent(s, &ours);

	if (!ours)
		for (size_t i = 0; i < s->h->n; i++)
			if (is_one_of(s->h->v[i].name, recipients) && field_names(s, &s->h->v[i], &ours))
				decide_header(s, &v, s->h->v[i].name);
	if (v == NAMES_USER && s->by_name)
		s->out->class = SORT_DISPLAY_NAME;
	return v;
}

/* --- stage 5: Subject, if that is wanted ---------------------------------- */

static bool
subject_names(struct sorter *s, struct span inside)
{
	bool ours = false;

	if (shared(s))
		return match_phrase(s, inside, "Subject");
	return field_names(s, &(struct sort_field){ SPAN("Subject"), inside }, &ours);
}

/* The next (...) of *rest. */
static bool
next_parenthesis(struct span *rest, struct span *inside)
{
	const char *open = rest->len > 0 ? memchr(rest->s, '(', rest->len) : NULL;
	unsigned depth = 0;

	if (open == NULL)
		return false;
	for (size_t i = (size_t)(open - rest->s); i < rest->len; i++) {
		if (rest->s[i] == '(')
			depth++;
		else if (rest->s[i] == ')' && --depth == 0) {
			*inside = (struct span){ open + 1, (size_t)(rest->s + i - open) - 1 };
			*rest = (struct span){ rest->s + i + 1, rest->len - i - 1 };
			return true;
		}
	}
	return false;
}

static enum verdict
by_subject(struct sorter *s)
{
	bool found = false;

	for (size_t i = 0; i < s->h->n && s->a->up->parse_subject; i++) {
		struct buf text = BUF_INIT(s->h->v[i].value.len * 6 + 64);
		struct span rest, inside;

		if (!span_case_is(s->h->v[i].name, "Subject"))
			continue;
		if (shared(s)) /* encoded words are decoded for names, never for addresses */
			mime_decode(s->h->v[i].value, &text);
		else
			buf_addspan(&text, s->h->v[i].value);
		rest = buf_span(&text);
		while (next_parenthesis(&rest, &inside))
			found = subject_names(s, inside) || found;
		buf_free(&text);
	}
	if (!found)
		return SAYS_NOTHING;
	return decide(s, shared(s) ? SORT_DISPLAY_NAME : SORT_HEADER_RECIPIENT, SPAN("Subject"));
}

/* --- loops, copies, the whole -------------------------------------------- */

static bool
too_many_hops(struct sorter *s)
{
	uint64_t hops = 0;

	for (size_t i = 0; i < s->h->n; i++)
		hops += sort_is_received(&s->h->v[i]);
	if (hops <= s->a->up->max_hops)
		return false;
	sort_explain(s->explain, "loop: %llu Received fields, more than %llu", (unsigned long long)hops,
	    (unsigned long long)s->a->up->max_hops);
	s->out->class = SORT_LOOP;
	s->out->field = "Received";
	s->out->reason = "max-hops";
	return true;
}

static void
add_copies(struct sorter *s)
{
	bool *first = arena_alloc(s->arena, s->a->user_count * sizeof(*first));

	memcpy(first, s->out->gets, s->a->user_count * sizeof(*first));
	for (size_t i = 0; i < s->a->user_count; i++)
		for (size_t k = 0; first[i] && k < s->a->users[i].copy_count; k++) {
			size_t to = s->a->users[i].copies[k];

			sort_explain(s->explain, "cc: %s gets a copy of what %s gets", s->a->users[to].id,
			    s->a->users[i].id);
			give(s, to);
		}
}

static bool
is_mark(struct sorter *s, struct span value, const struct sort_user *u)
{
	struct buf mark = BUF_INIT(2 * LIMIT_ADDRESS), plain = BUF_INIT(value.len + 1);
	struct span v;
	bool same;

	buf_addf(&mark, "%s@%s", u->mark, s->a->site);
	mailbox_uncomment(value, &plain);
	v = span_trim(buf_span(&plain));
	if (v.len > 1 && v.s[0] == '<' && v.s[v.len - 1] == '>')
		v = (struct span){ v.s + 1, v.len - 2 };
	same = span_eq(sort_fold(v, s->arena), sort_fold(buf_span(&mark), s->arena));
	buf_free(&mark);
	buf_free(&plain);
	return same;
}

/* Who has had this message from here already gets it no more. */
static void
take_out_marked(struct sorter *s)
{
	for (size_t i = 0; i < s->h->n; i++) {
		if (!span_case_is(s->h->v[i].name, "X-Collected-For"))
			continue;
		for (size_t u = 0; u < s->a->user_count; u++) {
			if (!s->out->gets[u] || !is_mark(s, s->h->v[i].value, &s->a->users[u]))
				continue;
			sort_explain(s->explain, "loop: %s had this message from here before", s->a->users[u].id);
			s->out->gets[u] = false;
			s->out->count--;
		}
	}
	if (s->out->count > 0)
		return;
	s->out->class = SORT_LOOP;
	s->out->field = "X-Collected-For";
	s->out->reason = "mark";
}

static void
fall_back(struct sorter *s, const char *reason)
{
	sort_explain(s->explain, "fallback: %s (%s)", s->a->users[s->a->fallback].id, reason);
	give(s, s->a->fallback);
	s->out->class = SORT_FALLBACK;
	s->out->field = "";
	s->out->reason = reason;
}

static void
find_users(struct sorter *s)
{
	static enum verdict (*const stages[])(struct sorter *) = { by_envelope_header, by_received_for, by_list_rule,
		by_recipients, by_subject };
	enum verdict v = SAYS_NOTHING;

	s->zone = sort_zone(s->a, s->h, s->explain);
	for (size_t i = 0; i < COUNT(stages) && v == SAYS_NOTHING; i++)
		v = stages[i](s);
	if (v == NAMES_UNKNOWN)
		fall_back(s, "unknown-user");
	else if (v == SAYS_NOTHING)
		fall_back(s, "no-name");
	else if (s->is_public)
		s->out->class = SORT_PUBLIC;
}

static void
give_single(struct sorter *s)
{
	sort_explain(s->explain, "single: everything is for %s", s->a->users[0].id);
	give(s, 0);
	s->out->class = SORT_SINGLE;
}

void
sort_message(const struct sort_account *a, const struct sort_header *h, struct arena *arena, struct sort_result *out,
    struct buf *explain)
{
	struct sorter s = { .a = a, .h = h, .arena = arena, .out = out, .explain = explain };

	*out = (struct sort_result){ .field = "", .reason = "", .unknown = "", .list = "" };
	out->gets = arena_alloc(arena, a->user_count * sizeof(*out->gets));
	if (too_many_hops(&s))
		return;
	if (a->up->kind == UPSTREAM_SINGLE)
		give_single(&s);
	else
		find_users(&s);
	add_copies(&s);
	take_out_marked(&s);
}

void
sort_duplicates(const struct sort_account *a, struct sort_result *out, const unsigned char digest[DIGEST_OCTETS],
    bool (*seen)(void *, const char *, const unsigned char *), void *arg, struct buf *explain)
{
	if (out->count == 0)
		return;
	for (size_t i = 0; i < a->user_count; i++)
		if (out->gets[i] && seen(arg, a->users[i].id, digest)) {
			sort_explain(explain, "duplicate: %s got this message before", a->users[i].id);
			out->gets[i] = false;
			out->count--;
		}
	if (out->count == 0)
		out->class = SORT_DUPLICATE;
}
