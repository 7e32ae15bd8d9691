/*
 * state_listing: all UIDs of a box at once: what is known is read into memory in one go, each UID that the upstream
 * lists is looked up there, and what the upstream no longer lists is found.
 *
 * A listing that comes back short or empty forgets nothing: a UID that is missing goes only when it has been missing in
 * whole listings of several days, and for STATE_GONE_DAYS.
 */
#include "lib/base/log.h"
#include "lib/store/state_parts.h"

static struct span
blob(sqlite3_stmt *st, int at)
{
	const char *s = sqlite3_column_blob(st, at);
	int n = sqlite3_column_bytes(st, at);

	return (struct span){ s == NULL ? "" : s, (size_t)n };
}

static unsigned
flags_of(sqlite3_stmt *st, int64_t old_s)
{
	const char *as = (const char *)sqlite3_column_text(st, 2);

	if (as != NULL && as[0] == 'l')
		return UIDSET_LEFT;
	return UIDSET_TAKEN | (sqlite3_column_int64(st, 3) < old_s ? UIDSET_OLD : 0);
}

int
state_listing_begin(struct state *s, const char *account, int64_t old_s)
{
	sqlite3_stmt *st;
	int rv = state_use(s, account);

	if (rv == -1)
		return -1;
	state_listing_drop(s);
	st = state_start(s, Q_BOX_SWEPT, s->box);
	rv = state_fetch(s, st);
	if (rv == 1) {
		s->swept_s = sqlite3_column_int64(st, 0);
		uidset_init(&s->set, (size_t)sqlite3_column_int64(st, 1));
		sqlite3_reset(st);
		s->listing = true;
		st = state_start(s, Q_ALL_UIDS, s->box);
		while ((rv = state_fetch(s, st)) == 1)
			uidset_add(&s->set, blob(st, 0), (uint64_t)sqlite3_column_int64(st, 1), flags_of(st, old_s));
	}
	s->set_known = s->set.count;
	s->listed = 0;
	return rv;
}

void
state_listing_drop(struct state *s)
{
	if (s->listing)
		uidset_free(&s->set);
	s->listing = false;
}

void
state_listed(struct state *s, struct span uid, uint64_t octets, uint32_t number, enum state_uid *out, uint32_t *first)
{
	struct uidset_entry *e = uidset_find(&s->set, uid);

	s->listed++;
	*out = STATE_UID_NEW;
	if (e == NULL) {
		uidset_add(&s->set, uid, octets, UIDSET_LISTED);
		e = uidset_find(&s->set, uid);
	} else if ((e->flags & UIDSET_LISTED) != 0) {
		*out = STATE_UID_DOUBLED;
		*first = e->number;
		return;
	}
	e->number = number & UIDSET_NUMBER_MAX;
	if ((e->flags & UIDSET_LISTED) != 0)
		return; /* it was not known */
	if (uidset_same_size(e, octets)) {
		s->set.listed++;
		*out = (e->flags & UIDSET_LEFT) != 0 ? STATE_UID_LEFT
		    : (e->flags & UIDSET_OLD) != 0   ? STATE_UID_OLD
		                                     : STATE_UID_TAKEN;
	}
	e->flags |= UIDSET_LISTED;
}

/* --- what is missing ----------------------------------------------------- */

/* SQL: listed(uid, octets) */
static void
listed(sqlite3_context *context, int n, sqlite3_value **values)
{
	const struct state *s = sqlite3_user_data(context);
	const char *uid = sqlite3_value_blob(values[0]);
	struct span span = { uid == NULL ? "" : uid, (size_t)sqlite3_value_bytes(values[0]) };
	const struct uidset_entry *e = s->listing ? uidset_find(&s->set, span) : NULL;

	(void)n;
	sqlite3_result_int(context, e != NULL && (e->flags & UIDSET_LISTED) != 0 &&
	                                uidset_same_size(e, (uint64_t)sqlite3_value_int64(values[1])));
}

int
state_listing_functions(struct state *s)
{
	return sqlite3_create_function(s->db, "listed", 2, SQLITE_UTF8, s, listed, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int
sweep_with(struct state *s, enum query q, int64_t second, int64_t third)
{
	sqlite3_stmt *st = state_start(s, q, s->box);

	if (sqlite3_bind_parameter_count(st) > 1)
		sqlite3_bind_int64(st, 2, second);
	if (sqlite3_bind_parameter_count(st) > 2)
		sqlite3_bind_int64(st, 3, third);
	return state_run_it(s, st);
}

static int
sweep(struct state *s, int64_t now)
{
	int rv = state_begin(s);

	if (rv == -1)
		return -1;
	if (sweep_with(s, Q_BACK, 0, 0) == -1 || sweep_with(s, Q_STILL_MISSING, STATE_GONE_LISTINGS - 1, 0) == -1 ||
	    sweep_with(s, Q_MISSING, now, 0) == -1 ||
	    sweep_with(s, Q_PRUNE, STATE_GONE_LISTINGS, now - (int64_t)STATE_GONE_DAYS * DAY_S) == -1 ||
	    sweep_with(s, Q_SWEPT, now, 0) == -1)
		rv = -1;
	return state_commit(s, rv);
}

int
state_listing_end(struct state *s, const char *account)
{
	int64_t now = s->now();
	int rv = 0;

	(void)account;
	if (!s->listing)
		return 0;
	if (s->listed_box != s->box && state_save_listing(s) == -1) /* of the folder before */
		return -1;
	s->listed_s = now;
	s->listed_box = s->box;
	s->listed_last = s->listed;
	/* Once a day is often enough. A clock that was set back does not hinder. */
	if (s->set_known > 0 && (now - s->swept_s >= DAY_S || now < s->swept_s))
		rv = sweep(s, now);
	state_listing_drop(s);
	return rv;
}
