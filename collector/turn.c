/*
 * turn: the way into the provider's SMTP server; and our own SMTP server, held ready.
 */
#include "collector/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/secret.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define ADDRESS_MAX 64

/* --- the provider ---------------------------------------------------------- */

static int
start_tls(struct fetch *f, struct esmtp *e)
{
	const struct upstream *up = &f->account->up;
	struct tls_peer peer = { .host = up->host, .ca_file = up->ca, .pins = up->pins.v, .pin_count = up->pins.n };

	if (up->tls != UPSTREAM_TLS_STARTTLS)
		return 0;
	if (esmtp_starttls(e, &peer, &f->why) == 0)
		return 0;
	f->tls_failed = e->code == 220;
	return -1;
}

/* CRAM-MD5 is what every server of RFC 2645 has (its clause 4). */
static int
log_in(struct fetch *f, struct esmtp *e)
{
	const struct upstream *up = &f->account->up;
	struct credentials c;
	int rv = 0;

	if (up->login == NULL)
		return 0;
	rv = credentials_get(f->account, f->house, &c, &f->why);
	if (rv == 0) {
		struct sasl_login l = { .login = up->login, .weak = true };

		l.password = c.password.len > 0 ? buf_str(&c.password) : NULL;
		l.token = c.token.len > 0 ? buf_str(&c.token) : NULL;
		rv = esmtp_auth(e, &l, up->mechanism, &f->auth_failed, &f->why);
	}
	credentials_wipe(&c);
	return rv;
}

int
turn_open(struct fetch *f, struct esmtp *e)
{
	esmtp_init(e, &f->d, f->house->conf.helo_name, (int64_t)f->house->conf.collect_timeout * 1000);
	if (esmtp_greet(e, &f->why) == -1 || start_tls(f, e) == -1)
		return -1;
	return log_in(f, e);
}

/* What comes of it changes nothing. */
void
turn_quit(struct esmtp *e)
{
	struct buf why = BUF_INIT(256);

	dialogue_say(e->d, false, "QUIT");
	(void)!esmtp_reply(e, &why);
	buf_free(&why);
}

/* --- our smtpd --------------------------------------------------------------- */

/* The address of whom it is to serve; its peer may end without a word. */
static bool
read_address(int fd, char address[ADDRESS_MAX])
{
	size_t n = 0;

	while (n < ADDRESS_MAX - 1 && read(fd, &address[n], 1) == 1) {
		if (address[n] == '\n') {
			address[n] = '\0';
			return true;
		}
		n++;
	}
	return false;
}

static NORETURN void
become_smtpd(int fd, const char *root)
{
	char address[ADDRESS_MAX], *argv[] = { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL };
	size_t n = 0;

	if (!read_address(fd, address) || dup2(fd, STDIN_FILENO) == -1)
		_exit(0);
	argv[n++] = instance_path(instance_libexec(), "smtpd");
	argv[n++] = mem_dup("-sodmr");
	argv[n++] = mem_dup("-p");
	argv[n++] = address;
	if (root != NULL) {
		argv[n++] = mem_dup("-C");
		argv[n++] = mem_dup(root);
	}
	(void)unsetenv("LISTEN_FDS");
	execv(argv[0], argv);
	_exit(0); /* the other end sees that nobody greets */
}

int
turn_prepare(struct account *a, const struct house *h, struct buf *why)
{
	int pair[2];
	pid_t pid, parent = getpid();

	if (a->up.protocol != UPSTREAM_ATRN)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1 || (pid = fork()) == -1) {
		buf_addf(why, "cannot start a process: %s", strerror(errno));
		return -1;
	}
	if (pid == 0) {
		file_close(pair[0]);
		proc_follow_parent(parent);
		become_smtpd(pair[1], h->instance.root);
	}
	file_close(pair[1]);
	a->smtpd_fd = pair[0];
	return 0;
}
