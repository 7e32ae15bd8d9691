/* test_router: who gets a message, and which way, by maps compiled for the purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/sys/file.h"
#include "router/compile.h"
#include "router/lookup.h"
#include "t/unit/tree.h"

static const struct {
	const char *file, *text;
} house[] = {
	{ "posthouse.conf", "hostname = mx.example.org\n"
	  "default_domain = Example.ORG\n" },
	{ "domains",
	  "example.org   local postmaster=ann\n"                     /* 1 */
	  "b.example     alias-of=example.org\n"                     /* 2 */
	  "firm.example  local postmaster=jan catch-all=jan mail_root=/srv/firm\n"
	  "marketing     local postmaster=ann@example.org\n"         /* 4 */
	  "office.lan    local postmaster=ann@example.org\n"         /* 5 */
	  "backup.example relay\n"                                   /* 6 */
	  "münchen.example local postmaster=ann@example.org\n" },    /* 7 */
	{ "users",
	  "ann@example.org name=\"Ann Archer\"\n"                    /* 1 */
	  "bob@example.org copy-to=carol\n"                          /* 2 */
	  "carol@example.org copy-to=bob\n"                          /* 3 */
	  "dave@example.org forward=dave@else.example\n"             /* 4 */
	  "eve@example.org disabled\n"                               /* 5 */
	  "frank@example.org maildir=old/frank\n"                    /* 6 */
	  "\"g h/i\"@example.org\n"                                  /* 7 */
	  "jan@firm.example\n"                                       /* 8 */
	  "john@marketing\n"                                         /* 9 */
	  "jane@office.lan\n"                                        /* 10 */
	  "hans@münchen.example\n"                                   /* 11 */
	  "gone@firm.example disabled\n" },                          /* 12 */
	{ "aliases",
	  "sales@example.org ann, bob@else.example, Bob@Example.Org\n" /* 1 */
	  "all@example.org sales, carol, ann, dave\n"                /* 2 */
	  "carol@example.org carol, ann\n"                           /* 3: itself */
	  "spam@example.org :discard:\n"                             /* 4 */
	  "left@example.org :reject: She works elsewhere now\n"      /* 5 */
	  "shut@example.org :reject:\n"                              /* 6 */
	  "half@example.org eve, ann\n"                              /* 7 */
	  "info@b.example jane@office.lan\n"                         /* 8 */
	  "@marketing ann@example.org\n"                             /* 9 */
	  "root@example.org ann@localhost\n"                         /* 10 */
	  "asleep@example.org eve\n"                                 /* 11 */
	  "home@example.org post=auth-if-remote-members ann, dave\n" /* 12 */
	  "club@example.org post=auth-if-remote-members ann, x@else.example\n"
	  "over@example.org ann, club\n"                             /* 14 */
	  "team@example.org post=auth ann\n" },                      /* 15 */
	{ "routes",
	  "smart.example    smarthost=mail.isp.example,192.0.2.1:587,[2001:DB8::1]\n"
	  ".smart.example   smarthost=below.example:26\n"            /* 2 */
	  "direct.example   mx\n"                                    /* 3 */
	  "from:ann@example.org smarthost=ann.example\n"             /* 4 */
	  "from:@firm.example smarthost=firm.example\n"              /* 5 */
	  "from:<>          smarthost=bounces.example\n" },          /* 6 */
	{ "access",
	  "192.0.2.0/24     trust\n"                                 /* 1 */
	  "192.0.2.128/25   no-relay\n"                              /* 2 */
	  "192.0.2.200-192.0.2.203 reject text=\"Not you\"\n"        /* 3 */
	  "198.51.100.7     no-local\n"                              /* 4 */
	  "10.0.0.0/255.0.0.0 no-relay,no-local\n"                   /* 5 */
	  "2001:db8::/32    trust\n"                                 /* 6 */
	  "203.0.113.0/24   reject\n"                                /* 7 */
	  "sender:bad@else.example reject text=\"Go away\"\n"        /* 8 */
	  "sender:@spam.example reject\n"                            /* 9 */
	  "helo:Dynamic.Example reject\n"                            /* 10 */
	  "rcpt:hidden@example.org reject\n"                         /* 11 */
	  "rcpt:@closed.example reject text=\"Closed\"\n"            /* 12 */
	  "at:192.0.2.53 trust\n"                                    /* 13 */
	  "at:[2001:db8:1::1]:25 no-relay\n"                         /* 14 */
	  "at:*:2525 no-local\n"                                     /* 15 */
	  "198.51.100.40 device=copier from=scan@firm.example rate=60/h "
	  "to=@firm.example,bob,x@else.example\n" },                 /* 16 */
};

