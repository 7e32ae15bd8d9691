/*
 * clientcard: what somebody types into a mail program to use this house (posthouse client-card).
 *
 * Knows the running listeners, from master's record; what they offer, from the settings and tlsd. Prints a
 * card for people, or the XML that Thunderbird and others look for.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/wire/secure.h"
#include "master/record.h"
#include "router/router.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] client-card ADDRESS [--xml]\n\n"
    "  What ADDRESS types into a mail program: servers, ports, TLS, login. The house must be running.\n"
    "  --xml  as configuration that mail programs read by themselves, for the whole domain\n";

enum tls { TLS_NONE, TLS_STARTTLS, TLS_AT_ONCE };
static const struct way {
	const char *listener, *protocol;
	bool outgoing, at_once;
} ways[] = { /* the better one first: RFC 8314, 3 */
	{ "pop3s",       "POP3", false, true },
	{ "pop3",        "POP3", false, false },
	{ "submissions", "SMTP", true,  true },
	{ "submission",  "SMTP", true,  false },
};
struct card {
	const char *dir, *wanted;
	bool xml;
	struct instance inst;
	struct conf conf;
	struct record record;
	bool tls;                         /* there is a certificate */
	char address[LIMIT_ADDRESS + 1];
	const char *domain;               /* in it */
};

static void
read_options(struct card *c, int argc, char *argv[])
{
	static const struct option names[] = {
		{ "xml", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		if (o == 'C') {
			c->dir = optarg;
		} else if (o == 'x') {
			c->xml = true;
		} else {
			(void)fputs(usage_text, o == 'h' ? stdout : stderr);
			exit(o == 'h' ? 0 : EX_USAGE);
		}
	if (optind + 1 != argc) {
		(void)fputs(usage_text, stderr);
		exit(EX_USAGE);
	}
	c->wanted = argv[optind];
}

static void
find_mailbox(struct card *c)
{
	struct buf why = BUF_INIT(4096);
	struct arena *arena = arena_new();
	struct mailbox m = { 0 };
	struct router router;

	if (router_open(&router, &c->inst, &c->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot read the maps: %s", buf_str(&why));
	if (router_mailbox(&router, c->wanted, arena, &m) != 1)
		fatal(EX_NOUSER, "there is no mailbox %s", c->wanted);
	strlcpy(c->address, m.address, sizeof(c->address));
	c->domain = strrchr(c->address, '@');
	c->domain = c->domain == NULL ? c->address : c->domain + 1;
	router_close(&router);
	arena_free(arena);
	buf_free(&why);
}

static void
ask_house(struct card *c)
{
	char *path = instance_path(c->inst.run, "tls");
	struct secure secure;

	if (record_master(&c->inst) == 0 || record_read(&c->inst, &c->record) == -1)
		fatal(EX_UNAVAILABLE, "cannot tell where it listens: the house is not running (posthouse start)");
	secure_init(&secure, path);
	c->tls = secure_ready(&secure);
	free(path);
}

static bool
loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0;
}

/* Where it listens; an address that other machines can reach goes first. NULL: nowhere. */
static const char *
port_of(const struct card *c, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < c->record.listener_count; i++) {
		const struct record_listener *l = &c->record.listeners[i];

		if (strcmp(l->name, name) == 0 && l->error[0] == '\0' && (found == NULL || loopback(found)))
			found = l->address;
	}
	found = found == NULL ? NULL : strrchr(found, ':');
	return found == NULL ? NULL : found + 1;
}

static enum tls
tls_of(const struct card *c, const struct way *w)
{
	return w->at_once ? TLS_AT_ONCE : c->tls ? TLS_STARTTLS : TLS_NONE;
}

static bool
offered(const struct card *c, const struct way *w)
{
	return port_of(c, w->listener) != NULL && (c->tls || !w->at_once);
}

/* --- a card --------------------------------------------------------------- */

static void
print_way(const struct card *c, const struct way *w)
{
	static const char *const words[] = { "none: only where the network is trusted", "STARTTLS", "from the first octet (SSL/TLS)" };
	enum tls tls = tls_of(c, w);

	printf("  server    %s\n  port      %s\n  TLS       %s\n", c->conf.hostname, port_of(c, w->listener), words[tls]);
	if (w->outgoing && tls == TLS_NONE) /* smtpd takes passwords under TLS alone */
		printf("  login     none: this machine must be trusted (posthouse-access(5))\n");
	else
		printf("  login     %s, with the password (normal password)\n", c->address);
}

static void
print_card(const struct card *c)
{
	static const char *const titles[] = { "Receiving: POP3", "Sending: SMTP" };

	printf("Mail for %s\n", c->address);
	for (int outgoing = 0; outgoing < 2; outgoing++) {
		bool first = true;

		for (size_t i = 0; i < COUNT(ways); i++)
			if (ways[i].outgoing == (outgoing == 1) && offered(c, &ways[i])) {
				printf("\n%s\n", first ? titles[outgoing] : "  or, for programs that cannot do that:");
				print_way(c, &ways[i]);
				first = false;
			}
		if (first)
			printf("\n%s\n  not offered here\n", titles[outgoing]);
	}
}

/* --- XML ------------------------------------------------------------------ */

static void
print_element(const char *name, const char *text, const char *indent)
{
	printf("%s<%s>", indent, name);
	for (; *text != '\0'; text++)
		if (*text == '&' || *text == '<' || *text == '>')
			printf("&#%d;", *text);
		else
			putchar(*text);
	printf("</%s>\n", name);
}

static void
print_server(const struct card *c, const struct way *w)
{
	static const char *const types[] = { "plain", "STARTTLS", "SSL" };
	const char *element = w->outgoing ? "outgoingServer" : "incomingServer", *in = "      ";
	enum tls tls = tls_of(c, w);

	printf("    <%s type=\"%s\">\n", element, w->outgoing ? "smtp" : "pop3");
	print_element("hostname", c->conf.hostname, in);
	print_element("port", port_of(c, w->listener), in);
	print_element("socketType", types[tls], in);
	if (w->outgoing && tls == TLS_NONE) {
		print_element("authentication", "client-IP-address", in);
	} else {
		print_element("username", "%EMAILADDRESS%", in);
		print_element("authentication", "password-cleartext", in);
	}
	printf("    </%s>\n", element);
}

static void
print_xml(const struct card *c)
{
	puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"posthouse\">");
	print_element("domain", c->domain, "    ");
	print_element("displayName", c->domain, "    ");
	for (size_t i = 0; i < COUNT(ways); i++)
		if (offered(c, &ways[i]))
			print_server(c, &ways[i]);
	puts("  </emailProvider>\n</clientConfig>");
}

int
main(int argc, char *argv[])
{
	static struct card c; /* one a process */

	log_open("client-card");
	read_options(&c, argc, argv);
	instance_open(&c.inst, c.dir);
	conf_load(&c.conf, &c.inst);
	find_mailbox(&c);
	ask_house(&c);
	if (c.xml)
		print_xml(&c);
	else
		print_card(&c);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
