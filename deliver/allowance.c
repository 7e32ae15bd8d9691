/*
 * allowance: what a quota means for one message.
 *
 * Knows outcomes and the owner's letter; how much lies in a mailbox is store/quota's, the mark for smtpd store/full's.
 */
#include "deliver/allowance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mail/head.h"
#include "lib/store/full.h"
#include "lib/store/maildir.h"
#include "lib/sys/file.h"
#include "router/notice.h"

static const unsigned warn_at[] = { 95, 80 }; /* percent; the first that is passed counts */

static int64_t
now_s(void)
{
	return clock_real_us() / 1000000;
}

static void
refuse(const struct allowance *a, const struct conf *conf, struct job *j, struct job_rcpt *r)
{
	const struct mailbox *m = a->mailbox;
	bool never = m->quota.octets != 0 && j->octets > m->quota.octets;
	int64_t now = now_s(), since = full_mark(a->full_dir, m->address, now);
	struct buf text = BUF_INIT(256);

	if (since == -1) {
		log_error(EV_WARNING, LS("text", "cannot note that a mailbox is full: posthouse setup makes the directory"),
		    LS("file", a->full_dir), LS("error", strerror(errno)));
		since = j->arrived_s;
	}
	buf_adds(&text, never ? "the message is larger than the whole mailbox may be" : "the mailbox is full: ");
	if (!never)
		quota_describe(&text, &m->quota, &a->use);
	if (never || full_outcome(since, now, conf->quota_grace) == FAILED)
		job_outcome(j, r, FAILED, 552, "5.2.2", buf_span(&text));
	else
		job_outcome(j, r, RETRY, 452, "4.2.2", buf_span(&text));
	buf_free(&text);
}

bool
allowance_ask(struct allowance *a, const struct conf *conf, struct job *j, struct job_rcpt *r)
{
	switch (quota_fits(a->maildir_fd, &a->mailbox->quota, j->octets, &a->use)) {
	case 0:
		refuse(a, conf, j, r);
		return false;
	case 1:
		full_clear(a->full_dir, a->mailbox->address);
		return true;
	default:
		log_error(EV_WARNING, LS("text", "the quota cannot be counted: delivered without"), LS("id", j->id),
		    LS("mailbox", a->mailbox->address), LS("error", strerror(errno)));
		a->use = (struct quota){ 0 };
		return true;
	}
}

/* --- the owner's letter ------------------------------------------------------ */

static void
compose(struct buf *out, const struct allowance *a, const struct conf *conf, const struct quota *use, const char *id)
{
	struct buf subject = BUF_INIT(128), text = BUF_INIT(2048);
	struct notice n = { .program = "local", .again = "It is written when a message brings the mailbox to 80 and to 95 percent." };

	buf_addf(&subject, "Your mailbox is %u %% full", quota_percent(&a->mailbox->quota, use));
	buf_addf(&text, "The mailbox %s holds ", a->mailbox->address);
	quota_describe(&text, &a->mailbox->quota, use);
	buf_adds(&text, ".\n\nWhen it is full, new mail waits for a while and is then sent back.\n"
	    "Remove what is not needed any more, or have your mail program remove from\n"
	    "the server what it has fetched.\n");
	n.subject = buf_str(&subject);
	n.text = buf_str(&text);
	head_add(out, "", a->mailbox->address, NULL);
	notice_compose(out, &n, id, conf->hostname, a->mailbox->address, (time_t)now_s());
	buf_free(&subject);
	buf_free(&text);
}

/* Named after the message that was too much, so a job done again writes no second one. */
static int
put_letter(const struct allowance *a, const struct conf *conf, const struct job *j, struct span letter, const char *id)
{
	struct buf name = BUF_INIT(512);
	bool linkable, copied;
	int fd = file_unnamed_at(a->maildir_fd, 0600, &linkable), rv = -1;
	uint64_t lines = 0;

	for (size_t i = 0; i < letter.len; i++)
		lines += letter.s[i] == '\n';
	maildir_name_format(&name, j->arrived_s, id, conf->hostname, letter.len, letter.len + lines, "");
	if (fd != -1 && file_write_all(fd, letter.s, letter.len) == 0 && fsync(fd) == 0)
		rv = maildir_deliver(a->maildir_fd, fd, buf_str(&name), &copied);
	file_close(fd);
	buf_free(&name);
	return rv;
}

static void
warn_owner(const struct allowance *a, const struct conf *conf, const struct job *j, const struct quota *use, unsigned at)
{
	struct buf letter = BUF_INIT(16384);
	char *id = mem_fmt("%s-%u", j->id, at);

	compose(&letter, a, conf, use, id);
	if (put_letter(a, conf, j, buf_span(&letter), id) == -1 ||
	    quota_note(a->maildir_fd, (int64_t)letter.len, 1) == -1)
		log_error(EV_WARNING, LS("text", "the owner of a nearly full mailbox cannot be told"),
		    LS("mailbox", a->mailbox->address), LS("error", strerror(errno)));
	else
		log_event(EV_QUOTA, LS("mailbox", a->mailbox->address), LN("percent", at), LS("id", j->id));
	free(id);
	buf_free(&letter);
}

void
allowance_take(const struct allowance *a, const struct conf *conf, const struct job *j)
{
	const struct quota *q = &a->mailbox->quota;
	struct quota after = { a->use.octets + j->octets, a->use.messages + 1 };

	if (quota_note(a->maildir_fd, (int64_t)j->octets, 1) == -1)
		log_error(EV_WARNING, LS("text", "the quota file cannot be written"), LS("mailbox", a->mailbox->address),
		    LS("error", strerror(errno)));
	for (size_t i = 0; i < COUNT(warn_at); i++)
		if (quota_percent(q, &after) >= warn_at[i]) {
			if (quota_percent(q, &a->use) < warn_at[i])
				warn_owner(a, conf, j, &after, warn_at[i]);
			return;
		}
}
