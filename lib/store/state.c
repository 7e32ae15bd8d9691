/*
 * state: the collector's memory, over SQLite.
 *
 * Notes are lines appended to a plain file beside the database, one write(2) each: that survives a kill, costs
 * nothing, and each line names the boot it was written in. Settling is one durable transaction for a whole
 * batch of them.
 */
#include "lib/store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/mail/digest.h"
#include "lib/store/instance.h"
#include "lib/sys/file.h"

#define BUSY_MS 60000
#define DAY_S 86400

// clang-format off
static const char *const schema =
	"CREATE TABLE IF NOT EXISTS uid ("
	" account TEXT NOT NULL, uid BLOB NOT NULL,"
	" octets INTEGER NOT NULL," /* as the upstream lists it */
	" state TEXT NOT NULL,"     /* taken, left */
	" since_s INTEGER NOT NULL,"
	" PRIMARY KEY (account, uid)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS digest ("
	" account TEXT NOT NULL, digest BLOB NOT NULL, user TEXT NOT NULL, since_s INTEGER NOT NULL,"
	" PRIMARY KEY (account, digest, user)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS run ("
	" account TEXT PRIMARY KEY, started_s INTEGER, ended_s INTEGER, messages INTEGER, octets INTEGER,"
	" left_there INTEGER, error TEXT) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS fact ("
	" account TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, since_s INTEGER NOT NULL,"
	" PRIMARY KEY (account, name)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS digest_age ON digest (account, since_s);"
	"PRAGMA user_version = 1;";

enum query {
	Q_UID, Q_SEEN, Q_PUT_DIGEST, Q_PUT_UID, Q_DELETED, Q_EXPIRE, Q_SAVE_RUN, Q_LAST_RUN, Q_FIRST_SEEN, Q_FACT, Q_SET_FACT,
	Q_DROP_FACT, Q_EXPIRE_FACTS, Q_COUNT
};
/* ?1 is always the account. */
static const char *const queries[Q_COUNT] = {
	[Q_UID] = "SELECT state, since_s FROM uid WHERE account = ?1 AND uid = ?2 AND octets = ?3",
	[Q_SEEN] = "SELECT 1 FROM digest WHERE account = ?1 AND digest = ?2 AND user = ?3",
	[Q_PUT_DIGEST] = "INSERT OR IGNORE INTO digest VALUES (?1, ?2, ?3, ?4)",
	[Q_PUT_UID] = "INSERT OR REPLACE INTO uid VALUES (?1, ?2, ?3, ?4, ?5)",
	[Q_DELETED] = "DELETE FROM uid WHERE account = ?1 AND uid = ?2",
	[Q_EXPIRE] = "DELETE FROM digest WHERE account = ?1 AND since_s < ?2",
	[Q_SAVE_RUN] = "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[Q_FIRST_SEEN] = "SELECT MIN(since_s) FROM digest WHERE account = ?1 AND digest = ?2",
	[Q_FACT] = "SELECT value, since_s FROM fact WHERE account = ?1 AND name = ?2",
	[Q_SET_FACT] = "INSERT OR REPLACE INTO fact VALUES (?1, ?2, ?3, ?4)",
	[Q_DROP_FACT] = "DELETE FROM fact WHERE account = ?1 AND name = ?2",
	[Q_EXPIRE_FACTS] = "DELETE FROM fact WHERE account = ?1 AND since_s < ?2 AND name LIKE '" STATE_FACT_FADING "%'",
	[Q_LAST_RUN] = "SELECT started_s, ended_s, messages, octets, left_there, error FROM run WHERE account = ?1",
};
// clang-format on

struct note {
	enum note_kind { NOTE_NONE, NOTE_DIGEST = 'd', NOTE_UID = 'u' } kind;
	unsigned char digest[STATE_DIGEST_OCTETS];
	char *name; /* the user, or the UID */
	uint64_t octets;
	int64_t since_s; /* of a UID: when the message was first seen */
};

struct state {
	sqlite3 *db;
	sqlite3_stmt *ready[Q_COUNT];
	char boot[40]; /* this run of the kernel */
	char *dir;
	int notes_fd;  /* of the account that state_recover() was asked for */
	struct note *notes;
	size_t note_count, note_room;
	bool doubtful;
};

static int
complain(struct state *s)
{
	log_error(EV_WARNING, LS("text", "cannot use the collector's state"), LS("reason", sqlite3_errmsg(s->db)));
	errno = EIO;
	return -1;
}

