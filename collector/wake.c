/*
 * wake: upstreams that keep our mail until they are asked for it the old way.
 *
 * Whether it helped nobody tells: the collection goes on, or the provider connects to our smtpd, sooner or later.
 */
#include "collector/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "collector/dial.h"
#include "collector/letter.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define FINGER_PORT 79
#define ANSWER_MAX (64 * 1024) /* octets read of a finger's answer */
#define TEXT_MAX 4096          /* ... and kept */
#define COMMAND_WORDS 64
#define COMMAND_TIMEOUT_S 120  /* a modem may have to dial */
#define TEMPLATE_MAX (64 * 1024)

void
wake_result_init(struct wake_result *r)
{
	r->what = WAKE_NOTHING;
	buf_init(&r->text, TEXT_MAX);
}

void
wake_result_free(struct wake_result *r)
{
	buf_free(&r->text);
}

static void
failed(struct wake_result *r, const char *what, const struct buf *why)
{
	r->what = WAKE_FAILED;
	buf_addf(&r->text, "%s: %s", what, buf_str(why));
}

static void
log_result(const char *account, const struct wake_result *r)
{
	if (r->what == WAKE_FAILED)
		log_event(EV_COLLECT_WAKE, LS("account", account), LS("error", buf_str(&r->text)));
	else if (r->what == WAKE_DONE)
		log_event(EV_COLLECT_WAKE, LS("account", account), LS("answer", buf_str(&r->text)));
}

/* Strangers' words: printable, on one line (RFC 1288, 3.3). */
static void
add_shown(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_addc(out, ascii_print((unsigned char)s.s[i]) ? s.s[i] : s.s[i] == '\t' ? ' ' : '?');
}

/* --- finger (RFC 1288) -------------------------------------------------------- */

static int
hear_answer(struct dialogue *d, int64_t wait_ms, struct buf *text, struct buf *why)
{
	struct span line;
	size_t octets = 0;

	while (dialogue_line(d, LIMIT_SMTP_REPLY, false, deadline_in(wait_ms), &line, why) == 0) {
		octets += line.len + 1;
		if (octets > ANSWER_MAX)
			return 0;
		line = span_trim(line);
		if (line.len == 0)
			continue;
		if (text->len > 0)
			buf_adds(text, " | ");
		add_shown(text, line);
	}
	if (errno != ECONNRESET) /* the end of it is the end of the connection */
		return -1;
	buf_reset(why);
	return 0;
}

static int
ask_finger(struct house *h, const char *user, const char *host, uint16_t port, struct buf *text, struct buf *why)
{
	int64_t wait_ms = (int64_t)h->conf.collect_timeout * 1000;
	struct dialogue d;
	int rv;

	dialogue_init(&d);
	d.total = deadline_in(2 * wait_ms);
	rv = dial(h, &d, host, port, wait_ms, NULL, NULL, why);
	if (rv == 0) {
		dialogue_say(&d, false, "%s", user);
		rv = hear_answer(&d, wait_ms, text, why);
	}
	dialogue_close(&d);
	return rv;
}

void
wake_finger(struct house *h, const char *name, const char *target, struct wake_result *r)
{
	struct buf why = BUF_INIT(1024), answer = BUF_INIT(TEXT_MAX);
	struct upstream_finger f;
	struct arena *arena = arena_new();

	if (!upstream_finger_parse(span_of(target), arena, &f)) {
		buf_adds(&why, "write it user@host or user@host:port");
		failed(r, target, &why);
	} else if (ask_finger(h, f.user, f.host, f.port != 0 ? (uint16_t)f.port : FINGER_PORT, &answer, &why) == -1) {
		buf_adds(&r->text, "finger ");
		failed(r, target, &why);
	} else {
		r->what = WAKE_DONE;
		buf_addf(&r->text, "finger %s: %s", target, answer.len > 0 ? buf_str(&answer) : "(no answer)");
	}
	log_result(name, r);
	arena_free(arena);
	buf_free(&answer);
	buf_free(&why);
}

/* --- a letter -------------------------------------------------------------------- */

static int
read_template(const struct house *h, const char *name, struct buf *text, struct buf *why)
{
	int dir, rv;

	if (name == NULL) {
		buf_addf(text, "Subject: Please send our mail\n\n%s is ready to receive what waits for it.\n",
		    h->conf.hostname);
		return 0;
	}
	dir = open(h->instance.etc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rv = file_slurp_at(dir, name, text);
	if (rv == -1)
		buf_addf(why, "cannot read wake_template=%s: %s", name, strerror(errno));
	file_close(dir);
	return rv;
}

static void
send_letter(struct house *h, const struct account *a, struct wake_result *r)
{
	struct buf why = BUF_INIT(1024), text = BUF_INIT(TEMPLATE_MAX);
	struct letter letter = { .sender = letter_postmaster(h, a->arena), .rcpt = a->up.wake };
	char id[LIMIT_ID];

	if (read_template(h, a->up.wake_template, &text, &why) == 0) {
		letter.text = buf_span(&text);
		if (letter_send(h, &letter, id, &why) == 0) {
			r->what = WAKE_DONE;
			buf_addf(&r->text, "mail to %s: %s", a->up.wake, id);
		}
	}
	if (r->what != WAKE_DONE) {
		buf_adds(&r->text, "mail to ");
		failed(r, a->up.wake, &why);
	}
	buf_free(&text);
	buf_free(&why);
}

/* --- a command --------------------------------------------------------------------- */

static void
run_command(struct account *a, struct wake_result *r)
{
	struct buf why = BUF_INIT(1024), out = BUF_INIT(TEXT_MAX), said = BUF_INIT(TEXT_MAX / 2);
	char *argv[COMMAND_WORDS + 1] = { NULL };
	int status = -1;

	errno = EINVAL;
	if (words_argv(span_of(a->up.wake), a->arena, argv, COMMAND_WORDS, &why) == 0)
		status = proc_output(argv, &out, &said, COMMAND_TIMEOUT_S);
	if (status == -1 && why.len == 0)
		buf_adds(&why, errno == ETIMEDOUT ? "it took longer than two minutes" :
		    errno == EMSGSIZE ? "it says too much" : strerror(errno));
	else if (status != -1 && WIFSIGNALED(status))
		buf_addf(&why, "ended by signal %d", WTERMSIG(status));
	else if (status != -1 && WEXITSTATUS(status) != 0)
		buf_addf(&why, "exit status %d", WEXITSTATUS(status));
	buf_adds(&r->text, "command ");
	if (why.len > 0) {
		if (said.len > 0)
			buf_adds(&why, ": ");
		add_shown(&why, span_trim(buf_span(&said)));
		failed(r, argv[0] != NULL ? argv[0] : a->up.wake, &why);
	} else {
		r->what = WAKE_DONE;
		buf_addf(&r->text, "%s: done", argv[0]);
	}
	buf_free(&why);
	buf_free(&out);
	buf_free(&said);
}

/* --- an account ---------------------------------------------------------------------- */

void
wake_account(struct house *h, struct account *a, bool inside, struct wake_result *r)
{
	if (a->up.wake_how == UPSTREAM_WAKE_NONE || inside != (a->up.wake_how == UPSTREAM_WAKE_FINGER))
		return;
	if (inside) {
		wake_finger(h, a->name, a->up.wake, r);
		return;
	}
	if (a->up.wake_how == UPSTREAM_WAKE_MAIL)
		send_letter(h, a, r);
	else
		run_command(a, r);
	log_result(a->name, r);
}
