/*
 * last: who logged in when. Knows how authd says it, nothing of mailboxes.
 */
#include "auth/last.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

void
last_open(struct last *l, const struct instance *inst)
{
	struct last_login nobody;

	l->path = instance_path(inst->run, "auth");
	auth_init(&l->auth, l->path);
	l->asked = true;
	l->asked = last_of(l, "-", &nobody) != -1; /* connects */
}

void
last_close(struct last *l)
{
	auth_close(&l->auth);
	free(l->path);
}

/* A word of the line, decoded; what does not fit is left out. */
static void
take_word(struct span *line, char *to, size_t room)
{
	struct span word = span_cut(line, ' ');
	ssize_t n = -1;

	to[0] = '\0';
	if (word.s != NULL && word.len < room)
		n = word_decode(to, word.s, word.len);
	if (n == -1)
		to[0] = '\0';
}

int
last_of(struct last *l, const char *mailbox, struct last_login *out)
{
	struct buf text = BUF_INIT(1024);
	struct span line;
	uint64_t at_s = 0;
	int found = l->asked ? auth_last(&l->auth, mailbox, &text) : -1;

	line = span_trim(buf_span(&text));
	if (found == 1 && num_parse(span_cut(&line, ' '), INT64_MAX, &at_s) == -1)
		found = 0;
	out->at_s = (int64_t)at_s;
	take_word(&line, out->service, sizeof(out->service));
	take_word(&line, out->client, sizeof(out->client));
	buf_free(&text);
	return found;
}

void
last_time(int64_t at_s, char out[LAST_TIME])
{
	time_t t = (time_t)at_s;
	struct tm tm;

	localtime_r(&t, &tm);
	if (strftime(out, LAST_TIME, "%Y-%m-%d %H:%M", &tm) == 0)
		out[0] = '\0';
}
