/*
 * sort_digest: what makes two copies of a message the same message.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/sort_parts.h"

#define PENDING 4096 /* white space held back until something follows it */

struct sort_digest {
	struct digest *digest;
	struct digest *trimmed; /* as of the start of a run of white space longer than pending holds */
	char pending[PENDING];
	size_t pending_count;
	bool cr;                /* the last octet was a CR: part of a line end, or not */
};

struct sort_digest *
sort_digest_new(const struct sort_header *h)
{
	static const char *const names[] = { "Message-ID", "From", "Date", "Subject", "To", "Cc" };
	struct sort_digest *d = mem_alloc(1, sizeof(*d));

	d->digest = digest_new();
	for (size_t i = 0; i < COUNT(names); i++) {
		digest_add(d->digest, names[i], strlen(names[i]) + 1);
		for (size_t k = 0; k < h->n; k++)
			if (span_case_is(h->v[k].name, names[i])) {
				digest_add(d->digest, h->v[k].value.s, h->v[k].value.len);
				digest_add(d->digest, "\n", 1);
			}
	}
	digest_add(d->digest, "", 1);
	return d;
}

static void
flush(struct sort_digest *d)
{
	digest_add(d->digest, d->pending, d->pending_count);
	d->pending_count = 0;
}

static void
add_white(struct sort_digest *d, char c)
{
	if (d->pending_count == PENDING) {
		if (d->trimmed == NULL)
			d->trimmed = digest_fork(d->digest);
		flush(d);
	}
	d->pending[d->pending_count++] = c;
}

static void
add_text(struct sort_digest *d, const char *s, size_t n)
{
	digest_free(d->trimmed);
	d->trimmed = NULL;
	flush(d);
	digest_add(d->digest, s, n);
}

static bool
white(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

void
sort_digest_body(struct sort_digest *d, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t start = i;

		while (i < n && !white(s[i]))
			i++;
		if (d->cr && (i > start || s[i] != '\n'))
			add_white(d, '\r');
		d->cr = false;
		if (i > start)
			add_text(d, s + start, i - start);
		if (i == n)
			break;
		if (s[i] == '\r')
			d->cr = true;
		else
			add_white(d, s[i]);
		i++;
	}
}

void
sort_digest_end(struct sort_digest *d, unsigned char out[DIGEST_OCTETS])
{
	digest_end(d->trimmed != NULL ? d->trimmed : d->digest, out);
	if (d->trimmed != NULL)
		digest_free(d->digest);
	free(d);
}

void
sort_digest_free(struct sort_digest *d)
{
	if (d == NULL)
		return;
	digest_free(d->trimmed);
	digest_free(d->digest);
	free(d);
}
