/*
 * state: what the collector knows of messages: which UIDs and which digests it has taken.
 *
 * Notes become settled in one durable transaction for a whole batch of them. What cannot be known after a run that was
 * cut off is not guessed at: the next run is doubtful, and asks the queue and the mailboxes (state_key()).
 */
#include "lib/store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mail/digest.h"
#include "lib/store/state_parts.h"
#include "lib/sys/file.h"

/* --- a run on an account ------------------------------------------------- */

static int
open_notes(struct state *s, const char *account, bool *cut_off)
{
	char *path = state_notes_path(s, account);
	int rv = -1;

	file_close(s->notes_fd);
	s->notes_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	state_drop_notes(s);
	s->mark = 0;
	if (s->notes_fd != -1)
		rv = state_read_notes(s, path, cut_off);
	if (rv == -1)
		log_error(EV_WARNING, LS("text", "cannot use the collector's notes"), LS("reason", strerror(errno)));
	free(path);
	return rv;
}

/*
 * The line that says that copies are being taken: written before the first one, it stays until a run comes to a good
 * end. A doubt that is there already goes on so.
 */
static int
write_mark(struct state *s)
{
	off_t length;

	if (s->notes_fd == -1 || s->mark != 0)
		return 0;
	buf_reset(&s->unwritten);
	buf_addf(&s->unwritten, "%s open %lld\n", *s->boot != '\0' ? s->boot : "-", (long long)s->now());
	length = (off_t)s->unwritten.len;
	if (state_flush_notes(s) == -1)
		return -1;
	s->mark = length;
	return 0;
}

int
state_recover(struct state *s, const char *account)
{
	bool cut_off = false;

	if (state_use(s, account) == -1 || open_notes(s, account, &cut_off) == -1)
		return -1;
	s->asked = 0;
	s->listed_s = 0;
	s->doubtful = cut_off || *s->boot == '\0' || strcmp(s->boot, s->clean_boot) != 0;
	if (s->note_count > 0) {
		sync(); /* the process that noted them died before it could sync each */
		if (state_settle(s, account) == -1)
			return -1;
	}
	if (ftruncate(s->notes_fd, s->mark) == -1)
		return -1;
	return s->doubtful ? write_mark(s) : 0;
}

bool
state_doubtful(const struct state *s)
{
	return s->doubtful;
}

int
state_box(struct state *s, const char *account, const char *folder, uint64_t validity)
{
	sqlite3_stmt *st;
	int rv = state_use(s, account);
	int64_t box = 0, was = 0;

	state_listing_drop(s); /* of another folder */
	if (rv == -1)
		return -1;
	st = state_start(s, Q_BOX, s->account);
	state_bind_text(st, 2, folder);
	rv = state_fetch(s, st);
	if (rv == 1) {
		box = sqlite3_column_int64(st, 0);
		was = sqlite3_column_int64(st, 1);
		sqlite3_reset(st);
	}
	if (rv == -1 || (rv == 1 && was == (int64_t)validity)) {
		s->box = rv == 1 ? box : s->box;
		return rv == 1 ? 0 : -1;
	}
	if (state_begin(s) == -1)
		return -1;
	if (rv == 0) {
		st = state_start(s, Q_NEW_BOX, s->account);
		state_bind_text(st, 2, folder);
		sqlite3_bind_int64(st, 3, (int64_t)validity);
		rv = state_run_it(s, st);
		box = sqlite3_last_insert_rowid(s->db);
	} else {
		st = state_start(s, Q_BOX_VALIDITY, box);
		sqlite3_bind_int64(st, 2, (int64_t)validity);
		rv = state_run_it(s, st) == 0 ? state_run_it(s, state_start(s, Q_EMPTY_BOX, box)) : -1;
	}
	rv = state_commit(s, rv);
	if (rv == 0)
		s->box = box;
	return rv;
}

/* --- notes --------------------------------------------------------------- */

int
state_note_digest(struct state *s, const char *account, const char *user,
    const unsigned char digest[STATE_DIGEST_OCTETS])
{
	struct note *n = state_keep_note(s, NOTE_DIGEST, span_of(user));

	(void)account;
	s->asked -= s->asked > 0;
	n->has_digest = true;
	memcpy(n->digest, digest, STATE_DIGEST_OCTETS);
	return state_write_note(s, '+', n);
}

