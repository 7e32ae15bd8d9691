/* test_upstream: entries of the map of provider accounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/store/provider.h"
#include "lib/store/upstream.h"

#define DOMAIN "kind=domain host=h login=l domain=example.org fallback=ann "
static const struct {
	const char *in, *why; /* NULL: it is good */
} entries[] = {
	{ DOMAIN, NULL },
	{ DOMAIN "users=ann,bob alias=bob:robert name=\"bob:Bob Baker\" cc=bob:ann list=dev.x:ann,bob", NULL },
	{ "kind=shared host=h mailbox=m@x.example users=ann fallback=bob", NULL },
	{ "kind=single host=h login=l users=ann", NULL },
	{ DOMAIN "envelope=X-To:2 keep=14 max_size=10M subaddress=none parse_subject=yes", NULL },
	{ DOMAIN "keep=2w", "keep=2w: delete, all or a number of days is meant" },
	{ "kind=domain host=127.0.0.1 tls=none login=l domain=d fallback=a", NULL },
	{ "kind=domain host=h tls=none! login=l domain=d fallback=a", NULL },
	{ "kind=domain host=h tls=none login=l domain=d fallback=a", "tls=none would send the password in the clear" },
	{ "", "kind= is missing" },
	{ "kind=regular", "kind=regular: domain, shared or single is meant" },
	{ "kind=domain host=h login=l fallback=a", "domain= is missing" },
	{ "kind=domain host=h login=l domain=d", "fallback= is missing" },
	{ "kind=shared host=h login=l mailbox=m@x fallback=a", "users= is missing" },
	{ "kind=single host=h login=l users=a,b", "users= must name the one person" },
	{ DOMAIN "host=other", "host= stands twice" },
	{ DOMAIN "hots=h", "unknown word \"hots\"" },
	{ DOMAIN "imap", "unknown word \"imap\"" },
	{ DOMAIN "auth=ntlm", "auth=ntlm: auto, user, apop" },
	{ DOMAIN "auth=apop protocol=imap", "auth=apop is for POP3 only" },
	{ DOMAIN "secret=!", "secret=!: which command?" },
	{ DOMAIN "protocol=nntp", "protocol=nntp: pop3, imap, etrn, atrn or wake is meant" },
	{ "protocol=etrn host=h domain=a.example,b.example", NULL },
	{ "protocol=etrn host=h tls=none domain=a.example", NULL },
	{ "protocol=etrn host=h tls=none domain=a.example login=l", "tls=none would send the password in the clear" },
	{ "protocol=etrn host=h", "domain= is missing: which domains' mail waits there?" },
	{ "protocol=atrn host=h domain=a.example login=l auth=cram-md5", NULL },
	{ "protocol=atrn host=h domain=a.example", "login= is missing" },
	{ "protocol=atrn host=h domain=a.example login=l users=ann kind=domain", "kind= goes with protocol=pop3 and imap; "
	  "users= goes with" },
	{ "protocol=atrn host=h domain=a.example login=l auth=user", "auth=user is for POP3 and IMAP only" },
	{ DOMAIN "wake=finger:us@isp.example", NULL },
	{ DOMAIN "wake=mail:start@isp.example wake_template=start.eml", NULL },
	{ DOMAIN "wake=\"!/usr/bin/dial isp\"", NULL },
	{ "protocol=wake wake=finger:us@[::1]:7079 schedule=\"every 1h\"", NULL },
	{ "protocol=wake", "wake= is missing: how?" },
	{ "protocol=wake wake=mail:a@b host=h", "host= goes with the other protocols" },
	{ DOMAIN "wake=finger:isp.example", "wake=finger:isp.example: finger:user@host, mail:address or !command" },
	{ DOMAIN "wake=finger:us@", "is meant" },
	{ DOMAIN "wake=finger:us@host:0", "is meant" },
	{ DOMAIN "wake=mail:", "is meant" },
	{ DOMAIN "wake=!", "is meant" },
	{ DOMAIN "wake=telnet:x", "is meant" },
	{ DOMAIN "wake=finger:a@b wake_template=x", "wake_template= goes with wake=mail:" },
	{ DOMAIN "port=70000", "port=70000: a number up to 65535 is meant" },
	{ DOMAIN "users=ann@a.example,ann@b.example", "ann@a.example and ann@b.example have the same name" },
	{ DOMAIN "users=ann alias=bob:x", "alias=bob:...: bob is not among users=" },
	{ DOMAIN "users=ann list=k:bob", "list=k:...: bob is not among users=" },
	{ DOMAIN "alias=bob", "alias=bob: write it alias=USER:WORD" },
	{ DOMAIN "envelope=X-To:0", "envelope=X-To:0: auto, none" },
	{ DOMAIN "subaddress=ab", "subaddress=ab: one sign" },
	{ DOMAIN "schedule=\"mon-fri 07:00-19:00 every 5m; sat,sun every 1h\" time_limit=10m", NULL },
	{ DOMAIN "schedule=\"mon-fri 07:00 every 5m\"", "schedule: \"mon-fri 07:00 every 5m\": hours are written" },
	{ DOMAIN "time_limit=0", "time_limit=0: a time such as 90s" },
	{ DOMAIN "auth=oauth provider=google client_id=1", NULL },
	{ DOMAIN "auth=oauth provider=microsoft client_id=1 tenant=firm.example scope=\"a b\"", NULL },
	{ DOMAIN "auth=oauth secret=\"!print-token ann\"", NULL },
	{ DOMAIN "auth=oauth provider=google", "client_id= is missing" },
	{ DOMAIN "auth=oauth client_id=1", "go with provider=" },
	{ DOMAIN "auth=oauth provider=google client_id=1 secret=x", "the token can come from one of them only" },
	{ DOMAIN "auth=oauth provider=google secret=!x", "the token can come from one of them only" },
	{ DOMAIN "auth=oauth provider=m client_id=1 tenant=../x", "tenant=../x: letters, digits" },
	{ DOMAIN "provider=google client_id=1", "provider= goes with auth=oauth" },
	{ DOMAIN "protocol=imap folder=INBOX,Lists/a folder=\"b c\" move_to=done idle=yes", NULL },
	{ DOMAIN "protocol=imap keep=all mark=seen", NULL },
	{ DOMAIN "folder=INBOX", "go with protocol=imap" },
	{ DOMAIN "idle=yes", "go with protocol=imap" },
	{ DOMAIN "protocol=imap mark=read", "mark=read: seen or no is meant" },
	{ DOMAIN "protocol=imap folder=\xff", "the name of a folder is meant" },
	{ DOMAIN "protocol=imap folder=a\001b", "the name of a folder is meant" },
	{ DOMAIN "protocol=imap move_to=", "the name of a folder is meant" },
	{ DOMAIN "protocol=imap folder=a move_to=a", "move_to=a is a folder that is collected from" },
	{ DOMAIN "protocol=imap move_to=a keep=all", "keep=all contradicts" },
	{ DOMAIN "users=\"ann", "" },
};

