/*
 * receive: the message behind 354, or in chunks behind BDAT (RFC 3030), from the socket into the spool's file.
 *
 * Streams: a block at a time goes through body.c into the file; the head and
 * the Received field stand in the first block, so a small message is one
 * write. Whatever goes wrong, the client is heard to its true end before it
 * is told. Knows the order that makes 250 true (DESIGN section 3): written,
 * committed, linked, synced, answered.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "smtpd/body.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "smtpd/session.h"
#include "smtpd/trace.h"

/* A client slower than this, on the average and beyond one timeout, is cut off. */
#define RATE_FLOOR 100 /* octets a second */

static void
file_flush(struct file *f)
{
	if (f->used > 0 && f->fd != -1 && f->error == 0 && file_write_all(f->fd, f->block, f->used) == -1)
		f->error = errno;
	f->used = 0;
}

static const char *
with(const struct session *s)
{
	static const char *const utf8[2][2] = { { "UTF8SMTP", "UTF8SMTPS" }, { "UTF8SMTPA", "UTF8SMTPSA" } };
	static const char *const esmtp[2][2] = { { "ESMTP", "ESMTPS" }, { "ESMTPA", "ESMTPSA" } };
	bool login = s->user[0] != '\0';

	if (s->lmtp)
		return s->tls ? "LMTPS" : "LMTP"; /* RFC 3848 */
	if (s->tx.params.smtputf8)
		return utf8[login][s->tls]; /* RFC 6531, 4.3 */
	return s->esmtp || s->tls || login ? esmtp[login][s->tls] : "SMTP"; /* RFC 3848 */
}

/* The only final recipient, if it is a mailbox here. */
static const char *
only_mailbox(const struct rcpts *l)
{
	return l->n == 1 && l->r[0].action == RCPT_LOCAL ? l->r[0].address : NULL;
}

static size_t
lines_of(const struct buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += text->s[i] == '\n';
	return n;
}

static struct trace
trace_of(struct session *s)
{
	struct smtpd *d = s->d;

	return (struct trace){
		.sender = s->tx.sender,
		.mailbox = only_mailbox(&d->rcpts),
		.original = s->tx.rcpts_taken == 1 ? s->tx.original : NULL,
		.helo = s->helo,
		.peer = d->conf.received_hide_client && s->submission ? NULL : &s->conn->peer,
		.host = d->conf.hostname,
		.with = with(s),
		.facts = s->tls ? &s->facts : NULL,
		.id = d->submit.id,
		.now = s->reception.now,
	};
}

void
receive_head(struct session *s, struct buf *out)
{
	struct trace trace = trace_of(s);

	trace_head(&trace, out);
}

static void
write_trace(struct session *s, struct file *f)
{
	struct smtpd *d = s->d;
	struct trace trace = trace_of(s);

	buf_reset(&d->text);
	trace_head(&trace, &d->text);
	f->head_octets = d->text.len;
	trace_received(&trace, &d->text);
	f->octets = d->text.len;
	f->lines = lines_of(&d->text);
	memcpy(f->block, d->text.s, d->text.len); /* a few addresses: far below BLOCK_OCTETS */
	f->used = d->text.len;
}

/* More input. False: the client is gone, or too slow; s->why says so, errno is ETIMEDOUT
 * if it can still be told. */
static bool
more(struct session *s, deadline_ms start)
{
	struct io *io = &s->d->io;
	deadline_ms slow = start + (int64_t)(io->octets_in / RATE_FLOOR * 1000);
	deadline_ms patience = deadline_earlier(session_deadline(s), slow), until;
	deadline_ms hurry = deadline_earlier(deadline_in(HURRY_MS), slow - (int64_t)s->d->conf.smtpd_timeout * 1000 + HURRY_MS);
	int n;

	do {
		until = deadline_earlier(s->end, session_hurried(s) ? deadline_earlier(patience, hurry) : patience);
		n = io_fill(io, session_slice(s, until));
		if (n == -1 && errno == EINTR)
			session_interrupted(s);
	} while (n == -1 && (errno == EINTR || (errno == ETIMEDOUT && !deadline_over(until))));
	if (n == 1)
		return true;
	if (n == 0) {
		s->why = "eof in data";
		errno = 0;
	} else {
		s->why = errno == ETIMEDOUT ? "timeout in data" : strerror(errno);
	}
	return false;
}

/* What a slow client is measured from. */
static deadline_ms
start_of(const struct session *s)
{
	return deadline_in((int64_t)s->d->conf.smtpd_timeout * 1000 - (int64_t)(s->d->io.octets_in / RATE_FLOOR * 1000));
}

