/*
 * content: a message held against filters and attachments while it streams by.
 *
 * Knows which texts each rule wants, and stops looking when no rule wants more: with rules for headers alone the body is not
 * looked at. What comes of the verdict is for receive.c.
 */
#include "smtpd/content.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/mime.h"

int
content_load(struct content *c, const char *maps_dir, const char *generation, struct buf *why)
{
	struct generation *maps;
	struct attachments attachments = { 0 };
	struct filter filter = { 0 };

	if (c->generation != NULL && strcmp(c->generation, generation) == 0)
		return 0;
	maps = generation_open_named(maps_dir, generation, 1u << MAP_FILTERS | 1u << MAP_ATTACHMENTS, why);
	if (maps == NULL)
		return -1;
	if (filter_load(&filter, maps) != 0 || attachments_load(&attachments, maps) != 0) {
		buf_addf(why, "cannot read filters and attachments of %s/%s", maps_dir, generation);
		filter_free(&filter);
		attachments_free(&attachments);
		generation_close(maps);
		return -1;
	}
	generation_close(maps);
	if (c->generation != NULL) /* memory that was never written to is nobody's own */
		content_free(c);
	c->generation = mem_dup(generation);
	c->filter = filter;
	c->attachments = attachments;
	return 0;
}

void
content_free(struct content *c)
{
	if (c->begun)
		(void)content_end(c);
	filter_free(&c->filter);
	attachments_free(&c->attachments);
	free(c->generation);
	memset(c, 0, sizeof(*c));
}

bool
content_any(const struct content *c)
{
	return c->filter.count > 0 || c->attachments.count > 0;
}

/* --- what the walk finds -------------------------------------------------- */

/* Held against filters as people see it, and as it was written. */
static void
field(void *arg, bool top, struct span name, struct span value)
{
	struct content *c = arg;
	struct buf decoded = BUF_INIT(8 * PARTS_FIELD);

	if (!top)
		return;
	mime_decode(value, &decoded);
	for (int as_written = 0; as_written < 2; as_written++) {
		if (as_written && span_eq(value, buf_span(&decoded)))
			break;
		filter_begin(&c->filter, FILTER_HEADER);
		filter_feed(&c->filter, name);
		filter_feed(&c->filter, SPAN(": "));
		filter_feed(&c->filter, as_written ? value : buf_span(&decoded));
	}
	buf_free(&decoded);
}

static void
part(void *arg)
{
	filter_begin(&((struct content *)arg)->filter, FILTER_BODY);
}

static void
text(void *arg, struct span s)
{
	struct content *c = arg;

	if (s.len > c->body_left)
		s.len = (size_t)c->body_left;
	c->body_left -= s.len;
	filter_feed(&c->filter, s);
}

static void
name(void *arg, struct span s)
{
	struct content *c = arg;

	if (c->verdict.attachment != NULL)
		return;
	c->verdict.attachment = attachments_refused(&c->attachments, s);
	if (c->verdict.attachment != NULL) {
		memcpy(c->name, s.s, s.len);
		c->name[s.len] = '\0';
		c->verdict.name = c->name;
	}
}

/* Who wants bodies and who wants names is asked for no more than that. */
static const struct parts_found *
wanted(const struct content *c)
{
	static const struct parts_found header = { .field = field };
	static const struct parts_found names = { .field = field, .name = name };
	static const struct parts_found bodies = { .field = field, .text = text, .part = part };
	static const struct parts_found all = { field, name, text, part };
	bool body = (c->filter.scopes & FILTER_BODY) != 0 && c->body_left > 0;

	if (c->attachments.count > 0)
		return body ? &all : &names;
	return body ? &bodies : &header;
}

/* --- a message ------------------------------------------------------------ */

void
content_begin(struct content *c, uint64_t body_limit)
{
	c->verdict = (struct content_verdict){ .filter = NULL };
	c->body_left = body_limit;
	filter_reset(&c->filter);
	parts_init(&c->parts, wanted(c), c);
	c->begun = true;
}

void
content_address(struct content *c, const char *address)
{
	if ((c->filter.scopes & FILTER_ENVELOPE) == 0)
		return;
	filter_begin(&c->filter, FILTER_ENVELOPE);
	filter_feed(&c->filter, span_of(address));
}

/* Can more of the message change the verdict? */
static bool
enough(const struct content *c)
{
	if (filter_found(&c->filter) != NULL || c->verdict.attachment != NULL)
		return true;
	return c->attachments.count == 0 && !c->parts.in_top &&
	    ((c->filter.scopes & FILTER_BODY) == 0 || c->body_left == 0);
}

void
content_feed(struct content *c, const char *s, size_t n)
{
	if (!enough(c))
		parts_feed(&c->parts, s, n);
}

const struct content_verdict *
content_end(struct content *c)
{
	if (c->begun && !enough(c))
		parts_end(&c->parts);
	filter_end(&c->filter);
	c->verdict.filter = filter_found(&c->filter);
	c->verdict.gave_up = filter_gave_up(&c->filter);
	if (c->attachments.count > 0)
		c->verdict.fault = c->parts.fault;
	if (c->begun)
		parts_free(&c->parts);
	c->begun = false;
	return &c->verdict;
}
