/*
 * state: the collector's memory, over SQLite.
 *
 * Write-ahead log; notes are written with synchronous=NORMAL (no wait for the disk: they survive a kill, and
 * after a power cut the whole log up to some moment survives), settling with FULL.
 */
#include "lib/store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/instance.h"
#include "lib/sys/file.h"

#define BUSY_MS 60000
#define DAY_S 86400

// clang-format off
static const char *const schema =
	"CREATE TABLE IF NOT EXISTS uid ("
	" account TEXT NOT NULL, uid BLOB NOT NULL,"
	" octets INTEGER NOT NULL," /* as the upstream lists it */
	" state TEXT NOT NULL,"     /* noted, taken, left */
	" boot TEXT NOT NULL, since_s INTEGER NOT NULL,"
	" PRIMARY KEY (account, uid)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS digest ("
	" account TEXT NOT NULL, digest BLOB NOT NULL, user TEXT NOT NULL,"
	" state TEXT NOT NULL,"     /* noted, taken */
	" boot TEXT NOT NULL, since_s INTEGER NOT NULL,"
	" PRIMARY KEY (account, digest, user)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS run ("
	" account TEXT PRIMARY KEY, started_s INTEGER, ended_s INTEGER, messages INTEGER, octets INTEGER,"
	" left_there INTEGER, error TEXT) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS uid_noted ON uid (account) WHERE state = 'noted';"
	"CREATE INDEX IF NOT EXISTS digest_noted ON digest (account) WHERE state = 'noted';"
	"CREATE INDEX IF NOT EXISTS digest_age ON digest (account, since_s);"
	"PRAGMA user_version = 1;";

enum query {
	Q_UID, Q_SEEN, Q_NOTE_DIGEST, Q_PUT_UID, Q_FORGET_DIGEST, Q_FORGET_UID, Q_SETTLE_DIGEST, Q_SETTLE_UID,
	Q_NOTED, Q_DROP_DIGEST, Q_DROP_UID, Q_DELETED, Q_EXPIRE, Q_SAVE_RUN, Q_LAST_RUN, Q_COUNT
};
/* ?1 is always the account. */
static const char *const queries[Q_COUNT] = {
	[Q_UID] = "SELECT state, since_s FROM uid WHERE account = ?1 AND uid = ?2 AND octets = ?3",
	[Q_SEEN] = "SELECT 1 FROM digest WHERE account = ?1 AND digest = ?2 AND user = ?3",
	[Q_NOTE_DIGEST] = "INSERT OR IGNORE INTO digest VALUES (?1, ?2, ?3, 'noted', ?4, ?5)",
	[Q_PUT_UID] = "INSERT OR REPLACE INTO uid VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[Q_FORGET_DIGEST] = "DELETE FROM digest WHERE account = ?1 AND digest = ?2 AND user = ?3 AND state = 'noted'",
	[Q_FORGET_UID] = "DELETE FROM uid WHERE account = ?1 AND uid = ?2 AND state = 'noted'",
	[Q_SETTLE_DIGEST] = "UPDATE digest SET state = 'taken' WHERE account = ?1 AND state = 'noted'",
	[Q_SETTLE_UID] = "UPDATE uid SET state = 'taken' WHERE account = ?1 AND state = 'noted'",
	[Q_NOTED] = ("SELECT EXISTS (SELECT 1 FROM uid WHERE account = ?1 AND state = 'noted')"
	            " OR EXISTS (SELECT 1 FROM digest WHERE account = ?1 AND state = 'noted')"),
	[Q_DROP_DIGEST] = "DELETE FROM digest WHERE account = ?1 AND state = 'noted' AND boot <> ?2",
	[Q_DROP_UID] = "DELETE FROM uid WHERE account = ?1 AND state = 'noted' AND boot <> ?2",
	[Q_DELETED] = "DELETE FROM uid WHERE account = ?1 AND uid = ?2",
	[Q_EXPIRE] = "DELETE FROM digest WHERE account = ?1 AND since_s < ?2 AND state = 'taken'",
	[Q_SAVE_RUN] = "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[Q_LAST_RUN] = "SELECT started_s, ended_s, messages, octets, left_there, error FROM run WHERE account = ?1",
};
// clang-format on

struct state {
	sqlite3 *db;
	sqlite3_stmt *ready[Q_COUNT];
	char boot[40]; /* this run of the kernel */
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
	/* Without it no note is ever believed: the empty name is nobody's. */
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
	}
	free(path);
	return s;
}

void
state_close(struct state *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->ready[i]);
	sqlite3_close(s->db);
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

