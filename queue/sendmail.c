/*
 * sendmail: programs on this machine put messages in, by the command they all know.
 *
 * Runs as whoever calls it, with no rights beyond theirs: reads the compiled maps, asks
 * queued for two files, fills them. Either every recipient is taken or nobody gets the
 * message; the exit code tells (sysexits.h).
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mail/addresses.h"
#include "lib/mail/date.h"
#include "lib/mail/head.h"
#include "lib/sys/file.h"
#include "lib/wire/submit.h"
#include "queue/compose.h"
#include "queue/handover.h"
#include "queue/input.h"
#include "queue/options.h"
#include "queue/recipients.h"

#define BLOCK_OCTETS 65536

struct sendmail {
	struct options opt;
	struct instance inst;
	struct conf conf;
	struct router router;
	struct arena *mem;
	struct input in;
	struct compose c;
	struct recipients to;
	const char *sender;  /* canonical; "": null */
	bool sender_utf8;
	const char *user;    /* the address of whoever calls us */
	const char *name;    /* ... and the full name */
	struct submit submit;
	uint64_t octets, lines, head_octets;
	bool eightbit;
	time_t now;
};

/* --- ends ---------------------------------------------------------------------- */

static void NORETURN PRINTF_LIKE(2, 3)
give_up(int exit_code, const char *fmt, ...)
{
	va_list ap;

	fputs("sendmail: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(exit_code);
}

static void NORETURN
refused(const struct reply *r)
{
	give_up(reply_outcome(r->code) == FAILED ? EX_UNAVAILABLE : EX_TEMPFAIL,
	    "%d %s %s", r->code, r->enhanced, r->text);
}

/* A line for each recipient that was refused. */
static void NORETURN
nobody_gets_it(const struct recipients *to)
{
	struct span rest = buf_span(&to->refusals), line;

	while (rest.len > 0) {
		line = span_cut(&rest, '\n');
		fprintf(stderr, "sendmail: %.*s\n", (int)line.len, line.s);
	}
	give_up(to->exit_code, "nothing was sent");
}

/* --- who sends ------------------------------------------------------------------- */

/* Bare names belong there. */
static struct span
home(struct sendmail *s)
{
	struct span domain = router_default_domain(&s->router, s->mem);

	return domain.len > 0 ? domain : span_of(s->conf.hostname);
}

static const char *
canonical(struct sendmail *s, struct path *p)
{
	struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
	char *out;

	if (p->bare)
		p->domain = home(s);
	path_canonical(p, &b);
	out = arena_dupn(s->mem, buf_str(&b), b.len);
	buf_free(&b);
	return out;
}

/* The name in the passwd file: what stands before the first comma, '&' being the login
 * name with a capital. */
static const char *
full_name(struct arena *mem, const char *gecos, const char *login)
{
	struct buf b = BUF_INIT(1024);
	char *out;

	for (; *gecos != '\0' && *gecos != ','; gecos++) {
		if (*gecos != '&') {
			buf_addc(&b, *gecos);
			continue;
		}
		buf_addc(&b, (char)(login[0] >= 'a' && login[0] <= 'z' ?
		    login[0] - 'a' + 'A' : login[0]));
		buf_adds(&b, login + 1);
	}
	out = arena_dupn(mem, buf_str(&b), b.len);
	buf_free(&b);
	return out;
}

static void
find_user(struct sendmail *s)
{
	const struct passwd *pw = getpwuid(getuid());
	char *login = pw != NULL && pw->pw_name[0] != '\0' ? mem_dup(pw->pw_name) :
	    mem_fmt("uid%lu", (unsigned long)getuid());
	struct path p;

	if (path_parse_address(login, strlen(login), &p) == -1 || !p.bare)
		give_up(EX_OSERR, "the login name %s is no name for an address", login);
	s->user = canonical(s, &p);
	s->name = s->opt.full_name;
	if (s->name == NULL)
		s->name = pw != NULL && pw->pw_gecos != NULL ?
		    full_name(s->mem, pw->pw_gecos, login) : "";
	free(login);
}

/* -f: an address, with or without a name around it; "" or "<>": the null sender. */
static void
find_sender(struct sendmail *s)
{
	struct buf why = BUF_INIT(512);
	struct addresses list;
	struct path p;

	find_user(s);
	s->sender = s->user;
	if (s->opt.sender == NULL)
		return;
	if (s->opt.sender[0] == '\0' || strcmp(s->opt.sender, "<>") == 0) {
		s->sender = "";
		return;
	}
	if (addresses_parse(span_of(s->opt.sender), s->mem, &list, &why) == -1 ||
	    list.n != 1 ||
	    path_parse_address(list.a[0].text.s, list.a[0].text.len, &p) == -1)
		give_up(EX_USAGE, "cannot take -f %s: this is no address",
		    s->opt.sender);
	s->sender = canonical(s, &p);
	s->sender_utf8 = p.utf8;
}

static void
check_sender(struct sendmail *s)
{
	struct access access = { 0 };

	router_sender(&s->router, s->sender, &access, s->mem);
	if (access.reject != NULL)
		give_up(EX_NOPERM, "%s: %s", s->sender, access.reject);
	s->to.access.trusted = true; /* whoever has an account on this host */
	s->to.access.no_relay = access.no_relay;
	s->to.access.no_local = access.no_local;
}

/* --- startup ---------------------------------------------------------------------- */

static void
open_house(struct sendmail *s)
{
	struct buf why = BUF_INIT(1024);

	instance_open(&s->inst, s->opt.dir);
	conf_load(&s->conf, &s->inst);
	if (router_open(&s->router, &s->inst, &s->conf, &why) == -1)
		give_up(EX_CONFIG, "%s", buf_str(&why));
	s->mem = arena_new();
	s->now = time(NULL);
	recipients_init(&s->to, &s->router, s->mem);
	s->to.notify = s->opt.notify;
	submit_init(&s->submit, instance_path(s->inst.run, "submit"));
	s->submit.service = "sendmail";
	buf_free(&why);
}

/* --- the message -------------------------------------------------------------------- */

static void
fill(struct sendmail *s, size_t n)
{
	if (input_fill(&s->in, n) == -1)
		give_up(EX_IOERR, "cannot read the message: %s", strerror(errno));
}

/* The beginning, all of it if it is not large: a program that takes hours to say its
 * few lines keeps nobody waiting but us. */
static void
read_beginning(struct sendmail *s)
{
	input_init(&s->in, STDIN_FILENO, s->opt.ignore_dots);
	fill(s, INPUT_MAX);
	s->c.extract = s->opt.extract;
	s->c.domain = home(s);
	if (!compose_read(&s->c, buf_span(&s->in.text)))
		give_up(EX_DATAERR, "the header is larger than %d octets",
		    LIMIT_HEADER);
	if (s->c.received > s->conf.received_limit)
		give_up(EX_UNAVAILABLE, "the message runs in a circle: it has %u "
		    "Received fields", s->c.received);
}

static int
add_rcpt(void *to, struct span address)
{
	(void)recipients_add(to, address); /* refusals are told together */
	return 0;
}

static void
add_argument(struct sendmail *s, const char *arg)
{
	struct buf why = BUF_INIT(1024);
	struct addresses list;

	if (addresses_parse(span_of(arg), s->mem, &list, &why) == -1)
		give_up(EX_DATAERR, "%s", buf_str(&why));
	for (size_t i = 0; i < list.n; i++)
		(void)recipients_add(&s->to, list.a[i].text);
	buf_free(&why);
}

static void
find_recipients(struct sendmail *s)
{
	struct buf why = BUF_INIT(1024);

	for (size_t i = 0; s->opt.rcpts[i] != NULL; i++)
		add_argument(s, s->opt.rcpts[i]);
	if (s->opt.extract &&
	    compose_recipients(&s->c, s->mem, add_rcpt, &s->to, &why) == -1)
		give_up(EX_DATAERR, "%s", buf_str(&why));
	buf_free(&why);
	if (s->to.exit_code != 0)
		nobody_gets_it(&s->to);
	if (s->to.named == 0)
		give_up(EX_USAGE, s->opt.extract ?
		    "the header names no recipient" : "no recipient is named");
}

/* --- into the spool ------------------------------------------------------------------- */

static void
write_out(struct sendmail *s, struct span t)
{
	if (file_write_all(s->submit.msg_fd, t.s, t.len) == -1)
		give_up(EX_TEMPFAIL, "cannot write the message: %s", strerror(errno));
	s->octets += t.len;
	if (s->conf.message_size_limit != 0 && s->octets > s->conf.message_size_limit)
		give_up(EX_UNAVAILABLE, "the message is larger than %llu octets",
		    (unsigned long long)s->conf.message_size_limit);
	for (size_t i = 0; i < t.len; i++) {
		s->lines += t.s[i] == '\n';
		s->eightbit = s->eightbit || (unsigned char)t.s[i] >= 0x80;
	}
}

static void
add_received(const struct sendmail *s, struct buf *out)
{
	buf_addf(out, "Received: by %s (by uid %lu)\n\tid %s", s->conf.hostname,
	    (unsigned long)getuid(), s->submit.id);
	if (s->to.named == 1)
		buf_addf(out, "\n\tfor <%s>", s->to.original);
	buf_adds(out, "; ");
	date_add(out, s->now);
	buf_addc(out, '\n');
}

static void
write_header(struct sendmail *s)
{
	struct buf out = BUF_INIT(4 * LIMIT_HEADER + BLOCK_OCTETS);
	const struct compose_added added = { .name = s->name,
		.address = s->sender[0] != '\0' ? s->sender : s->user,
		.id = s->submit.id, .host = s->conf.hostname, .now = s->now };
	bool one_mailbox = s->to.n == 1 && s->to.r[0].action == RCPT_LOCAL;

	head_add(&out, s->sender, one_mailbox ? s->to.r[0].address : NULL,
	    s->to.named == 1 ? s->to.original : NULL);
	s->head_octets = out.len;
	add_received(s, &out);
	compose_write(&s->c, s->mem, &added, &out);
	if (buf_over(&out))
		give_up(EX_DATAERR, "the header has become too large");
	write_out(s, buf_span(&out));
	buf_free(&out);
}

static void
write_body(struct sendmail *s)
{
	write_out(s, s->c.body);
	for (;;) {
		buf_reset(&s->in.text);
		fill(s, BLOCK_OCTETS);
		if (s->in.text.len == 0)
			return;
		write_out(s, buf_span(&s->in.text));
	}
}

/* For nobody: read it all the same, or the program that writes it would be hurt. */
static void
discard(struct sendmail *s)
{
	do {
		buf_reset(&s->in.text);
		fill(s, BLOCK_OCTETS);
	} while (s->in.text.len > 0);
}

static void
put_in(struct sendmail *s)
{
	struct envelope env = { .arrived_s = s->now, .sender = s->sender,
		.smtputf8 = s->sender_utf8 || s->to.utf8, .ret = s->opt.ret,
		.envid = s->opt.envid, .rcpts = s->to.r, .rcpt_count = s->to.n };
	char client[64];
	struct reply r;

	if (submit_open(&s->submit, &r) == -1)
		refused(&r);
	write_header(s);
	write_body(s);
	snprintf(client, sizeof(client), "submitted by uid %lu",
	    (unsigned long)getuid());
	env.client = client;
	env.octets = s->octets;
	env.wire_octets = s->octets + s->lines;
	env.head_octets = s->head_octets;
	env.body_8bit = s->eightbit;
	if (submit_commit(&s->submit, &env, &r) == -1 ||
	    submit_sync(&s->submit, &r) == -1)
		refused(&r);
	if (s->opt.verbose)
		printf("%s %s\n", s->submit.id, s->submit.how);
	submit_close(&s->submit);
}

int
main(int argc, char *argv[])
{
	struct sendmail s = { 0 };

	log_open("sendmail");
	(void)signal(SIGPIPE, SIG_IGN);
	options_read(&s.opt, argc, argv);
	if (s.opt.mode == MODE_MAILQ)
		handover_mailq(s.opt.dir, s.opt.rcpts);
	if (s.opt.mode == MODE_COMPILE)
		handover_compile(s.opt.dir);
	if (s.opt.queue_run && !s.opt.extract && s.opt.rcpts[0] == NULL)
		return EX_OK; /* the queue runs by itself */

	open_house(&s);
	find_sender(&s);
	check_sender(&s);
	read_beginning(&s);
	find_recipients(&s);
	if (s.to.n > 0)
		put_in(&s);
	else
		discard(&s); /* :discard: */
	return EX_OK;
}