static int
execute(struct state *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static void
read_boot(struct state *s)
{
	struct buf id = BUF_INIT(sizeof(s->boot) - 1);

	if (file_slurp_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &id) == 0)
		strlcpy(s->boot, buf_str(&id), sizeof(s->boot));
	s->boot[strcspn(s->boot, " \n")] = '\0';
	buf_free(&id);
}

struct state *
state_open(const char *dir, struct buf *why)
{
	struct state *s = mem_alloc(1, sizeof(*s));
	char *path = instance_path(dir, "collect.db");
	bool fine = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK;

	if (fine) {
		sqlite3_busy_timeout(s->db, BUSY_MS);
		sqlite3_extended_result_codes(s->db, 1);
		fine = execute(s, "PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;") == 0 &&
		    execute(s, schema) == 0;
	}
	for (size_t i = 0; fine && i < Q_COUNT; i++)
		fine = sqlite3_prepare_v3(s->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &s->ready[i], NULL) ==
		    SQLITE_OK;
	if (!fine) {
		buf_addf(why, "cannot open %s: %s", path, sqlite3_errmsg(s->db));
		state_close(s);
		s = NULL;
	} else {
		read_boot(s);
		s->dir = mem_dup(dir);
		s->notes_fd = -1;
	}
	free(path);
	return s;
}

static void
drop_notes(struct state *s)
{
	for (size_t i = 0; i < s->note_count; i++)
		free(s->notes[i].name);
	s->note_count = 0;
}

void
state_close(struct state *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->ready[i]);
	sqlite3_close(s->db);
	if (s->dir != NULL)
		file_close(s->notes_fd);
	drop_notes(s);
	free(s->notes);
	free(s->dir);
	free(s);
}

/* --- statements ---------------------------------------------------------- */

static sqlite3_stmt *
start(struct state *s, enum query q, const char *account)
{
	sqlite3_stmt *st = s->ready[q];

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	sqlite3_bind_text(st, 1, account, -1, SQLITE_TRANSIENT);
	return st;
}

static void
bind_octets(sqlite3_stmt *st, int at, const void *octets, size_t n)
{
	sqlite3_bind_blob64(st, at, octets, n, SQLITE_TRANSIENT);
}

static void
bind_text(sqlite3_stmt *st, int at, const char *text)
{
	sqlite3_bind_text(st, at, text, -1, SQLITE_TRANSIENT);
}

/* A statement that gives no row. */
static int
run(struct state *s, sqlite3_stmt *st)
{
	int rv = sqlite3_step(st);

	sqlite3_reset(st);
	return rv == SQLITE_DONE ? 0 : complain(s);
}

/* 1: a row (the caller resets), 0: none, -1. */
static int
fetch(struct state *s, sqlite3_stmt *st)
{
	int rv = sqlite3_step(st);

	if (rv == SQLITE_ROW)
		return 1;
	sqlite3_reset(st);
	return rv == SQLITE_DONE ? 0 : complain(s);
}

static int
end_transaction(struct state *s, int rv)
{
	if (rv == 0 && execute(s, "COMMIT") == 0)
		return 0;
	if (rv == 0)
		complain(s);
	(void)execute(s, "ROLLBACK");
	return -1;
}

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- notes --------------------------------------------------------------- */

static struct note *
find_note(struct state *s, enum note_kind kind, struct span name, const unsigned char *digest)
{
	for (size_t i = 0; i < s->note_count; i++) {
		struct note *n = &s->notes[i];

		if (n->kind == kind && span_is(name, n->name) &&
		    (digest == NULL || memcmp(n->digest, digest, STATE_DIGEST_OCTETS) == 0))
			return n;
	}
	return NULL;
}

static struct note *
keep_note(struct state *s, enum note_kind kind, struct span name)
{
	if (s->note_count == s->note_room) {
		s->note_room = s->note_room == 0 ? 64 : s->note_room * 2;
		s->notes = mem_grow(s->notes, s->note_room, sizeof(*s->notes));
	}
	s->notes[s->note_count] = (struct note){ .kind = kind, .name = mem_dupn(name.s, name.len) };
	return &s->notes[s->note_count++];
}

static void
keep_uid(struct state *s, struct span uid, uint64_t octets, int64_t since_s)
{
	struct note *n = keep_note(s, NOTE_UID, uid);

	n->octets = octets;
	n->since_s = since_s;
}

