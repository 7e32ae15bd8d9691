/*
 * Promises of the whole of smtpd's session: whatever a client sends in one breath, it hears replies and nothing else; a message
 * is taken only where a true end of one stands, as many as it is told of, and holds neither CR nor an unfinished line. The
 * first octet says who the client is and at which service; queued is a file in memory.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "router/compile.h"
#include "smtpd/session.h"
#include "t/fuzz/fuzz.h"
#include "t/unit/tree.h"

#define MOST 4096

static char dir[] = "/tmp/fuzz_session.XXXXXX";
static struct smtpd smtpd;
static size_t taken; /* messages */

static const struct {
	const char *file, *text;
} house[] = {
	{ "posthouse.conf", "hostname = mx.example.org\ndefault_domain = example.org\nsandbox = off\n"
	  "smtpd_errors = 10000\n" }, /* a stranger's errors cost a second each from half of them on */
	{ "domains", "example.org local postmaster=ann\n" },
	{ "users", "ann\nbob\n" },
	{ "aliases", "both ann,bob\nnobody :discard:\nno :reject: go away\n" },
	{ "access", "192.0.2.1 trust xclient etrn=example.org\n192.0.2.3 device=copier default-from=ann@example.org\nsender:bad@client.example reject\n" },
	{ "filters", "pills string=cheap*pills scope=header,body\ncasino regex=\"\\bcasinos?\\b\" scope=header,body,envelope\n" },
	{ "attachments", "*.exe reject\n" },
};

/* --- queued --------------------------------------------------------------- */

void
submit_init(struct submit *s, const char *socket_path)
{
	memset(s, 0, sizeof(*s));
	s->path = socket_path;
	s->msg_fd = s->env_fd = -1;
}

int
submit_open(struct submit *s, struct reply *reply)
{
	(void)reply;
	PROMISE(s->msg_fd == -1); /* the one before has ended */
	s->msg_fd = memfd_create("message", MFD_CLOEXEC);
	PROMISE(s->msg_fd != -1);
	strlcpy(s->id, "7kq3", sizeof(s->id));
	strlcpy(s->how, "queued", sizeof(s->how));
	return 0;
}

static void
check_message(int fd, const struct envelope *env)
{
	static char text[64 * 1024];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	PROMISE(n > 0 && (uint64_t)n == env->octets && text[n - 1] == '\n');
	PROMISE(strncmp(text, "Return-Path: <", strlen("Return-Path: <")) == 0);
	PROMISE(memchr(text, '\r', (size_t)n) == NULL);
	PROMISE(env->rcpt_count > 0 && env->sender != NULL);
}

int
submit_commit(struct submit *s, struct envelope *env, struct reply *reply)
{
	(void)reply;
	check_message(s->msg_fd, env);
	taken++;
	return 0;
}

int
submit_sync(struct submit *s, struct reply *reply)
{
	(void)reply;
	submit_abort(s);
	return 0;
}

void
submit_abort(struct submit *s)
{
	if (s->msg_fd != -1)
		close(s->msg_fd);
	s->msg_fd = -1;
}

int
submit_retry(struct submit *s, const char *domain, bool below, int64_t *messages, struct reply *reply)
{
	(void)s, (void)domain, (void)below, (void)reply;
	*messages = 1;
	return 0;
}

/* --- a house -------------------------------------------------------------- */

static void
remove_house(void)
{
	(void)tree_remove(dir);
}

static void
make_house(struct instance *inst)
{
	unsigned long counts[MAP_COUNT];
	struct report report;
	char *etc;

	PROMISE(mkdtemp(dir) != NULL && atexit(remove_house) == 0);
	etc = mem_fmt("%s/etc", dir);
	PROMISE(mkdir(etc, 0755) == 0);
	free(etc);
	for (size_t i = 0; i < COUNT(house); i++) {
		char *file = mem_fmt("%s/etc/%s", dir, house[i].file);

		PROMISE(file_replace_at(-1, file, house[i].text, strlen(house[i].text), 0644) == 0);
		free(file);
	}
	instance_open(inst, dir);
	report_open(&report, STDERR_FILENO, 10);
	PROMISE(compile_maps(inst, false, &report, NULL, counts) == 0);
	report_close(&report);
}

static void
open_smtpd(struct smtpd *d)
{
	struct buf why = BUF_INIT(1000);

	log_open("smtpd");
	log_level_set(LOG_ERROR);
	make_house(&d->instance);
	conf_load(&d->conf, &d->instance);
	d->conf.sender_domain_check = d->conf.reverse_lookup = false;
	PROMISE(router_open(&d->router, &d->instance, &d->conf, &why) == 0);
	session_prepare(d);
	d->rate = rate_new();
	buf_free(&why);
}

/* --- a session ------------------------------------------------------------ */

static void
serve(struct smtpd *d, uint8_t who, const char *in, size_t n, struct buf *out)
{
	static const char *const services[] = { "smtp", "submission", "lmtp" };
	struct gate_conn conn = { .peer = { .octets = { 192, 0, 2, who % 4 } }, .peer_port = 4711 };
	char some[4096];
	ssize_t got;
	int pair[2];

	PROMISE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	PROMISE(send(pair[1], in, n, MSG_DONTWAIT) == (ssize_t)n && shutdown(pair[1], SHUT_WR) == 0);
	conn.fd = pair[0];
	strlcpy(conn.service, services[who / 4 % COUNT(services)], sizeof(conn.service));
	session_serve(d, &conn);
	while ((got = recv(pair[1], some, sizeof(some), 0)) > 0)
		buf_add(out, some, (size_t)got);
	close(pair[1]);
}

/* Replies, each line whole; how many of them say that a message was taken. */
static size_t
check_replies(struct span s)
{
	size_t accepted = 0;

	while (s.len > 0) {
		const char *lf = memchr(s.s, '\n', s.len);
		size_t n = lf == NULL ? 0 : (size_t)(lf - s.s);

		PROMISE(lf != NULL && n >= 4 && s.s[n - 1] == '\r');
		PROMISE(s.s[0] >= '2' && s.s[0] <= '5' && (s.s[3] == ' ' || s.s[3] == '-'));
		for (size_t i = 0; i < n - 1; i++)
			PROMISE(ascii_print((unsigned char)s.s[i]));
		accepted += n > 20 && strncmp(s.s, "250 2.0.0 7kq3 queued\r\n", 23) == 0;
		s = (struct span){ lf + 1, s.len - n - 1 };
	}
	return accepted;
}

static bool
stands(const char *s, size_t n, const char *text)
{
	return n >= strlen(text) && ascii_caseeq(s, text, strlen(text));
}

/* Places where a message can end: CRLF "." CRLF, and a last chunk; an old device may do with LF. */
static size_t
ends(const char *s, size_t n, bool device)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += stands(s + i, n - i, "\r\n.\r\n") || stands(s + i, n - i, "LAST") ||
		    (device && (stands(s + i, n - i, "\n.\n") || stands(s + i, n - i, "\n.\r\n")));
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct buf out = BUF_INIT(1 << 24);

	if (smtpd.block == NULL)
		open_smtpd(&smtpd);
	if (n < 1 || n > MOST)
		return 0;
	taken = 0;
	serve(&smtpd, octets[0], (const char *)octets + 1, n - 1, &out);
	PROMISE(taken <= ends((const char *)octets + 1, n - 1, octets[0] % 4 == 3));
	if (octets[0] / 4 % 3 != 2) /* LMTP: one for each recipient */
		PROMISE(check_replies(buf_span(&out)) == taken);
	PROMISE(smtpd.submit.msg_fd == -1);
	buf_free(&out);
	return 0;
}