static void
entry_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(entries); i++) {
		struct arena *arena = arena_new();
		struct buf why = BUF_INIT(4096);
		struct upstream up;
		int rv = upstream_parse(span_of(entries[i].in), arena, &up, &why);

		if ((rv == 0) != (entries[i].why == NULL) ||
		    (rv == -1 && strstr(buf_str(&why), entries[i].why) == NULL))
			fail_msg("%s: %s", entries[i].in, buf_str(&why));
		buf_free(&why);
		arena_free(arena);
	}
}

static void
values(void **state)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(4096);
	struct upstream up;

	(void)state;
	assert_int_equal(upstream_parse(SPAN("kind=shared host=pop.x mailbox=m@x.example,n@x.example users=ann,bob "
	    "users=carol name=\"ann:Ann: the one\" fallback=ann tls=starttls keep=30d trusted=.x,192.0.2.0/24"),
	    arena, &up, &why), 0);
	assert_int_equal(up.kind, UPSTREAM_SHARED);
	assert_int_equal(up.port, 110);
	assert_string_equal(up.login, "m@x.example");
	assert_int_equal(up.users.n, 3);
	assert_string_equal(up.users.v[2], "carol");
	assert_string_equal(up.names.v[0].values.v[0], "Ann: the one");
	assert_int_equal(up.keep, UPSTREAM_KEEP_DAYS);
	assert_int_equal(up.keep_days, 30);
	assert_int_equal(up.trusted.n, 2);
	assert_int_equal(up.subaddress, '+');
	assert_int_equal(up.max_hops, 50);
	assert_null(up.secret);
	assert_int_equal(up.schedule.n, 1);
	assert_int_equal(up.schedule.rules[0].every_s, 300);
	buf_free(&why);
	arena_free(arena);
}

