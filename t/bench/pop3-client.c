/*
 * pop3-client: a POP3 client that measures a server. Compiled by t/bench/pop3.
 *
 *   pop3-client sessions PORT TLS USER CLIENTS SECONDS   sessions a second: login, STAT, LIST, QUIT
 *   pop3-client open PORT TLS USER 1 0                   seconds of login, STAT, LIST and UIDL
 *   pop3-client retr PORT TLS USER COUNT ROUNDS          messages a second, RETR of 1 to COUNT pipelined, ROUNDS times
 *   pop3-client idle PORT TLS USER COUNT 0               COUNT logins that stay until standard input ends
 *   pop3-client door PORT TLS USER COUNT 0               COUNT connections that stay without a login
 *   pop3-client inetd PORT 0 PROGRAM 0 0                 starts PROGRAM for each connection, as inetd does
 *
 * TLS is 0 or 1 (at once, nothing verified). The password is "secret". USER may be NAME:N: sessions go through the
 * mailboxes NAME0 to NAME(N-1) in turn.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define AHEAD 200 /* commands without an answer yet */

struct conn {
	int fd;
	SSL *ssl;
	char in[262144];
	size_t at, end;
};
static SSL_CTX *ctx;

static void
die(const char *what)
{
	fprintf(stderr, "pop3-client: %s\n", what);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
say(struct conn *c, const char *s, size_t n)
{
	ssize_t put = c->ssl != NULL ? SSL_write(c->ssl, s, (int)n) : send(c->fd, s, n, MSG_NOSIGNAL);

	if (put != (ssize_t)n)
		die("cannot send");
}

static void
fill(struct conn *c)
{
	ssize_t n;

	if (c->at == c->end)
		c->at = c->end = 0;
	else if (c->end == sizeof(c->in)) {
		memmove(c->in, c->in + c->at, c->end - c->at);
		c->end -= c->at;
		c->at = 0;
	}
	n = c->ssl != NULL ? SSL_read(c->ssl, c->in + c->end, (int)(sizeof(c->in) - c->end)) :
	    recv(c->fd, c->in + c->end, sizeof(c->in) - c->end, 0);
	if (n <= 0)
		die("the connection ended");
	c->end += (size_t)n;
}

/* A line that must say +OK. */
static void
good(struct conn *c)
{
	char *lf;

	while ((lf = memchr(c->in + c->at, '\n', c->end - c->at)) == NULL)
		fill(c);
	if (c->in[c->at] != '+') {
		*lf = '\0';
		die(c->in + c->at);
	}
	c->at = (size_t)(lf - c->in) + 1;
}

/* CRLF "." CRLF: dots are rare, so that memchr goes through the text, and not this program. */
static char *
last_line(char *s, const char *end)
{
	for (char *dot = s + 2; dot + 3 <= end && (dot = memchr(dot, '.', (size_t)(end - dot))) != NULL; dot++)
		if (dot + 3 <= end && memcmp(dot - 2, "\r\n.\r\n", 5) == 0)
			return dot - 2;
	return NULL;
}

/* +OK, and lines up to the dot. */
static void
many(struct conn *c)
{
	char *p;

	good(c);
	for (;;) {
		while (c->end - c->at < 3)
			fill(c);
		if (memcmp(c->in + c->at, ".\r\n", 3) == 0) {
			c->at += 3;
			return;
		}
		while ((p = last_line(c->in + c->at, c->in + c->end)) == NULL) {
			if (c->end - c->at > 4)
				c->at = c->end - 4;
			fill(c);
		}
		c->at = (size_t)(p - c->in) + 5;
		return;
	}
}

static void
ask(struct conn *c, const char *command)
{
	char line[256];

	say(c, line, (size_t)snprintf(line, sizeof(line), "%s\r\n", command));
}

static void
arrive(struct conn *c, int port, int tls)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	c->at = c->end = 0;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		die("cannot connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (tls) {
		c->ssl = SSL_new(ctx);
		SSL_set_fd(c->ssl, c->fd);
		if (SSL_connect(c->ssl) != 1)
			die("no TLS");
	}
	good(c);
}

static void
enter(struct conn *c, int port, int tls, const char *user)
{
	char line[256];

	arrive(c, port, tls);
	snprintf(line, sizeof(line), "USER %s", user);
	ask(c, line), good(c);
	ask(c, "PASS secret"), good(c);
}

static void
leave(struct conn *c)
{
	ask(c, "QUIT"), good(c);
	if (c->ssl != NULL) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	close(c->fd);
}

