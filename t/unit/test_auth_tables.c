/* auth/table.c and what stands on it: cache.c, ticket.c, penalty.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "auth/cache.h"
#include "auth/penalty.h"
#include "auth/ticket.h"

struct record {
	struct table_item item;
	int n;
};

static void
key_of(int n, uint8_t key[DIGEST_OCTETS])
{
	digest_sha256(&n, sizeof(n), key);
}

static struct record *
add(struct table *t, int n)
{
	uint8_t key[DIGEST_OCTETS];
	struct record *r;

	key_of(n, key);
	r = table_add(t, key);
	if (r != NULL)
		r->n = n;
	return r;
}

static struct record *
find(struct table *t, int n)
{
	uint8_t key[DIGEST_OCTETS];

	key_of(n, key);
	return table_find(t, key);
}

static void
is_bounded(void **state)
{
	struct table t;

	(void)state;
	table_init(&t, 100, sizeof(struct record), 60000);
	for (int i = 0; i < 1000; i++)
		assert_non_null(add(&t, i));
	assert_int_equal(t.count, 100);
	for (int i = 0; i < 900; i++)
		assert_null(find(&t, i));
	for (int i = 900; i < 1000; i++)
		assert_int_equal(find(&t, i)->n, i);
	table_renew(&t, find(&t, 900)); /* used again: another one goes first */
	assert_non_null(add(&t, 1000));
	assert_non_null(find(&t, 900));
	assert_null(find(&t, 901));
	table_free(&t);
}

static void
pinned_ones_stay(void **state)
{
	struct table t;

	(void)state;
	table_init(&t, 2, sizeof(struct record), 60000);
	add(&t, 1)->item.pins++;
	assert_non_null(add(&t, 2));
	assert_non_null(add(&t, 3));
	assert_non_null(find(&t, 1));
	assert_null(find(&t, 2));
	find(&t, 3)->item.pins++;
	assert_null(add(&t, 4));
	table_free(&t);
}

static void
time_ends_them(void **state)
{
	const struct timespec wait = { 0, 30 * 1000000L };
	struct table t;

	(void)state;
	table_init(&t, 10, sizeof(struct record), 10);
	assert_non_null(add(&t, 1));
	add(&t, 2)->item.pins++;
	nanosleep(&wait, NULL);
	assert_null(find(&t, 1));
	assert_non_null(find(&t, 2)); /* somebody points at it */
	assert_int_equal(t.count, 1);
	table_free(&t);
}

static void
tickets_are_good_once(void **state)
{
	char text[TICKET_TEXT + 1], other[TICKET_TEXT + 1], mailbox[LIMIT_ADDRESS + 1];
	struct table t;

	(void)state;
	ticket_init(&t);
	assert_true(ticket_issue(&t, "ann@example.org", text));
	assert_true(ticket_issue(&t, "ann@example.org", other));
	assert_int_equal(strlen(text), 64);
	assert_string_not_equal(text, other);
	assert_true(ticket_redeem(&t, text, mailbox));
	assert_string_equal(mailbox, "ann@example.org");
	assert_false(ticket_redeem(&t, text, mailbox));
	other[63] = '\0'; /* one octet short */
	assert_false(ticket_redeem(&t, other, mailbox));
	assert_false(ticket_redeem(&t, "", mailbox));
	table_free(&t);
}

static void
cache_knows_the_question(void **state)
{
	const struct span ann = SPAN("ann@example.org"), hash = SPAN("$y$one");
	uint8_t key[DIGEST_OCTETS], other[DIGEST_OCTETS];
	struct cache c, none;

	(void)state;
	cache_init(&c, 600);
	cache_key(&c, ann, SPAN("secret"), hash, key);
	assert_int_equal(cache_ask(&c, key), VERDICT_UNKNOWN);
	cache_tell(&c, key, true);
	assert_int_equal(cache_ask(&c, key), VERDICT_RIGHT);
	cache_key(&c, ann, SPAN("secret"), SPAN("$y$two"), other);
	assert_int_equal(cache_ask(&c, other), VERDICT_UNKNOWN); /* a new hash */
	/* parts that are the same octets when put together are not the same question */
	cache_key(&c, SPAN("ann@example.or"), SPAN("gsecret"), hash, other);
	assert_int_equal(cache_ask(&c, other), VERDICT_UNKNOWN);
	cache_tell(&c, other, false);
	assert_int_equal(cache_ask(&c, other), VERDICT_WRONG);
	cache_init(&none, 0); /* auth_cache = 0: nothing is remembered */
	cache_tell(&none, key, true);
	assert_int_equal(cache_ask(&none, key), VERDICT_UNKNOWN);
	assert_int_equal(none.verdicts.count, 0);
	table_free(&c.verdicts);
	table_free(&none.verdicts);
}

