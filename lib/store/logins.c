/*
 * logins: authd's memory, over SQLite.
 *
 * One transaction stays open from a note to the next save, so a login costs a page in memory. WAL without syncs (NORMAL): a
 * power cut takes the newest, and never the file. What is replaced is overwritten (secure_delete): there are hashes in it.
 */
#include "lib/store/logins.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/instance.h"

#define BUSY_MS 2000
#define COMPLAIN_MS (60 * 1000)

// clang-format off
static const char schema[] =
	"PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	"CREATE TABLE IF NOT EXISTS made (address TEXT PRIMARY KEY, of BLOB NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS logins (address TEXT PRIMARY KEY, at_s INTEGER NOT NULL, service TEXT NOT NULL,"
	" client TEXT NOT NULL) WITHOUT ROWID;"
	"PRAGMA user_version = 1;";

enum query { Q_MADE, Q_MAKE, Q_MADE_COUNT, Q_NOTE, Q_LAST, Q_ALL, Q_DROP_MADE, Q_DROP_LOGIN, Q_BEGIN, Q_COMMIT, Q_COUNT };
static const char *const queries[Q_COUNT] = {
	[Q_MADE] = "SELECT value FROM made WHERE address = ?1 AND of = ?2",
	[Q_MAKE] = "INSERT OR REPLACE INTO made VALUES (?1, ?2, ?3)",
	[Q_MADE_COUNT] = "SELECT COUNT(*) FROM made",
	[Q_NOTE] = "INSERT OR REPLACE INTO logins VALUES (?1, ?2, ?3, ?4)",
	[Q_LAST] = "SELECT at_s, service, client FROM logins WHERE address = ?1",
	[Q_ALL] = "SELECT address FROM made UNION SELECT address FROM logins",
	[Q_DROP_MADE] = "DELETE FROM made WHERE address = ?1",
	[Q_DROP_LOGIN] = "DELETE FROM logins WHERE address = ?1",
	[Q_BEGIN] = "BEGIN",
	[Q_COMMIT] = "COMMIT",
};
// clang-format on

struct logins {
	sqlite3 *db;
	sqlite3_stmt *ready[Q_COUNT];
	bool open; /* a transaction */
	deadline_ms quiet; /* complaints wait until then */
};

struct logins *
logins_open(const char *dir, struct buf *why)
{
	struct logins *l = mem_alloc(1, sizeof(*l));
	char *path = instance_path(dir, "auth.db");
	bool fine = sqlite3_open_v2(path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK;

	if (fine) {
		sqlite3_busy_timeout(l->db, BUSY_MS);
		fine = sqlite3_exec(l->db, schema, NULL, NULL, NULL) == SQLITE_OK;
	}
	for (size_t i = 0; fine && i < Q_COUNT; i++)
		fine = sqlite3_prepare_v3(l->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &l->ready[i], NULL) ==
		    SQLITE_OK;
	if (!fine) {
		buf_addf(why, "cannot open %s: %s", path, sqlite3_errmsg(l->db));
		logins_close(l);
		l = NULL;
	}
	free(path);
	return l;
}

static void
complain(struct logins *l)
{
	if (!deadline_over(l->quiet))
		return;
	l->quiet = deadline_in(COMPLAIN_MS);
	log_error(EV_WARNING, LS("text", "cannot use authd's memory of logins (state/auth/auth.db)"),
	    LS("error", sqlite3_errmsg(l->db)));
}

/* The statement with its texts, at its first row. SQLITE_ROW, SQLITE_DONE, or an error that was told. */
static int
run(struct logins *l, enum query q, const char *address)
{
	sqlite3_stmt *st = l->ready[q];
	int rv;

	if (address != NULL)
		sqlite3_bind_text(st, 1, address, -1, SQLITE_TRANSIENT);
	rv = sqlite3_step(st);
	if (rv != SQLITE_ROW && rv != SQLITE_DONE)
		complain(l);
	return rv;
}

static void
finish(struct logins *l, enum query q)
{
	sqlite3_reset(l->ready[q]);
	sqlite3_clear_bindings(l->ready[q]);
}

static void
begin(struct logins *l)
{
	if (l->open)
		return;
	l->open = run(l, Q_BEGIN, NULL) == SQLITE_DONE;
	finish(l, Q_BEGIN);
}

void
logins_save(struct logins *l)
{
	if (!l->open)
		return;
	if (run(l, Q_COMMIT, NULL) != SQLITE_DONE) /* a full disk: what was noted is lost, the next may do */
		sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
	finish(l, Q_COMMIT);
	l->open = false;
}

void
logins_close(struct logins *l)
{
	if (l == NULL)
		return;
	logins_save(l);
	for (size_t i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(l->ready[i]);
	sqlite3_close(l->db);
	free(l);
}

/* --- entries of passwd ------------------------------------------------------ */

bool
logins_made(struct logins *l, const char *address, const uint8_t of[DIGEST_OCTETS], struct buf *value)
{
	sqlite3_stmt *st = l->ready[Q_MADE];
	const unsigned char *text;
	bool found = false;

	sqlite3_bind_blob(st, 2, of, DIGEST_OCTETS, SQLITE_TRANSIENT);
	if (run(l, Q_MADE, address) == SQLITE_ROW) {
		text = sqlite3_column_text(st, 0);
		buf_adds(value, text == NULL ? "" : (const char *)text);
		found = text != NULL && !buf_over(value);
	}
	finish(l, Q_MADE);
	return found;
}

void
logins_make(struct logins *l, const char *address, const uint8_t of[DIGEST_OCTETS], const char *value)
{
	sqlite3_stmt *st = l->ready[Q_MAKE];

	begin(l);
	sqlite3_bind_blob(st, 2, of, DIGEST_OCTETS, SQLITE_TRANSIENT);
	sqlite3_bind_text(st, 3, value, -1, SQLITE_TRANSIENT);
	(void)run(l, Q_MAKE, address);
	finish(l, Q_MAKE);
	logins_save(l);
}

unsigned
logins_made_count(struct logins *l)
{
	unsigned n = 0;

	if (run(l, Q_MADE_COUNT, NULL) == SQLITE_ROW)
		n = (unsigned)sqlite3_column_int64(l->ready[Q_MADE_COUNT], 0);
	finish(l, Q_MADE_COUNT);
	return n;
}

/* --- last logins -------------------------------------------------------------- */

void
logins_note(struct logins *l, const char *address, const char *service, const char *client)
{
	sqlite3_stmt *st = l->ready[Q_NOTE];

	begin(l);
	sqlite3_bind_int64(st, 2, clock_real_us() / 1000000);
	sqlite3_bind_text(st, 3, service, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(st, 4, client, -1, SQLITE_TRANSIENT);
	(void)run(l, Q_NOTE, address);
	finish(l, Q_NOTE);
}

static void
take_text(sqlite3_stmt *st, int column, char *to, size_t room)
{
	const unsigned char *text = sqlite3_column_text(st, column);

	strlcpy(to, text == NULL ? "" : (const char *)text, room);
}

bool
logins_last(struct logins *l, const char *address, struct login_last *last)
{
	sqlite3_stmt *st = l->ready[Q_LAST];
	bool found = run(l, Q_LAST, address) == SQLITE_ROW;

	if (found) {
		last->at_s = sqlite3_column_int64(st, 0);
		take_text(st, 1, last->service, sizeof(last->service));
		take_text(st, 2, last->client, sizeof(last->client));
	}
	finish(l, Q_LAST);
	return found;
}

void
logins_forget(struct logins *l, bool (*still)(void *arg, const char *address), void *arg)
{
	char address[LIMIT_ADDRESS + 1];
	int rv;

	begin(l);
	for (rv = run(l, Q_ALL, NULL); rv == SQLITE_ROW; rv = sqlite3_step(l->ready[Q_ALL])) {
		take_text(l->ready[Q_ALL], 0, address, sizeof(address));
		if (still(arg, address))
			continue;
		(void)run(l, Q_DROP_MADE, address);
		finish(l, Q_DROP_MADE);
		(void)run(l, Q_DROP_LOGIN, address);
		finish(l, Q_DROP_LOGIN);
	}
	finish(l, Q_ALL);
	logins_save(l);
}