/* Without waiting for the disk. */
static int
run_lightly(struct state *s, sqlite3_stmt *st)
{
	int rv;

	if (execute(s, "PRAGMA synchronous = NORMAL") == -1)
		return complain(s);
	rv = run(s, st);
	if (execute(s, "PRAGMA synchronous = FULL") == -1)
		return complain(s);
	return rv;
}

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- messages ------------------------------------------------------------ */

static int
put_uid(struct state *s, const char *account, struct span uid, uint64_t octets, const char *as)
{
	sqlite3_stmt *st = start(s, Q_PUT_UID, account);

	bind_octets(st, 2, uid.s, uid.len);
	sqlite3_bind_int64(st, 3, (int64_t)octets);
	bind_text(st, 4, as);
	bind_text(st, 5, s->boot);
	sqlite3_bind_int64(st, 6, now_s());
	return run_lightly(s, st);
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
	if (as != NULL && strcmp(as, "left") == 0)
		*out = STATE_UID_LEFT;
	else
		*out = STATE_UID_TAKEN;
	*since_s = sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return 0;
}

static void
bind_digest(sqlite3_stmt *st, const unsigned char digest[STATE_DIGEST_OCTETS], const char *user)
{
	bind_octets(st, 2, digest, STATE_DIGEST_OCTETS);
	bind_text(st, 3, user);
}

int
state_seen(struct state *s, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS])
{
	sqlite3_stmt *st = start(s, Q_SEEN, account);
	int rv;

	bind_digest(st, digest, user);
	rv = fetch(s, st);
	if (rv == 1)
		sqlite3_reset(st);
	return rv;
}

int
state_note_digest(struct state *s, const char *account, const char *user,
    const unsigned char digest[STATE_DIGEST_OCTETS])
{
	sqlite3_stmt *st = start(s, Q_NOTE_DIGEST, account);

	bind_digest(st, digest, user);
	bind_text(st, 4, s->boot);
	sqlite3_bind_int64(st, 5, now_s());
	return run_lightly(s, st);
}

int
state_note_uid(struct state *s, const char *account, struct span uid, uint64_t octets)
{
	return put_uid(s, account, uid, octets, "noted");
}

int
state_left(struct state *s, const char *account, struct span uid, uint64_t octets)
{
	return put_uid(s, account, uid, octets, "left");
}

int
state_deleted(struct state *s, const char *account, struct span uid)
{
	sqlite3_stmt *st = start(s, Q_DELETED, account);

	bind_octets(st, 2, uid.s, uid.len);
	return run_lightly(s, st);
}

int
state_forget(struct state *s, const char *account, const char *user, const unsigned char digest[STATE_DIGEST_OCTETS],
    struct span uid)
{
	sqlite3_stmt *st = start(s, Q_FORGET_DIGEST, account);

	bind_digest(st, digest, user);
	if (run(s, st) == -1)
		return -1;
	st = start(s, Q_FORGET_UID, account);
	bind_octets(st, 2, uid.s, uid.len);
	return run(s, st);
}

/* Several statements as one transaction. */
static int
run_both(struct state *s, sqlite3_stmt *first, sqlite3_stmt *second)
{
	if (execute(s, "BEGIN IMMEDIATE") == -1)
		return complain(s);
	if (run(s, first) == 0 && run(s, second) == 0 && execute(s, "COMMIT") == 0)
		return 0;
	complain(s);
	(void)execute(s, "ROLLBACK");
	return -1;
}

int
state_settle(struct state *s, const char *account)
{
	return run_both(s, start(s, Q_SETTLE_DIGEST, account), start(s, Q_SETTLE_UID, account));
}

int
state_recover(struct state *s, const char *account)
{
	sqlite3_stmt *st = start(s, Q_NOTED, account), *other;
	bool noted;

	if (fetch(s, st) != 1)
		return -1;
	noted = sqlite3_column_int(st, 0) != 0;
	sqlite3_reset(st);
	if (!noted)
		return 0;
	st = start(s, Q_DROP_DIGEST, account);
	other = start(s, Q_DROP_UID, account);
	bind_text(st, 2, *s->boot == '\0' ? "?" : s->boot);
	bind_text(other, 2, *s->boot == '\0' ? "?" : s->boot);
	if (run_both(s, st, other) == -1)
		return -1;
	sync(); /* the process that noted them died before it could sync each */
	return state_settle(s, account);
}

int
state_expire(struct state *s, const char *account)
{
	sqlite3_stmt *st = start(s, Q_EXPIRE, account);

	sqlite3_bind_int64(st, 2, now_s() - (int64_t)STATE_DIGEST_DAYS * DAY_S);
	return run_lightly(s, st);
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
