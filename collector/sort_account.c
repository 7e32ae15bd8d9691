/*
 * sort_account: an account's settings, made ready for sorting.
 *
 * Names are cut into words and addresses brought into their compared spelling once, not for every message.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/sort_parts.h"
#include "lib/base/limits.h"
#include "lib/mail/domain.h"

struct span
sort_fold(struct span s, struct arena *arena)
{
	struct buf b = BUF_INIT(s.len * 4 + 16);
	struct span out;

	uni_fold(s, &b);
	out = (struct span){ arena_dupn(arena, buf_str(&b), b.len), b.len };
	buf_free(&b);
	return out;
}

/* The sender wrote it, so capitals beyond ASCII are taken for the U-label that was meant. */
static struct span
fold_domain(struct span s, struct arena *arena)
{
	struct buf b = BUF_INIT(s.len * 8 + LIMIT_DOMAIN), lower = BUF_INIT(s.len * 4 + 16);
	struct span out;

	while (s.len > 0 && s.s[s.len - 1] == '.')
		s.len--;
	uni_lower(s, &lower);
	domain_key(buf_span(&lower), &b);
	out = (struct span){ arena_dupn(arena, buf_str(&b), b.len), b.len };
	buf_free(&b);
	buf_free(&lower);
	return out;
}

void
sort_key(struct span local, struct span domain, struct arena *arena, struct sort_key *out)
{
	out->local = sort_fold(local, arena);
	out->domain = fold_domain(domain, arena);
}

bool
sort_key_eq(const struct sort_key *a, const struct sort_key *b)
{
	return span_eq(a->local, b->local) && span_eq(a->domain, b->domain);
}

/* "local@domain" of the settings; false: it has no @. */
static bool
key_of(const char *text, struct arena *arena, struct sort_key *out)
{
	const char *at = strrchr(text, '@');

	if (at == NULL)
		return false;
	sort_key((struct span){ text, (size_t)(at - text) }, span_of(at + 1), arena, out);
	return true;
}

/* Room for one more in an array of the arena. */
static void *
grown(struct arena *arena, const void *v, size_t n, size_t size)
{
	void *more = arena_alloc(arena, (n + 1) * size);

	if (n > 0)
		memcpy(more, v, n * size);
	return more;
}

static void
add_name(struct sort_account *a, struct sort_user *u, const char *text, bool full)
{
	struct sort_words w = { .full = full };

	w.n = uni_words(span_of(text), a->arena, &w.v);
	if (w.n == 0)
		return;
	u->names = grown(a->arena, u->names, u->name_count, sizeof(*u->names));
	u->names[u->name_count++] = w;
}

static void
add_local(struct sort_account *a, struct sort_user *u, struct span text)
{
	u->locals = grown(a->arena, u->locals, u->local_count, sizeof(*u->locals));
	u->locals[u->local_count++] = sort_fold(text, a->arena);
}

/* The local part of an id: users may be written as whole addresses. */
static struct span
local_of(const char *id)
{
	return (struct span){ id, strcspn(id, "@") };
}

static bool
same_user(const char *id, const char *text)
{
	struct span a = local_of(id), b = local_of(text);

	if (strcasecmp(id, text) == 0)
		return true;
	return text[b.len] == '\0' && a.len == b.len && strncasecmp(a.s, b.s, a.len) == 0;
}

static size_t
user_number(struct sort_account *a, const char *text, bool member)
{
	struct sort_user *u;

	for (size_t i = 0; i < a->user_count; i++)
		if (same_user(a->users[i].id, text))
			return i;
	a->users = grown(a->arena, a->users, a->user_count, sizeof(*a->users));
	u = &a->users[a->user_count++];
	*u = (struct sort_user){ .id = arena_dupn(a->arena, text, strlen(text)), .member = member };
	u->mark = u->id;
	if (member) {
		struct span local = local_of(u->id);
		char *name = arena_dupn(a->arena, local.s, local.len);

		add_local(a, u, local);
		add_name(a, u, name, false);
	}
	return a->user_count - 1;
}

static void
add_users(struct sort_account *a)
{
	const struct upstream *up = a->up;

	for (size_t i = 0; i < up->users.n; i++)
		user_number(a, up->users.v[i], true);
	for (size_t i = 0; i < up->aliases.n; i++) {
		size_t number = user_number(a, up->aliases.v[i].key, false);
		struct sort_user *u = &a->users[number];
		const char *word = up->aliases.v[i].values.v[0];
		struct sort_key key;

		if (key_of(word, a->arena, &key)) {
			u->addresses = grown(a->arena, u->addresses, u->address_count, sizeof(*u->addresses));
			u->addresses[u->address_count++] = key;
		} else {
			add_local(a, u, span_of(word));
			add_name(a, u, word, false);
		}
	}
	for (size_t i = 0; i < up->names.n; i++) {
		size_t number = user_number(a, up->names.v[i].key, false);

		add_name(a, &a->users[number], up->names.v[i].values.v[0], true);
	}
	if (up->fallback != NULL)
		a->fallback = user_number(a, up->fallback, false);
}

