/*
 * remember: a decision about one message becomes a rule.
 *
 * What the rule is made of was written by a stranger, and whoever may change the maps is root: only plain words pass.
 */
#include "collector/remember.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/store/textmap.h"
#include "lib/sys/file.h"

#define WORDS_MAX 512 /* octets */

/* --- the words ----------------------------------------------------------- */

/* Letters of any script, and what stands in names and addresses; no control characters, nothing that quotes. */
static bool
is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			return false;
	}
	return s.len > 0 && s.len < WORDS_MAX / 2 && utf8_valid(s.s, s.len);
}

static int
word(struct buf *out, const char *name, struct span left, struct span right, struct buf *why)
{
	if (!is_plain(left) || !is_plain(right)) {
		buf_adds(why, "what the message says is not fit for a map");
		return -1;
	}
	buf_addf(out, "%s=\"%.*s:%.*s\"", name, (int)left.len, left.s, (int)right.len, right.s);
	return 0;
}

static struct span
list_id(const struct sort_header *h, struct arena *arena)
{
	for (size_t i = 0; i < h->n; i++)
		if (span_case_is(h->v[i].name, "List-Id"))
			return sort_list_id(h->v[i].value, arena);
	return (struct span){ "", 0 };
}

/* The address of ours that is nobody's: by its local part, or whole where there are several domains. */
static int
address_words(const struct account *a, const char *user, const char *unknown, struct buf *words, struct buf *why)
{
	struct span domain = span_of(unknown), local;
	const char *mark;

	if (*unknown == '\0') {
		buf_adds(why, "no address or name in it is ours and nobody's");
		return -1;
	}
	if (strchr(unknown, '@') == NULL)
		return word(words, "name", span_of(user), span_of(unknown), why);
	local = span_cut(&domain, '@');
	if (a->up.domains.n > 1)
		return word(words, "alias", span_of(user), span_of(unknown), why);
	mark = a->up.subaddress != 0 ? memchr(local.s, a->up.subaddress, local.len) : NULL;
	if (mark != NULL && mark > local.s)
		local.len = (size_t)(mark - local.s);
	return word(words, "alias", span_of(user), local, why);
}

/* Would it go to this person now? */
static bool
works(struct house *h, const struct account *a, struct span value, const char *words, const struct sort_header *header,
    size_t person)
{
	struct buf with = BUF_INIT(2 * LIMIT_MAP_LINE), why = BUF_INIT(1024);
	struct arena *arena = arena_new();
	struct sort_result r;
	struct account b;
	bool good = false;

	buf_addspan(&with, value);
	buf_addf(&with, " %s", words);
	if (account_open(&b, h, a->name, buf_span(&with), &why) == 0) {
		account_sort(&b, header, arena, &r, NULL);
		good = r.count > 0 && r.gets[person]; /* no words of ours renumber people */
		account_close(&b);
	}
	arena_free(arena);
	buf_free(&with);
	buf_free(&why);
	return good;
}

int
remember_words(struct house *h, const struct account *a, struct span value, const struct sort_header *header,
    size_t person, enum remember how, struct buf *words, struct buf *why)
{
	const char *user = sort_account_user(a->sort, person);
	struct arena *arena = arena_new();
	struct sort_result r;
	struct span list = list_id(header, arena);
	int rv;

	account_sort(a, header, arena, &r, NULL);
	if (how == REMEMBER_BEST) /* what the provider says counts before list rules */
		how = list.len > 0 && strcmp(r.reason, "unknown-user") != 0 ? REMEMBER_LIST : REMEMBER_ADDRESS;
	if (how == REMEMBER_ADDRESS) {
		rv = address_words(a, user, r.unknown, words, why);
	} else if (list.len == 0) {
		buf_adds(why, "it has no List-Id");
		rv = -1;
	} else {
		rv = word(words, "list", list, span_of(user), why);
	}
	if (rv == 0 && !works(h, a, value, buf_str(words), header, person)) {
		buf_addf(why, "%s would not bring such a message to %s", buf_str(words), user);
		buf_reset(words);
		rv = -1;
	}
	arena_free(arena);
	return rv;
}

/* --- the map ------------------------------------------------------------- */

static bool
is_account(void *arg, struct span key)
{
	return span_is(key, arg);
}

static int
change(struct textmap *m, const struct house *h, int etc, const char *account, const char *words, struct buf *why)
{
	struct textmap_entry e;
	char *key = mem_dup(account);
	bool found = textmap_find(m, is_account, key, &e);

	free(key);
	if (!found) {
		buf_addf(why, "%s is no entry of etc/upstreams itself (does a command print it?)", account);
		return -1;
	}
	textmap_continue(m, &e, words);
	buf_free(&e.value);
	if (textmap_write(m, etc) == -1) {
		buf_addf(why, "cannot write etc/upstreams: %s", strerror(errno));
		return -1;
	}
	if (textmap_compile(&h->instance) == 0)
		return 0;
	buf_adds(why, "the maps do not compile");
	if (textmap_restore(m, etc) == -1)
		buf_addf(why, ", and etc/upstreams cannot be put back as it was: %s", strerror(errno));
	return -1;
}

/* What came through a pipe is looked at once more by who acts on it. */
static bool
are_words(struct span s)
{
	static const char *const names[] = { "list=\"", "alias=\"", "name=\"" };
	bool known = false;

	for (size_t i = 0; i < COUNT(names); i++) {
		size_t n = strlen(names[i]);

		if (s.len > n + 1 && memcmp(s.s, names[i], n) == 0 && s.s[s.len - 1] == '"')
			known = known || is_plain((struct span){ s.s + n, s.len - n - 1 });
	}
	return known;
}

int
remember_write(const struct house *h, const char *account, const char *words, struct buf *why)
{
	int etc = open(h->instance.etc, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rv = -1;
	struct textmap m;

	if (!are_words(span_of(words))) {
		buf_adds(why, "no rule to write");
	} else if (etc == -1 || textmap_lock(etc) == -1) {
		buf_addf(why, "cannot lock %s: %s", h->instance.etc, strerror(errno));
	} else if (textmap_open(&m, etc, "upstreams", 0644) == -1) {
		buf_addf(why, "cannot read etc/upstreams: %s", strerror(errno));
	} else {
		rv = change(&m, h, etc, account, words, why);
		textmap_close(&m);
	}
	file_close(etc);
	return rv;
}
