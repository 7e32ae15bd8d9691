/*
 * attachment: the rules of the map attachments, and whether a name may be attached.
 */
#include "smtpd/attachment.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/mail/uni.h"

static int
take(void *arg, struct span key, const struct map_entry *e)
{
	struct attachments *a = arg;
	struct attachment_entry rule;
	struct buf why = BUF_INIT(1000);
	int rv = entry_attachment(e->value, a->mem, &rule, &why);

	buf_free(&why);
	if (rv == -1)
		return -1;
	a->rules = mem_grow(a->rules, a->count + 1, sizeof(*a->rules));
	a->rules[a->count++] = (struct attachment_rule){ e->line, arena_dupn(a->mem, key.s, key.len),
		rule.text.len > 0 ? arena_dupn(a->mem, rule.text.s, rule.text.len) : "", rule.accept };
	return 0;
}

int
attachments_load(struct attachments *a, const struct generation *maps)
{
	memset(a, 0, sizeof(*a));
	a->mem = arena_new();
	return map_each(maps, MAP_ATTACHMENTS, take, a);
}

void
attachments_free(struct attachments *a)
{
	free(a->rules);
	if (a->mem != NULL)
		arena_free(a->mem);
	memset(a, 0, sizeof(*a));
}

/* Octets of the character at s: one, where it is not UTF-8. */
static size_t
character(struct span s)
{
	size_t n = utf8_char(s.s, s.len, NULL);

	return n > 0 ? n : 1;
}

/* Each '*' takes as little as will do; when the rest does not fit, the last '*' takes one more. */
bool
attachment_fits(const char *mask, struct span name)
{
	const char *star = NULL;
	size_t at = 0, from = 0;

	while (at < name.len) {
		if (*mask == '*') {
			star = ++mask;
			from = at;
		} else if (*mask == '?') {
			mask++;
			at += character((struct span){ name.s + at, name.len - at });
		} else if (*mask == name.s[at]) {
			mask++;
			at++;
		} else if (star != NULL) {
			mask = star;
			at = ++from;
		} else
			return false;
	}
	while (*mask == '*')
		mask++;
	return *mask == '\0';
}

const struct attachment_rule *
attachments_refused(const struct attachments *a, struct span name)
{
	struct buf lower = BUF_INIT(8 * name.len + 64);
	const struct attachment_rule *found = NULL;

	uni_lower(name, &lower);
	for (size_t i = 0; i < a->count && found == NULL; i++)
		if (attachment_fits(a->rules[i].mask, buf_span(&lower)))
			found = &a->rules[i];
	buf_free(&lower);
	return found == NULL || found->accept ? NULL : found;
}
