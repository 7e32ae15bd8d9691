/*
 * notice: who the postmaster is, what such a message looks like. When it is due, and that it comes once, is for those
 * who send it.
 */
#include "router/notice.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/mail/date.h"
#include "lib/mail/head.h"
#include "lib/sys/file.h"

#define TEXT_MAX (64 * 1024)

/* What others said may stand in it: a header's line stays one line. */
static void
add_line(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		buf_addc(b, ascii_print((unsigned char)*s) ? *s : '?');
}

void
notice_compose(struct buf *b, const struct notice *n, const char *id, const char *hostname, const char *to, time_t now)
{
	bool utf8 = false;

	for (const char *s = n->text; *s != '\0'; s++)
		utf8 = utf8 || (unsigned char)*s > 0x7f;
	buf_addf(b, "From: Posthouse <postmaster@%s>\nTo: %s\nSubject: ", hostname, to);
	add_line(b, n->subject);
	buf_adds(b, "\nDate: ");
	date_add(b, now);
	buf_addf(b, "\nMessage-ID: <%s@%s>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n", id, hostname);
	buf_addf(b, "Content-Type: text/plain; charset=%s\nContent-Transfer-Encoding: %s\n\n",
	    utf8 ? "utf-8" : "us-ascii", utf8 ? "8bit" : "7bit");
	buf_adds(b, n->text);
	buf_addf(b, "\n-- \nThis is %s at %s. %s\n", n->program, hostname,
	    n->again != NULL ? n->again : "What it tells of is written once, and again when it is over.");
}

static void
describe(struct envelope *e, const struct route *to, const struct notice *n, struct arena *arena)
{
	size_t i = 0;

	e->arrived_s = clock_real_us() / 1000000;
	e->sender = "";
	e->client = n->program;
	e->ret = e->envid = "";
	e->rcpts = arena_alloc(arena, to->count * sizeof(*e->rcpts));
	for (const struct route_rcpt *r = to->rcpts; r != NULL && i < to->count; r = r->next, i++)
		e->rcpts[i] = (struct env_rcpt){ .status = RCPT_TODO, .action = r->action, .address = r->address,
			.orcpt = "", .last = "" };
	e->rcpt_count = i;
}

static int
write_message(struct submit *s, const struct router *r, const struct notice *n, const struct route *to,
    const char *address, struct envelope *e, struct arena *arena)
{
	struct buf b = BUF_INIT(TEXT_MAX);
	int rv = -1;

	describe(e, to, n, arena);
	head_add(&b, "", to->count == 1 && to->rcpts->action == RCPT_LOCAL ? to->rcpts->address : NULL, NULL);
	e->head_octets = b.len;
	notice_compose(&b, n, s->id, r->conf->hostname, address, (time_t)e->arrived_s);
	e->octets = e->wire_octets = b.len;
	for (size_t i = 0; i < b.len; i++) {
		e->wire_octets += b.s[i] == '\n';
		e->body_8bit = e->body_8bit || (unsigned char)b.s[i] > 0x7f;
	}
	if (!buf_over(&b))
		rv = file_write_all(s->msg_fd, b.s, b.len);
	buf_free(&b);
	return rv;
}

static int
submit_notice(struct router *r, const char *submit_path, const struct notice *n, const struct route *to,
    const char *address, struct arena *arena, struct buf *why)
{
	struct envelope e = { 0 };
	struct submit s;
	struct reply reply = { .text = "cannot write the message" };
	int rv = -1;

	submit_init(&s, submit_path);
	if (submit_open(&s, &reply) == 0) {
		if (write_message(&s, r, n, to, address, &e, arena) == -1)
			submit_abort(&s);
		else if (submit_commit(&s, &e, &reply) == 0 && submit_sync(&s, &reply) == 0)
			rv = 0;
	}
	if (rv == -1)
		buf_addf(why, "cannot write to the postmaster: %s", reply.text);
	submit_close(&s);
	return rv;
}

int
notice_send(struct router *r, const char *submit_path, const struct notice *n, struct buf *why)
{
	const struct access ours = { .trusted = true };
	struct arena *arena = arena_new();
	struct route to = { 0 };
	struct path path;
	struct span postmaster;
	const char *address;
	int rv = -1;

	router_refresh(r);
	postmaster = router_postmaster(r);
	address = arena_dupn(arena, postmaster.s != NULL ? postmaster.s : "", postmaster.len);
	if (postmaster.len > 0 && path_parse_address(address, postmaster.len, &path) == 0)
		router_rcpt(r, &path, &ours, true, true, arena, &to, NULL);
	if (to.outcome == SENT && to.count > 0)
		rv = submit_notice(r, submit_path, n, &to, address, arena, why);
	else
		buf_adds(why, "cannot write to the postmaster: nobody takes that mail (see the map domains)");
	arena_free(arena);
	return rv;
}