/* The fields that are missing go into the block at this place; end: of what is in it. What they take. */
static size_t
add_fields(struct session *s, size_t at, size_t end, bool alone)
{
	struct file *f = &s->reception.file;
	struct buf *text = &s->d->text;
	struct fixup_facts facts = { s->d->submit.id, s->d->conf.hostname,
		s->tx.sender[0] != '\0' ? s->tx.sender : s->user, s->reception.now };

	buf_reset(text);
	fixup_add(&s->reception.fixup, &facts, text);
	if (alone)
		buf_addc(text, '\n');
	if (text->len > FIXUP_OCTETS)
		return 0;
	memmove(f->block + at + text->len, f->block + at, end - at);
	memcpy(f->block + at, buf_str(text), text->len);
	f->octets += text->len;
	f->lines += lines_of(text);
	return text->len;
}

/* What just came into the block, completed: how many octets it is now. */
static size_t
complete(struct session *s, size_t made)
{
	struct reception *r = &s->reception;
	size_t used, end = r->file.used + made;

	switch (fixup_scan(&r->fixup, r->file.block + r->file.used, made, &used)) {
	case FIXUP_HERE:
		return made + add_fields(s, r->file.used + used, end, false);
	case FIXUP_ABOVE: /* a first line as long as the block stays what it is */
		return r->flushed ? made : made + add_fields(s, r->file.octets, end, true);
	case FIXUP_LATER:
		break;
	}
	return made;
}

/* The message was nothing but a header. */
static void
complete_end(struct session *s)
{
	struct file *f = &s->reception.file;

	if (s->reception.fixup.wanted)
		f->used += add_fields(s, f->used, f->used, false);
	s->reception.fixup.wanted = false;
}

/* As much of what was read as the block takes. */
static size_t
take_some(struct session *s, struct span in)
{
	struct file *f = &s->reception.file;
	size_t made, used;

	if (s->reception.fixup.wanted && in.len > BLOCK_OCTETS / 2)
		in.len = BLOCK_OCTETS / 2; /* there is room for fields */
	if (in.len >= BLOCK_OCTETS - f->used - (s->reception.fixup.wanted ? FIXUP_OCTETS : 0)) {
		file_flush(f);
		s->reception.flushed = true;
	}
	if (in.len >= BLOCK_OCTETS)
		in.len = BLOCK_OCTETS - 1; /* body_end may add one */
	used = body_feed(&s->reception.body, in.s, in.len, f->block + f->used, &made);
	if (s->reception.scanned)
		content_feed(&s->d->content, f->block + f->used, made);
	f->used += s->reception.fixup.wanted ? complete(s, made) : made;
	return used;
}

static bool
read_body(struct session *s)
{
	struct io *io = &s->d->io;
	deadline_ms start = start_of(s);

	while (!s->reception.body.ended) {
		struct span in = io_unread(io);

		if (in.len > 0)
			io_skip(io, take_some(s, in));
		else if (!more(s, start))
			return false;
	}
	complete_end(s);
	file_flush(&s->reception.file);
	return true;
}

/* The chunk's octets, into the file or nowhere. */
static bool
read_chunk(struct session *s, uint64_t left, bool wanted)
{
	struct io *io = &s->d->io;
	deadline_ms start = start_of(s);

	while (left > 0) {
		struct span in = io_unread(io);
		size_t used;

		if (in.len == 0) {
			if (!more(s, start))
				return false;
			continue;
		}
		if (in.len > left)
			in.len = (size_t)left;
		used = wanted ? take_some(s, in) : in.len;
		io_skip(io, used);
		left -= used;
	}
	return true;
}

/* Why the message cannot be taken, now that it has ended. SAY_OK: it can. */
static enum said
verdict(const struct body *b, const struct file *f)
{
	switch (b->fault) {
	case BODY_BARE_CR:
		return SAY_BARE_CR;
	case BODY_BARE_LF:
		return SAY_BARE_LF;
	case BODY_TOO_LARGE:
		return SAY_TOO_LARGE;
	case BODY_LOOP:
		return SAY_LOOP;
	case BODY_FINE:
		break;
	}
	if (f->error == ENOSPC || f->error == EDQUOT)
		return SAY_DISK_FULL;
	return f->error != 0 ? SAY_WRITE_FAILED : SAY_OK;
}

/* "[192.0.2.1] helo.example smtp" */
static const char *
client_field(struct session *s)
{
	struct buf *text = &s->d->text;

	buf_reset(text);
	buf_adds(text, s->client);
	buf_addc(text, ' ');
	word_encode(text, s->helo, strlen(s->helo), NULL);
	buf_addc(text, ' ');
	buf_adds(text, s->conn->service);
	return session_keep_text(s);
}