struct place {
	char dir[32];
	struct instance inst;
	struct conf conf;
	struct router r;
	struct arena *mem;
};

static void
write_map(const struct place *p, const char *name, const char *text)
{
	char *file = mem_fmt("%s/etc/%s", p->dir, name);

	assert_int_equal(file_replace_at(-1, file, text, strlen(text), 0644), 0);
	free(file);
}

static void
compile_house(struct place *p)
{
	unsigned long counts[MAP_COUNT];
	struct report report;
	int null = open("/dev/null", O_WRONLY); /* its warnings are meant */

	report_open(&report, null, 0);
	assert_int_equal(compile_maps(&p->inst, false, &report, NULL, counts),
	    0);
	report_close(&report);
	file_close(null);
}

static void
refuse_house(struct place *p, unsigned long errors)
{
	unsigned long counts[MAP_COUNT];
	struct report report;
	int null = open("/dev/null", O_WRONLY);

	report_open(&report, null, 1);
	assert_int_equal(compile_maps(&p->inst, false, &report, NULL, counts),
	    -1);
	assert_int_equal(report.errors, errors);
	report_close(&report);
	file_close(null);
}

static int
set_up(void **state)
{
	struct place *p = mem_alloc(1, sizeof(*p));
	struct buf why = BUF_INIT(1000);
	char *etc;
	size_t i;

	(void)strlcpy(p->dir, "/tmp/router.XXXXXX", sizeof(p->dir));
	assert_non_null(mkdtemp(p->dir));
	etc = mem_fmt("%s/etc", p->dir);
	assert_int_equal(mkdir(etc, 0755), 0);
	free(etc);
	for (i = 0; i < COUNT(house); i++)
		write_map(p, house[i].file, house[i].text);
	instance_open(&p->inst, p->dir);
	compile_house(p);
	conf_load(&p->conf, &p->inst);
	assert_int_equal(router_open(&p->r, &p->inst, &p->conf, &why), 0);
	p->mem = arena_new();
	buf_free(&why);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;

	arena_free(p->mem);
	router_close(&p->r);
	conf_free(&p->conf);
	instance_close(&p->inst);
	assert_int_equal(tree_remove(p->dir), 0);
	free(p);
	return 0;
}

/* --- recipients ---------------------------------------------------------- */

enum { STRANGER, OURS, NO_LOCAL, NO_RELAY }; /* who asks */

