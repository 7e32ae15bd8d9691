/*
 * regex: Perl's regular expressions, over PCRE2.
 *
 * Keeps what the library may spend on a text within bounds that stand in the header. Without its compiler to machine code:
 * who reads what strangers send shall have no memory that can be both written and run.
 */
#include "lib/store/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

struct regex {
	pcre2_code *code;
	pcre2_match_data *found;
	pcre2_match_context *limits;
};

#define OPTIONS (PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT)

static void
explain(int error, size_t at, struct buf *why)
{
	PCRE2_UCHAR text[256];

	if (pcre2_get_error_message(error, text, sizeof(text)) < 0)
		text[0] = '\0';
	buf_addf(why, "%s (at character %zu)", (const char *)text, at + 1);
}

static pcre2_code *
compile(struct span text, bool fold, struct buf *why)
{
	size_t at = 0;
	uint32_t behind = 0;
	int error = 0;
	pcre2_code *code;

	if (text.len > REGEX_TEXT) {
		buf_addf(why, "it is longer than %d octets", REGEX_TEXT);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR)text.s, text.len, OPTIONS | (fold ? PCRE2_CASELESS : 0), &error, &at, NULL);
	if (code == NULL) {
		explain(error, at, why);
		return NULL;
	}
	if (pcre2_pattern_info(code, PCRE2_INFO_MAXLOOKBEHIND, &behind) != 0 || behind > REGEX_BEHIND) {
		buf_addf(why, "it looks back further than %d characters", REGEX_BEHIND);
		pcre2_code_free(code);
		return NULL;
	}
	return code;
}

struct regex *
regex_new(struct span text, bool fold, struct buf *why)
{
	pcre2_code *code = compile(text, fold, why);
	struct regex *r;
	size_t begin = 0;

	if (code == NULL)
		return NULL;
	r = mem_alloc(1, sizeof(*r));
	r->code = code;
	r->found = pcre2_match_data_create(1, NULL);
	r->limits = pcre2_match_context_create(NULL);
	if (r->found == NULL || r->limits == NULL) {
		buf_adds(why, "out of memory");
		regex_free(r);
		return NULL;
	}
	pcre2_set_match_limit(r->limits, REGEX_STEPS);
	pcre2_set_heap_limit(r->limits, REGEX_HEAP);
	if (regex_find(r, SPAN(""), false, &begin, 0) != REGEX_FOUND)
		return r;
	buf_adds(why, "it would be found in every text");
	regex_free(r);
	return NULL;
}

void
regex_free(struct regex *r)
{
	if (r == NULL)
		return;
	pcre2_match_context_free(r->limits);
	pcre2_match_data_free(r->found);
	pcre2_code_free(r->code);
	free(r);
}

enum regex_result
regex_find(const struct regex *r, struct span text, bool more, size_t *from, size_t to)
{
	uint32_t options = PCRE2_NO_UTF_CHECK | (more ? PCRE2_PARTIAL_HARD : 0);
	int rv;

	pcre2_set_offset_limit(r->limits, to);
	rv = pcre2_match(r->code, (PCRE2_SPTR)text.s, text.len, *from, options, r->found, r->limits);
	if (rv >= 0)
		return REGEX_FOUND;
	if (rv == PCRE2_ERROR_NOMATCH)
		return REGEX_NONE;
	if (rv != PCRE2_ERROR_PARTIAL)
		return REGEX_GAVE_UP;
	*from = pcre2_get_ovector_pointer(r->found)[0];
	return REGEX_PARTIAL;
}
