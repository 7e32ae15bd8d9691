/*
 * command: the lines that a POP3 client sends. Knows their grammar; not what
 * they do, nor when they may be said (each state has a table of its own).
 */
#include "pop3d/command.h"

#include <string.h>

#include "lib/base/num.h"

static const struct command *
find(const struct command *table, struct span verb)
{
	for (; table->verb != NULL; table++)
		if (span_case_is(verb, table->verb))
			return table;
	return NULL;
}

/* All of text is numbers, one blank apart. -1: it is not, or there are more than
 * two. */
static int
numbers(struct span text, struct words_given *given)
{
	struct span word;

	while (text.s != NULL) {
		word = span_cut(&text, ' ');
		if (given->numbers == COUNT(given->number) ||
		    num_parse(word, UINT64_MAX, &given->number[given->numbers]) == -1)
			return -1;
		given->numbers++;
	}
	return 0;
}

static bool
args_fit(enum args args, struct span text, struct words_given *given)
{
	if (args == ARGS_TEXT) {
		given->text = text;
		return text.s != NULL && text.len > 0;
	}
	while (text.s != NULL && text.len > 0 && text.s[text.len - 1] == ' ')
		text.len--;
	if (text.len == 0)
		text.s = NULL;
	if (args == ARGS_WORD) {
		given->text = text;
		return text.s == NULL || memchr(text.s, ' ', text.len) == NULL;
	}
	if (numbers(text, given) == -1)
		return false;
	switch (args) {
	case ARGS_NUMBER:
		return given->numbers == 1;
	case ARGS_MAYBE:
		return given->numbers <= 1;
	case ARGS_NUMBERS:
		return given->numbers == 2;
	case ARGS_NONE:
	case ARGS_TEXT:
	case ARGS_WORD:
		break;
	}
	return given->numbers == 0;
}

enum parsed
command_parse(const struct command *table, struct span line,
    const struct command **out, struct words_given *given)
{
	struct span rest = line, verb = span_cut(&rest, ' ');

	memset(given, 0, sizeof(*given));
	*out = find(table, verb);
	if (*out == NULL)
		return COMMAND_UNKNOWN;
	return args_fit((*out)->args, rest, given) ? COMMAND_OK : COMMAND_ARGS;
}