int
state_note_uid(struct state *s, const char *account, struct span uid, uint64_t octets, int64_t since_s,
    const unsigned char *digest)
{
	struct note *n;

	if (state_use(s, account) == -1)
		return -1;
	n = state_keep_note(s, NOTE_UID, uid);
	n->octets = octets;
	n->since_s = since_s;
	n->box = s->box;
	n->has_digest = digest != NULL;
	if (digest != NULL)
		memcpy(n->digest, digest, STATE_DIGEST_OCTETS);
	return state_write_note(s, '+', n);
}

static int
take_back(struct state *s, struct note *n)
{
	int rv = n == NULL ? 0 : state_write_note(s, '-', n);

	if (n != NULL)
		n->kind = NOTE_NONE;
	return rv;
}

int
state_forget(struct state *s, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS],
    struct span uid)
{
	int rv = take_back(s, state_find_note(s, NOTE_DIGEST, span_of(user), digest));

	(void)account;
	if (uid.len > 0 && take_back(s, state_find_note(s, NOTE_UID, uid, NULL)) == -1)
		rv = -1;
	return rv;
}

/* --- keys ---------------------------------------------------------------- */

#define KEY_DIGITS 20 /* 100 bits */

void
state_key(struct state *s, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS],
    char out[LIMIT_KEY])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	unsigned char hash[DIGEST_OCTETS];
	struct digest *d = digest_new();

	digest_add(d, account, strlen(account) + 1);
	digest_add(d, user, strlen(user) + 1);
	digest_add(d, digest, STATE_DIGEST_OCTETS);
	/* Who has the collector forget wants everything again. */
	if (state_use(s, account) == 0 && s->generation != 0)
		digest_add(d, &s->generation, sizeof(s->generation));
	digest_end(d, hash);
	for (size_t i = 0; i < KEY_DIGITS; i++)
		out[i] = digits[hash[i] & 31];
	out[KEY_DIGITS] = '\0';
}

/* --- messages ------------------------------------------------------------ */

static int
put_uid(struct state *s, const struct note *n, const char *as)
{
	sqlite3_stmt *st = state_start(s, Q_PUT_UID, n->box != 0 ? n->box : s->box);

	state_bind(st, 2, n->name, strlen(n->name));
	sqlite3_bind_int64(st, 3, (int64_t)n->octets);
	state_bind_text(st, 4, as);
	sqlite3_bind_int64(st, 5, n->since_s);
	if (n->has_digest)
		state_bind(st, 6, n->digest, STATE_DIGEST_OCTETS);
	return state_run_it(s, st);
}

static int
put_digest(struct state *s, const struct note *n)
{
	sqlite3_stmt *st = state_start(s, n->kind == NOTE_DIGEST ? Q_PUT_DIGEST : Q_SEE_DIGEST, s->account);

	state_bind(st, 2, n->digest, STATE_DIGEST_OCTETS);
	if (n->kind == NOTE_DIGEST)
		state_bind_text(st, 3, n->name);
	sqlite3_bind_int64(st, n->kind == NOTE_DIGEST ? 4 : 3, s->now());
	return state_run_it(s, st);
}

int
state_uid(struct state *s, const char *account, struct span uid, uint64_t octets, enum state_uid *out,
    int64_t *since_s)
{
	sqlite3_stmt *st;
	const char *as;
	int rv;

	*out = STATE_UID_NEW;
	*since_s = 0;
	if (s->listing) {
		uint32_t first;

		state_listed(s, uid, octets, 0, out, &first);
		return 0;
	}
	if (state_use(s, account) == -1)
		return -1;
	st = state_start(s, Q_UID, s->box);
	state_bind(st, 2, uid.s, uid.len);
	sqlite3_bind_int64(st, 3, (int64_t)octets);
	rv = state_fetch(s, st);
	if (rv != 1)
		return rv;
	as = (const char *)sqlite3_column_text(st, 0);
	*out = as != NULL && strcmp(as, "left") == 0 ? STATE_UID_LEFT : STATE_UID_TAKEN;
	*since_s = sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return 0;
}

static void
see_again(struct state *s, const unsigned char digest[STATE_DIGEST_OCTETS])
{
	struct note *n;

	if (state_find_note(s, NOTE_AGAIN, SPAN(""), digest) != NULL)
		return;
	n = state_keep_note(s, NOTE_AGAIN, SPAN(""));
	n->has_digest = true;
	memcpy(n->digest, digest, STATE_DIGEST_OCTETS);
}