static void
unkeep(struct note *n)
{
	if (n != NULL)
		n->kind = NOTE_NONE;
}

/* "BOOT + d USER DIGEST" or "BOOT + u UID OCTETS SINCE"; "-" takes it back. */
static int
write_note(struct state *s, char sign, enum note_kind kind, struct span name, const unsigned char *digest,
    uint64_t octets, int64_t since_s)
{
	struct buf line = BUF_INIT(4096);
	int rv;

	buf_addf(&line, "%s %c %c ", s->boot, sign, (char)kind);
	word_encode(&line, name.s, name.len, NULL);
	buf_addc(&line, ' ');
	if (kind == NOTE_DIGEST)
		base64_add(&line, digest, STATE_DIGEST_OCTETS);
	else
		buf_addf(&line, "%llu %lld", (unsigned long long)octets, (long long)since_s);
	buf_addc(&line, '\n');
	rv = file_write_all(s->notes_fd, line.s, line.len);
	if (rv == -1)
		log_error(EV_WARNING, LS("text", "cannot write the collector's notes"), LS("reason", strerror(errno)));
	buf_free(&line);
	return rv;
}

static void
read_note(struct state *s, struct span line)
{
	struct span rest = line, boot = span_cut(&rest, ' '), sign, kind, word;
	unsigned char digest[STATE_DIGEST_OCTETS + 1] = { 0 };
	char name[1024];
	uint64_t octets = 0, since_s = 0;
	ssize_t n;

	if (*s->boot == '\0' || !span_is(boot, s->boot))
		return;
	sign = span_cut(&rest, ' ');
	kind = span_cut(&rest, ' ');
	word = span_cut(&rest, ' ');
	if (word.s == NULL || rest.s == NULL || word.len >= sizeof(name) || (n = word_decode(name, word.s, word.len)) == -1)
		return;
	if (span_is(kind, "d") && rest.len == 44 && base64_decode(digest, rest.s, rest.len) == STATE_DIGEST_OCTETS) {
		if (span_is(sign, "+"))
			memcpy(keep_note(s, NOTE_DIGEST, (struct span){ name, (size_t)n })->digest, digest,
			    STATE_DIGEST_OCTETS);
		else
			unkeep(find_note(s, NOTE_DIGEST, (struct span){ name, (size_t)n }, digest));
	} else if (span_is(kind, "u") && num_parse(span_cut(&rest, ' '), INT64_MAX, &octets) == 0 && rest.s != NULL &&
	    num_parse(rest, INT64_MAX, &since_s) == 0) {
		if (span_is(sign, "+"))
			keep_uid(s, (struct span){ name, (size_t)n }, octets, (int64_t)since_s);
		else
			unkeep(find_note(s, NOTE_UID, (struct span){ name, (size_t)n }, NULL));
	}
}

static int
read_notes(struct state *s, const char *file)
{
	struct buf text = BUF_INIT(64 * 1024 * 1024);
	struct span rest;

	if (file_slurp_at(AT_FDCWD, file, &text) == -1) {
		buf_free(&text);
		return -1;
	}
	for (rest = buf_span(&text); rest.s != NULL;) {
		struct span line = span_cut(&rest, '\n');

		if (rest.s != NULL) /* what has no line end was cut off */
			read_note(s, line);
	}
	buf_free(&text);
	return 0;
}

int
state_note_digest(struct state *s, const char *account, const char *user,
    const unsigned char digest[STATE_DIGEST_OCTETS])
{
	(void)account;
	memcpy(keep_note(s, NOTE_DIGEST, span_of(user))->digest, digest, STATE_DIGEST_OCTETS);
	return write_note(s, '+', NOTE_DIGEST, span_of(user), digest, 0, 0);
}

int
state_note_uid(struct state *s, const char *account, struct span uid, uint64_t octets, int64_t since_s)
{
	(void)account;
	keep_uid(s, uid, octets, since_s);
	return write_note(s, '+', NOTE_UID, uid, NULL, octets, since_s);
}

int
state_forget(struct state *s, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS],
    struct span uid)
{
	(void)account;
	unkeep(find_note(s, NOTE_DIGEST, span_of(user), digest));
	unkeep(find_note(s, NOTE_UID, uid, NULL));
	if (write_note(s, '-', NOTE_DIGEST, span_of(user), digest, 0, 0) == -1)
		return -1;
	return uid.len == 0 ? 0 : write_note(s, '-', NOTE_UID, uid, NULL, 0, 0);
}

