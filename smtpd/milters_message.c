/*
 * milters_message: a message that is whole passes the filters, one after the other; each sees what those before it made of it.
 *
 * It is read from its file again: what the disk will get is what the filters have seen. What a filter wants changed is done when
 * its last word says that the message goes on; if it breaks off before, nothing of it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mail/path.h"
#include "smtpd/milters.h"

#define CHANGES_MAX (8u * 1024 * 1024) /* octets of what a filter may ask for, besides a new body */
#define ASKED_MAX 65536u               /* ... and so many of them */
#define READ_OCTETS (MILTER_CHUNK / 2) /* of the body at once: twice as many on the wire at most */

static const struct reply go_on;

struct changes {
	struct buf asked;   /* its packets */
	unsigned asked_count, headers, rcpts;
	bool body, sender;
	const char *held;
};

/* --- telling ---------------------------------------------------------------------- */

static bool
is_asked(const struct session *s, const struct milter_peer *f)
{
	return f->state == PEER_ON && f->link.io.fd != -1 && f->in_message && !s->tx.discard;
}

static void
pack_field(struct session *s, struct span raw, bool leading)
{
	struct buf *p = &s->d->milters->packet;
	struct span rest = raw;
	struct field field;

	buf_reset(p);
	if (!header_next(&rest, &field))
		return;
	if (span_case_is(field.name, "Message-ID"))
		s->tx.milter_message_id = span_trim(field.value);
	if (!leading && field.value.len > 0 && field.value.s[0] == ' ')
		field.value = (struct span){ field.value.s + 1, field.value.len - 1 };
	if (field.name.len > MILTER_CHUNK / 2)
		field.name.len = MILTER_CHUNK / 2;
	if (field.value.len > MILTER_CHUNK - 3 - field.name.len)
		field.value.len = MILTER_CHUNK - 3 - field.name.len;
	milter_add_string(p, field.name);
	milter_add_string(p, field.value);
}

static struct reply
tell_header(struct session *s, struct milter_peer *f, const struct rewrite *w)
{
	struct reply r = go_on;

	for (size_t i = 0; i < w->count && r.code == 0 && is_asked(s, f); i++) {
		if (w->fields[i].ours)
			continue;
		pack_field(s, w->fields[i].raw, (f->link.steps & LEADING_SPACE) != 0);
		r = peer_ask(s, f, &stage_header, NULL);
	}
	buf_reset(&s->d->milters->packet);
	if (r.code == 0 && is_asked(s, f))
		r = peer_ask(s, f, &stage_eoh, NULL);
	return r;
}

static void
pack_body(struct buf *p, const char *text, size_t n)
{
	buf_reset(p);
	for (size_t at = 0; at < n;) {
		const char *lf = memchr(text + at, '\n', n - at);
		size_t run = lf != NULL ? (size_t)(lf - text) - at : n - at;

		buf_add(p, text + at, run);
		at += run;
		if (lf != NULL) {
			buf_add(p, "\r\n", 2);
			at++;
		}
	}
}

static struct reply
tell_body(struct session *s, struct milter_peer *f, const struct rewrite *w)
{
	char *block = s->d->block; /* what was received has been written */
	struct reply r = go_on;
	struct milter_said said = { .answer = MILTER_CONTINUE };

	for (uint64_t at = w->body_at; at < w->octets && r.code == 0 && is_asked(s, f) && said.answer != MILTER_SKIP;) {
		size_t some = w->octets - at < READ_OCTETS ? (size_t)(w->octets - at) : READ_OCTETS;
		ssize_t n = pread(w->fd, block, some, (off_t)at);

		if (n <= 0)
			return reply_say(SAY_WRITE_FAILED, NULL);
		at += (uint64_t)n;
		pack_body(&s->d->milters->packet, block, (size_t)n);
		r = peer_ask(s, f, &stage_body, &said);
	}
	return r;
}

/* --- hearing what it wants ----------------------------------------------------------- */

static bool
is_change(char answer)
{
	return answer != '\0' && strchr("+2-behimq", answer) != NULL;
}

