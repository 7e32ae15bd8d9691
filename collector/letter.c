/*
 * letter: a short message that collect itself writes, put into the queue.
 */
#include "collector/letter.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/mail/date.h"
#include "lib/mail/head.h"
#include "lib/mail/header.h"
#include "lib/mail/reply.h"
#include "lib/sys/file.h"
#include "lib/wire/submit.h"

#define LETTER_MAX (256 * 1024) /* octets, what is added included */

const char *
letter_postmaster(const struct house *h, struct arena *arena)
{
	struct span domain = router_default_domain(&h->router, arena);
	struct buf b = BUF_INIT(LIMIT_ADDRESS);
	const char *address;

	buf_adds(&b, "postmaster@");
	if (domain.len > 0)
		buf_addspan(&b, domain);
	else
		buf_adds(&b, h->conf.hostname);
	address = arena_dupn(arena, buf_str(&b), b.len);
	buf_free(&b);
	return address;
}

static bool
has_field(struct span header, const char *name)
{
	struct field f;

	while (header_next(&header, &f))
		if (span_case_is(f.name, name))
			return true;
	return false;
}

static void
add_missing(const struct letter *l, const struct house *h, struct arena *arena, const char *id, struct buf *out)
{
	if (!has_field(l->text, "Date")) {
		buf_adds(out, "Date: ");
		date_add(out, time(NULL));
		buf_addc(out, '\n');
	}
	if (!has_field(l->text, "From"))
		buf_addf(out, "From: %s\n", *l->sender != '\0' ? l->sender : letter_postmaster(h, arena));
	if (!has_field(l->text, "To"))
		buf_addf(out, "To: %s\n", l->rcpt);
	if (!has_field(l->text, "Message-ID"))
		buf_addf(out, "Message-ID: <%s@%s>\n", id, h->conf.hostname);
}

/* Who is meant in the end. */
static int
find_recipients(struct house *h, const struct letter *l, struct arena *arena, struct envelope *env, struct buf *why)
{
	const struct access ours = { .trusted = true };
	struct route found = { 0 };
	struct path path;

	if (path_parse_address(l->rcpt, strlen(l->rcpt), &path) == -1) {
		buf_addf(why, "%s is no address", l->rcpt);
		return -1;
	}
	router_rcpt(&h->router, &path, &ours, true, true, arena, &found, NULL);
	if (found.outcome != SENT || found.count == 0) {
		buf_addf(why, "nobody takes mail for %s: %s", l->rcpt, found.reply.text != NULL ? found.reply.text : "");
		return -1;
	}
	env->rcpts = arena_alloc(arena, found.count * sizeof(*env->rcpts));
	for (const struct route_rcpt *r = found.rcpts; r != NULL && env->rcpt_count < found.count; r = r->next)
		env->rcpts[env->rcpt_count++] = (struct env_rcpt){ .status = RCPT_TODO, .action = r->action,
			.address = r->address, .orcpt = "", .last = "" };
	return 0;
}

static void
measure(const struct buf *text, size_t head, struct envelope *env)
{
	env->octets = env->wire_octets = text->len;
	env->head_octets = head;
	for (size_t i = 0; i < text->len; i++) {
		env->wire_octets += text->s[i] == '\n';
		env->body_8bit = env->body_8bit || (unsigned char)text->s[i] > 0x7f;
	}
}

static int
submit(struct submit *s, const struct letter *l, struct house *h, struct arena *arena, struct envelope *env,
    struct reply *reply)
{
	struct buf text = BUF_INIT(LETTER_MAX);
	size_t head;
	int rv;

	if (submit_open(s, reply) == -1)
		return -1;
	head_add(&text, l->sender, NULL, NULL);
	head = text.len;
	add_missing(l, h, arena, s->id, &text);
	buf_addspan(&text, l->text);
	measure(&text, head, env);
	*reply = (struct reply){ .code = 451, .enhanced = "4.3.0", .text = "the letter is too long, or the disk is full" };
	rv = buf_over(&text) ? -1 : file_write_all(s->msg_fd, text.s, text.len);
	buf_free(&text);
	if (rv == -1)
		submit_abort(s);
	else if (submit_commit(s, env, reply) == -1 || submit_sync(s, reply) == -1)
		rv = -1;
	return rv;
}

int
letter_send(struct house *h, const struct letter *l, char id[LIMIT_ID], struct buf *why)
{
	struct envelope env = { .arrived_s = time(NULL), .sender = l->sender, .client = "written by collect", .ret = "", .envid = "" };
	struct arena *arena = arena_new();
	struct reply reply = { 0 };
	struct submit s;
	int rv;

	submit_init(&s, h->submit_path);
	rv = find_recipients(h, l, arena, &env, why);
	if (rv == 0 && (rv = submit(&s, l, h, arena, &env, &reply)) == -1)
		buf_addf(why, "the queue refuses (%d %s): %s", reply.code, reply.enhanced,
		    reply.text != NULL ? reply.text : "");
	strlcpy(id, rv == 0 ? s.id : "", LIMIT_ID);
	submit_close(&s);
	arena_free(arena);
	return rv;
}
