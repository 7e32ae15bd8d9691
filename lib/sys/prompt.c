/*
 * prompt: secrets from people. Knows terminals; not what a secret is for, nor whether it may be empty.
 */
#include "lib/sys/prompt.h"

#include <bsd/readpassphrase.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OCTETS_MAX 8192 /* of what is asked for twice */

static const char no_terminal[] = "there is no terminal to ask on";

/* One more than fits tells what is cut off. */
static const char *
ask(const char *question, int flags, char *out, size_t room)
{
	char text[OCTETS_MAX + 2];
	const char *wrong = NULL;
	size_t n = 0;

	if (readpassphrase(question, text, sizeof(text), flags) == NULL)
		wrong = no_terminal;
	else if ((n = strlen(text)) >= room)
		wrong = "it is too long";
	else
		memcpy(out, text, n + 1);
	explicit_bzero(text, sizeof(text));
	return wrong;
}

const char *
prompt_secret(const char *question, const char *again, bool terminal, char *out, size_t room)
{
	const int flags = terminal ? RPP_REQUIRE_TTY : 0;
	char second[OCTETS_MAX + 1];
	const char *wrong = ask(question, flags, out, room);

	if (wrong == NULL && again != NULL) {
		wrong = ask(again, flags, second, sizeof(second));
		if (wrong == NULL && strcmp(out, second) != 0)
			wrong = "passwords differ";
		explicit_bzero(second, sizeof(second));
	}
	if (wrong != NULL) {
		explicit_bzero(out, room);
		errno = strcmp(wrong, no_terminal) == 0 ? ENOTTY : EINVAL;
	}
	return wrong;
}

const char *
prompt_line(char *out, size_t room)
{
	const char *wrong = NULL;
	size_t n = 0;
	int c;

	while ((c = getchar()) != EOF && c != '\n' && wrong == NULL) {
		if (c == '\0')
			wrong = "it has a NUL in it";
		else if (n + 1 == room)
			wrong = "it is too long";
		else
			out[n++] = (char)c;
	}
	if (c == EOF && n == 0 && wrong == NULL)
		wrong = "standard input is empty";
	if (n > 0 && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	if (wrong != NULL) {
		explicit_bzero(out, room);
		errno = EINVAL;
	}
	return wrong;
}