static struct reply
note_change(struct session *s, struct milter_peer *f, const struct milter_said *said, struct rewrite *w, struct changes *c)
{
	uint64_t limit = s->d->conf.message_size_limit;

	if (said->answer != MILTER_REPLACE_BODY) {
		buf_add(&c->asked, f->link.in.s, f->link.used);
		return buf_over(&c->asked) || ++c->asked_count > ASKED_MAX ? reply_say(SAY_TOO_LARGE, NULL) : go_on;
	}
	c->body = true;
	if (limit != 0 && w->spare_at - w->octets + said->name.len > limit)
		return reply_say(SAY_TOO_LARGE, NULL);
	if (rewrite_body(w, said->name) == -1)
		return reply_say(errno == ENOSPC || errno == EDQUOT ? SAY_DISK_FULL : SAY_WRITE_FAILED, NULL);
	return go_on;
}

/* The end, and all that it says before its last word. When we break off before that, it is not asked again: what it says would
 * be taken for the answer to something else. */
static struct reply
tell_end(struct session *s, struct milter_peer *f, struct rewrite *w, struct changes *c)
{
	struct milters *ms = s->d->milters;
	struct milter_said said;
	struct reply r;

	buf_reset(&ms->packet);
	r = peer_ask(s, f, &stage_end, &said);
	while (r.code == 0 && f->in_message && is_change(said.answer)) {
		r = note_change(s, f, &said, w, c);
		if (r.code != 0) {
			milter_close(&f->link);
			break;
		}
		buf_reset(&ms->why);
		if (milter_hear(&f->link, MILTER_END, s->end, &said, &ms->why) == -1) {
			buf_reset(&c->asked);
			c->body = false;
			return peer_failed(s, f, &stage_end);
		}
		r = peer_react(s, f, &stage_end, &said);
	}
	f->in_message = false;
	return r;
}

/* --- doing it -------------------------------------------------------------------------- */

/* Brackets or not: in canonical form, in the transaction's memory; NULL: it is no address. */
static const char *
address_of(struct session *s, struct span said, enum path_kind kind, struct path *path)
{
	struct buf *text = &s->d->text;
	struct buf whole = BUF_INIT(2 * LIMIT_PATH + 64);
	const char *address = NULL;
	char *kept;

	if (said.len == 0 || said.s[0] != '<')
		buf_addc(&whole, '<');
	buf_addspan(&whole, said);
	if (said.len == 0 || said.s[0] != '<')
		buf_addc(&whole, '>');
	kept = arena_dupn(s->d->arena, buf_str(&whole), whole.len);
	if (!buf_over(&whole) && path_parse(kept, whole.len, kind, path) == (ssize_t)whole.len) {
		buf_reset(text);
		path_canonical(path, text);
		address = session_keep_text(s);
	}
	buf_free(&whole);
	return address;
}

static void
not_done(struct session *s, const struct milter_peer *f, const char *what, struct span address)
{
	log_event(EV_MILTER_FAILED, LS("milter", f->link.place->name), LS("at", "end"), LS("reason", what), LSPAN("address", address),
	    LS("so", "ignored"), LS("client", s->client), LS("id", s->d->submit.id));
}

/* What stands behind an address in MAIL or RCPT; what nobody understands counts for nothing, but is logged. */
static struct params
params_of(struct session *s, const struct milter_peer *f, struct span args,
    enum said parse(struct span, struct params *))
{
	struct params params = { 0 };
	struct buf *text = &s->d->text;

	buf_reset(text);
	buf_addc(text, ' ');
	buf_addspan(text, span_trim(args));
	if (text->len > 1 && parse(span_of(session_keep_text(s)), &params) != SAY_OK) {
		not_done(s, f, "its parameters are none", args);
		params = (struct params){ 0 };
	}
	return params;
}

