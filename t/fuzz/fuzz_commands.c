/*
 * Promises of the command parsers, pop3d/command.c and smtpd/params.c: a command has the arguments that its
 * table asks for, and numbers that are not the digits that stand there are none.
 */
#include <string.h>

#include "pop3d/command.h"
#include "smtpd/params.h"
#include "t/fuzz/fuzz.h"

static void
nothing(void *session, const struct words_given *w)
{
	(void)session;
	(void)w;
}

static const struct command table[] = {
	{ "USER", ARGS_TEXT, nothing }, { "LIST", ARGS_MAYBE, nothing },
	{ "RETR", ARGS_NUMBER, nothing }, { "TOP", ARGS_NUMBERS, nothing },
	{ "QUIT", ARGS_NONE, nothing }, { NULL, ARGS_NONE, NULL },
};

static void
check_pop3(struct span line)
{
	static const size_t least[] = { [ARGS_NUMBER] = 1, [ARGS_NUMBERS] = 2 };
	static const size_t most[] = { [ARGS_NUMBER] = 1, [ARGS_MAYBE] = 1, [ARGS_NUMBERS] = 2 };
	const struct command *c = NULL;
	struct words_given given = { .numbers = 0 };
	char digits[64];

	if (command_parse(table, line, &c, &given) != COMMAND_OK)
		return;
	PROMISE(c != NULL && span_case_is((struct span){ line.s, strlen(c->verb) }, c->verb));
	PROMISE(given.numbers >= least[c->args] && given.numbers <= most[c->args]);
	for (size_t i = 0; i < given.numbers; i++) {
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)given.number[i]);
		PROMISE(memmem(line.s, line.len, digits, strlen(digits)) != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span line = { (const char *)octets, n };
	struct params mail = { 0 }, rcpt = { 0 };

	check_pop3(line);
	if (params_mail(line, &mail) == SAY_OK) {
		PROMISE(mail.size_given || mail.size == 0);
		PROMISE(memchr(octets, '\0', n) == NULL || n == 0);
	}
	if (params_rcpt(line, &rcpt) == SAY_OK && rcpt.orcpt.s != NULL)
		PROMISE(memchr(rcpt.orcpt.s, ';', rcpt.orcpt.len) != NULL);
	return 0;
}
