/*
 * link: the line that is not always up, as administrators tell it (posthouse link up, down).
 *
 * While it is down, sites of routes marked on=link get nothing new. That lasts: spool/link-down says so to
 * the next queued. Which messages wait for the link is known of those that were tried since the start; the rest counts
 * as waiting for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "queue/queued.h"

#define MARK "link-down"
static const char put_off[] = "451 4.4.1 The link is down";

const char *
link_deferral(void)
{
	return put_off;
}

void
link_read(struct queued *q)
{
	q->link_down = faccessat(q->spool.root, MARK, F_OK, 0) == 0;
	if (q->link_down)
		log_event(EV_QUEUE_LINK, LS("state", "down"), LS("by", "start"), LN("messages", 0));
}

/* 0; -1 with errno: the next queued would not know it, so it is not done. */
static int
write_mark(const struct queued *q, bool down)
{
	int fd;

	if (!down)
		return unlinkat(q->spool.root, MARK, 0) == -1 && errno != ENOENT ? -1 :
		    file_sync_dir_at(q->spool.root, ".");
	fd = openat(q->spool.root, MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	file_close(fd);
	return file_sync_dir_at(q->spool.root, ".");
}

/* Those that may wait for the link, to be tried at once. */
static size_t
wake(struct queued *q)
{
	size_t n = 0;

	for (size_t i = 0; i < q->records.buckets; i++)
		for (struct record *r = q->records.bucket[i]; r != NULL; r = r->next)
			if ((r->flags & (ON_LINK | HELD)) == ON_LINK && r->work == NULL) {
				records_schedule(&q->records, r, 0);
				n++;
			}
	return n;
}

/* Down: whoever waits for an agent waits for the link instead. */
static void
each_site(struct queued *q, bool down)
{
	struct site *site;

	for (size_t i = 0; i < SITE_BUCKETS; i++)
		LIST_FOREACH(site, &q->sites.bucket[i], same) {
			if (!site->on_link)
				continue;
			site_shut(&q->sites, site, down);
			if (down)
				messages_put_off(q, site, put_off);
			else
				site->down_until = 0;
		}
}

int
link_set(struct queued *q, bool down, const char *by, size_t *messages)
{
	if (write_mark(q, down) == -1) {
		log_error(EV_QUEUE_ALARM, LS("what", "cannot remember the state of the link"), LS("error", strerror(errno)));
		return -1;
	}
	q->link_down = down;
	*messages = 0;
	each_site(q, down);
	if (!down) {
		*messages = wake(q);
		messages_due(q);
	}
	log_event(EV_QUEUE_LINK, LS("state", down ? "down" : "up"), LS("by", by), LN("messages", *messages));
	return 0;
}

/* Jobs with agents that use it. */
size_t
link_busy(const struct queued *q)
{
	const struct site *site;
	size_t n = 0;

	for (size_t i = 0; i < SITE_BUCKETS; i++)
		LIST_FOREACH(site, &q->sites.bucket[i], same)
			n += site->on_link ? site->busy : 0;
	return n;
}
