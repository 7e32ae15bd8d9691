/*
 * filter: the rules of the map filters, and which of them a message breaks.
 *
 * Knows rules by name and line; where the texts come from is content.c's business.
 */
#include "smtpd/filter.h"

#include <stdlib.h>
#include <string.h>

static int
take_regex(struct filter *f, const struct filter_entry *rule)
{
	struct buf why = BUF_INIT(1000);
	struct regex *r = regex_new(rule->regex, rule->fold, &why);

	buf_free(&why);
	if (r == NULL)
		return -1;
	if (f->patterns == NULL)
		f->patterns = patterns_new();
	patterns_add(f->patterns, r, rule->scopes, f->count);
	return 0;
}

static void
take_string(struct filter *f, const struct filter_entry *rule)
{
	struct match **m = rule->fold ? &f->fold : &f->exact;

	if (*m == NULL)
		*m = match_new(rule->fold);
	match_add(*m, rule->string, rule->scopes, f->count);
}

static int
take(void *arg, struct span key, const struct map_entry *e)
{
	struct filter *f = arg;
	struct filter_entry rule;
	struct buf why = BUF_INIT(1000);
	int rv = entry_filter(e->value, f->mem, &rule, &why);

	buf_free(&why);
	if (rv == -1)
		return -1;
	if (rule.regex.s == NULL)
		take_string(f, &rule);
	else if (take_regex(f, &rule) == -1)
		return -1;
	f->rules = mem_grow(f->rules, f->count + 1, sizeof(*f->rules));
	f->rules[f->count++] = (struct filter_rule){ e->line, arena_dupn(f->mem, key.s, key.len),
		rule.text.len > 0 ? arena_dupn(f->mem, rule.text.s, rule.text.len) : "" };
	f->scopes |= rule.scopes;
	return 0;
}

int
filter_load(struct filter *f, const struct generation *maps)
{
	memset(f, 0, sizeof(*f));
	f->mem = arena_new();
	return map_each(maps, MAP_FILTERS, take, f);
}

void
filter_free(struct filter *f)
{
	match_free(f->fold);
	match_free(f->exact);
	patterns_free(f->patterns);
	free(f->rules);
	if (f->mem != NULL)
		arena_free(f->mem);
	memset(f, 0, sizeof(*f));
}

void
filter_reset(struct filter *f)
{
	if (f->fold != NULL)
		match_reset(f->fold);
	if (f->exact != NULL)
		match_reset(f->exact);
	if (f->patterns != NULL)
		patterns_reset(f->patterns);
}

void
filter_begin(struct filter *f, unsigned scope)
{
	if (f->fold != NULL)
		match_begin(f->fold, scope);
	if (f->exact != NULL)
		match_begin(f->exact, scope);
	if (f->patterns != NULL)
		patterns_begin(f->patterns, scope);
}

void
filter_feed(struct filter *f, struct span text)
{
	if (f->fold != NULL)
		match_feed(f->fold, text);
	if (f->exact != NULL)
		match_feed(f->exact, text);
	if (f->patterns != NULL)
		patterns_feed(f->patterns, text);
}

void
filter_end(struct filter *f)
{
	if (f->patterns != NULL)
		patterns_end(f->patterns);
}

const struct filter_rule *
filter_found(const struct filter *f)
{
	int found[] = { f->fold == NULL ? -1 : match_found(f->fold), f->exact == NULL ? -1 : match_found(f->exact),
		f->patterns == NULL ? -1 : patterns_found(f->patterns) };
	int first = -1;

	for (size_t i = 0; i < COUNT(found); i++)
		if (found[i] != -1 && (first == -1 || found[i] < first))
			first = found[i];
	return first == -1 ? NULL : &f->rules[first];
}

const struct filter_rule *
filter_gave_up(const struct filter *f)
{
	int first = f->patterns == NULL ? -1 : patterns_gave_up(f->patterns);

	return first == -1 ? NULL : &f->rules[first];
}