#define TOKEN "token=https://a.example/t scope=s "
static const struct {
	const char *in;
	const char *why; /* NULL: fine */
} providers[] = {
	{ TOKEN "device=https://a.example/d", NULL },
	{ TOKEN "authorize=https://a.example:8443/a?x=y extra=access_type=offline&prompt=consent redirect=http://localhost", NULL },
	{ "token=http://127.0.0.1:8080/t app_scope=s", NULL },
	{ "token=http://[::1]:8080/t app_scope=s", NULL },
	{ "token=http://localhost/t app_scope=s client_auth=basic", NULL },
	{ TOKEN "device=https://a.example/d young=8d young_hint=\"so soon\"", NULL },
	{ "token=http://a.example/t app_scope=s", "token=http://a.example/t: a https:// address is meant" },
	{ "token=http://127.0.0.1.a.example/t app_scope=s", "a https:// address is meant" },
	{ "token=http://localhost@a.example/t app_scope=s", "a https:// address is meant" },
	{ "token=https://ann@a.example/t app_scope=s", "a https:// address is meant" },
	{ "token=file:///etc/passwd app_scope=s", "a https:// address is meant" },
	{ "token=https:///t app_scope=s", "a https:// address is meant" },
	{ "token=\"https://a.example/t x\" app_scope=s", "a https:// address is meant" },
	{ "device=https://a.example/d scope=s", "token= is missing" },
	{ "token=https://a.example/t", "how does one log in?" },
	{ "token=https://a.example/t device=https://a.example/d", "scope= is missing" },
	{ TOKEN "device=https://a.example/d young=8d", "young= and young_hint= belong together" },
	{ TOKEN "device=https://a.example/d young=soon", "young=soon: a time such as 8d" },
	{ TOKEN "device=https://a.example/d client_auth=jwt", "client_auth=jwt: post or basic" },
	{ TOKEN "device=https://a.example/d tenant=a/b", "tenant=a/b: letters" },
	{ TOKEN "device=https://a.example/d device=https://a.example/d", "device= stands twice" },
	{ TOKEN "dev=https://a.example/d", "unknown word \"dev\"" },
};

static void
provider_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(providers); i++) {
		struct arena *arena = arena_new();
		struct buf why = BUF_INIT(4096);
		struct provider p;
		int rv = provider_parse(span_of(providers[i].in), arena, &p, &why);

		if ((rv == 0) != (providers[i].why == NULL) ||
		    (rv == -1 && strstr(buf_str(&why), providers[i].why) == NULL))
			fail_msg("%s: %s", providers[i].in, buf_str(&why));
		buf_free(&why);
		arena_free(arena);
	}
}

static void
tenants(void **state)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(4096);

	(void)state;
	assert_string_equal(provider_url("https://a/{tenant}/t", "x-1", arena, &why), "https://a/x-1/t");
	assert_string_equal(provider_url("https://a/t", NULL, arena, &why), "https://a/t");
	assert_null(provider_url("https://a/{tenant}/t", NULL, arena, &why));
	assert_string_equal(buf_str(&why), "tenant= is missing: https://a/{tenant}/t needs it");
	buf_free(&why);
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(entry_rows), cmocka_unit_test(values),
		cmocka_unit_test(provider_rows), cmocka_unit_test(tenants) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
