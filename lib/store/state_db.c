/*
 * state_db: the collector's database: SQLite, its form, and statements.
 *
 * A database of an earlier form is changed when it is opened; one of a later form is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/instance.h"
#include "lib/store/state_parts.h"
#include "lib/sys/file.h"

#define BUSY_MS 60000
#define FORM 2 /* PRAGMA user_version */

// clang-format off
static const char *const schema =
	"CREATE TABLE account ("
	" id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" generation INTEGER NOT NULL,"    /* times that it was forgotten; goes into delivery keys */
	" clean_boot TEXT NOT NULL,"       /* in which a run last came to a good end */
	" expired_s INTEGER NOT NULL);"    /* when digests were last expired */
	"CREATE TABLE box ("               /* a folder with its UIDs; '' for POP3 */
	" id INTEGER PRIMARY KEY, account INTEGER NOT NULL, folder TEXT NOT NULL,"
	" validity INTEGER NOT NULL,"      /* IMAP's UIDVALIDITY */
	" listed_s INTEGER NOT NULL, listed INTEGER NOT NULL," /* the last whole listing */
	" swept_s INTEGER NOT NULL,"       /* when missing UIDs were last looked for */
	" UNIQUE (account, folder));"
	"CREATE TABLE uid ("
	" box INTEGER NOT NULL, uid BLOB NOT NULL,"
	" octets INTEGER NOT NULL,"        /* as the upstream lists it */
	" state TEXT NOT NULL,"            /* taken, left */
	" since_s INTEGER NOT NULL,"
	" gone INTEGER NOT NULL,"          /* days on which it was missing in a whole listing, up to 3 */
	" gone_s INTEGER NOT NULL,"        /* since when */
	" digest BLOB,"
	" PRIMARY KEY (box, uid)) WITHOUT ROWID;"
	"CREATE TABLE digest ("
	" account INTEGER NOT NULL, digest BLOB NOT NULL, user TEXT NOT NULL,"
	" since_s INTEGER NOT NULL, seen_s INTEGER NOT NULL," /* first and last time */
	" PRIMARY KEY (account, digest, user)) WITHOUT ROWID;"
	"CREATE INDEX digest_seen ON digest (account, seen_s);";

/* These are as they were in form 1. */
static const char *const tables =
	"CREATE TABLE IF NOT EXISTS run ("
	" account TEXT PRIMARY KEY, started_s INTEGER, ended_s INTEGER, messages INTEGER, octets INTEGER,"
	" left_there INTEGER, error TEXT) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS fact ("
	" account TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, since_s INTEGER NOT NULL,"
	" PRIMARY KEY (account, name)) WITHOUT ROWID;"
	"PRAGMA user_version = 2;";

static const char *const from_1_before =
	"DROP INDEX IF EXISTS digest_age;"
	"ALTER TABLE uid RENAME TO uid_1;"
	"ALTER TABLE digest RENAME TO digest_1;";

static const char *const from_1_after =
	"INSERT INTO account (name, generation, clean_boot, expired_s)"
	" SELECT account, 0, '', 0 FROM (SELECT account FROM uid_1 UNION SELECT account FROM digest_1);"
	"INSERT INTO box (account, folder, validity, listed_s, listed, swept_s) SELECT id, '', 0, 0, 0, 0 FROM account;"
	"INSERT INTO uid SELECT b.id, u.uid, u.octets, u.state, u.since_s, 0, 0, NULL"
	" FROM uid_1 u JOIN account a ON a.name = u.account JOIN box b ON b.account = a.id;"
	"INSERT INTO digest SELECT a.id, d.digest, d.user, d.since_s, d.since_s"
	" FROM digest_1 d JOIN account a ON a.name = d.account;"
	"DROP TABLE uid_1; DROP TABLE digest_1;";

