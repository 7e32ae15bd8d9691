/*
 * check_conf: posthouse.conf where a setting must fit another one, the maps or the world.
 *
 * Single values and their bounds are conf.c's business.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/net/dnsbl_rules.h"
#include "lib/net/milter.h"
#include "router/check.h"
#include "router/front.h"

static void conf_wrong(struct check *, const char *setting, const char *, ...)
    PRINTF_LIKE(3, 4);

static void
conf_wrong(struct check *k, const char *setting, const char *text, ...)
{
	struct buf b = BUF_INIT(2000);
	va_list ap;

	va_start(ap, text);
	buf_addv(&b, text, ap);
	va_end(ap);
	report_error(k->c->report, k->c->conf_file, conf_line(k->c->conf_file,
	    setting), "%s: %s", setting, buf_str(&b));
	buf_free(&b);
}

struct listener {
	const char *setting;
	struct span host; /* empty: every address */
	uint64_t port;
};

/* A number or the name of a service. */
static bool
port_parse(struct span text, uint64_t *out)
{
	const struct servent *service;
	char *name;

	if (num_parse(text, 65535, out) == 0)
		return true;
	name = mem_dupn(text.s, text.len);
	// cppcheck-suppress getservbynameCalled ; one thread, and the answer is used at once
	service = getservbyname(name, "tcp");
	free(name);
	if (service != NULL)
		*out = ntohs((uint16_t)service->s_port);
	return service != NULL;
}

/* "127.0.0.1:25", "[::1]:smtp", "*:25", "25": as lib/sys/listen.c reads it. */
static bool
listener_parse(struct span text, struct listener *out)
{
	size_t i = text.len;

	while (i > 0 && text.s[i - 1] != ':')
		i--;
	out->host = (struct span){ text.s, i > 0 ? i - 1 : 0 };
	if (out->host.len > 0 && out->host.s[0] != '[' &&
	    memchr(out->host.s, ':', out->host.len) != NULL)
		return false; /* an IPv6 address takes brackets */
	if (span_is(out->host, "*"))
		out->host.len = 0;
	return port_parse((struct span){ text.s + i, text.len - i },
	    &out->port);
}

#define LISTENERS 64

/* Told once for two services, of the one that is set in the file. */
static void
clash(struct check *k, const struct listener *one, const char *other)
{
	bool set = conf_line(k->c->conf_file, one->setting) > 0;

	if (k->clash != one->setting)
		conf_wrong(k, set ? one->setting : other, "port %llu is taken "
		    "by %s already: change one of them",
		    (unsigned long long)one->port, set ? other : one->setting);
	k->clash = one->setting;
}

static void
add_listener(struct check *k, struct listener *all, size_t *n,
    const struct listener *one)
{
	size_t i;

	for (i = 0; i < *n && one->port != 0; i++)
		if (all[i].port == one->port && (all[i].host.len == 0 ||
		    one->host.len == 0 || span_eq(all[i].host, one->host))) {
			clash(k, one, all[i].setting);
			return;
		}
	if (*n < LISTENERS)
		all[(*n)++] = *one;
}

static void
check_listeners(struct check *k)
{
	const struct {
		const char *setting, *value;
		uint64_t port;
	} settings[] = {
		{ "listen_smtp", k->c->conf.listen_smtp, 25 },
		{ "listen_submission", k->c->conf.listen_submission, 587 },
		{ "listen_submissions", k->c->conf.listen_submissions, 465 },
		{ "listen_lmtp", k->c->conf.listen_lmtp, 24 },
		{ "listen_pop3", k->c->conf.listen_pop3, 110 },
		{ "listen_pop3s", k->c->conf.listen_pop3s, 995 },
	};
	struct listener all[LISTENERS], one;
	struct span rest, text;
	size_t i, n = 0;

	for (i = 0; i < COUNT(settings); i++) {
		rest = span_trim(span_of(settings[i].value));
		one = (struct listener){ settings[i].setting, { "", 0 },
			settings[i].port };
		if (rest.len == 0)
			add_listener(k, all, &n, &one);
		if (span_is(rest, "none"))
			continue;
		while (rest.s != NULL && rest.len > 0) {
			text = span_trim(span_cut(&rest, ','));
			if (listener_parse(text, &one))
				add_listener(k, all, &n, &one);
			else
				conf_wrong(k, one.setting, "\"%.*s\" is not "
				    "ADDRESS:PORT, [IPV6]:PORT, *:PORT or PORT",
				    (int)text.len, text.s);
		}
	}
}