static const struct {
	int who;
	const char *address;
	const char *want; /* "local:A relay:B", "" for discarded, or the reply */
} rcpts[] = {
	/* mailboxes */
	{ STRANGER, "ann@example.org", "local:ann@example.org" },
	{ STRANGER, "ANN@EXAMPLE.ORG", "local:ann@example.org" },
	{ STRANGER, "\"ann\"@example.org", "local:ann@example.org" },
	{ STRANGER, "\"g h/i\"@example.org", "local:\"g h/i\"@example.org" },
	{ STRANGER, "john@marketing", "local:john@marketing" },
	{ STRANGER, "jane@office.lan", "local:jane@office.lan" },
	{ STRANGER, "hans@m\xc3\xbcnchen.example",
	  "local:hans@xn--mnchen-3ya.example" },
	{ STRANGER, "hans@xn--mnchen-3ya.example",
	  "local:hans@xn--mnchen-3ya.example" },
	{ STRANGER, "nobody@example.org", "550 5.1.1 No such user here" },
	{ STRANGER, "eve@example.org", "550 5.2.1 Mailbox disabled" },
	/* an alias of a domain */
	{ STRANGER, "ann@b.example", "local:ann@example.org" },
	{ STRANGER, "nobody@b.example", "550 5.1.1 No such user here" },
	{ STRANGER, "info@b.example", "local:jane@office.lan" },
	{ STRANGER, "info@example.org", "550 5.1.1 No such user here" },
	/* copies and forwards */
	{ STRANGER, "bob@example.org", "local:bob@example.org "
	  "local:carol@example.org local:ann@example.org" },
	{ STRANGER, "dave@example.org", "relay:dave@else.example" },
	/* aliases; each mailbox once */
	{ STRANGER, "sales@example.org", "local:ann@example.org "
	  "relay:bob@else.example local:bob@example.org "
	  "local:carol@example.org" },
	{ STRANGER, "all@example.org", "local:ann@example.org "
	  "relay:bob@else.example local:bob@example.org "
	  "local:carol@example.org relay:dave@else.example" },
	{ STRANGER, "carol@example.org", "local:carol@example.org "
	  "local:bob@example.org local:ann@example.org" },
	{ STRANGER, "spam@example.org", "" },
	{ STRANGER, "left@example.org", "550 5.7.1 She works elsewhere now" },
	{ STRANGER, "shut@example.org", "550 5.7.1 This address takes no mail" },
	{ STRANGER, "half@example.org", "local:ann@example.org" },
	{ STRANGER, "asleep@example.org", "550 5.2.1 Mailbox disabled" },
	{ STRANGER, "root@example.org", "local:ann@example.org" },
	{ STRANGER, "anything@marketing", "local:ann@example.org" },
	/* catch-all, which a disabled user does not fall to */
	{ STRANGER, "anything@firm.example", "local:jan@firm.example" },
	{ STRANGER, "gone@firm.example", "550 5.2.1 Mailbox disabled" },
	/* postmaster: RFC 5321, 4.5.1 */
	{ STRANGER, "postmaster", "local:ann@example.org" },
	{ STRANGER, "PostMaster", "local:ann@example.org" },
	{ STRANGER, "postmaster@example.org", "local:ann@example.org" },
	{ STRANGER, "postmaster@b.example", "local:ann@example.org" },
	{ STRANGER, "postmaster@firm.example", "local:jan@firm.example" },
	{ STRANGER, "postmaster@mx.example.org", "local:ann@example.org" },
	{ STRANGER, "postmaster@else.example", "550 5.7.1 Relaying denied" },
	/* bare names */
	{ STRANGER, "ann", "550 5.1.3 The address needs a domain" },
	{ OURS, "ann", "local:ann@example.org" },
	{ OURS, "nobody", "550 5.1.1 No such user here" },
	{ OURS, "john", "550 5.1.1 No such user here" },
	/* names of this host */
	{ STRANGER, "ann@[127.0.0.1]", "local:ann@example.org" },
	{ STRANGER, "ann@[IPv6:::1]", "local:ann@example.org" },
	{ STRANGER, "ann@localhost", "local:ann@example.org" },
	{ STRANGER, "ann@MX.example.org", "local:ann@example.org" },
	{ STRANGER, "ann@[192.0.2.77]", "550 5.7.1 Relaying denied" },
	{ OURS, "ann@[192.0.2.77]", "relay:ann@[192.0.2.77]" },
	/* elsewhere */
	{ STRANGER, "x@else.example", "550 5.7.1 Relaying denied" },
	{ STRANGER, "x@sub.example.org", "550 5.7.1 Relaying denied" },
	{ STRANGER, "x@example.org.else.example", "550 5.7.1 Relaying denied" },
	{ STRANGER, "\"x@else.example\"@example.org",
	  "550 5.1.1 No such user here" },
	{ STRANGER, "x%else.example@example.org",
	  "550 5.1.1 No such user here" },
	{ STRANGER, "else.example!x@example.org",
	  "550 5.1.1 No such user here" },
	{ STRANGER, "X@Backup.Example", "relay:X@backup.example" },
	{ OURS, "Some.Body@Else.EXAMPLE", "relay:Some.Body@else.example" },
	{ OURS, "x@unknown", "relay:x@unknown" },
	{ NO_RELAY, "x@else.example", "550 5.7.1 Relaying denied" },
	{ NO_RELAY, "x@backup.example", "550 5.7.1 Relaying denied" },
	{ NO_RELAY, "ann@example.org", "local:ann@example.org" },
	{ NO_LOCAL, "ann@example.org", "550 5.7.1 Local recipients take no "
	  "mail from your address" },
	{ NO_LOCAL, "x@backup.example", "relay:x@backup.example" },
	/* groups that are not for everybody */
	{ STRANGER, "home@example.org", "local:ann@example.org relay:dave@else.example" },
	{ STRANGER, "club@example.org", "550 5.7.1 Authentication required to post to this list" },
	{ STRANGER, "over@example.org", "550 5.7.1 Authentication required to post to this list" },
	{ STRANGER, "team@example.org", "550 5.7.1 Authentication required to post to this list" },
	{ OURS, "club@example.org", "local:ann@example.org relay:x@else.example" },
	{ OURS, "over@example.org", "local:ann@example.org relay:x@else.example" },
	{ OURS, "team@example.org", "local:ann@example.org" },
};