/* The user of session n of this client. */
static const char *
in_turn(const char *user, unsigned long n)
{
	static char one[128];
	const char *colon = strchr(user, ':');

	if (colon == NULL)
		return user;
	snprintf(one, sizeof(one), "%.*s%lu", (int)(colon - user), user, n % strtoul(colon + 1, NULL, 10));
	return one;
}

static void
sessions(int port, int tls, const char *user, int clients, double seconds)
{
	int counts[2];
	unsigned long n, total = 0;
	double until = now() + seconds;

	if (pipe(counts) == -1)
		die("no pipe");
	for (int i = 0; i < clients; i++)
		if (fork() == 0) {
			static struct conn c;

			for (n = 0; now() < until; n++) {
				enter(&c, port, tls, in_turn(user, (unsigned long)i + n * (unsigned long)clients));
				ask(&c, "STAT"), good(&c);
				ask(&c, "LIST"), many(&c);
				leave(&c);
			}
			_exit(write(counts[1], &n, sizeof(n)) == sizeof(n) ? 0 : 1);
		}
	for (int i = 0; i < clients; i++)
		if (read(counts[0], &n, sizeof(n)) == sizeof(n))
			total += n;
	while (wait(NULL) > 0)
		continue;
	printf("%.0f\n", (double)total / (now() - until + seconds));
}

static void
opening(int port, int tls, const char *user)
{
	static struct conn c;
	double began = now();

	enter(&c, port, tls, user);
	ask(&c, "STAT"), good(&c);
	ask(&c, "LIST"), many(&c);
	ask(&c, "UIDL"), many(&c);
	printf("%.3f\n", now() - began);
	leave(&c);
}

static void
retrieving(int port, int tls, const char *user, int count, int rounds)
{
	static struct conn c;
	int asked = 0, had = 0;
	double began;

	enter(&c, port, tls, user);
	began = now();
	while (had < count * rounds) {
		if (asked < count * rounds && asked - had <= AHEAD / 2) {
			char lines[AHEAD * 16];
			size_t n = 0;

			for (; asked < count * rounds && asked - had < AHEAD; asked++)
				n += (size_t)snprintf(lines + n, sizeof(lines) - n, "RETR %d\r\n", asked % count + 1);
			say(&c, lines, n);
		}
		many(&c);
		had++;
	}
	printf("%.0f\n", (double)had / (now() - began));
	leave(&c);
}

static void
idling(int port, int tls, const char *user, int count, int login)
{
	static struct conn one, *c = &one;
	char octet;

	for (int i = 0; i < count; i++) {
		if (login)
			enter(c, port, tls, in_turn(user, (unsigned long)i));
		else
			arrive(c, port, tls);
		c->ssl = NULL; /* it stays */
	}
	puts("ready");
	fflush(stdout);
	(void)!read(0, &octet, 1);
}

static void
bury(int signo)
{
	(void)signo;
	while (waitpid(-1, NULL, WNOHANG) > 0) /* and their time is added to ours */
		continue;
}

static void
inetd(int port, char *program)
{
	struct sockaddr_in on = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(listening, (struct sockaddr *)&on, sizeof(on)) == -1 || listen(listening, 128) == -1)
		die("cannot listen");
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = bury, .sa_flags = SA_RESTART }, NULL);
	while ((fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) != -1) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		if (fork() == 0) {
			dup2(fd, 0), dup2(fd, 1);
			execl(program, program, (char *)NULL);
			_exit(127);
		}
		close(fd);
	}
}

static int
number(const char *s)
{
	return (int)strtol(s, NULL, 10);
}

int
main(int argc, char *argv[])
{
	int port, tls, count;

	if (argc != 7)
		die("see the top of pop3-client.c");
	port = number(argv[2]);
	tls = number(argv[3]);
	count = number(argv[5]);
	ctx = SSL_CTX_new(TLS_client_method());
	if (strcmp(argv[1], "inetd") == 0)
		inetd(port, argv[4]);
	else if (strcmp(argv[1], "sessions") == 0)
		sessions(port, tls, argv[4], count, strtod(argv[6], NULL));
	else if (strcmp(argv[1], "open") == 0)
		opening(port, tls, argv[4]);
	else if (strcmp(argv[1], "retr") == 0)
		retrieving(port, tls, argv[4], count, number(argv[6]));
	else
		idling(port, tls, argv[4], count, strcmp(argv[1], "idle") == 0);
	return 0;
}