int
state_seen(struct state *s, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS])
{
	sqlite3_stmt *st;
	int rv;

	if (state_find_note(s, NOTE_DIGEST, span_of(user), digest) != NULL)
		return 1;
	if (state_use(s, account) == -1)
		return -1;
	st = state_start(s, Q_SEEN, s->account);
	state_bind(st, 2, digest, STATE_DIGEST_OCTETS);
	state_bind_text(st, 3, user);
	rv = state_fetch(s, st);
	if (rv == 0) {
		s->asked++;
		rv = write_mark(s);
	}
	if (rv == 1) {
		if (s->now() - sqlite3_column_int64(st, 0) > DAY_S)
			see_again(s, digest);
		sqlite3_reset(st);
	}
	return rv;
}

int64_t
state_first_seen(struct state *s, const char *account, const unsigned char digest[STATE_DIGEST_OCTETS])
{
	sqlite3_stmt *st;
	int64_t since_s = 0;

	if (state_use(s, account) == -1)
		return s->now();
	st = state_start(s, Q_FIRST_SEEN, s->account);
	state_bind(st, 2, digest, STATE_DIGEST_OCTETS);
	if (state_fetch(s, st) == 1) {
		since_s = sqlite3_column_int64(st, 0); /* of nothing: 0 */
		sqlite3_reset(st);
	}
	return since_s != 0 ? since_s : s->now();
}

int
state_left(struct state *s, const char *account, struct span uid, uint64_t octets)
{
	struct note n = { .kind = NOTE_UID, .octets = octets, .since_s = s->now() };
	int rv = state_use(s, account);

	if (rv == 0) {
		n.name = mem_dupn(uid.s, uid.len);
		rv = put_uid(s, &n, "left");
		free(n.name);
	}
	return rv;
}

int
state_deleted(struct state *s, const char *account, const struct span *uids, size_t n)
{
	int rv = 0;

	if (n == 0)
		return 0;
	if (state_use(s, account) == -1 || state_begin(s) == -1)
		return -1;
	for (size_t i = 0; i < n && rv == 0; i++) {
		sqlite3_stmt *st = state_start(s, Q_DELETED, s->box);

		state_bind(st, 2, uids[i].s, uids[i].len);
		rv = state_run_it(s, st);
	}
	return state_commit(s, rv);
}

int
state_settle(struct state *s, const char *account)
{
	int rv = 0;

	if (s->note_count == 0)
		return 0;
	if (state_use(s, account) == -1 || state_begin(s) == -1)
		return -1;
	for (size_t i = 0; i < s->note_count && rv == 0; i++) {
		const struct note *n = &s->notes[i];

		if (n->kind == NOTE_UID)
			rv = put_uid(s, n, "taken");
		else if (n->kind != NOTE_NONE)
			rv = put_digest(s, n);
	}
	if (state_commit(s, rv) == -1)
		return -1;
	state_drop_notes(s);
	return ftruncate(s->notes_fd, s->mark);
}

/* --- digests that fade --------------------------------------------------- */