static void
add_rcpt(struct session *s, const struct milter_peer *f, const struct milter_said *said, struct changes *c)
{
	const struct access ours = { .trusted = true };
	struct path path = { 0 };
	const char *address = address_of(s, said->name, PATH_FORWARD, &path);
	struct params params = params_of(s, f, said->value, params_rcpt);
	struct route route = { 0 };
	const char *orcpt;

	if (address != NULL)
		router_rcpt(&s->d->router, &path, &ours, true, true, s->d->arena, &route, NULL);
	if (address == NULL || route.outcome != SENT || route.count > session_room(s)) {
		not_done(s, f, "a recipient it adds is none", said->name);
		return;
	}
	s->tx.params.smtputf8 = s->tx.params.smtputf8 || path.utf8;
	orcpt = session_orcpt(s, address, params.orcpt);
	for (const struct route_rcpt *r = route.rcpts; r != NULL; r = r->next)
		(void)rcpts_add(&s->d->rcpts, r->action, r->address, orcpt, params.notify);
	milters_remember(s, address, route.rcpts);
	c->rcpts++;
}

/* Does another recipient's mail go there, too? */
static bool
wanted_by_another(const struct session *s, const struct route_rcpt *final)
{
	for (const struct taken *t = s->tx.taken; t != NULL; t = t->next)
		for (const struct route_rcpt *r = t->removed ? NULL : t->finals; r != NULL; r = r->next)
			if (r->action == final->action && strcmp(r->address, final->address) == 0)
				return true;
	return false;
}

static void
delete_rcpt(struct session *s, const struct milter_peer *f, struct span said, struct changes *c)
{
	struct path path;
	const char *address = address_of(s, said, PATH_FORWARD, &path);
	bool found = false;

	for (struct taken *t = s->tx.taken; t != NULL && address != NULL; t = t->next) {
		if (t->removed || strcasecmp(t->address, address) != 0)
			continue;
		t->removed = found = true;
		for (const struct route_rcpt *r = t->finals; r != NULL; r = r->next)
			if (!wanted_by_another(s, r))
				rcpts_remove(&s->d->rcpts, r->action, r->address);
	}
	if (!found)
		not_done(s, f, "a recipient it deletes is none", said);
	c->rcpts += found;
}

/* Of the parameters RET and ENVID count; the others say what the message is, and we know that (RFC 3461, 4.3 and 4.4). */
static void
change_sender(struct session *s, const struct milter_peer *f, const struct milter_said *said, struct changes *c)
{
	struct params params = params_of(s, f, said->value, params_mail);
	struct path path = { 0 };
	const char *address = said->name.len == 0 || span_is(said->name, "<>") ? "" :
	    address_of(s, said->name, PATH_REVERSE, &path);

	if (address == NULL) {
		not_done(s, f, "its sender is none", said->name);
		return;
	}
	s->tx.sender = address;
	s->tx.params.smtputf8 = s->tx.params.smtputf8 || path.utf8;
	if (params.ret != NULL)
		s->tx.params.ret = params.ret;
	if (params.envid.s != NULL)
		s->tx.envid = session_envid(s, params.envid);
	c->sender = true;
}

static void
hold(struct session *s, struct span reason, struct changes *c)
{
	buf_reset(&s->d->text);
	for (size_t i = 0; i < reason.len && i < 200; i++)
		buf_addc(&s->d->text, (unsigned char)reason.s[i] < ' ' ? ' ' : reason.s[i]);
	c->held = s->tx.held = s->d->text.len > 0 ? session_keep_text(s) : "milter";
}

static void
do_one(struct session *s, const struct milter_peer *f, const struct milter_said *said, struct rewrite *w, struct changes *c)
{
	bool leading = (f->link.steps & LEADING_SPACE) != 0;

	switch (said->answer) {
	case MILTER_ADD_HEADER:
		rewrite_append(w, said->name, said->value, leading);
		break;
	case MILTER_INSERT_HEADER:
		rewrite_insert(w, said->index, said->name, said->value, leading);
		break;
	case MILTER_CHANGE_HEADER:
		rewrite_change(w, said->index == 0 ? 1 : said->index, said->name, said->value, leading);
		break;
	case MILTER_ADD_RCPT:
	case MILTER_ADD_RCPT_ARGS:
		add_rcpt(s, f, said, c);
		return;
	case MILTER_DELETE_RCPT:
		delete_rcpt(s, f, said->name, c);
		return;
	case MILTER_CHANGE_FROM:
		change_sender(s, f, said, c);
		return;
	case MILTER_QUARANTINE:
		hold(s, said->name, c);
		return;
	default:
		return;
	}
	c->headers++;
	if (w->over)
		not_done(s, f, "a field it wants does not fit", said->name);
	w->over = false;
}