static void
delays_double(void **state)
{
	static const int64_t want[] = { 2000, 4000, 8000, 16000, 16000, 16000 };
	struct penalty p;
	struct pair *pair, *other;

	(void)state;
	penalty_init(&p);
	pair = penalty_enter(&p, "192.0.2.1", "ann@example.org");
	for (size_t i = 0; i < COUNT(want); i++) {
		penalty_failed(&p, pair, "192.0.2.1", i > 0); /* the same guess again */
		assert_true(penalty_failed_ms(&p, pair, "192.0.2.1") == want[i]);
	}
	assert_true(penalty_passed_ms(&p, "192.0.2.1") == 0);
	other = penalty_enter(&p, "192.0.2.2", "ann@example.org"); /* not her doing */
	penalty_failed(&p, other, "192.0.2.2", false);
	assert_true(penalty_failed_ms(&p, other, "192.0.2.2") == 2000);
	penalty_passed(&p, pair);
	penalty_leave(&p, pair);
	penalty_leave(&p, other);
	table_free(&p.pairs);
	table_free(&p.addresses);
}

/* Different guesses on different accounts: from the sixth on the address waits. */
static void
addresses_are_counted(void **state)
{
	static const struct {
		const char *client[2]; /* taken in turns */
		int64_t passed_ms;     /* after seven failures */
	} cases[] = {
		{ { "192.0.2.1", "192.0.2.1" }, 4000 },
		{ { "192.0.2.1", "192.0.2.2" }, 0 },
		{ { "2001:db8::1", "2001:db8::ffff:2" }, 4000 }, /* one /64 */
		{ { "2001:db8::1", "2001:db8:0:1::1" }, 0 },
		{ { "127.0.0.1", "127.0.0.1" }, 0 }, /* everybody's webmail */
		{ { "::1", "::1" }, 0 },
	};
	char account[32];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct penalty p;

		penalty_init(&p);
		for (int n = 0; n < 7; n++) {
			struct pair *pair;

			(void)snprintf(account, sizeof(account), "u%d@example.org", n);
			pair = penalty_enter(&p, cases[i].client[n % 2], account);
			penalty_failed(&p, pair, cases[i].client[n % 2], false);
			penalty_leave(&p, pair);
		}
		print_message("# %s, %s\n", cases[i].client[0], cases[i].client[1]);
		assert_true(penalty_passed_ms(&p, cases[i].client[0]) == cases[i].passed_ms);
		table_free(&p.pairs);
		table_free(&p.addresses);
	}
}

static void
delays_are_listed_and_forgotten(void **state)
{
	struct buf list = BUF_INIT(4096), tight = BUF_INIT(8);
	struct penalty p;
	struct pair *pair;

	(void)state;
	penalty_init(&p);
	pair = penalty_enter(&p, "2001:db8::1", "ann@example.org");
	penalty_failed(&p, pair, "2001:db8::1", false); /* pinned while it is looked at */
	penalty_list(&p, &list);
	penalty_list(&p, &tight);
	assert_string_equal(buf_str(&list), "* 2001:db8::1 1\nann@example.org 2001:db8::1 1\n");
	assert_int_equal(tight.len, 0);
	assert_int_equal(penalty_forget(&p, "bob@example.org"), 0);
	assert_int_equal(penalty_forget(&p, "2001:db8::2"), 1); /* the same /64, nothing tried by itself */
	assert_int_equal(penalty_forget(&p, "ANN@example.org"), 1);
	assert_int_equal(penalty_forget(&p, "ann@example.org"), 0);
	assert_true(penalty_failed_ms(&p, pair, "2001:db8::1") == 0);
	penalty_leave(&p, pair);
	assert_int_equal(p.pairs.count + p.addresses.count, 0);
	buf_free(&list);
	buf_free(&tight);
	table_free(&p.pairs);
	table_free(&p.addresses);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(pinned_ones_stay),
		cmocka_unit_test(time_ends_them),
		cmocka_unit_test(tickets_are_good_once),
		cmocka_unit_test(cache_knows_the_question),
		cmocka_unit_test(delays_double),
		cmocka_unit_test(addresses_are_counted),
		cmocka_unit_test(delays_are_listed_and_forgotten),
	};

	return cmocka_run_group_tests_name("auth_tables", tests, NULL, NULL);
}
