/*
 * setup: make an instance: users of the system, directories, configuration, maps.
 *
 * Never touches what exists: running it again completes what is missing. What
 * the maps mean is for compile, which it runs at the end.
 */
#include "master/setup.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/sys/proc.h"
#include "master/places.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] setup [--batch] [--domain DOMAIN ...]\n"
    "         [--user NAME[@DOMAIN]:PASSWORD ...] [--password-file FILE]\n"
    "         [--listen ADDRESS ...] [--smtp-port N] [--submission-port N]\n"
    "         [--pop3-port N] [--smarthost HOST[:PORT]] [--self-signed]\n"
    "         [--submissions-port N] [--pop3s-port N]\n\n"
    "  Makes the directories, configuration and maps of an instance and compiles\n"
    "  them. Never overwrites a file. On a terminal it asks for what is not given.\n\n"
    "  --user ann@example.org:-   reads the password from standard input, one a line\n"
    "  --password-file FILE       lines NAME[@DOMAIN]:PASSWORD\n"
    "  --listen ADDRESS           default 127.0.0.1 and ::1; '*' is every address\n"
    "  --smarthost HOST[:PORT]    send everything for others there\n";

void
strings_add(struct setup *s, struct strings *list, const char *word)
{
	list->s = mem_grow(list->s, list->n + 1, sizeof(*list->s));
	list->s[list->n++] = arena_dupn(s->arena, word, strlen(word));
}

/* --- what is asked for -------------------------------------------------- */

static const char *
port_arg(const char *option, const char *text)
{
	uint64_t port;

	if (num_parse(span_of(text), 65535, &port) == -1 || port == 0)
		fatal(EX_USAGE, "cannot take --%s %s: not a port from 1 to 65535",
		    option, text);
	return text;
}

/* A line of a file without its line end; NULL at its end. */
static char *
next_line(FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n = getline(&line, &cap, f);

	if (n == -1)
		return NULL;
	line[strcspn(line, "\r\n")] = '\0';
	return line;
}

void
setup_person(struct setup *s, struct span address, const char *password)
{
	struct span domain = address, name = span_cut(&domain, '@');
	struct person p = { NULL, NULL, NULL };

	if (password == NULL || password[0] == '\0')
		fatal(EX_USAGE, "cannot take the user %.*s: no password",
		    (int)address.len, address.s);
	if (strlen(password) > LIMIT_PASSWORD)
		fatal(EX_USAGE, "cannot take the user %.*s: a password of more than "
		    "%d octets", (int)address.len, address.s, LIMIT_PASSWORD);
	p.name = arena_dupn(s->arena, name.s, name.len);
	if (domain.s != NULL)
		p.domain = arena_dupn(s->arena, domain.s, domain.len);
	p.password = arena_dupn(s->arena, password, strlen(password));
	s->people = mem_grow(s->people, s->people_count + 1, sizeof(p));
	s->people[s->people_count++] = p;
}

/* "NAME[@DOMAIN]:PASSWORD"; the password "-" is read from standard input. */
static void
add_user(struct setup *s, const char *word)
{
	struct span password = span_of(word), address = span_cut(&password, ':');
	char *line = NULL;

	if (password.s == NULL || address.len == 0)
		fatal(EX_USAGE, "cannot take the user %s: want "
		    "NAME[@DOMAIN]:PASSWORD", word);
	if (span_is(password, "-"))
		line = next_line(stdin);
	/* A span that goes to the end of a C string is one itself. */
	setup_person(s, address, span_is(password, "-") ? line : password.s);
	if (line != NULL)
		explicit_bzero(line, strlen(line));
	free(line);
}

static void
read_password_file(struct setup *s, const char *name)
{
	FILE *f = fopen(name, "re");
	char *line;

	if (f == NULL)
		fatal(EX_NOINPUT, "cannot read %s: %s", name, strerror(errno));
	while ((line = next_line(f)) != NULL) {
		if (line[0] != '\0' && line[0] != '#')
			add_user(s, line);
		explicit_bzero(line, strlen(line));
		free(line);
	}
	fclose(f);
}