/* What is still listed is still seen: its message may come again under another UID. */
static int
refresh(struct state *s, int64_t now, int64_t before_s)
{
	sqlite3_stmt *st = state_start(s, Q_OLD_DIGESTS, s->account), *see;
	int rv;

	sqlite3_bind_int64(st, 2, before_s);
	while ((rv = state_fetch(s, st)) == 1) {
		see = state_start(s, Q_SEE_DIGEST, s->account);
		state_bind(see, 2, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		sqlite3_bind_int64(see, 3, now);
		if (state_run_it(s, see) == -1) {
			sqlite3_reset(st);
			return -1;
		}
	}
	return rv;
}

static int
expire(struct state *s, const char *account, int64_t now)
{
	int64_t before_s = now - (int64_t)STATE_DIGEST_DAYS * DAY_S;
	sqlite3_stmt *st = state_start(s, Q_FADING, s->account);
	int rv;

	sqlite3_bind_int64(st, 2, before_s);
	rv = state_fetch(s, st);
	sqlite3_reset(st);
	if (rv == -1 || (rv == 1 && refresh(s, now, before_s) == -1))
		return -1;
	st = state_start(s, Q_EXPIRE, s->account);
	sqlite3_bind_int64(st, 2, before_s);
	if (state_run_it(s, st) == -1)
		return -1;
	st = state_start_for(s, Q_EXPIRE_FACTS, account);
	sqlite3_bind_int64(st, 2, before_s);
	if (state_run_it(s, st) == -1)
		return -1;
	st = state_start(s, Q_EXPIRED, s->account);
	sqlite3_bind_int64(st, 2, now);
	return state_run_it(s, st);
}

int
state_expire(struct state *s, const char *account)
{
	int64_t now = s->now();

	if (state_use(s, account) == -1)
		return -1;
	if (now - s->expired_s < DAY_S && now >= s->expired_s)
		return 0;
	if (state_begin(s) == -1 || state_commit(s, expire(s, account, now)) == -1)
		return -1;
	s->expired_s = now;
	return 0;
}

/* --- facts ---------------------------------------------------------------- */

int
state_fact(struct state *s, const char *account, const char *name, struct buf *value, int64_t *since_s)
{
	sqlite3_stmt *st = state_start_for(s, Q_FACT, account);
	const char *text;
	int rv;

	state_bind_text(st, 2, name);
	rv = state_fetch(s, st);
	if (rv != 1)
		return rv;
	text = (const char *)sqlite3_column_text(st, 0);
	buf_adds(value, text != NULL ? text : "");
	*since_s = sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return 1;
}

int
state_fact_set(struct state *s, const char *account, const char *name, const char *value)
{
	sqlite3_stmt *st = state_start_for(s, value != NULL ? Q_SET_FACT : Q_DROP_FACT, account);

	state_bind_text(st, 2, name);
	if (value != NULL) {
		state_bind_text(st, 3, value);
		sqlite3_bind_int64(st, 4, s->now());
	}
	return state_run_it(s, st);
}

/* --- the end of a run ---------------------------------------------------- */

/*
 * Is there nothing now of which the queue knows and we do not? What an earlier run was cut off from is asked for when it
 * comes, so a run must have got to the end of the listing before the doubt is over.
 */
static bool
is_clean(const struct state *s, const struct state_run *r)
{
	return s->note_count == 0 && s->asked == 0 && (!s->doubtful || (*r->error == '\0' && !r->postponed));
}

static int
save_run(struct state *s, const char *account, const struct state_run *r)
{
	sqlite3_stmt *st = state_start_for(s, Q_SAVE_RUN, account);

	sqlite3_bind_int64(st, 2, r->started_s);
	sqlite3_bind_int64(st, 3, r->ended_s);
	sqlite3_bind_int64(st, 4, (int64_t)r->messages);
	sqlite3_bind_int64(st, 5, (int64_t)r->octets);
	sqlite3_bind_int64(st, 6, (int64_t)r->left);
	state_bind_text(st, 7, r->error);
	return state_run_it(s, st);
}

int
state_save_listing(struct state *s)
{
	sqlite3_stmt *st = state_start(s, Q_BOX_LISTED, s->listed_box);

	if (s->listed_s == 0)
		return 0;
	sqlite3_bind_int64(st, 2, s->listed_s);
	sqlite3_bind_int64(st, 3, (int64_t)s->listed_last);
	s->listed_s = 0;
	return state_run_it(s, st);
}

int
state_run_save(struct state *s, const char *account, const struct state_run *r)
{
	bool clean = s->notes_fd != -1 && is_clean(s, r);
	sqlite3_stmt *st;
	int rv;

	if (state_begin(s) == -1)
		return -1;
	rv = save_run(s, account, r) == 0 ? state_save_listing(s) : -1;
	if (rv == 0 && clean) {
		st = state_start_for(s, Q_CLEAN, account);
		state_bind_text(st, 2, s->boot);
		rv = state_run_it(s, st);
	}
	rv = state_commit(s, rv);
	if (rv == -1 || !clean)
		return rv;
	/* Another round may follow. */
	s->doubtful = false;
	s->mark = 0;
	return ftruncate(s->notes_fd, 0);
}

int
state_run_last(struct state *s, const char *account, struct state_run *out)
{
	sqlite3_stmt *st = state_start_for(s, Q_LAST_RUN, account);
	const char *error;
	int rv = state_fetch(s, st);

	*out = (struct state_run){ 0 };
	if (rv != 1)
		return rv;
	out->started_s = sqlite3_column_int64(st, 0);
	out->ended_s = sqlite3_column_int64(st, 1);
	out->messages = (uint64_t)sqlite3_column_int64(st, 2);
	out->octets = (uint64_t)sqlite3_column_int64(st, 3);
	out->left = (uint64_t)sqlite3_column_int64(st, 4);
	error = (const char *)sqlite3_column_text(st, 5);
	strlcpy(out->error, error != NULL ? error : "", sizeof(out->error));
	sqlite3_reset(st);
	return 1;
}