static void
describe(const struct route *route, struct buf *out)
{
	const struct route_rcpt *rcpt;
	size_t n = 0;

	buf_reset(out);
	if (route->outcome != SENT) {
		buf_addf(out, "%d %s %s", route->reply.code,
		    route->reply.enhanced, route->reply.text);
		assert_int_equal(reply_outcome(route->reply.code),
		    route->outcome);
		assert_int_equal(route->count, 0);
		return;
	}
	for (rcpt = route->rcpts; rcpt != NULL; rcpt = rcpt->next, n++)
		buf_addf(out, "%s%s:%s", n == 0 ? "" : " ",
		    rcpt->action == RCPT_LOCAL ? "local" : "relay",
		    rcpt->address);
	assert_int_equal(route->count, n);
}

static void
ask(struct place *p, int who, const char *address, struct buf *out,
    struct buf *explain)
{
	struct access client = { .trusted = who == OURS,
		.no_local = who == NO_LOCAL, .no_relay = who == NO_RELAY };
	char *bracketed = mem_fmt("<%s>", address);
	struct route route;
	struct path path;

	assert_int_equal(path_parse(bracketed, strlen(bracketed), PATH_FORWARD,
	    &path), strlen(bracketed));
	router_rcpt(&p->r, &path, &client, who == OURS, who == OURS, p->mem,
	    &route, explain);
	describe(&route, out);
	arena_reset(p->mem);
	free(bracketed);
}

static void
recipients(void **state)
{
	struct buf got = BUF_INIT(65536);
	size_t i;

	for (i = 0; i < COUNT(rcpts); i++) {
		ask(*state, rcpts[i].who, rcpts[i].address, &got, NULL);
		if (strcmp(buf_str(&got), rcpts[i].want) != 0)
			print_error("%s:\n", rcpts[i].address);
		assert_string_equal(buf_str(&got), rcpts[i].want);
	}
	buf_free(&got);
}

static void
explained(void **state)
{
	struct buf got = BUF_INIT(65536), why = BUF_INIT(65536);

	ask(*state, STRANGER, "Sales@b.example", &got, &why);
	assert_string_equal(buf_str(&why),
	    "domains:1 example.org is local\n"
	    "domains:2 b.example is example.org\n"
	    "aliases:1 sales@example.org → ann, bob@else.example, "
	    "Bob@Example.Org\n"
	    "users:1 ann@example.org is a mailbox\n"
	    "users:2 bob@example.org is a mailbox\n"
	    "users:2 bob@example.org copies to carol\n"
	    "aliases:3 carol@example.org → carol, ann\n"
	    "users:3 carol@example.org is a mailbox\n"
	    "users:3 carol@example.org copies to bob\n");
	buf_reset(&why);
	ask(*state, STRANGER, "x@firm.example", &got, &why);
	assert_string_equal(buf_str(&why),
	    "domains:3 firm.example is local\n"
	    "domains:3 nobody is called x@firm.example: catch-all → jan\n"
	    "users:8 jan@firm.example is a mailbox\n");
	buf_reset(&why);
	ask(*state, STRANGER, "x@else.example", &got, &why);
	assert_string_equal(buf_str(&why),
	    "domains else.example is not ours\n"
	    "access the client may not relay\n");
	buf_free(&got);
	buf_free(&why);
}

static void
relay_none(void **state)
{
	static const char *const addresses[] = { "x@else.example",
		"x@backup.example", "x@[192.0.2.77]" };
	struct place *p = *state;
	struct buf got = BUF_INIT(1000);
	size_t i;

	p->conf.relay = false;
	for (i = 0; i < COUNT(addresses); i++) {
		ask(p, OURS, addresses[i], &got, NULL);
		assert_string_equal(buf_str(&got), "550 5.7.1 Relaying to "
		    "other domains is switched off here");
	}
	ask(p, OURS, "john@marketing", &got, NULL);
	assert_string_equal(buf_str(&got), "local:john@marketing");
	buf_free(&got);
}

/* --- default domain ------------------------------------------------------ */

static const struct {
	const char *conf, *domains;
	const char *ann, *host; /* bare ann from us; ann@localhost */
	const char *postmaster;
} defaults[] = {
	{ "", "one.example local postmaster=ann@one.example\n",
	  "local:ann@one.example", "local:ann@one.example",
	  "local:ann@one.example" },
	{ "", "one.example local postmaster=ann@one.example\n"
	  "two.example local postmaster=ann@one.example\n"
	  "three.example alias-of=one.example\n",
	  "550 5.1.3 The address needs a domain: no default domain is set here",
	  "550 5.1.1 No such user here", "local:ann@one.example" },
	{ "default_domain = one.example\n",
	  "two.example local postmaster=ann@one.example\n"
	  "one.example local postmaster=ann@one.example\n",
	  "local:ann@one.example", "local:ann@one.example",
	  "local:ann@one.example" },
};