/* --- keys ---------------------------------------------------------------- */

#define KEY_DIGITS 20 /* 100 bits */

void
state_key(const struct state *s, const char *account, const char *user,
    const unsigned char digest[STATE_DIGEST_OCTETS], char out[LIMIT_KEY])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	unsigned char hash[DIGEST_OCTETS];
	struct digest *d = digest_new();

	(void)s;
	digest_add(d, account, strlen(account) + 1);
	digest_add(d, user, strlen(user) + 1);
	digest_add(d, digest, STATE_DIGEST_OCTETS);
	digest_end(d, hash);
	for (size_t i = 0; i < KEY_DIGITS; i++)
		out[i] = digits[hash[i] & 31];
	out[KEY_DIGITS] = '\0';
}

bool
state_doubtful(const struct state *s)
{
	return s->doubtful;
}

/* --- messages ------------------------------------------------------------ */

static int
put_uid(struct state *s, const char *account, struct span uid, uint64_t octets, const char *as, int64_t since_s)
{
	sqlite3_stmt *st = start(s, Q_PUT_UID, account);

	bind_octets(st, 2, uid.s, uid.len);
	sqlite3_bind_int64(st, 3, (int64_t)octets);
	bind_text(st, 4, as);
	sqlite3_bind_int64(st, 5, since_s);
	return run(s, st);
}

static void
bind_digest(sqlite3_stmt *st, const unsigned char digest[STATE_DIGEST_OCTETS], const char *user)
{
	bind_octets(st, 2, digest, STATE_DIGEST_OCTETS);
	bind_text(st, 3, user);
}

static int
put_digest(struct state *s, const char *account, const struct note *n)
{
	sqlite3_stmt *st = start(s, Q_PUT_DIGEST, account);

	bind_digest(st, n->digest, n->name);
	sqlite3_bind_int64(st, 4, now_s());
	return run(s, st);
}

int
state_uid(struct state *s, const char *account, struct span uid, uint64_t octets, enum state_uid *out,
    int64_t *since_s)
{
	sqlite3_stmt *st = start(s, Q_UID, account);
	const char *as;
	int rv;

	*out = STATE_UID_NEW;
	*since_s = 0;
	bind_octets(st, 2, uid.s, uid.len);
	sqlite3_bind_int64(st, 3, (int64_t)octets);
	rv = fetch(s, st);
	if (rv != 1)
		return rv;
	as = (const char *)sqlite3_column_text(st, 0);
	*out = as != NULL && strcmp(as, "left") == 0 ? STATE_UID_LEFT : STATE_UID_TAKEN;
	*since_s = sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return 0;
}

int
state_seen(struct state *s, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS])
{
	sqlite3_stmt *st = start(s, Q_SEEN, account);
	int rv;

	if (find_note(s, NOTE_DIGEST, span_of(user), digest) != NULL)
		return 1;
	bind_digest(st, digest, user);
	rv = fetch(s, st);
	if (rv == 1)
		sqlite3_reset(st);
	return rv;
}

int64_t
state_first_seen(struct state *s, const char *account, const unsigned char digest[STATE_DIGEST_OCTETS])
{
	sqlite3_stmt *st = start(s, Q_FIRST_SEEN, account);
	int64_t since_s = 0;

	bind_octets(st, 2, digest, STATE_DIGEST_OCTETS);
	if (fetch(s, st) == 1) {
		since_s = sqlite3_column_int64(st, 0); /* of nothing: 0 */
		sqlite3_reset(st);
	}
	return since_s != 0 ? since_s : now_s();
}

int
state_left(struct state *s, const char *account, struct span uid, uint64_t octets)
{
	return put_uid(s, account, uid, octets, "left", now_s());
}

int
state_deleted(struct state *s, const char *account, const struct span *uids, size_t n)
{
	int rv = 0;

	if (n == 0)
		return 0;
	if (execute(s, "BEGIN IMMEDIATE") == -1)
		return complain(s);
	for (size_t i = 0; i < n && rv == 0; i++) {
		sqlite3_stmt *st = start(s, Q_DELETED, account);

		bind_octets(st, 2, uids[i].s, uids[i].len);
		rv = run(s, st);
	}
	return end_transaction(s, rv);
}

