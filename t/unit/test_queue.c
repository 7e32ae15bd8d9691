/*
 * test_queue: the parts of the queue manager that know no file and no socket: records and sites.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queued.h"

/* --- records ------------------------------------------------------------- */

#define MANY 5000

static void
name(char id[16], unsigned n)
{
	snprintf(id, 16, "%015u", n);
}

/* Numbers that are the same in every run. */
static unsigned
dice(unsigned *state, unsigned sides)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % sides;
}

static void
test_records(void **unused)
{
	static struct records r; /* never freed, as in queued */
	struct record *rec;
	uint32_t last = 0;
	unsigned seed = 7, left = 0;
	char id[16];

	(void)unused;
	assert_null(records_find(&r, "000000000000000"));
	assert_null(records_first(&r));
	for (unsigned i = 0; i < MANY; i++) {
		name(id, i);
		rec = records_add(&r, id);
		records_schedule(&r, rec, dice(&seed, 1000));
	}
	/* Moved, taken off, removed, in no order. */
	for (unsigned i = 0; i < MANY; i++) {
		name(id, dice(&seed, MANY));
		rec = records_find(&r, id);
		if (rec == NULL)
			continue;
		assert_string_equal(rec->id, id);
		switch (dice(&seed, 3)) {
		case 0:
			records_schedule(&r, rec, dice(&seed, 1000));
			break;
		case 1:
			records_unschedule(&r, rec);
			records_unschedule(&r, rec);
			break;
		default:
			records_remove(&r, rec);
			assert_null(records_find(&r, id));
			break;
		}
	}
	for (size_t i = 0; i < r.heap_count; i++)
		assert_int_equal(r.heap[i]->place, i);
	left = (unsigned)r.heap_count;
	while ((rec = records_first(&r)) != NULL) {
		assert_true(rec->due >= last);
		last = rec->due;
		records_unschedule(&r, rec);
		left--;
	}
	assert_int_equal(left, 0);
	for (unsigned i = 0; i < MANY; i++) {
		name(id, i);
		if ((rec = records_find(&r, id)) != NULL)
			records_remove(&r, rec);
	}
	assert_int_equal(r.count, 0);
}

static void
test_due_is_bounded(void **unused)
{
	static struct records r;
	struct record *rec = records_add(&r, "000000000000001");

	(void)unused;
	records_schedule(&r, rec, -5);
	assert_int_equal(rec->due, 0);
	records_schedule(&r, rec, INT64_MAX);
	assert_int_equal(rec->due, UINT32_MAX);
	assert_true(sizeof *rec <= 64);
}

/* --- keys ---------------------------------------------------------------- */

static void
test_keys(void **unused)
{
	static struct keys k; /* 64 KiB of buckets */
	char key[LIMIT_KEY], id[16];

	(void)unused;
	assert_null(keys_find(&k, "k0"));
	keys_taken(&k, "k0");
	keys_forget(&k, "id");
	for (unsigned i = 0; i < 3 * KEYS; i++) {
		snprintf(key, sizeof key, "k%u", i);
		name(id, i);
		keys_add(&k, key, id, i % 2 == 0);
	}
	/* The newest KEYS are known, no older ones. */
	for (unsigned i = 0; i < 3 * KEYS; i++) {
		const struct key *e;

		snprintf(key, sizeof key, "k%u", i);
		e = keys_find(&k, key);
		assert_int_equal(e != NULL, i >= 2 * KEYS);
		if (e != NULL)
			assert_int_equal(e->taken, i % 2 == 0);
	}
	snprintf(key, sizeof key, "k%u", 3 * KEYS - 1);
	keys_taken(&k, key);
	assert_true(keys_find(&k, key)->taken);
	name(id, 3 * KEYS - 1);
	keys_forget(&k, id);
	assert_null(keys_find(&k, key));
	keys_add(&k, key, id, false);
	assert_false(keys_find(&k, key)->taken);
	keys_free(&k);
}

/* --- sites --------------------------------------------------------------- */

static struct sites sites;

static struct part *
part(const char *site, unsigned most, size_t rcpts)
{
	struct part *p = mem_alloc(1, sizeof *p);

	p->site = sites_get(&sites, KIND_REMOTE, site, most);
	p->count = rcpts;
	site_add(&sites, p);
	return p;
}

/* Whose turn it is gets one job with one recipient. */
static const char *
turn(void)
{
	struct site *site = sites_next(&sites, KIND_REMOTE);
	struct part *p;

	if (site == NULL)
		return "nobody";
	p = TAILQ_FIRST(&site->parts);
	p->given++;
	site_given(&sites, site, p);
	return site->text;
}

static void
test_turns(void **unused)
{
	struct part *bulk, *letter, *other;

	(void)unused;
	sites_init(&sites);
	assert_string_equal(turn(), "nobody");
	bulk = part("mx:a", 10, 3);
	letter = part("mx:a", 10, 1);
	other = part("mx:b", 10, 1);
	assert_ptr_equal(bulk->site, letter->site);
	/* Sites in turn, and in a site messages. */
	assert_string_equal(turn(), "mx:a");
	assert_int_equal(bulk->given, 1);
	assert_string_equal(turn(), "mx:b");
	assert_int_equal(other->given, 1);
	assert_string_equal(turn(), "mx:a");
	assert_int_equal(letter->given, 1);
	assert_string_equal(turn(), "mx:a");
	assert_int_equal(bulk->given, 2);
	site_take_back(&sites, bulk);
	assert_string_equal(turn(), "nobody");
	for (int i = 0; i < 3; i++)
		site_free(&sites, bulk->site);
	site_free(&sites, other->site);
	sites_sweep(&sites, 1000);
	assert_int_equal(sites.count, 0);
	free(bulk);
	free(letter);
	free(other);
}

static void
test_window(void **unused)
{
	struct part *p;
	struct site *site;

	(void)unused;
	sites_init(&sites);
	p = part("mx:a", 2, 10);
	site = p->site;
	assert_string_equal(turn(), "mx:a");
	assert_string_equal(turn(), "mx:a");
	assert_string_equal(turn(), "nobody"); /* two at once */
	site_free(&sites, site);
	site_well(&sites, site);
	assert_string_equal(turn(), "mx:a");
	site_free(&sites, site);
	site_free(&sites, site);
	/* Down: only one tries the door; it widens again as things go well. */
	site_down(&sites, site, 100, 300, "451 closed");
	assert_int_equal(site->down_until, 400);
	assert_string_equal(site->last, "451 closed");
	assert_int_equal(sites.down, 1);
	assert_string_equal(turn(), "mx:a");
	assert_string_equal(turn(), "nobody");
	site_free(&sites, site);
	site_well(&sites, site);
	assert_int_equal(sites.down, 0);
	assert_string_equal(turn(), "mx:a");
	assert_string_equal(turn(), "mx:a");
	assert_string_equal(turn(), "nobody");
	/* A site with work or jobs is not forgotten; one that is down not for a day. */
	site_free(&sites, site);
	site_take_back(&sites, p);
	sites_sweep(&sites, 1000);
	assert_int_equal(sites.count, 1);
	site_free(&sites, site);
	site_down(&sites, site, 1000, 10, "");
	sites_sweep(&sites, 2000);
	assert_int_equal(sites.count, 1);
	sites_up(&sites);
	assert_int_equal(site->down_until, 0);
	sites_sweep(&sites, 1000000);
	assert_int_equal(sites.count, 0);
	assert_int_equal(sites.down, 0);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_due_is_bounded),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