static struct reply
accepted(struct session *s, const struct envelope *env)
{
	struct submit *submit = &s->d->submit;
	struct buf *text = &s->d->text;

	s->messages++;
	s->idle = 0;
	log_event(EV_SMTPD_RECEIVED, LS("id", submit->id), LS("client", s->client), LS("service", s->conn->service),
	    LS("helo", s->helo), LS("sender", env->sender), LN("rcpts", env->rcpt_count),
	    LS("rcpt", env->rcpts[0].address), LN("octets", env->octets), LS("how", submit->how),
	    LS("tls", s->facts.version), LS("cipher", s->facts.cipher),
	    LS("cert", s->facts.name[0] != '\0' ? s->facts.name : s->facts.certificate), LS("user", s->user), LS("device", is_device(s) ? s->access.device.name : ""),
	    LS("rdns", s->rdns),
	    LS("fcrdns", s->rdns_asked ? (s->fcrdns ? "yes" : "no") : ""));
	for (const struct alias *a = s->tx.aliases; a != NULL; a = a->next)
		log_event(EV_SMTPD_ALIAS, LS("id", submit->id), LS("to", a->to), LN("rcpts", a->count), LS("rcpt", a->rcpt));
	buf_reset(text);
	buf_addf(text, "%s %s", submit->id, submit->how);
	return reply_say(SAY_ACCEPTED, session_keep_text(s));
}

static struct reply
commit(struct session *s)
{
	const struct body *b = &s->reception.body;
	const struct file *f = &s->reception.file;
	struct smtpd *d = s->d;
	struct reply r;
	struct envelope env = {
		.arrived_s = s->reception.now,
		.sender = s->tx.sender,
		.octets = f->octets + b->octets,
		.wire_octets = f->octets + f->lines + body_wire_octets(b),
		.head_octets = f->head_octets,
		.client = client_field(s),
		.body_8bit = b->eightbit,
		.smtputf8 = s->tx.params.smtputf8,
		.requiretls = s->tx.params.requiretls,
		.held = s->tx.held == NULL ? "" : s->tx.held,
		.ret = s->tx.params.ret == NULL ? "" : s->tx.params.ret,
		.envid = s->tx.envid == NULL ? "" : s->tx.envid,
		.rcpts = d->rcpts.r,
		.rcpt_count = d->rcpts.n,
	};

	if (submit_commit(&d->submit, &env, &r) == -1 || submit_sync(&d->submit, &r) == -1)
		return r;
	return accepted(s, &env);
}

static struct reply
discarded(struct session *s)
{
	s->messages++;
	s->idle = 0;
	log_event(EV_SMTPD_RECEIVED, LS("client", s->client), LS("service", s->conn->service), LS("helo", s->helo),
	    LS("sender", s->tx.sender), LN("rcpts", 0), LS("how", "discarded"));
	return reply_say(SAY_DISCARDED, NULL);
}

static void
begin(struct session *s)
{
	struct reception *r = &s->reception;
	struct smtpd *d = s->d;

	*r = (struct reception){ .file = { .fd = d->rcpts.n > 0 ? d->submit.msg_fd : -1, .block = d->block },
		.now = time(NULL), .begun = true };
	body_init(&r->body, d->conf.message_size_limit, d->conf.received_limit,
	    d->conf.smtpd_bare_newline_normalize && s->access.trusted);
	r->body.lf_ends = is_device(s);
	write_trace(s, &r->file);
	if ((s->submission || is_device(s)) && r->file.fd != -1) /* RFC 6409, 8; what others relay stays as it is */
		fixup_init(&r->fixup);
	r->scanned = content_any(&d->content);
	if (!r->scanned)
		return;
	content_begin(&d->content, d->conf.filter_body_limit);
	content_address(&d->content, s->tx.sender);
	if (s->tx.original != NULL)
		content_address(&d->content, s->tx.original);
	for (size_t i = 0; i < d->rcpts.n; i++)
		content_address(&d->content, d->rcpts.r[i].address);
}

/* --- filters and attachments ---------------------------------------------- */

static struct reply
refused_by(struct session *s, enum said said, const char *between, const char *text)
{
	struct buf *out = &s->d->text;

	buf_reset(out);
	buf_adds(out, reply_say(said, NULL).text);
	if (text[0] != '\0')
		buf_addf(out, "%s%s", between, text);
	return reply_say(said, session_keep_text(s));
}

static const char *
map_and_line(struct session *s, const char *map, unsigned line)
{
	buf_reset(&s->d->text);
	buf_addf(&s->d->text, "%s:%u", map, line);
	return session_keep_text(s);
}

static void
log_content(struct session *s, const char *by, const char *rule, const char *name, const char *reason)
{
	log_event(EV_SMTPD_CONTENT, LS("client", s->client), LS("service", s->conn->service), LS("sender", s->tx.sender),
	    LS("user", s->user), LS("by", by), LS("rule", rule), LS("name", name), LS("reason", reason));
}

