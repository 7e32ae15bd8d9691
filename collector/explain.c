/*
 * explain: the sorter's reasoning for one message, in a file, as people read it.
 *
 * The message may be as the provider handed it out, or a copy from a mailbox: then what stands below our own marks is
 * looked at.
 */
#include "collector/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "collector/choice.h"
#include "collector/lines.h"
#include "collector/mark.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define HEAD_ROOM 8192 /* octets of what we write above a message */

static void
say(const char *text, ...) PRINTF_LIKE(1, 2);

static void
say(const char *text, ...)
{
	struct buf line = BUF_INIT(LIMIT_HEADER);
	va_list ap;

	va_start(ap, text);
	buf_addv(&line, text, ap);
	va_end(ap);
	line_put(&line);
	buf_free(&line);
}

/* Its beginning is enough. */
static void
read_top(const char *file, struct buf *out)
{
	char block[65536];
	int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : 1;

	while (n > 0 && out->len < out->max && (n = read(fd, block, sizeof(block))) > 0) {
		size_t room = out->max - out->len;

		buf_add(out, block, (size_t)n < room ? (size_t)n : room);
	}
	if (n == -1)
		fatal(EX_NOINPUT, "cannot read %s: %s", file, strerror(errno));
	if (fd != STDIN_FILENO)
		file_close(fd);
}

/* The account's name; fatal when it is not clear. */
static char *
which_account(const struct house *h, const struct mark *m, bool marked)
{
	struct choice all;
	char *name = NULL;

	if (marked)
		return mem_dupn(m->account.s, m->account.len);
	if (choice_make(&all, h, NULL, 0) != 0)
		exit(EX_USAGE);
	if (all.n == 1)
		name = mem_dup(all.v[0].name);
	choice_free(&all);
	if (name == NULL)
		fatal(EX_USAGE, "there are several accounts: say which with --account NAME");
	return name;
}

static void
print_list(const char *what, const struct upstream_strings *v)
{
	struct buf line = BUF_INIT(LIMIT_HEADER);

	if (v->n == 0)
		return;
	buf_addf(&line, "%s", what);
	for (size_t i = 0; i < v->n; i++)
		buf_addf(&line, " %s", v->v[i]);
	line_put(&line);
	buf_free(&line);
}

static void
print_account(const struct account *a)
{
	static const char *const kinds[] = { "", "domain", "shared", "single" };

	say("account: %s, kind=%s", a->name, kinds[a->up.kind]);
	print_list("domains:", &a->up.domains);
	print_list("mailboxes:", &a->up.mailboxes);
	if (a->up.kind != UPSTREAM_SINGLE && a->up.trusted.n == 0)
		say("trusted: no host is named, so the zone ends with the first Received that has a from clause");
	print_list("trusted:", &a->up.trusted);
}

/* What each class means, and which words of upstreams make the rule. */
static const struct {
	enum sort_class class;
	const char *rule;
} rules[] = {
	{ SORT_ENVELOPE_HEADER, "the first header with a known user that the provider wrote about the envelope (envelope=)" },
	{ SORT_RECEIVED_FOR, "the for clause of a Received that the provider wrote (trusted=)" },
	{ SORT_LIST_RULE, "the subscribers of a mailing list (list=)" },
	{ SORT_HEADER_RECIPIENT, "known users among the addresses of ours that it was written to" },
	{ SORT_DISPLAY_NAME, "the name that it was written to, at an address that several people share" },
	{ SORT_PUBLIC, "a name that means everybody (public=)" },
	{ SORT_FALLBACK, "nobody else was found (fallback=)" },
	{ SORT_LOOP, "it has been here before; such mail is never bounced" },
	{ SORT_SINGLE, "one person has all of this account's mail (kind=single)" },
};

static void
print_decision(const struct account *a, const struct sort_result *r)
{
	say("class: %s", sort_class_name(r->class));
	if (*r->field != '\0')
		say("by: %s", r->field);
	if (*r->reason != '\0')
		say("reason: %s", r->reason);
	if (r->count == 0)
		say("for: nobody; it would be kept in the hold area");
	for (size_t i = 0; r->count > 0 && i < a->people_count; i++)
		if (r->gets[i]) {
			struct buf line = BUF_INIT(65536);

			buf_addf(&line, "for: %s", sort_account_user(a->sort, i));
			for (size_t k = 0; k < a->people[i].rcpt_count; k++)
				buf_addf(&line, "%s%s", k == 0 ? " -> " : ", ", a->people[i].rcpts[k].address);
			line_put(&line);
			buf_free(&line);
		}
	for (size_t i = 0; i < COUNT(rules); i++)
		if (rules[i].class == r->class)
			say("rule: %s", rules[i].rule);
}

static void
print_reasoning(const struct account *a, struct span header)
{
	struct buf explain = BUF_INIT(1 << 20), line = BUF_INIT(LIMIT_HEADER);
	struct arena *arena = arena_new();
	struct sort_header fields;
	struct sort_result result;
	struct span rest;

	if (header.len > LIMIT_HEADER) {
		header.len = LIMIT_HEADER; /* what the collector reads, too */
		if (memmem(header.s, header.len, "\n\n", 2) == NULL && memmem(header.s, header.len, "\r\n\r\n", 4) == NULL)
			say("header: only the first %d octets of it are looked at", LIMIT_HEADER);
	}
	sort_header_read(header, arena, &fields);
	account_sort(a, &fields, arena, &result, &explain);
	for (rest = span_trim(buf_span(&explain)); rest.s != NULL && rest.len > 0; buf_reset(&line)) {
		buf_addspan(&line, span_cut(&rest, '\n'));
		line_put(&line);
	}
	print_decision(a, &result);
	arena_free(arena);
	buf_free(&explain);
	buf_free(&line);
}

int
explain_file(struct house *h, const char *file, char *name)
{
	struct buf top = BUF_INIT(LIMIT_HEADER + HEAD_ROOM), why = BUF_INIT(1024);
	struct choice c;
	struct account a;
	struct span message;
	struct mark mark;
	bool marked;

	read_top(file, &top);
	proc_drop(USER_COLLECT); /* a stranger wrote it */
	message = buf_span(&top);
	marked = mark_read(message, NULL, &mark);
	name = name != NULL ? mem_dup(name) : which_account(h, &mark, marked);
	if (choice_make(&c, h, (char *const[]){ name }, 1) != 0)
		exit(EX_USAGE);
	if (account_open(&a, h, c.v[0].name, c.v[0].value, &why) == -1)
		fatal(EX_CONFIG, "cannot use %s of upstreams: %s", name, buf_str(&why));
	if (marked) {
		say("copy: it was sorted before: account=%s evidence=%.*s", name, (int)mark.evidence.len, mark.evidence.s);
		message = (struct span){ message.s + mark.end, message.len - mark.end };
	}
	print_account(&a);
	print_reasoning(&a, message);
	account_close(&a);
	choice_free(&c);
	buf_free(&top);
	buf_free(&why);
	free(name);
	return 0;
}