static void
do_changes(struct session *s, const struct milter_peer *f, struct rewrite *w, struct changes *c)
{
	struct span rest = buf_span(&c->asked), data;
	struct milter_said said;
	char command;
	ssize_t n;

	while ((n = milter_packet(rest, &command, &data)) > 0) {
		if (milter_read(command, data, &said) == 0)
			do_one(s, f, &said, w, c);
		rest = (struct span){ rest.s + n, rest.len - (size_t)n };
	}
}

static bool
has_high(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] > 0x7f)
			return true;
	return false;
}

/* Sizes for the envelope, and the file as it is now. */
static struct reply
write_anew(struct session *s, struct rewrite *w, const struct changes *c)
{
	struct reception *r = &s->reception;
	struct buf head = BUF_INIT(4096);
	int rv;

	if (c->sender || c->rcpts > 0)
		receive_head(s, &head);
	rv = rewrite_finish(w, head.len > 0 ? &head : NULL);
	buf_free(&head);
	if (rv == -1)
		return reply_say(errno == ENOSPC || errno == EDQUOT ? SAY_DISK_FULL : SAY_WRITE_FAILED, NULL);
	r->file.octets = w->octets;
	r->file.lines = w->lines;
	r->file.head_octets = w->head_octets;
	r->file.ours = rewrite_ours(w);
	r->body.octets = r->body.lines = 0; /* counted with the file */
	r->body.eightbit = r->body.eightbit || w->eightbit || has_high(buf_span(&c->asked));
	return go_on;
}

static void
log_changes(const struct session *s, const struct milter_peer *f, const struct changes *c)
{
	if (c->headers > 0 || c->body || c->rcpts > 0 || c->sender || c->held != NULL)
		log_event(EV_MILTER_CHANGED, LS("id", s->d->submit.id), LS("milter", f->link.place->name), LN("headers", c->headers),
		    LS("body", c->body ? "new" : ""), LN("rcpts", c->rcpts), LS("sender", c->sender ? s->tx.sender : ""),
		    LS("held", c->held == NULL ? "" : c->held));
}

static struct reply
pass(struct session *s, struct milter_peer *f, struct rewrite *w, struct changes *c)
{
	struct reply r = tell_header(s, f, w);

	if (r.code == 0 && is_asked(s, f))
		r = tell_body(s, f, w);
	if (r.code == 0 && is_asked(s, f))
		r = tell_end(s, f, w, c);
	if (r.code != 0 || s->tx.discard)
		return r;
	if (w->spare && !c->body) { /* it broke off */
		w->spare = false;
		return ftruncate(w->fd, (off_t)w->octets) == 0 ? go_on : reply_say(SAY_WRITE_FAILED, NULL);
	}
	do_changes(s, f, w, c);
	r = write_anew(s, w, c);
	log_changes(s, f, c);
	return r;
}

/* --- all filters --------------------------------------------------------------------------- */

static struct reply
peer_message(struct session *s, struct milter_peer *f)
{
	const struct reception *got = &s->reception;
	struct changes c = { .asked = BUF_INIT(CHANGES_MAX) };
	struct rewrite w;
	struct reply r;

	if (rewrite_open(&w, got->file.fd, got->file.octets + got->body.octets, got->file.lines + got->body.lines,
	        got->file.head_octets, got->file.ours) == -1)
		r = reply_say(errno == EMSGSIZE ? SAY_HEADER_TOO_LARGE : SAY_WRITE_FAILED, NULL);
	else
		r = pass(s, f, &w, &c);
	s->tx.milter_message_id = SPAN("");
	rewrite_free(&w);
	buf_free(&c.asked);
	return r;
}

struct reply
milters_message(struct session *s)
{
	struct milters *ms = s->d->milters;
	struct reply r = go_on;

	for (size_t i = 0; ms != NULL && i < ms->n && r.code == 0; i++)
		if (is_asked(s, &ms->peers[i]))
			r = peer_message(s, &ms->peers[i]);
	return r.code == 0 ? reply_say(SAY_OK, NULL) : r;
}
