/*
 * sort_name: whom does a phrase name?
 *
 * Four steps, each less exact than the one before; at the first that finds anybody it must find exactly one
 * person, or the phrase names nobody: private mail is not handed to a guess.
 */
#include "collector/sort_parts.h"

static bool
occurs(const struct uni_word *word, const struct sort_words *in)
{
	for (size_t i = 0; i < in->n; i++)
		if (uni_word_eq(word, &in->v[i]))
			return true;
	return false;
}

/* The same words in any order, each as often. Spellings are few, so the first partner that fits is taken. */
static bool
same_words(const struct sort_words *a, const struct sort_words *b)
{
	bool used[64] = { false };

	if (a->n != b->n || a->n > COUNT(used))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		size_t k = 0;

		while (k < b->n && (used[k] || !uni_word_eq(&a->v[i], &b->v[k])))
			k++;
		if (k == b->n)
			return false;
		used[k] = true;
	}
	return true;
}

static bool
contains(const struct sort_words *phrase, const struct sort_words *name)
{
	for (size_t i = 0; i < name->n; i++)
		if (!occurs(&name->v[i], phrase))
			return false;
	return true;
}

/* "A. Miller", "Andrew": every word is in the name, or is the initial of one. */
static bool
part_of(const struct sort_words *phrase, const struct sort_words *name)
{
	bool whole_word = false;

	for (size_t i = 0; i < phrase->n; i++) {
		const struct uni_word *w = &phrase->v[i];
		bool found = false;

		for (size_t k = 0; k < name->n && !found; k++)
			found = w->letters == 1 ? uni_word_begins(&name->v[k], w) : uni_word_eq(w, &name->v[k]);
		if (!found)
			return false;
		whole_word = whole_word || w->letters > 1;
	}
	return whole_word;
}

/* How well a name fits at a step; 0: not. */
static size_t
fit_exact(const struct sort_words *phrase, const struct sort_words *name)
{
	return same_words(phrase, name);
}

static size_t
fit_contained(const struct sort_words *phrase, const struct sort_words *name)
{
	return contains(phrase, name) ? name->n : 0;
}

static size_t
fit_part(const struct sort_words *phrase, const struct sort_words *name)
{
	return name->full && part_of(phrase, name);
}

static const struct step {
	const char *how;
	size_t (*fit)(const struct sort_words *phrase, const struct sort_words *name);
} steps[] = {
	{ "exactly", fit_exact },
	{ "contained in it", fit_contained },
	{ "as a part of the name", fit_part },
};

/* The users whose names fit best; their number, the first in *user. */
static size_t
best_users(const struct sort_account *a, const struct step *step, const struct sort_words *phrase, size_t *user)
{
	size_t best = 0, found = 0;

	for (size_t i = 0; i < a->user_count; i++) {
		const struct sort_user *u = &a->users[i];
		size_t fits = 0;

		for (size_t k = 0; u->member && k < u->name_count; k++) {
			size_t fit = step->fit(phrase, &u->names[k]);

			fits = fit > fits ? fit : fits;
		}
		if (fits > best) {
			best = fits;
			found = 0;
			*user = i;
		}
		found += fits > 0 && fits == best;
	}
	return found;
}

enum sort_match
sort_match(const struct sort_account *a, struct span text, struct arena *arena, size_t *user, const char **how)
{
	struct sort_words phrase = { 0 };

	*how = "exactly";
	phrase.n = uni_words(text, arena, &phrase.v);
	if (phrase.n == 0)
		return MATCH_NOBODY;
	for (size_t i = 0; i < a->public_count; i++)
		if (same_words(&phrase, &a->publics[i]))
			return MATCH_PUBLIC;
	for (size_t i = 0; i < COUNT(steps); i++) {
		size_t found = best_users(a, &steps[i], &phrase, user);

		*how = steps[i].how;
		if (found > 0)
			return found == 1 ? MATCH_USER : MATCH_AMBIGUOUS;
	}
	return MATCH_NOBODY;
}
