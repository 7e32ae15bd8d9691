/*
 * tokens: tokend's memory, over SQLite.
 *
 * One row a grant, written whole in one durable transaction, so that after a crash there is the old one or the new
 * one. What is deleted is overwritten (secure_delete), and nothing is kept in a file that is not removed.
 */
#include "lib/store/tokens.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/instance.h"

#define BUSY_MS 10000

// clang-format off
/* In the order of enum grant_text, then of enum grant_number. */
static const char *const schema =
	"CREATE TABLE IF NOT EXISTS grants ("
	" account TEXT PRIMARY KEY, flow TEXT NOT NULL, client_id TEXT NOT NULL, secret TEXT NOT NULL,"
	" refresh TEXT NOT NULL, refresh_before TEXT NOT NULL, access TEXT NOT NULL, scope TEXT NOT NULL,"
	" trouble TEXT NOT NULL, cause TEXT NOT NULL, told TEXT NOT NULL,"
	" login_s INTEGER NOT NULL, renewed_s INTEGER NOT NULL, access_since_s INTEGER NOT NULL,"
	" access_expires_s INTEGER NOT NULL, refresh_expires_s INTEGER NOT NULL, secret_expires_s INTEGER NOT NULL,"
	" trouble_s INTEGER NOT NULL, warned_days INTEGER NOT NULL) WITHOUT ROWID;"
	"PRAGMA user_version = 1;";
static const char settings[] =
	"PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

enum query { Q_ALL, Q_PUT, Q_DROP, Q_COUNT };
static const char *const queries[Q_COUNT] = {
	[Q_ALL] = "SELECT * FROM grants ORDER BY account",
	[Q_PUT] = ("INSERT OR REPLACE INTO grants VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
	    " ?15, ?16, ?17, ?18, ?19)"),
	[Q_DROP] = "DELETE FROM grants WHERE account = ?1",
};
// clang-format on

struct tokens {
	sqlite3 *db;
	sqlite3_stmt *ready[Q_COUNT];
};

/* --- grants -------------------------------------------------------------- */

void
grant_init(struct grant *g)
{
	*g = (struct grant){ 0 };
	for (size_t i = 0; i < GRANT_TEXTS; i++)
		g->text[i] = mem_dup("");
}

static void
drop_text(struct grant *g, size_t i)
{
	if (g->text[i] != NULL)
		explicit_bzero(g->text[i], strlen(g->text[i]));
	free(g->text[i]);
	g->text[i] = NULL;
}

void
grant_set(struct grant *g, enum grant_text which, const char *value)
{
	char *copy = mem_dup(value);

	drop_text(g, which);
	g->text[which] = copy;
}

void
grant_wipe(struct grant *g)
{
	for (size_t i = 0; i < GRANT_TEXTS; i++)
		drop_text(g, i);
}

void
grant_copy(struct grant *to, const struct grant *from)
{
	for (enum grant_text i = 0; i < GRANT_TEXTS; i++)
		grant_set(to, i, from->text[i]);
	memcpy(to->number, from->number, sizeof(to->number));
}

/* --- the file ------------------------------------------------------------ */

static int
complain(struct tokens *t, struct buf *why)
{
	buf_addf(why, "cannot use the store of tokens: %s", sqlite3_errmsg(t->db));
	return -1;
}

struct tokens *
tokens_open(const char *dir, struct buf *why)
{
	struct tokens *t = mem_alloc(1, sizeof(*t));
	char *path = instance_path(dir, "token.db");
	bool fine = sqlite3_open_v2(path, &t->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK;

	if (fine) {
		sqlite3_busy_timeout(t->db, BUSY_MS);
		fine = sqlite3_exec(t->db, settings, NULL, NULL, NULL) == SQLITE_OK &&
		    sqlite3_exec(t->db, schema, NULL, NULL, NULL) == SQLITE_OK;
	}
	for (size_t i = 0; fine && i < Q_COUNT; i++)
		fine = sqlite3_prepare_v3(t->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &t->ready[i], NULL) ==
		    SQLITE_OK;
	if (!fine) {
		buf_addf(why, "cannot open %s: %s", path, sqlite3_errmsg(t->db));
		tokens_close(t);
		t = NULL;
	}
	free(path);
	return t;
}

void
tokens_close(struct tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(t->ready[i]);
	sqlite3_close(t->db);
	free(t);
}

static void
read_row(sqlite3_stmt *st, struct grant *g)
{
	int column = 0;

	for (enum grant_text i = 0; i < GRANT_TEXTS; i++) {
		const unsigned char *text = sqlite3_column_text(st, column++);

		grant_set(g, i, text != NULL ? (const char *)text : "");
	}
	for (size_t i = 0; i < GRANT_NUMBERS; i++)
		g->number[i] = sqlite3_column_int64(st, column++);
}

int
tokens_each(struct tokens *t, void (*fn)(void *, struct grant *), void *arg, struct buf *why)
{
	sqlite3_stmt *st = t->ready[Q_ALL];
	int rv;

	sqlite3_reset(st);
	while ((rv = sqlite3_step(st)) == SQLITE_ROW) {
		struct grant g;

		grant_init(&g);
		read_row(st, &g);
		fn(arg, &g);
	}
	sqlite3_reset(st);
	return rv == SQLITE_DONE ? 0 : complain(t, why);
}

/* A statement that gives no row. What it was given is not kept. */
static int
run(struct tokens *t, sqlite3_stmt *st, struct buf *why)
{
	int rv = sqlite3_step(st);

	if (rv != SQLITE_DONE)
		complain(t, why);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rv == SQLITE_DONE ? 0 : -1;
}

int
tokens_put(struct tokens *t, const struct grant *g, struct buf *why)
{
	sqlite3_stmt *st = t->ready[Q_PUT];
	int at = 1;

	sqlite3_reset(st);
	for (size_t i = 0; i < GRANT_TEXTS; i++)
		sqlite3_bind_text(st, at++, g->text[i], -1, SQLITE_STATIC);
	for (size_t i = 0; i < GRANT_NUMBERS; i++)
		sqlite3_bind_int64(st, at++, g->number[i]);
	return run(t, st, why);
}

int
tokens_drop(struct tokens *t, const char *account, struct buf *why)
{
	sqlite3_stmt *st = t->ready[Q_DROP];

	sqlite3_reset(st);
	sqlite3_bind_text(st, 1, account, -1, SQLITE_STATIC);
	return run(t, st, why);
}