static void
default_domain(void **state)
{
	struct place *p = *state;
	struct buf got = BUF_INIT(1000), why = BUF_INIT(1000);
	size_t i;

	write_map(p, "users", "ann@one.example\n");
	write_map(p, "aliases", "");
	for (i = 0; i < COUNT(defaults); i++) {
		write_map(p, "posthouse.conf", defaults[i].conf);
		write_map(p, "domains", defaults[i].domains);
		compile_house(p);
		router_close(&p->r);
		conf_free(&p->conf);
		conf_load(&p->conf, &p->inst);
		assert_int_equal(router_open(&p->r, &p->inst, &p->conf, &why),
		    0);
		ask(p, OURS, "ann", &got, NULL);
		assert_string_equal(buf_str(&got), defaults[i].ann);
		ask(p, OURS, "ann@localhost", &got, NULL);
		assert_string_equal(buf_str(&got), defaults[i].host);
		ask(p, STRANGER, "postmaster", &got, NULL);
		assert_string_equal(buf_str(&got), defaults[i].postmaster);
		ask(p, STRANGER, "postmaster@localhost", &got, NULL);
		assert_string_equal(buf_str(&got), defaults[i].postmaster);
	}
	buf_free(&got);
	buf_free(&why);
}

/* A session sees one generation; the next session the next. */
static void
next_generation(void **state)
{
	struct place *p = *state;
	struct buf got = BUF_INIT(1000);

	write_map(p, "aliases", "fresh@example.org ann\n");
	compile_house(p);
	ask(p, STRANGER, "fresh@example.org", &got, NULL);
	assert_string_equal(buf_str(&got), "550 5.1.1 No such user here");
	router_refresh(&p->r);
	ask(p, STRANGER, "fresh@example.org", &got, NULL);
	assert_string_equal(buf_str(&got), "local:ann@example.org");
	buf_free(&got);
}

/* --- large and deep ------------------------------------------------------ */

/* An alias of an alias, n steps to a mailbox; groups of 2000 each in one. */
static void
write_deep(struct place *p, size_t n, size_t groups)
{
	struct buf text = BUF_INIT(1 << 20);
	size_t i, j;

	for (i = 1; i < n; i++)
		buf_addf(&text, "a%zu@example.org a%zu\n", i, i + 1);
	buf_addf(&text, "a%zu@example.org ann\nbig@example.org ann", n);
	for (i = 0; i < groups; i++)
		buf_addf(&text, ", g%zu", i);
	for (i = 0; i < groups; i++) {
		buf_addf(&text, "\ng%zu@example.org ann", i);
		for (j = 0; j < 2000; j++)
			buf_addf(&text, ",u%zu-%zu@x.example", i, j);
	}
	buf_addc(&text, '\n');
	write_map(p, "aliases", buf_str(&text));
	buf_free(&text);
}

static void
bounds(void **state)
{
	struct place *p = *state;
	struct buf got = BUF_INIT(4 << 20);
	struct access client = { 0 };
	struct route route;
	struct path path;

	write_deep(p, LIMIT_ALIAS_DEPTH + 1, 0);
	refuse_house(p, 1);
	write_deep(p, LIMIT_ALIAS_DEPTH, 5);
	refuse_house(p, 1);
	write_deep(p, LIMIT_ALIAS_DEPTH, 4);
	compile_house(p);
	router_refresh(&p->r);
	ask(p, STRANGER, "a1@example.org", &got, NULL);
	assert_string_equal(buf_str(&got), "local:ann@example.org");
	assert_int_equal(path_parse_address("big@example.org", 15, &path), 0);
	router_rcpt(&p->r, &path, &client, false, false, p->mem, &route, NULL);
	assert_int_equal(route.outcome, SENT);
	assert_int_equal(route.count, 8001);
	buf_free(&got);
}

/* --- mailboxes ----------------------------------------------------------- */

