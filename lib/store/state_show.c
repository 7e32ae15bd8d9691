/*
 * state_show: the collector's memory for people: to look at, while collect may be at work, and to forget.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/store/state_parts.h"

static sqlite3_stmt *
ask(struct state *s, const char *sql, const char *account)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		state_complain(s);
	else
		state_bind_text(st, 1, account);
	return st;
}

/* Of a process that may be writing them. */
static int
count_notes(struct state *s, const char *account, struct state_summary *out)
{
	char *path = state_notes_path(s, account);
	bool any = false;

	state_drop_notes(s);
	/* None were ever written: no run yet. */
	if (state_read_notes(s, path, &any) == 0)
		for (size_t i = 0; i < s->note_count; i++)
			out->noted += s->notes[i].kind == NOTE_UID;
	state_drop_notes(s);
	free(path);
	out->doubtful = out->doubtful || any;
	return 0;
}

int
state_summary(struct state *s, const char *account, struct state_summary *out)
{
	sqlite3_stmt *st = ask(s,
	    "SELECT generation, clean_boot, (SELECT COUNT(DISTINCT digest) FROM digest d WHERE d.account = a.id),"
	    " (SELECT MIN(since_s) FROM digest d WHERE d.account = a.id) FROM account a WHERE name = ?1", account);
	const char *boot;
	int rv;

	*out = (struct state_summary){ 0 };
	if (st == NULL)
		return -1;
	rv = state_fetch(s, st);
	if (rv == 1) {
		out->known = true;
		out->generation = (uint64_t)sqlite3_column_int64(st, 0);
		boot = (const char *)sqlite3_column_text(st, 1);
		out->doubtful = boot == NULL || strcmp(boot, s->boot) != 0;
		out->digests = (uint64_t)sqlite3_column_int64(st, 2);
		out->oldest_digest_s = (uint64_t)sqlite3_column_int64(st, 3);
	}
	sqlite3_finalize(st);
	return rv == -1 ? -1 : rv == 0 ? 0 : count_notes(s, account, out);
}

int
state_each_box(struct state *s, const char *account, void (*fn)(void *, const struct state_box_summary *), void *arg)
{
	sqlite3_stmt *st = ask(s,
	    "SELECT folder, validity, listed_s, listed, SUM(u.state = 'taken'), SUM(u.state = 'left'), SUM(u.gone > 0)"
	    " FROM account a JOIN box b ON b.account = a.id LEFT JOIN uid u ON u.box = b.id WHERE name = ?1"
	    " GROUP BY b.id ORDER BY folder", account);
	int rv = -1;

	while (st != NULL && (rv = state_fetch(s, st)) == 1) {
		struct state_box_summary b = { .folder = (const char *)sqlite3_column_text(st, 0),
			.validity = (uint64_t)sqlite3_column_int64(st, 1), .listed_s = sqlite3_column_int64(st, 2),
			.listed = (uint64_t)sqlite3_column_int64(st, 3), .taken = (uint64_t)sqlite3_column_int64(st, 4),
			.left = (uint64_t)sqlite3_column_int64(st, 5), .gone = (uint64_t)sqlite3_column_int64(st, 6) };

		fn(arg, &b);
	}
	sqlite3_finalize(st);
	return rv;
}

int
state_each_uid(struct state *s, const char *account, const char *folder,
    void (*fn)(void *, const struct state_uid_line *), void *arg)
{
	sqlite3_stmt *st = ask(s,
	    "SELECT uid, octets, u.since_s, gone_s, u.state = 'left' FROM account a JOIN box b ON b.account = a.id"
	    " JOIN uid u ON u.box = b.id WHERE name = ?1 AND folder = ?2 ORDER BY uid", account);
	int rv = -1;

	if (st != NULL)
		state_bind_text(st, 2, folder);
	while (st != NULL && (rv = state_fetch(s, st)) == 1) {
		struct state_uid_line l = { .octets = (uint64_t)sqlite3_column_int64(st, 1),
			.since_s = sqlite3_column_int64(st, 2), .gone_s = sqlite3_column_int64(st, 3),
			.left = sqlite3_column_int(st, 4) != 0 };
		const char *uid = sqlite3_column_blob(st, 0);

		l.uid = (struct span){ uid == NULL ? "" : uid, (size_t)sqlite3_column_bytes(st, 0) };
		fn(arg, &l);
	}
	sqlite3_finalize(st);
	return rv;
}

/* --- forgetting ---------------------------------------------------------- */

/* Statements about one account, in this order; ?1 its name, ?2 and ?3 what the caller has. Rows changed; -1. */
static int
change(struct state *s, const char *const *sql, size_t n, const char *account, const char *folder, struct span uid)
{
	int rv = state_begin(s), changed = 0;

	for (size_t i = 0; i < n && rv == 0; i++) {
		sqlite3_stmt *st = ask(s, sql[i], account);

		if (st == NULL) {
			rv = -1;
			break;
		}
		if (sqlite3_bind_parameter_count(st) > 1)
			state_bind_text(st, 2, folder);
		if (sqlite3_bind_parameter_count(st) > 2)
			state_bind(st, 3, uid.s, uid.len);
		rv = state_run_it(s, st);
		changed += sqlite3_changes(s->db);
		sqlite3_finalize(st);
	}
	rv = state_commit(s, rv);
	free(s->name); /* what was known of the account has changed */
	s->name = NULL;
	return rv == 0 ? changed : -1;
}

int
state_drop_account(struct state *s, const char *account)
{
	static const char *const sql[] = {
		"DELETE FROM uid WHERE box IN (SELECT b.id FROM box b JOIN account a ON a.id = b.account WHERE name = ?1)",
		"DELETE FROM digest WHERE account = (SELECT id FROM account WHERE name = ?1)",
		"DELETE FROM fact WHERE account = ?1",
		"UPDATE box SET listed_s = 0, listed = 0, swept_s = 0 WHERE account = (SELECT id FROM account WHERE name = ?1)",
		"UPDATE account SET generation = generation + 1 WHERE name = ?1",
	};
	int rv = change(s, sql, COUNT(sql), account, "", SPAN(""));

	return rv > 0 ? 1 : rv;
}

int
state_drop_uid(struct state *s, const char *account, const char *folder, struct span uid)
{
#define THIS_UID                                                                                                       \
	" FROM uid WHERE uid = ?3 AND box = (SELECT b.id FROM box b JOIN account a ON a.id = b.account"                \
	" WHERE name = ?1 AND folder = ?2)"
	static const char *const sql[] = {
		/* The next run looks at all of the folder. */
		"DELETE FROM fact WHERE account = ?1 AND name = 'folder:' || ?2 AND EXISTS (SELECT 1" THIS_UID ")",
		"DELETE FROM digest WHERE account = (SELECT id FROM account WHERE name = ?1)"
		" AND digest = (SELECT digest" THIS_UID ")",
		"DELETE" THIS_UID,
		"UPDATE account SET generation = generation + 1 WHERE name = ?1 AND changes() > 0",
		/* What the collector knows of the folder as a whole: it has to look again. */
		"DELETE FROM fact WHERE account = ?1 AND name = 'folder:' || ?2 AND changes() > 0",
	};
	int rv = change(s, sql, COUNT(sql), account, folder, uid);

	return rv > 0 ? 1 : rv;
}
