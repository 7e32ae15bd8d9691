/*
 * state_notes: ACCOUNT.notes: lines appended to a plain file beside the database.
 *
 *   BOOT open SECONDS               copies are being taken: no run has come to a good end since
 *   BOOT + d USER DIGEST            the queue has this user's copy
 *   BOOT + u UID OCTETS SINCE BOX DIGEST    all copies of this message are with the queue; DIGEST "%": not known
 *   BOOT - ...                      that is taken back
 *
 * One write(2) a message survives a kill, and costs nothing; each line names the boot it was written in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/store/state_parts.h"
#include "lib/sys/file.h"

#define NOTES_MAX (64 * 1024 * 1024)
#define BASE64_DIGEST 44

struct note *
state_find_note(struct state *s, enum note_kind kind, struct span name, const unsigned char *digest)
{
	for (size_t i = 0; i < s->note_count; i++) {
		struct note *n = &s->notes[i];

		if (n->kind == kind && (digest == NULL || memcmp(n->digest, digest, STATE_DIGEST_OCTETS) == 0) &&
		    span_is(name, n->name))
			return n;
	}
	return NULL;
}

struct note *
state_keep_note(struct state *s, enum note_kind kind, struct span name)
{
	if (s->note_count == s->note_room) {
		s->note_room = s->note_room == 0 ? 64 : s->note_room * 2;
		s->notes = mem_grow(s->notes, s->note_room, sizeof(*s->notes));
	}
	s->notes[s->note_count] = (struct note){ .kind = kind, .name = mem_dupn(name.s, name.len) };
	return &s->notes[s->note_count++];
}

void
state_drop_notes(struct state *s)
{
	for (size_t i = 0; i < s->note_count; i++)
		free(s->notes[i].name);
	s->note_count = 0;
	buf_reset(&s->unwritten);
}

char *
state_notes_path(const struct state *s, const char *account)
{
	struct buf file = BUF_INIT(4096);
	char *path;

	buf_addf(&file, "%s/", s->dir);
	word_encode(&file, account, strlen(account), "/.");
	buf_adds(&file, ".notes");
	path = mem_dup(buf_str(&file));
	buf_free(&file);
	return path;
}

/* --- writing ------------------------------------------------------------- */

int
state_flush_notes(struct state *s)
{
	int rv = buf_over(&s->unwritten) ? -1 : 0;

	if (rv == -1)
		errno = EMSGSIZE;
	else if (s->unwritten.len > 0)
		rv = file_write_all(s->notes_fd, s->unwritten.s, s->unwritten.len);
	if (rv == -1)
		log_error(EV_WARNING, LS("text", "cannot write the collector's notes"), LS("reason", strerror(errno)));
	buf_reset(&s->unwritten);
	return rv;
}

int
state_write_note(struct state *s, char sign, const struct note *n)
{
	struct buf *line = &s->unwritten;

	buf_addf(line, "%s %c %c ", s->boot, sign, (char)n->kind);
	word_encode(line, n->name, strlen(n->name), NULL);
	if (n->kind == NOTE_UID)
		buf_addf(line, " %llu %lld %lld", (unsigned long long)n->octets, (long long)n->since_s, (long long)n->box);
	buf_addc(line, ' ');
	if (n->has_digest)
		base64_add(line, n->digest, STATE_DIGEST_OCTETS);
	else
		buf_addc(line, '%');
	buf_addc(line, '\n');
	/* Copies wait for their message: until then the queue knows their keys. */
	return n->kind == NOTE_DIGEST && sign == '+' && line->len < line->max / 2 ? 0 : state_flush_notes(s);
}

/* --- reading ------------------------------------------------------------- */

static bool
read_digest(struct span word, struct note *n)
{
	unsigned char digest[STATE_DIGEST_OCTETS + 1];

	n->has_digest = word.len == BASE64_DIGEST && base64_decode(digest, word.s, word.len) == STATE_DIGEST_OCTETS;
	if (n->has_digest)
		memcpy(n->digest, digest, STATE_DIGEST_OCTETS);
	return n->has_digest;
}

/* What is behind the name. An earlier release wrote fewer words. */
static bool
read_rest(struct span rest, struct note *n)
{
	struct span word = span_cut(&rest, ' ');
	uint64_t since = 0, box = 0;

	if (n->kind == NOTE_DIGEST)
		return read_digest(word, n);
	if (n->kind != NOTE_UID || num_parse(word, INT64_MAX, &n->octets) == -1)
		return false;
	if (rest.s != NULL && num_parse(span_cut(&rest, ' '), INT64_MAX, &since) == -1)
		return false;
	if (rest.s != NULL && num_parse(span_cut(&rest, ' '), INT64_MAX, &box) == -1)
		return false;
	n->since_s = (int64_t)since;
	n->box = (int64_t)box;
	(void)read_digest(rest, n);
	return true;
}

static void
read_note(struct state *s, struct span line)
{
	struct span rest = line, boot = span_cut(&rest, ' '), sign, kind, word;
	struct note read = { 0 }, *n;
	char name[4096];
	struct span decoded = { name, 0 };
	ssize_t len;

	if (*s->boot == '\0' || !span_is(boot, s->boot))
		return;
	sign = span_cut(&rest, ' ');
	kind = span_cut(&rest, ' ');
	word = span_cut(&rest, ' ');
	if (kind.len != 1 || word.s == NULL || rest.s == NULL || word.len >= sizeof(name) ||
	    (len = word_decode(name, word.s, word.len)) == -1)
		return;
	read.kind = (enum note_kind)kind.s[0];
	decoded.len = (size_t)len;
	if (!read_rest(rest, &read))
		return;
	n = state_find_note(s, read.kind, decoded, read.kind == NOTE_DIGEST ? read.digest : NULL);
	if (span_is(sign, "+")) {
		if (n == NULL)
			n = state_keep_note(s, read.kind, decoded);
		read.name = n->name;
		*n = read;
	} else if (n != NULL)
		n->kind = NOTE_NONE;
}

/* Octets of the mark that stands first; 0: it does not. */
static off_t
find_mark(const struct buf *text)
{
	struct span rest = buf_span(text), line = span_cut(&rest, '\n'), word = line;

	span_cut(&word, ' ');
	return rest.s != NULL && word.s != NULL && span_is(span_cut(&word, ' '), "open") ? rest.s - text->s : 0;
}

int
state_read_notes(struct state *s, const char *file, bool *any)
{
	struct buf text = BUF_INIT(NOTES_MAX);
	struct span rest;

	if (file_slurp_at(AT_FDCWD, file, &text) == -1) {
		buf_free(&text);
		return -1;
	}
	*any = text.len > 0;
	s->mark = find_mark(&text);
	for (rest = buf_span(&text); rest.s != NULL;) {
		struct span line = span_cut(&rest, '\n');

		if (rest.s != NULL) /* what has no line end was cut off */
			read_note(s, line);
	}
	buf_free(&text);
	return 0;
}