static void
mailboxes(void **state)
{
	static const struct {
		const char *address, *own, *root, *maildir;
		bool disabled;
		unsigned line;
	} rows[] = {
		{ "ann@example.org", "ann@example.org", NULL,
		  "example.org/ann", false, 1 },
		{ "Ann", "ann@example.org", NULL, "example.org/ann", false, 1 },
		{ "ann@b.example", "ann@example.org", NULL, "example.org/ann",
		  false, 1 },
		{ "eve@example.org", "eve@example.org", NULL,
		  "example.org/eve", true, 5 },
		{ "frank@example.org", "frank@example.org", NULL, "old/frank",
		  false, 6 },
		{ "\"g h/i\"@example.org", "\"g h/i\"@example.org", NULL,
		  "example.org/\"g%20h%2Fi\"", false, 7 },
		{ "jan@firm.example", "jan@firm.example", "/srv/firm",
		  "firm.example/jan", false, 8 },
		{ "hans@m\xc3\xbcnchen.example",
		  "hans@xn--mnchen-3ya.example", NULL,
		  "xn--mnchen-3ya.example/hans", false, 11 },
		{ "sales@example.org", NULL, NULL, NULL, false, 0 },
		{ "nobody@example.org", NULL, NULL, NULL, false, 0 },
		{ "ann@else.example", NULL, NULL, NULL, false, 0 },
		{ "x@backup.example", NULL, NULL, NULL, false, 0 },
		{ "", NULL, NULL, NULL, false, 0 },
		{ "no address", NULL, NULL, NULL, false, 0 },
	};
	struct place *p = *state;
	struct mailbox box;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(router_mailbox(&p->r, rows[i].address, p->mem,
		    &box), rows[i].own != NULL);
		if (rows[i].own == NULL)
			continue;
		assert_string_equal(box.address, rows[i].own);
		assert_string_equal(box.root, rows[i].root == NULL ?
		    p->inst.mail : rows[i].root);
		assert_string_equal(box.maildir, rows[i].maildir);
		assert_int_equal(box.disabled, rows[i].disabled);
		assert_int_equal(box.line, rows[i].line);
	}
	assert_int_equal(router_mailbox(&p->r, "ann", p->mem, &box), 1);
	assert_string_equal(box.name, "Ann Archer");
}

/* --- clients ------------------------------------------------------------- */

static void
clients(void **state)
{
	static const struct {
		const char *ip;
		unsigned line;
		bool trusted, no_relay, no_local;
		const char *reject;
	} rows[] = {
		{ "192.0.2.1", 1, true, false, false, NULL },
		{ "192.0.2.127", 1, true, false, false, NULL },
		{ "192.0.2.128", 2, false, true, false, NULL },
		{ "192.0.2.199", 2, false, true, false, NULL },
		{ "192.0.2.200", 3, false, false, false, "Not you" },
		{ "192.0.2.203", 3, false, false, false, "Not you" },
		{ "192.0.2.204", 2, false, true, false, NULL },
		{ "192.0.3.0", 0, false, false, false, NULL },
		{ "198.51.100.7", 4, false, false, true, NULL },
		{ "198.51.100.8", 0, false, false, false, NULL },
		{ "10.255.255.255", 5, false, true, true, NULL },
		{ "11.0.0.0", 0, false, false, false, NULL },
		{ "203.0.113.9", 7, false, false, false, "Access denied" },
		{ "2001:db8::1", 6, true, false, false, NULL },
		{ "2001:db9::1", 0, false, false, false, NULL },
		{ "::ffff:192.0.2.1", 1, true, false, false, NULL },
		{ "127.0.0.1", 0, false, false, false, NULL },
		{ "::1", 0, false, false, false, NULL },
	};
	struct place *p = *state;
	struct access a;
	struct ip ip;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(ip_parse(span_of(rows[i].ip), &ip), 0);
		router_client(&p->r, &ip, &a, p->mem);
		assert_int_equal(a.line, rows[i].line);
		assert_int_equal(a.trusted, rows[i].trusted);
		assert_int_equal(a.no_relay, rows[i].no_relay);
		assert_int_equal(a.no_local, rows[i].no_local);
		if (rows[i].reject == NULL)
			assert_null(a.reject);
		else
			assert_string_equal(a.reject, rows[i].reject);
	}
}

static void
senders_and_helos(void **state)
{
	static const struct {
		const char *text;
		unsigned sender, helo; /* lines */
		const char *reject;
	} rows[] = {
		{ "bad@else.example", 8, 0, "Go away" },
		{ "BAD@ELSE.example", 8, 0, "Go away" },
		{ "good@else.example", 0, 0, NULL },
		{ "anybody@spam.example", 9, 0, "Access denied" },
		{ "anybody@not.spam.example", 0, 0, NULL },
		{ "", 0, 0, NULL },
		{ "dynamic.example", 0, 10, "Access denied" },
		{ "DYNAMIC.EXAMPLE", 0, 10, "Access denied" },
		{ "[192.0.2.1]", 0, 0, NULL },
	};
	struct place *p = *state;
	struct access a;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		router_sender(&p->r, rows[i].text, &a, p->mem);
		assert_int_equal(a.line, rows[i].sender);
		if (a.line != 0)
			assert_string_equal(a.reject, rows[i].reject);
		router_helo(&p->r, rows[i].text, &a, p->mem);
		assert_int_equal(a.line, rows[i].helo);
		if (a.line != 0)
			assert_string_equal(a.reject, rows[i].reject);
	}
}

