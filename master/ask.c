/*
 * ask: setup's conversation on a terminal.
 *
 * Asks only for what the command line did not say; an empty answer is the default in brackets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/proc.h"
#include "lib/sys/prompt.h"
#include "master/setup.h"

/* The answer, or standard (which may be NULL: an empty answer is NULL). */
static const char *
ask(struct setup *s, const char *question, const char *standard)
{
	const char *answer = standard;
	char *line = NULL;
	size_t cap = 0;

	if (standard != NULL)
		printf("%s [%s]: ", question, standard);
	else
		printf("%s: ", question);
	fflush(stdout);
	if (getline(&line, &cap, stdin) == -1)
		fatal(EX_NOINPUT, "cannot go on: the input ended; nothing was "
		    "written");
	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] != '\0')
		answer = arena_dupn(s->arena, line, strlen(line));
	free(line);
	return answer;
}

/* "example.org" out of "mail.example.org" */
static const char *
own_domain(void)
{
	static char host[256];
	const char *dot;

	if (gethostname(host, sizeof(host) - 1) == -1)
		return "example.org";
	dot = strchr(host, '.');
	return dot != NULL && strchr(dot + 1, '.') != NULL ? dot + 1 :
	    dot != NULL ? host : "example.org";
}

#define TRIES_MAX 10 /* the terminal may be gone */

static void
ask_password(struct setup *s, const char *name)
{
	char password[LIMIT_PASSWORD + 1];
	const char *wrong;

	for (int tries = 0;; tries++) {
		wrong = prompt_secret("  password: ", "  again: ", false, password, sizeof(password));
		if (wrong == NULL && password[0] != '\0')
			break;
		if (tries == TRIES_MAX)
			fatal(EX_NOINPUT, "cannot go on without a password; nothing was written");
		printf("  %s\n", wrong == NULL ? "it may not be empty" : wrong);
	}
	setup_person(s, span_of(name), password);
	explicit_bzero(password, sizeof(password));
}

static void
ask_people(struct setup *s)
{
	const char *name;

	puts("People with a mailbox: a name, or NAME@DOMAIN; an empty line ends.");
	while ((name = ask(s, "person", NULL)) != NULL)
		ask_password(s, name);
}

void
setup_ask(struct setup *s)
{
	char *conf = instance_path(s->inst.etc, "posthouse.conf");
	bool exists = access(conf, F_OK) == 0;
	const char *answer;

	free(conf);
	if (!isatty(STDIN_FILENO) || exists)
		return; /* nothing to ask: what exists is kept */
	if (s->domains.n == 0)
		strings_add(s, &s->domains, ask(s, "mail domain", own_domain()));
	if (s->people_count == 0)
		ask_people(s);
	if (s->listen.n == 0) {
		answer = ask(s, "listen on (this = only this machine, all = every "
		    "address, or an address)", "this");
		if (strcmp(answer, "all") == 0)
			strings_add(s, &s->listen, "*");
		else if (strcmp(answer, "this") != 0)
			strings_add(s, &s->listen, answer);
	}
	if (s->smtp_port == NULL)
		s->smtp_port = ask(s, "SMTP port", proc_privileged() ? "25" : "2525");
	if (s->submission_port == NULL)
		s->submission_port = ask(s, "submission port",
		    proc_privileged() ? "587" : "5587");
	if (s->pop3_port == NULL)
		s->pop3_port = ask(s, "POP3 port", proc_privileged() ? "110" : "1110");
	if (s->smarthost == NULL)
		s->smarthost = ask(s, "smarthost for mail to others, HOST[:PORT] "
		    "(none: straight to their servers)", NULL);
}
