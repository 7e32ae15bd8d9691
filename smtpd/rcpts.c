/*
 * rcpts: the final recipients of one transaction, each mailbox once.
 *
 * Knows addresses as finished strings; what they mean is the router's.
 */
#include "smtpd/rcpts.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 16u
#define KEPT 1024u /* recipients whose memory the next transaction gets */

static size_t
place(const struct rcpts *l, enum rcpt_action action, const char *address)
{
	uint32_t hash = 2166136261u ^ (uint32_t)action;
	size_t at;

	for (const char *p = address; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	for (at = hash & (2 * l->cap - 1); l->index[at] != 0; at = (at + 1) & (2 * l->cap - 1)) {
		const struct env_rcpt *r = &l->r[l->index[at] - 1];

		if (r->action == action && strcmp(r->address, address) == 0)
			break;
	}
	return at;
}

static void
grow(struct rcpts *l)
{
	l->cap = l->cap == 0 ? FIRST : 2 * l->cap;
	l->r = mem_grow(l->r, l->cap, sizeof(*l->r));
	l->index = mem_grow(l->index, 2 * l->cap, sizeof(*l->index));
	memset(l->index, 0, 2 * l->cap * sizeof(*l->index));
	for (size_t i = 0; i < l->n; i++)
		l->index[place(l, l->r[i].action, l->r[i].address)] = (unsigned)i + 1;
}

/* NOTIFY of an address that two recipients mean: all that either wants to hear of. */
static unsigned
merged(unsigned a, unsigned b)
{
	if (a == b)
		return a;
	a = a == 0 ? NOTIFY_FAILURE | NOTIFY_DELAY : a;
	b = b == 0 ? NOTIFY_FAILURE | NOTIFY_DELAY : b;
	return (a | b) & ~(unsigned)NOTIFY_NEVER;
}

bool
rcpts_add(struct rcpts *l, enum rcpt_action action, const char *address, const char *orcpt, unsigned notify)
{
	size_t at;

	if (l->n == l->cap)
		grow(l);
	at = place(l, action, address);
	if (l->index[at] != 0) {
		struct env_rcpt *r = &l->r[l->index[at] - 1];

		r->notify = merged(r->notify, notify);
		return false;
	}
	l->r[l->n] = (struct env_rcpt){
		.status = RCPT_TODO, .action = action, .notify = notify, .address = address, .orcpt = orcpt, .last = ""
	};
	l->index[at] = (unsigned)++l->n;
	return true;
}

bool
rcpts_has(const struct rcpts *l, enum rcpt_action action, const char *address)
{
	return l->n != 0 && l->index[place(l, action, address)] != 0;
}

void
rcpts_remove(struct rcpts *l, enum rcpt_action action, const char *address)
{
	size_t i = l->n == 0 ? 0 : l->index[place(l, action, address)];

	if (i == 0)
		return;
	memmove(l->r + i - 1, l->r + i, (l->n - i) * sizeof(*l->r));
	l->n--;
	memset(l->index, 0, 2 * l->cap * sizeof(*l->index));
	for (i = 0; i < l->n; i++)
		l->index[place(l, l->r[i].action, l->r[i].address)] = (unsigned)i + 1;
}

void
rcpts_reset(struct rcpts *l)
{
	if (l->cap > KEPT)
		rcpts_free(l);
	l->n = 0;
	if (l->cap != 0) {
		explicit_bzero(l->r, l->cap * sizeof(*l->r));
		memset(l->index, 0, 2 * l->cap * sizeof(*l->index));
	}
}

void
rcpts_free(struct rcpts *l)
{
	free(l->r);
	free(l->index);
	memset(l, 0, sizeof(*l));
}