enum { OPT_BATCH = 256, OPT_DOMAIN, OPT_USER, OPT_PASSWORD_FILE,
	OPT_LISTEN, OPT_SMTP, OPT_SUBMISSION, OPT_SUBMISSIONS, OPT_POP3, OPT_POP3S,
	OPT_SMARTHOST, OPT_SELF_SIGNED, OPT_HELP };

// clang-format off
static const struct option options[] = {
	{ "batch",            no_argument,       NULL, OPT_BATCH },
	{ "domain",           required_argument, NULL, OPT_DOMAIN },
	{ "user",             required_argument, NULL, OPT_USER },
	{ "password-file",    required_argument, NULL, OPT_PASSWORD_FILE },
	{ "listen",           required_argument, NULL, OPT_LISTEN },
	{ "smtp-port",        required_argument, NULL, OPT_SMTP },
	{ "submission-port",  required_argument, NULL, OPT_SUBMISSION },
	{ "submissions-port", required_argument, NULL, OPT_SUBMISSIONS },
	{ "pop3-port",        required_argument, NULL, OPT_POP3 },
	{ "pop3s-port",       required_argument, NULL, OPT_POP3S },
	{ "smarthost",        required_argument, NULL, OPT_SMARTHOST },
	{ "self-signed",      no_argument,       NULL, OPT_SELF_SIGNED },
	{ "help",             no_argument,       NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};
// clang-format on

static void
read_options(struct setup *s, int argc, char *argv[])
{
	const char *dir = NULL;
	int c, which = 0;

	while ((c = getopt_long(argc, argv, "C:h", options, &which)) != -1) {
		const char *name = options[which].name;

		switch (c) {
		case 'C': dir = optarg; break;
		case OPT_BATCH: s->batch = true; break;
		case OPT_DOMAIN: strings_add(s, &s->domains, optarg); break;
		case OPT_USER: add_user(s, optarg); break;
		case OPT_PASSWORD_FILE: read_password_file(s, optarg); break;
		case OPT_LISTEN: strings_add(s, &s->listen, optarg); break;
		case OPT_SMTP: s->smtp_port = port_arg(name, optarg); break;
		case OPT_SUBMISSION: s->submission_port = port_arg(name, optarg); break;
		case OPT_SUBMISSIONS: s->submissions_port = port_arg(name, optarg); break;
		case OPT_POP3: s->pop3_port = port_arg(name, optarg); break;
		case OPT_POP3S: s->pop3s_port = port_arg(name, optarg); break;
		case OPT_SMARTHOST: s->smarthost = optarg; break;
		case OPT_SELF_SIGNED: s->self_signed = true; break;
		case 'h':
		case OPT_HELP:
			fputs(usage_text, stdout);
			exit(0);
		default:
			fputs(usage_text, stderr);
			exit(EX_USAGE);
		}
	}
	if (optind < argc)
		fatal(EX_USAGE, "cannot understand %s: see posthouse setup --help",
		    argv[optind]);
	instance_open(&s->inst, dir);
}

/* Ports that need no privilege where there is none. */
static void
default_ports(struct setup *s)
{
	bool low = proc_privileged();

	if (s->smtp_port == NULL)
		s->smtp_port = low ? "25" : "2525";
	if (s->submission_port == NULL)
		s->submission_port = low ? "587" : "5587";
	if (s->pop3_port == NULL)
		s->pop3_port = low ? "110" : "1110";
	s->tls = s->self_signed || s->submissions_port != NULL || s->pop3s_port != NULL;
	if (s->submissions_port == NULL)
		s->submissions_port = low ? "465" : "5465";
	if (s->pop3s_port == NULL)
		s->pop3s_port = low ? "995" : "1995";
}

static void
lower(struct setup *s, const char **word)
{
	size_t n = strlen(*word);
	char *copy = arena_dupn(s->arena, *word, n);

	ascii_lowern(copy, n);
	*word = copy;
}

/* An address of a mailbox, letter by letter what a directory may be called. */
static bool
plain_word(const char *word)
{
	const char *c;

	for (c = word; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("-_.+", *c) == NULL)
			return false;
	return word[0] != '\0' && word[0] != '.' && word[0] != '-';
}

static void
check_names(struct setup *s)
{
	size_t i, j;

	for (i = 0; i < s->domains.n; i++) {
		lower(s, &s->domains.s[i]);
		if (!plain_word(s->domains.s[i]))
			fatal(EX_USAGE, "cannot take the domain %s: letters, "
			    "digits, \"-\" and \".\" only", s->domains.s[i]);
	}
	for (i = 0; i < s->people_count; i++) {
		struct person *p = &s->people[i];

		if (p->domain == NULL)
			p->domain = s->domains.n > 0 ? s->domains.s[0] : "";
		lower(s, &p->name);
		lower(s, &p->domain);
		if (!plain_word(p->name))
			fatal(EX_USAGE, "cannot take the user %s: letters, "
			    "digits, \"-\", \"_\", \"+\" and \".\" only", p->name);
		for (j = 0; j < s->domains.n; j++)
			if (strcmp(p->domain, s->domains.s[j]) == 0)
				break;
		if (j == s->domains.n)
			fatal(EX_USAGE, "cannot take the user %s@%s: --domain %s "
			    "is not given", p->name, p->domain, p->domain);
	}
}

/* --- what is made ------------------------------------------------------- */

static void
make_places(struct setup *s)
{
	static struct place places[PLACES_MAX];
	struct place *p;
	struct buf why = BUF_INIT(4096);
	struct place root = { s->inst.root, "root", "root", 0755 };

	if (s->inst.root != NULL && place_make(&root, &why) == -1)
		fatal(EX_CANTCREAT, "cannot make %s", buf_str(&why));
	places_list(&s->inst, places);
	for (p = places; p->path != NULL; p++)
		if (place_make(p, &why) == -1)
			fatal(EX_CANTCREAT, "cannot make %s", buf_str(&why));
	buf_free(&why);
}

static void
make_key(struct setup *s)
{
	struct buf why = BUF_INIT(4096);
	char host[256] = "localhost";
	char *dir = instance_path(s->inst.etc, "tls");

	(void)gethostname(host, sizeof(host) - 1);
	if (setup_self_signed(dir, s->domains.n > 0 ? s->domains.s[0] : host, host, &why) == -1) {
		warn_text("cannot make a certificate in %s: %s", dir,
		    buf_str(&why));
		s->trouble = true;
	}
	buf_free(&why);
	free(dir);
}

/* posthouse compile; what it says goes where our own words go. */
static int
run_compile(struct setup *s)
{
	char *path = instance_path(instance_libexec(), "compile");
	char flag[] = "-C";
	char *with[] = { path, flag, s->inst.root, NULL };
	char *without[] = { path, NULL };
	int status;

	fflush(stdout);
	status = proc_run(s->inst.root != NULL ? with : without, STDOUT_FILENO,
	    600);
	if (status == -1)
		warn_text("cannot run %s: %s", path, strerror(errno));
	free(path);
	return status == 0 ? 0 : -1;
}

static void
tell(const struct setup *s, bool compiled)
{
	const char *c = s->inst.root != NULL ? " -C " : "";
	const char *dir = s->inst.root != NULL ? s->inst.root : "";

	if (s->tls)
		printf("TLS: %s in %s/tls; see tlsd(8).\n", s->self_signed ?
		    "a certificate that nobody vouches for is" : "put a certificate and its key", s->inst.etc);
	if (compiled)
		printf("ready: posthouse%s%s start\n", c, dir);
	else
		printf("not ready: mend what is said above, then posthouse%s%s "
		       "compile\n", c, dir);
}

int
main(int argc, char *argv[])
{
	static struct setup s; /* until the process ends */
	bool compiled;

	log_open("setup");
	s.arena = arena_new();
	read_options(&s, argc, argv);
	if (!s.batch)
		setup_ask(&s);
	default_ports(&s);
	check_names(&s);
	setup_accounts();
	make_places(&s);
	setup_texts(&s);
	if (s.self_signed)
		make_key(&s);
	compiled = run_compile(&s) == 0;
	tell(&s, compiled);
	return compiled && !s.trouble ? 0 : EX_CONFIG;
}