/* What others are told must be a name: it stands in EHLO and Received. */
static void
check_host_name(struct check *k, const char *setting, const char *name)
{
	struct span key;
	struct path p;

	if (address_key(SPAN("x"), span_of(name), k->mem, &p, &key) == 0 &&
	    path_parse_address(key.s, key.len, &p) == 0)
		return;
	conf_wrong(k, setting, "\"%s\" is no host name", name);
}

/* "192.0.2.53", "192.0.2.53:5353", "[::1]:53" */
static void
check_resolver(struct check *k)
{
	struct span rest = span_of(k->c->conf.resolver), one, host;
	struct ip ip;
	uint64_t port;

	if (rest.len == 0)
		return;
	while (rest.s != NULL) {
		one = span_trim(span_cut(&rest, ','));
		if (ip_parse(one, &ip) == 0)
			continue;
		if (one.len > 0 && one.s[0] == '[') {
			one = (struct span){ one.s + 1, one.len - 1 };
			host = span_cut(&one, ']');
			if (one.s != NULL && one.len > 0 && one.s[0] == ':')
				one = (struct span){ one.s + 1, one.len - 1 };
			else if (one.s != NULL && one.len == 0)
				one = SPAN("53");
		} else
			host = span_cut(&one, ':');
		if (ip_parse(host, &ip) == -1 || one.s == NULL ||
		    num_parse(one, 65535, &port) == -1)
			conf_wrong(k, "resolver", "write ADDRESS, ADDRESS:PORT "
			    "or [IPV6]:PORT, with commas between");
	}
}

static void
check_balancers(struct check *k)
{
	struct ip_prefix some[FRONT_BALANCERS];
	struct buf why = BUF_INIT(500);

	if (front_balancers(span_of(k->c->conf.proxy_from), some, COUNT(some), &why) == -1)
		conf_wrong(k, "proxy_from", "%s", buf_str(&why));
	buf_free(&why);
}

static void
check_lists(struct check *k)
{
	struct dnsbl_rules rules = { .n = 0 };
	struct buf why = BUF_INIT(500);

	if (dnsbl_rules_parse(span_of(k->c->conf.dnsbl), &rules, &why) == -1)
		conf_wrong(k, "dnsbl", "%s", buf_str(&why));
	dnsbl_rules_free(&rules);
	buf_free(&why);
}

static void
check_milters(struct check *k)
{
	const struct milter_settings any = { OTHERWISE_TEMPFAIL, 1, 1, 1, false };
	struct milter_place places[MILTER_PLACES_MAX];
	struct buf why = BUF_INIT(1000);
	int n = milter_places_parse(span_of(k->c->conf.milters), &any, places, &why);

	if (n == -1)
		conf_wrong(k, "milters", "%s", buf_str(&why));
	else
		milter_places_free(places, (size_t)n);
	buf_free(&why);
}

void
check_conf(struct check *k)
{
	const struct conf *conf = &k->c->conf;
	struct domain_entry d;
	unsigned line;

	int found = find_domain(&k->r, span_of(k->c->default_domain), k->mem,
	    &d, &line);

	if (conf->default_domain[0] != '\0' && (found == 0 ||
	    (found == 1 && d.kind != DOMAIN_LOCAL)))
		conf_wrong(k, "default_domain", "%s is no local domain: add "
		    "\"%s local\" to domains", conf->default_domain,
		    conf->default_domain);
	check_host_name(k, "hostname", conf->hostname);
	check_host_name(k, "helo_name", conf->helo_name);
	check_resolver(k);
	check_milters(k);
	check_balancers(k);
	check_lists(k);
	if (conf->mail_root[0] != '\0' && conf->mail_root[0] != '/')
		conf_wrong(k, "mail_root", "write the path from the root, with "
		    "/ in front");
	if (conf->retry_last < conf->retry_first)
		conf_wrong(k, "retry_last", "it is less than retry_first");
	check_listeners(k);
}