static void
etrn(void **state)
{
	static const struct {
		const char *list, *domain;
		bool below, may;
	} rows[] = {
		{ "d.example", "d.example", false, true },
		{ "D.Example", "d.example", false, true },
		{ "a.example, d.example", "d.example", false, true },
		{ "d.example", "x.d.example", false, false },
		{ "d.example", "d.example", true, false },
		{ ".d.example", "d.example", false, false },
		{ ".d.example", "x.d.example", false, true },
		{ ".d.example", "x.y.d.example", false, true },
		{ ".d.example", "xd.example", false, false },
		{ ".d.example", "d.example", true, false },
		{ ".d.example", "x.d.example", true, true },
		{ "d.example,.d.example", "d.example", true, true },
		{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example", false, true },
		{ NULL, "d.example", false, false },
		{ "", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct access a = { .etrn = rows[i].list };

		assert_int_equal(router_etrn(&a, span_of(rows[i].domain), rows[i].below), rows[i].may);
	}
}

static void
listeners_and_recipients(void **state)
{
	static const struct {
		const char *local;
		uint16_t port;
		unsigned line;
	} places[] = {
		{ "192.0.2.53", 25, 13 }, { "192.0.2.53", 2525, 13 }, { "192.0.2.54", 25, 0 }, { "192.0.2.54", 2525, 15 },
		{ "2001:db8:1::1", 25, 14 }, { "2001:db8:1::1", 587, 0 }, { "2001:db8:1::1", 2525, 15 },
	};
	static const struct {
		const char *rcpt;
		unsigned line;
	} rows[] = {
		{ "Hidden@example.org", 11 }, { "hidden@b.example", 11 }, { "hidden@localhost", 11 }, { "hidden", 11 },
		{ "ann@example.org", 0 }, { "hidden@firm.example", 0 }, { "x@Closed.example", 12 }, { "x@sub.closed.example", 0 },
	};
	struct place *p = *state;
	struct access a;
	struct path path;
	struct ip ip;

	for (size_t i = 0; i < COUNT(places); i++) {
		assert_int_equal(ip_parse(span_of(places[i].local), &ip), 0);
		memset(&a, 0, sizeof(a));
		router_listener(&p->r, &ip, places[i].port, &a, p->mem);
		assert_int_equal(a.line, places[i].line);
		a.line = 99;
		router_listener(&p->r, &ip, places[i].port, &a, p->mem);
		assert_int_equal(a.line, 99); /* an entry of the client's own */
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(path_parse_address(rows[i].rcpt, strlen(rows[i].rcpt), &path), 0);
		router_recipient(&p->r, &path, &a, p->mem);
		assert_int_equal(a.line, rows[i].line);
		assert_int_equal(a.reject != NULL, rows[i].line != 0);
	}
}

static void
devices(void **state)
{
	static const struct {
		const char *rcpt;
		bool may;
	} rows[] = {
		{ "ann@firm.example", true }, { "Ann@FIRM.Example", true }, { "ann@sub.firm.example", false }, { "bob", true },
		{ "Bob@example.org", true }, { "ann", false }, { "x@else.example", true }, { "y@else.example", false },
	};
	struct place *p = *state;
	struct device nobody = { .name = "x" }, anybody = { .name = "x", .to = "*" };
	struct access a;
	struct path path;
	struct ip ip;

	assert_int_equal(ip_parse(SPAN("198.51.100.40"), &ip), 0);
	router_client(&p->r, &ip, &a, p->mem);
	assert_string_equal(a.device.name, "copier");
	assert_string_equal(a.device.from, "scan@firm.example");
	assert_null(a.device.default_from);
	assert_int_equal(a.device.per_hour, 60);
	assert_false(a.trusted);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(path_parse_address(rows[i].rcpt, strlen(rows[i].rcpt), &path), 0);
		assert_int_equal(router_device_may(&p->r, &a.device, &path, p->mem), rows[i].may);
		assert_true(router_device_may(&p->r, &anybody, &path, p->mem));
		assert_true(router_device_may(&p->r, &nobody, &path, p->mem)); /* the router refuses what is elsewhere */
	}
}

static void
senders_of_ours(void **state)
{
	static const struct {
		const char *sender;
		bool local, account;
	} rows[] = {
		{ "ann@example.org", true, true }, { "sales@b.example", true, true }, { "nobody@example.org", true, false },
		{ "left@example.org", true, false }, { "x@firm.example", true, true }, { "x@else.example", false, false },
		{ "x@backup.example", false, false }, { "x@mx.example.org", true, false },
	};
	struct place *p = *state;
	struct path path;

	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(path_parse_address(rows[i].sender, strlen(rows[i].sender), &path), 0);
		assert_int_equal(router_is_ours(&p->r, &path, false, p->mem), rows[i].local);
		assert_int_equal(router_is_ours(&p->r, &path, true, p->mem), rows[i].account);
	}
}

