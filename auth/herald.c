/*
 * herald: a line of notices, and a process that carries the first of them. What does not get through is tried again.
 */
#include "auth/herald.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/proc.h"

#define AGAIN_S 60

static void
item_free(struct herald *h, struct herald_item *i)
{
	TAILQ_REMOVE(&h->items, i, next);
	free(i->account);
	free(i->cause);
	free(i->subject);
	free(i->text);
	free(i);
}

static void NORETURN
carry(struct herald *h, const struct herald_item *i, pid_t parent)
{
	const struct notice n = { .program = "tokend", .subject = i->subject, .text = i->text };
	struct buf why = BUF_INIT(512);

	(void)signal(SIGTERM, SIG_DFL);
	proc_follow_parent(parent);
	close_range(3, ~0U, 0); /* nothing of our parent's is open here */
	log_open("tokend");
	if (notice_send(h->router, h->submit_path, &n, &why) == 0)
		_exit(0);
	log_error(EV_WARNING, LS("text", buf_str(&why)), LS("account", i->account), LS("about", i->subject));
	_exit(1);
}

static void
send_first(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval again = { AGAIN_S, 0 };
	struct herald *h = arg;
	pid_t parent = getpid();

	(void)fd;
	(void)what;
	if (h->pid != 0 || TAILQ_EMPTY(&h->items))
		return;
	h->pid = fork();
	if (h->pid == 0)
		carry(h, TAILQ_FIRST(&h->items), parent);
	if (h->pid == -1) {
		h->pid = 0;
		event_add(h->again, &again);
	}
}

void
herald_reap(struct herald *h)
{
	static const struct timeval again = { AGAIN_S, 0 };
	struct herald_item *i = TAILQ_FIRST(&h->items);
	int status;

	if (h->pid == 0 || waitpid(h->pid, &status, WNOHANG) != h->pid)
		return;
	h->pid = 0;
	if (status != 0) {
		event_add(h->again, &again);
		return;
	}
	if (i->cause != NULL)
		h->sent(h->arg, i->account, i->cause);
	item_free(h, i);
	send_first(-1, 0, h);
}

void
herald_tell(struct herald *h, const char *account, const char *cause, const char *subject, const char *text)
{
	struct herald_item *i = TAILQ_FIRST(&h->items), *following;

	if (i != NULL && h->pid != 0) /* it is on its way */
		i = TAILQ_NEXT(i, next);
	for (; i != NULL && cause != NULL; i = following) {
		following = TAILQ_NEXT(i, next);
		if (i->cause != NULL && strcmp(i->account, account) == 0)
			item_free(h, i);
	}
	i = mem_alloc(1, sizeof(*i));
	*i = (struct herald_item){ .account = mem_dup(account), .cause = cause != NULL ? mem_dup(cause) : NULL,
		.subject = mem_dup(subject), .text = mem_dup(text) };
	TAILQ_INSERT_TAIL(&h->items, i, next);
	event_del(h->again);
	send_first(-1, 0, h);
}

void
herald_open(struct herald *h)
{
	TAILQ_INIT(&h->items);
	h->pid = 0;
	h->again = evtimer_new(h->base, send_first, h);
}

void
herald_close(struct herald *h)
{
	struct herald_item *i, *following;

	for (i = TAILQ_FIRST(&h->items); i != NULL; i = following) {
		following = TAILQ_NEXT(i, next);
		item_free(h, i);
	}
	event_free(h->again);
}