int
state_settle(struct state *s, const char *account)
{
	int rv = 0;

	if (s->note_count == 0)
		return 0;
	if (execute(s, "BEGIN IMMEDIATE") == -1)
		return complain(s);
	for (size_t i = 0; i < s->note_count && rv == 0; i++) {
		const struct note *n = &s->notes[i];

		if (n->kind == NOTE_DIGEST)
			rv = put_digest(s, account, n);
		else if (n->kind == NOTE_UID)
			rv = put_uid(s, account, span_of(n->name), n->octets, "taken", n->since_s);
	}
	if (end_transaction(s, rv) == -1)
		return -1;
	drop_notes(s);
	return ftruncate(s->notes_fd, 0);
}

int
state_recover(struct state *s, const char *account)
{
	struct buf file = BUF_INIT(4096);
	int rv = -1;

	buf_addf(&file, "%s/", s->dir);
	word_encode(&file, account, strlen(account), "/.");
	buf_adds(&file, ".notes");
	file_close(s->notes_fd);
	s->notes_fd = open(buf_str(&file), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	drop_notes(s);
	if (s->notes_fd == -1 || read_notes(s, buf_str(&file)) == -1) {
		log_error(EV_WARNING, LS("text", "cannot use the collector's notes"), LS("reason", strerror(errno)));
		goto out;
	}
	if (s->note_count > 0)
		sync(); /* the process that noted them died before it could sync each */
	rv = s->note_count > 0 ? state_settle(s, account) : ftruncate(s->notes_fd, 0);
out:
	buf_free(&file);
	return rv;
}

int
state_expire(struct state *s, const char *account)
{
	sqlite3_stmt *st = start(s, Q_EXPIRE, account);

	sqlite3_bind_int64(st, 2, now_s() - (int64_t)STATE_DIGEST_DAYS * DAY_S);
	if (run(s, st) == -1)
		return -1;
	st = start(s, Q_EXPIRE_FACTS, account);
	sqlite3_bind_int64(st, 2, now_s() - (int64_t)STATE_DIGEST_DAYS * DAY_S);
	return run(s, st);
}

/* --- facts ---------------------------------------------------------------- */

int
state_fact(struct state *s, const char *account, const char *name, struct buf *value, int64_t *since_s)
{
	sqlite3_stmt *st = start(s, Q_FACT, account);
	const char *text;
	int rv;

	bind_text(st, 2, name);
	rv = fetch(s, st);
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
	sqlite3_stmt *st = start(s, value != NULL ? Q_SET_FACT : Q_DROP_FACT, account);

	bind_text(st, 2, name);
	if (value != NULL) {
		bind_text(st, 3, value);
		sqlite3_bind_int64(st, 4, now_s());
	}
	return run(s, st);
}

/* --- runs ---------------------------------------------------------------- */

int
state_run_save(struct state *s, const char *account, const struct state_run *r)
{
	sqlite3_stmt *st = start(s, Q_SAVE_RUN, account);

	sqlite3_bind_int64(st, 2, r->started_s);
	sqlite3_bind_int64(st, 3, r->ended_s);
	sqlite3_bind_int64(st, 4, (int64_t)r->messages);
	sqlite3_bind_int64(st, 5, (int64_t)r->octets);
	sqlite3_bind_int64(st, 6, (int64_t)r->left);
	bind_text(st, 7, r->error);
	return run(s, st);
}

int
state_run_last(struct state *s, const char *account, struct state_run *out)
{
	sqlite3_stmt *st = start(s, Q_LAST_RUN, account);
	const char *error;
	int rv = fetch(s, st);

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

int
state_copy(const char *from, const char *to, struct buf *why)
{
	sqlite3 *in = NULL, *out = NULL;
	sqlite3_backup *copy = NULL;
	int rv = -1;

	if (sqlite3_open_v2(from, &in, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		buf_adds(why, sqlite3_errmsg(in));
		goto out;
	}
	(void)sqlite3_busy_timeout(in, BUSY_MS);
	if (sqlite3_open_v2(to, &out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK)
		copy = sqlite3_backup_init(out, "main", in, "main");
	if (copy != NULL && sqlite3_backup_step(copy, -1) == SQLITE_DONE)
		rv = 0;
	(void)sqlite3_backup_finish(copy);
	if (rv == -1)
		buf_adds(why, sqlite3_errmsg(out));
out:
	sqlite3_close(in);
	sqlite3_close(out);
	return rv;
}
