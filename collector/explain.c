/*
 * explain: the sorter's reasoning for one message, in a file, as people read it.
 */
#include "collector/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "collector/choice.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"

#define HEADER_ROOM (64 * 1024 * 1024) /* of a file for --explain */

static struct span
header_of(const struct buf *message)
{
	struct span all = buf_span(message);

	if (all.len > LIMIT_HEADER)
		all.len = LIMIT_HEADER; /* what the collector reads, too */
	return all;
}

static void
print_decision(const struct account *a, const struct sort_result *r)
{
	printf("class: %s\n", sort_class_name(r->class));
	if (*r->field != '\0')
		printf("by: %s\n", r->field);
	if (*r->reason != '\0')
		printf("reason: %s\n", r->reason);
	if (r->count == 0)
		puts("for: nobody; it would be kept in the hold area");
	for (size_t i = 0; r->count > 0 && i < a->people_count; i++)
		if (r->gets[i]) {
			printf("for: %s", sort_account_user(a->sort, i));
			for (size_t k = 0; k < a->people[i].rcpt_count; k++)
				printf("%s%s", k == 0 ? " -> " : ", ", a->people[i].rcpts[k].address);
			putchar('\n');
		}
}

int
explain_file(struct house *h, const char *file, char *name)
{
	struct buf message = BUF_INIT(HEADER_ROOM), why = BUF_INIT(1024), explain = BUF_INIT(1 << 20);
	struct arena *arena = arena_new();
	struct sort_header header;
	struct sort_result result;
	struct account a;
	struct choice c;

	if (choice_make(&c, h, (char *const[]){ name }, 1) != 0)
		exit(EX_USAGE);
	if (file_slurp_at(AT_FDCWD, file, &message) == -1)
		fatal(EX_NOINPUT, "cannot read %s: %s", file, strerror(errno));
	if (account_open(&a, h, c.v[0].name, c.v[0].value, &why) == -1)
		fatal(EX_CONFIG, "cannot use %s of upstreams: %s", name, buf_str(&why));
	sort_header_read(header_of(&message), arena, &header);
	account_sort(&a, &header, arena, &result, &explain);
	fputs(buf_str(&explain), stdout);
	print_decision(&a, &result);
	account_close(&a);
	arena_free(arena);
	choice_free(&c);
	buf_free(&message);
	buf_free(&why);
	buf_free(&explain);
	return 0;
}