static const char *const queries[Q_COUNT] = {
	[Q_ACCOUNT] = "SELECT a.id, generation, clean_boot, b.id, expired_s FROM account a LEFT JOIN box b ON b.account = a.id"
	              " AND folder = '' WHERE name = ?1",
	[Q_NEW_ACCOUNT] = "INSERT INTO account (name, generation, clean_boot, expired_s) VALUES (?1, 0, ?2, 0)",
	[Q_CLEAN] = "UPDATE account SET clean_boot = ?2 WHERE name = ?1 AND clean_boot <> ?2",
	[Q_EXPIRED] = "UPDATE account SET expired_s = ?2 WHERE id = ?1",
	[Q_BOX] = "SELECT id, validity FROM box WHERE account = ?1 AND folder = ?2",
	[Q_NEW_BOX] = "INSERT INTO box (account, folder, validity, listed_s, listed, swept_s) VALUES (?1, ?2, ?3, 0, 0, 0)",
	[Q_BOX_VALIDITY] = "UPDATE box SET validity = ?2, listed_s = 0, listed = 0, swept_s = 0 WHERE id = ?1",
	[Q_EMPTY_BOX] = "DELETE FROM uid WHERE box = ?1",
	[Q_BOX_LISTED] = "UPDATE box SET listed_s = ?2, listed = ?3 WHERE id = ?1",
	[Q_SWEPT] = "UPDATE box SET swept_s = ?2 WHERE id = ?1",
	[Q_BOX_SWEPT] = "SELECT swept_s, CASE WHEN listed > 0 THEN listed ELSE (SELECT COUNT(*) FROM uid WHERE box = ?1) END"
	                " FROM box WHERE id = ?1",
	[Q_UID] = "SELECT state, since_s FROM uid WHERE box = ?1 AND uid = ?2 AND octets = ?3",
	[Q_ALL_UIDS] = "SELECT uid, octets, state, since_s FROM uid WHERE box = ?1",
	[Q_PUT_UID] = "INSERT OR REPLACE INTO uid VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6)",
	[Q_DELETED] = "DELETE FROM uid WHERE box = ?1 AND uid = ?2",
	[Q_BACK] = "UPDATE uid SET gone = 0, gone_s = 0 WHERE box = ?1 AND gone > 0 AND listed(uid, octets)",
	[Q_STILL_MISSING] = "UPDATE uid SET gone = gone + 1 WHERE box = ?1 AND gone BETWEEN 1 AND ?2",
	[Q_MISSING] = "UPDATE uid SET gone = 1, gone_s = ?2 WHERE box = ?1 AND gone = 0 AND NOT listed(uid, octets)",
	[Q_PRUNE] = "DELETE FROM uid WHERE box = ?1 AND gone >= ?2 AND gone_s < ?3",
	[Q_SEEN] = "SELECT seen_s FROM digest WHERE account = ?1 AND digest = ?2 AND user = ?3",
	[Q_PUT_DIGEST] = "INSERT OR IGNORE INTO digest VALUES (?1, ?2, ?3, ?4, ?4)",
	[Q_SEE_DIGEST] = "UPDATE digest SET seen_s = ?3 WHERE account = ?1 AND digest = ?2",
	[Q_FIRST_SEEN] = "SELECT MIN(since_s) FROM digest WHERE account = ?1 AND digest = ?2",
	[Q_EXPIRE] = "DELETE FROM digest WHERE account = ?1 AND seen_s < ?2",
	[Q_FADING] = "SELECT 1 FROM digest WHERE account = ?1 AND seen_s < ?2 LIMIT 1",
	[Q_OLD_DIGESTS] = "SELECT u.digest FROM box b JOIN uid u ON u.box = b.id WHERE b.account = ?1 AND gone = 0"
	                  " AND since_s < ?2 AND digest IS NOT NULL",
	[Q_SAVE_RUN] = "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[Q_LAST_RUN] = "SELECT started_s, ended_s, messages, octets, left_there, error FROM run WHERE account = ?1",
	[Q_FACT] = "SELECT value, since_s FROM fact WHERE account = ?1 AND name = ?2",
	[Q_SET_FACT] = "INSERT OR REPLACE INTO fact VALUES (?1, ?2, ?3, ?4)",
	[Q_DROP_FACT] = "DELETE FROM fact WHERE account = ?1 AND name = ?2",
	[Q_EXPIRE_FACTS] = "DELETE FROM fact WHERE account = ?1 AND since_s < ?2 AND name LIKE '" STATE_FACT_FADING "%'",
};
// clang-format on

/* --- errors -------------------------------------------------------------- */

