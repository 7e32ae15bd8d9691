/*
 * fetch_imap: the dialogue with a provider's IMAP server (RFC 9051, RFC 3501).
 *
 * The order of things; imap_*.c have the parts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/imap_parts.h"

static void
draw_prefix(struct imap *m)
{
	for (size_t i = 0; i + 1 < sizeof(m->prefix); i++)
		m->prefix[i] = (char)('a' + arc4random_uniform(26));
}

static void
imap_init(struct imap *m, struct fetch *f)
{
	*m = (struct imap){ .f = f };
	imap_reply_init(&m->reply);
	draw_prefix(m);
	buf_init(&m->line, 65536);
	buf_init(&m->text, 16384);
	buf_init(&m->code, IMAP_REPLY_MAX);
	buf_init(&m->mechanisms, 4096);
	buf_init(&m->bye, 16384);
	buf_init(&m->seen, 16384);
}

static void
imap_free(struct imap *m)
{
	imap_reply_free(&m->reply);
	buf_wipe(&m->line);
	buf_free(&m->line);
	buf_free(&m->text);
	buf_free(&m->code);
	buf_free(&m->mechanisms);
	buf_free(&m->bye);
	buf_free(&m->seen);
	free(m->messages);
	free(m->doomed);
}

/* Each folder; one that cannot be had harms no other. 1: that is so, and we stay all the same. */
static int
collect_folders(struct imap *m)
{
	const struct upstream_strings *folders = &m->f->account->up.folders;
	struct buf missing = BUF_INIT(400);
	int rv = 0;

	for (size_t i = 0; i < folders->n && rv != -1; i++) {
		rv = imap_collect(m, folders->v[i]);
		if (rv == 1)
			buf_addf(&missing, "%s%s (%s)", missing.len > 0 ? ", " : "", folders->v[i],
			    buf_str(&m->text));
	}
	if (rv != -1 && missing.len > 0)
		rv = m->f->account->stay ? 1 : -1;
	if (rv == 1)
		snprintf(m->f->run->error, sizeof(m->f->run->error), "no such folder: %s", buf_str(&missing));
	else if (missing.len > 0)
		fetch_failed(m->f, "no such folder", buf_span(&missing));
	buf_free(&missing);
	return rv;
}

/* Nothing depends on the answer. */
static void
log_out(struct imap *m)
{
	size_t why = m->f->why.len;

	if (m->lost)
		return;
	imap_begin(m, "LOGOUT");
	if (imap_run(m, false) == -1)
		m->f->why.len = why;
}

static int
look(struct imap *m)
{
	const struct upstream_strings *folders = &m->f->account->up.folders;

	for (size_t i = 0; i < folders->n; i++)
		switch (imap_open(m, folders->v[i])) {
		case 0:
			m->f->probe->messages += m->folder.exists;
			break;
		case 1:
			return fetch_failed(m->f, "the folder cannot be opened", span_of(folders->v[i]));
		default:
			return -1;
		}
	return 0;
}

/* All that is there; and where the account is to stay, what comes, as it comes. */
static int
collect_all(struct imap *m)
{
	int rv;

	if (m->f->probe != NULL)
		return look(m);
	for (;;) {
		if (collect_folders(m) == -1)
			return -1;
		if (!m->f->account->stay || !imap_can_idle(m))
			return 0;
		fetch_round(m->f);
		rv = imap_idle(m);
		if (rv != 1)
			return rv;
		fetch_woken(m->f);
	}
}

static int (*const steps[])(struct imap *) = { imap_greeting, imap_capabilities, imap_upgrade, imap_login,
	collect_all };

int
fetch_imap(struct fetch *f)
{
	struct imap m;
	int rv = 0;

	imap_init(&m, f);
	for (size_t i = 0; i < COUNT(steps) && rv == 0; i++)
		rv = steps[i](&m);
	if (rv == 0)
		log_out(&m);
	else
		imap_blame(&m);
	imap_free(&m);
	return rv;
}