/* A mask may hold letters that a reply may not (RFC 5321, 4.2). */
static const char *
speakable(const char *mask)
{
	for (const char *p = mask; *p != '\0'; p++)
		if (!ascii_print((unsigned char)*p))
			return "(a name like this)";
	return mask;
}

/* MIME that cannot be read goes through, unless the settings say otherwise; either way somebody may want to know. */
static struct reply
unreadable(struct session *s, const char *fault)
{
	log_content(s, "", "", "", fault);
	switch (s->d->conf.attachments_on_error) {
	case ON_ERROR_REJECT:
		return refused_by(s, SAY_UNREADABLE, "", fault);
	case ON_ERROR_DEFER:
		return refused_by(s, SAY_UNREADABLE_LATER, "", fault);
	case ON_ERROR_ACCEPT:
		break;
	}
	return reply_say(SAY_OK, NULL);
}

/* What filters and attachments say of the message, which has ended. */
static struct reply
content_reply(struct session *s)
{
	const struct content_verdict *v = content_end(&s->d->content);

	if (v->gave_up != NULL)
		log_content(s, map_and_line(s, "filters", v->gave_up->line), v->gave_up->name, "", "the expression takes too long");
	if (v->filter != NULL) {
		log_content(s, map_and_line(s, "filters", v->filter->line), v->filter->name, "", "");
		return refused_by(s, SAY_FILTERED, ": ", v->filter->text);
	}
	if (v->attachment != NULL) {
		log_content(s, map_and_line(s, "attachments", v->attachment->line), v->attachment->mask, v->name, "");
		buf_reset(&s->d->text);
		buf_addf(&s->d->text, "%s%s%s", speakable(v->attachment->mask), v->attachment->text[0] != '\0' ? ": " : "",
		    v->attachment->text);
		return refused_by(s, SAY_ATTACHMENT, "", session_keep_text(s));
	}
	return v->fault != NULL ? unreadable(s, v->fault) : reply_say(SAY_OK, NULL);
}

/* The client is gone, or too slow. */
static struct reply
cut_off(const struct session *s)
{
	if (errno == ETIMEDOUT)
		return reply_say(s->stopping ? SAY_STOPPING : SAY_TIMEOUT, NULL);
	return (struct reply){ .code = 0 };
}

/* The message is there as a whole. */
static struct reply
end(struct session *s)
{
	enum said said = verdict(&s->reception.body, &s->reception.file);
	struct smtpd *d = s->d;
	struct reply r = reply_say(said, NULL);

	s->state = READY;
	if (r.code == 250 && s->reception.scanned)
		r = content_reply(s);
	if (r.code == 250 && d->rcpts.n > 0)
		r = milters_message(s);
	s->reception.begun = false;
	if (r.code == 250 && d->rcpts.n > 0 && !s->tx.discard)
		return commit(s);
	submit_abort(&d->submit);
	return r.code == 250 ? discarded(s) : r;
}

struct reply
receive_message(struct session *s)
{
	begin(s);
	return read_body(s) ? end(s) : cut_off(s);
}

/* --- BDAT ----------------------------------------------------------------- */

static struct reply
last_chunk(struct session *s)
{
	struct file *f = &s->reception.file;
	size_t made;

	body_end(&s->reception.body, f->block + f->used, &made);
	if (s->reception.scanned)
		content_feed(&s->d->content, f->block + f->used, made);
	f->used += s->reception.fixup.wanted ? complete(s, made) : made;
	complete_end(s);
	file_flush(f);
	return end(s);
}

static struct reply
chunk_taken(struct session *s)
{
	struct buf *text = &s->d->text;
	enum said said = verdict(&s->reception.body, &s->reception.file);

	if (said != SAY_OK) { /* it is over; the client need not send the rest (RFC 3030, 2) */
		s->state = READY;
		return reply_say(said, NULL);
	}
	s->state = CHUNK;
	buf_reset(text);
	buf_addf(text, "%llu octets taken", (unsigned long long)s->chunk.octets);
	return reply_say(SAY_CHUNK, session_keep_text(s));
}

struct reply
receive_chunk(struct session *s)
{
	struct reply r = reply_say(SAY_BDAT_EARLY, NULL);
	bool wanted = s->chunk.wanted;

	s->state = wanted ? READY : s->chunk.said_in;
	if (wanted && !s->reception.begun) {
		wanted = s->d->rcpts.n == 0 || submit_open(&s->d->submit, &r) == 0;
		if (wanted) {
			r = milters_data(s);
			wanted = r.code == 0;
			if (wanted)
				begin(s);
			else
				submit_abort(&s->d->submit);
		}
	}
	s->reception.body.counted = true;
	if (!read_chunk(s, s->chunk.octets, wanted))
		return cut_off(s);
	if (!wanted)
		return r;
	return s->chunk.last ? last_chunk(s) : chunk_taken(s);
}