static bool
is_damaged(const struct state *s)
{
	int code = sqlite3_errcode(s->db);

	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

#define DAMAGED "; it is damaged: put collect.db back from a backup, or move it away, then all that is upstream comes again"

int
state_complain(struct state *s)
{
	struct buf reason = BUF_INIT(512);

	buf_addf(&reason, "%s%s", sqlite3_errmsg(s->db), is_damaged(s) ? DAMAGED : "");
	log_error(EV_WARNING, LS("text", "cannot use the collector's state"), LS("reason", buf_str(&reason)));
	buf_free(&reason);
	errno = EIO;
	return -1;
}

int
state_execute(struct state *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

int
state_begin(struct state *s)
{
	return state_execute(s, "BEGIN IMMEDIATE") == 0 ? 0 : state_complain(s);
}

int
state_commit(struct state *s, int rv)
{
	if (rv == 0 && state_execute(s, "COMMIT") == 0)
		return 0;
	if (rv == 0)
		state_complain(s);
	(void)!state_execute(s, "ROLLBACK");
	return -1;
}

/* --- opening ------------------------------------------------------------- */

static int64_t
real_now(void)
{
	return (int64_t)time(NULL);
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

/* -1: it cannot be told. */
static int
form(struct state *s)
{
	sqlite3_stmt *st = NULL;
	int rv = -1;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		rv = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return rv;
}

static int
make_form(struct state *s, int from)
{
	if (from == 1 && state_execute(s, from_1_before) == -1)
		return -1;
	if (state_execute(s, schema) == -1 || (from == 1 && state_execute(s, from_1_after) == -1))
		return -1;
	return state_execute(s, tables);
}

/* Others may be opening it, too: the first one does it. */
static int
bring_to_form(struct state *s, struct buf *why)
{
	int is = form(s), rv;

	if (is == FORM)
		return 0;
	if (is > FORM) {
		buf_addf(why, "a newer Posthouse wrote it (form %d, this one knows %d); install that one again", is, FORM);
		return -1;
	}
	if (is == -1 || state_execute(s, "BEGIN IMMEDIATE") == -1)
		return -1;
	is = form(s);
	rv = is == FORM ? 0 : is == 0 || is == 1 ? make_form(s, is) : -1;
	if (rv == 0)
		return state_execute(s, "COMMIT");
	buf_adds(why, sqlite3_errmsg(s->db));
	(void)!state_execute(s, "ROLLBACK");
	return -1;
}

static int
prepare(struct state *s)
{
	if (state_listing_functions(s) == -1)
		return -1;
	for (size_t i = 0; i < Q_COUNT; i++)
		if (sqlite3_prepare_v3(s->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &s->ready[i], NULL) != SQLITE_OK)
			return -1;
	return 0;
}

static int
set_up(struct state *s, struct buf *why)
{
	static const char settings[] =
	    "PRAGMA temp_store = FILE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

	buf_reset(why);
	return state_execute(s, settings) == 0 ? bring_to_form(s, why) : -1;
}

/* While another process makes the database, or closes it as the last one, SQLite says "locked" without waiting: the busy
 * timeout does not hold for a change of the journal mode. */
static int
set_up_among_others(struct state *s, struct buf *why)
{
	deadline_ms until = deadline_in(BUSY_MS);
	int rv;

	while ((rv = set_up(s, why)) == -1 && (sqlite3_errcode(s->db) & 0xff) == SQLITE_BUSY && !deadline_over(until))
		poll(NULL, 0, 10);
	return rv;
}

static int
open_database(struct state *s, const char *path, struct buf *why)
{
	if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		return -1;
	sqlite3_busy_timeout(s->db, BUSY_MS);
	/* What a statement over a million rows has to remember goes where this process may write. */
	sqlite3_free(sqlite3_temp_directory);
	sqlite3_temp_directory = sqlite3_mprintf("%s", s->dir);
	return set_up_among_others(s, why) == 0 ? prepare(s) : -1;
}

struct state *
state_open(const char *dir, struct buf *why)
{
	struct state *s = mem_alloc(1, sizeof(*s));
	struct buf reason = BUF_INIT(512);
	char *path = instance_path(dir, "collect.db");

	s->notes_fd = -1;
	s->now = real_now;
	s->dir = mem_dup(dir);
	buf_init(&s->unwritten, 64 * 1024);
	read_boot(s);
	if (open_database(s, path, &reason) == -1) {
		buf_addf(why, "cannot use %s: %s%s", path, reason.len > 0 ? buf_str(&reason) : sqlite3_errmsg(s->db),
		    is_damaged(s) ? DAMAGED : "");
		state_close(s);
		s = NULL;
	}
	buf_free(&reason);
	free(path);
	return s;
}

void
state_close(struct state *s)
{
	if (s == NULL)
		return;
	state_listing_drop(s);
	for (size_t i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->ready[i]);
	sqlite3_close(s->db);
	file_close(s->notes_fd);
	state_drop_notes(s);
	buf_free(&s->unwritten);
	free(s->notes);
	free(s->name);
	free(s->dir);
	free(s);
}

void
state_set_clock(struct state *s, int64_t (*now)(void))
{
	s->now = now;
}

/* --- statements ---------------------------------------------------------- */

static sqlite3_stmt *
fresh(struct state *s, enum query q)
{
	sqlite3_reset(s->ready[q]);
	sqlite3_clear_bindings(s->ready[q]);
	return s->ready[q];
}

sqlite3_stmt *
state_start(struct state *s, enum query q, int64_t number)
{
	sqlite3_stmt *st = fresh(s, q);

	sqlite3_bind_int64(st, 1, number);
	return st;
}

sqlite3_stmt *
state_start_for(struct state *s, enum query q, const char *account)
{
	sqlite3_stmt *st = fresh(s, q);

	state_bind_text(st, 1, account);
	return st;
}

void
state_bind(sqlite3_stmt *st, int at, const void *octets, size_t n)
{
	sqlite3_bind_blob64(st, at, octets, n, SQLITE_TRANSIENT);
}

void
state_bind_text(sqlite3_stmt *st, int at, const char *text)
{
	sqlite3_bind_text(st, at, text, -1, SQLITE_TRANSIENT);
}

int
state_run_it(struct state *s, sqlite3_stmt *st)
{
	int rv = sqlite3_step(st);

	sqlite3_reset(st);
	return rv == SQLITE_DONE ? 0 : state_complain(s);
}

int
state_fetch(struct state *s, sqlite3_stmt *st)
{
	int rv = sqlite3_step(st);

	if (rv == SQLITE_ROW)
		return 1;
	if (rv != SQLITE_DONE)
		state_complain(s);
	sqlite3_reset(st);
	return rv == SQLITE_DONE ? 0 : -1;
}

/* --- accounts ------------------------------------------------------------ */

/* 1: it is there; 0: not (or its box is not); -1. */
static int
find_account(struct state *s, const char *account)
{
	sqlite3_stmt *st = state_start_for(s, Q_ACCOUNT, account);
	const char *boot;
	int rv = state_fetch(s, st);

	if (rv != 1)
		return rv;
	boot = (const char *)sqlite3_column_text(st, 2);
	s->account = sqlite3_column_int64(st, 0);
	s->generation = sqlite3_column_int64(st, 1);
	strlcpy(s->clean_boot, boot != NULL ? boot : "", sizeof(s->clean_boot));
	rv = sqlite3_column_type(st, 3) != SQLITE_NULL;
	s->box = sqlite3_column_int64(st, 3);
	s->expired_s = sqlite3_column_int64(st, 4);
	sqlite3_reset(st);
	return rv;
}

static int
make_account(struct state *s, const char *account)
{
	sqlite3_stmt *st = state_start_for(s, Q_NEW_ACCOUNT, account);

	/* Nobody has ever taken anything from it: there is nothing to doubt. */
	state_bind_text(st, 2, s->boot);
	if (s->account == 0 && state_run_it(s, st) == -1)
		return -1;
	st = state_start(s, Q_NEW_BOX, s->account != 0 ? s->account : sqlite3_last_insert_rowid(s->db));
	state_bind_text(st, 2, "");
	sqlite3_bind_int64(st, 3, 0);
	return state_run_it(s, st);
}

int
state_use(struct state *s, const char *account)
{
	int rv;

	if (s->name != NULL && strcmp(s->name, account) == 0)
		return 0;
	free(s->name);
	s->name = NULL;
	s->account = 0;
	rv = find_account(s, account);
	if (rv == 0 && state_begin(s) == 0)
		rv = state_commit(s, make_account(s, account)) == 0 ? find_account(s, account) : -1;
	if (rv == 1)
		s->name = mem_dup(account);
	return rv == 1 ? 0 : -1;
}

/* --- copies -------------------------------------------------------------- */

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