/* --- next hops ----------------------------------------------------------- */

static const struct {
	const char *sender, *address, *text;
	unsigned line;
} hops[] = {
	{ "x@y.example", "a@else.example", "mx:else.example", 0 },
	{ "x@y.example", "a@[192.0.2.77]", "mx:[192.0.2.77]", 0 },
	{ "x@y.example", "a@smart.example", "smarthost:mail.isp.example:25,"
	  "[192.0.2.1]:587,[IPv6:2001:db8::1]:25", 1 },
	{ "x@y.example", "a@SMART.example", "smarthost:mail.isp.example:25,"
	  "[192.0.2.1]:587,[IPv6:2001:db8::1]:25", 1 },
	{ "x@y.example", "a@b.smart.example", "smarthost:below.example:26", 2 },
	{ "x@y.example", "a@c.b.smart.example", "smarthost:below.example:26",
	  2 },
	{ "x@y.example", "a@notsmart.example", "mx:notsmart.example", 0 },
	{ "x@y.example", "a@direct.example", "mx:direct.example", 3 },
	{ "ann@example.org", "a@direct.example", "mx:direct.example", 3 },
	{ "Ann@Example.org", "a@else.example", "smarthost:ann.example:25", 4 },
	{ "jan@firm.example", "a@else.example", "smarthost:firm.example:25",
	  5 },
	{ "", "a@else.example", "smarthost:bounces.example:25", 6 },
	/* the map changed while it was in the queue */
	{ "x@y.example", "ann@example.org", "local", 1 },
	{ "x@y.example", "nobody@example.org", NULL, 0 },
};

static void
next_hops(void **state)
{
	struct place *p = *state;
	struct buf why = BUF_INIT(1000);
	struct nexthop hop;
	size_t i;
	int rv;

	for (i = 0; i < COUNT(hops); i++) {
		buf_reset(&why);
		rv = router_nexthop(&p->r, hops[i].sender, hops[i].address,
		    RCPT_RELAY, p->mem, &hop, NULL, &why);
		assert_int_equal(rv, hops[i].text == NULL ? -1 : 0);
		assert_int_equal(why.len > 0, rv == -1);
		if (rv == -1)
			continue;
		assert_string_equal(hop.text, hops[i].text);
		assert_int_equal(hop.line, hops[i].line);
		assert_int_equal(hop.kind, hop.text[0] == 'm' ? NEXTHOP_MX :
		    hop.text[0] == 's' ? NEXTHOP_SMARTHOST : NEXTHOP_LOCAL);
	}
	assert_int_equal(router_nexthop(&p->r, "", "ann@example.org",
	    RCPT_LOCAL, p->mem, &hop, NULL, &why), 0);
	assert_string_equal(hop.text, "local");

	write_map(p, "routes", "* smarthost=all.example:2525\n"
	    "direct.example mx\n");
	compile_house(p);
	router_refresh(&p->r);
	assert_int_equal(router_nexthop(&p->r, "", "a@else.example",
	    RCPT_RELAY, p->mem, &hop, NULL, &why), 0);
	assert_string_equal(hop.text, "smarthost:all.example:2525");
	assert_int_equal(router_nexthop(&p->r, "", "a@direct.example",
	    RCPT_RELAY, p->mem, &hop, NULL, &why), 0);
	assert_string_equal(hop.text, "mx:direct.example");
	buf_free(&why);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(recipients),
		IN_PLACE(explained),
		IN_PLACE(relay_none),
		IN_PLACE(default_domain),
		IN_PLACE(next_generation),
		IN_PLACE(bounds),
		IN_PLACE(mailboxes),
		IN_PLACE(clients),
		IN_PLACE(senders_and_helos),
		IN_PLACE(listeners_and_recipients),
		IN_PLACE(devices),
		IN_PLACE(senders_of_ours),
		cmocka_unit_test(etrn),
		IN_PLACE(next_hops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