static size_t *
add_number(struct sort_account *a, size_t *v, size_t *n, const char *user)
{
	size_t number = user_number(a, user, false);

	v = grown(a->arena, v, *n, sizeof(*v));
	v[(*n)++] = number;
	return v;
}

static void
add_copies(struct sort_account *a)
{
	for (size_t i = 0; i < a->up->ccs.n; i++) {
		const struct upstream_pair *p = &a->up->ccs.v[i];
		size_t from = user_number(a, p->key, false);

		for (size_t k = 0; k < p->values.n; k++) {
			size_t to = user_number(a, p->values.v[k], false);
			struct sort_user *u = &a->users[from];

			u->copies = grown(a->arena, u->copies, u->copy_count, sizeof(*u->copies));
			u->copies[u->copy_count++] = to;
		}
	}
}

static void
add_lists(struct sort_account *a)
{
	const struct upstream_pairs *lists = &a->up->lists;

	a->lists = arena_alloc(a->arena, (lists->n + 1) * sizeof(*a->lists));
	for (size_t i = 0; i < lists->n; i++) {
		struct sort_list *l = &a->lists[a->list_count++];

		l->by_address = key_of(lists->v[i].key, a->arena, &l->address);
		if (!l->by_address)
			l->id = sort_fold(span_of(lists->v[i].key), a->arena);
		for (size_t k = 0; k < lists->v[i].values.n; k++)
			l->users = add_number(a, l->users, &l->user_count, lists->v[i].values.v[k]);
	}
}

static void
add_addresses(struct sort_account *a)
{
	const struct upstream *up = a->up;

	a->mailboxes = arena_alloc(a->arena, (up->mailboxes.n + 1) * sizeof(*a->mailboxes));
	for (size_t i = 0; i < up->mailboxes.n; i++)
		if (key_of(up->mailboxes.v[i], a->arena, &a->mailboxes[a->mailbox_count]))
			a->mailbox_count++;
	a->domains = arena_alloc(a->arena, (up->domains.n + 1) * sizeof(*a->domains));
	for (size_t i = 0; i < up->domains.n; i++)
		a->domains[a->domain_count++] = fold_domain(span_of(up->domains.v[i]), a->arena);
	a->publics = arena_alloc(a->arena, (up->publics.n + 1) * sizeof(*a->publics));
	a->public_locals = arena_alloc(a->arena, (up->publics.n + 1) * sizeof(*a->public_locals));
	for (size_t i = 0; i < up->publics.n; i++) {
		struct sort_words *w = &a->publics[a->public_count];

		w->n = uni_words(span_of(up->publics.v[i]), a->arena, &w->v);
		a->public_locals[a->public_count++] = sort_fold(span_of(up->publics.v[i]), a->arena);
	}
	a->strip_prefix = sort_fold(span_of(up->strip_prefix), a->arena);
}

static void
add_trusted(struct sort_account *a)
{
	const struct upstream *up = a->up;

	a->trusted = arena_alloc(a->arena, (up->trusted.n + 1) * sizeof(*a->trusted));
	for (size_t i = 0; i < up->trusted.n; i++) {
		struct sort_trust *t = &a->trusted[a->trusted_count++];
		struct span text = span_of(up->trusted.v[i]);

		if (ip_prefix_parse(text, &t->prefix) == 0) {
			t->kind = TRUST_PREFIX;
			continue;
		}
		t->kind = text.len > 0 && text.s[0] == '.' ? TRUST_BELOW : TRUST_HOST;
		while (text.len > 1 && text.s[text.len - 1] == '.')
			text.len--;
		t->name = sort_fold(text, a->arena);
	}
}

struct sort_account *
sort_account_new(const struct upstream *up, const char *site, struct buf *why)
{
	struct sort_account *a = mem_alloc(1, sizeof(*a));

	a->arena = arena_new();
	a->up = up;
	a->site = arena_dupn(a->arena, up->site != NULL ? up->site : site,
	    strlen(up->site != NULL ? up->site : site));
	add_users(a);
	add_copies(a);
	add_lists(a);
	add_addresses(a);
	add_trusted(a);
	if (a->user_count > 0)
		return a;
	buf_adds(why, "the account has no users");
	sort_account_free(a);
	return NULL;
}

void
sort_account_free(struct sort_account *a)
{
	if (a == NULL)
		return;
	arena_free(a->arena);
	free(a);
}

const char *
sort_account_user(const struct sort_account *a, size_t i)
{
	return i < a->user_count ? a->users[i].id : NULL;
}

void
sort_account_name(struct sort_account *a, size_t i, const char *full_name)
{
	add_name(a, &a->users[i], full_name, true);
}

void
sort_account_mark(struct sort_account *a, size_t i, const char *mark)
{
	a->users[i].mark = arena_dupn(a->arena, mark, strlen(mark));
}

const char *
sort_account_mark_of(const struct sort_account *a, size_t i)
{
	return a->users[i].mark;
}

const char *
sort_account_site(const struct sort_account *a)
{
	return a->site;
}
