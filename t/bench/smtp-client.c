/*
 * smtp-client: an SMTP client that measures a server. Compiled by t/bench/smtp-accept.
 *
 *   smtp-client knock PORT TLS CLIENTS SECONDS   sessions a second: greeting, EHLO, QUIT
 *   smtp-client send PORT TLS CLIENTS SECONDS OCTETS EACH
 *                                                messages a second, EACH of them in a session, as smtp-source sends
 *   smtp-client idle PORT TLS COUNT UNTIL        COUNT connections that stay until standard input ends
 *
 * TLS is 0, 1 (STARTTLS, a full handshake) or 2 (STARTTLS, sessions are resumed); nothing is verified. UNTIL is
 * connect, greeting or ehlo.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

struct conn {
	int fd;
	SSL *ssl;
	char in[65536];
	size_t at, end;
};
static SSL_CTX *ctx;
static SSL_SESSION *last;
static int tls, port;

static void
die(const char *what)
{
	fprintf(stderr, "smtp-client: %s\n", what);
	exit(1);
}

static int
number(const char *s)
{
	return (int)strtol(s, NULL, 10);
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
	if (c->end == sizeof(c->in))
		die("a line without end");
	n = c->ssl != NULL ? SSL_read(c->ssl, c->in + c->end, (int)(sizeof(c->in) - c->end)) :
	    recv(c->fd, c->in + c->end, sizeof(c->in) - c->end, 0);
	if (n <= 0)
		die("the connection ended");
	c->end += (size_t)n;
}

/* A reply of one line or many; its code begins with this. */
static void
hear(struct conn *c, char code)
{
	char *line, *lf;

	do {
		while ((lf = memchr(c->in + c->at, '\n', c->end - c->at)) == NULL)
			fill(c);
		line = c->in + c->at;
		if (line[0] != code) {
			*lf = '\0';
			die(line);
		}
		c->at = (size_t)(lf - c->in) + 1;
	} while (line[3] == '-');
}

static void
ask(struct conn *c, const char *command, char code)
{
	say(c, command, strlen(command));
	hear(c, code);
}

static int
keep_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(last);
	last = s;
	return 1;
}

static void
start_tls(struct conn *c)
{
	ask(c, "STARTTLS\r\n", '2');
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	if (tls == 2 && last != NULL)
		SSL_set_session(c->ssl, last);
	if (SSL_connect(c->ssl) != 1)
		die("no TLS");
	ask(c, "EHLO client.example\r\n", '2');
}

static void
dial(struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { 20, 0 };
	int one = 1;

	c->at = c->end = 0;
	c->ssl = NULL;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		die("cannot connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static void
enter(struct conn *c)
{
	dial(c);
	hear(c, '2');
	ask(c, "EHLO client.example\r\n", '2');
	if (tls)
		start_tls(c);
}

static void
leave(struct conn *c)
{
	ask(c, "QUIT\r\n", '2');
	if (c->ssl != NULL) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	close(c->fd);
}

static void
send_one(struct conn *c, const char *text, size_t octets)
{
	ask(c, "MAIL FROM:<bob@else.example>\r\n", '2');
	ask(c, "RCPT TO:<ann@bench.example>\r\n", '2');
	ask(c, "DATA\r\n", '3');
	say(c, text, octets);
	ask(c, "\r\n.\r\n", '2');
}

static char *
letter(size_t octets)
{
	static const char head[] = "From: <bob@else.example>\r\nTo: <ann@bench.example>\r\nSubject: one of many\r\n"
	                           "Message-Id: <1@else.example>\r\n\r\n";
	char *text = malloc(octets + sizeof(head));

	for (size_t i = 0; i < octets; i++)
		text[i] = i % 80 < 78 ? 'x' : "\r\n"[i % 80 - 78];
	memcpy(text, head, sizeof(head) - 1);
	return text;
}

/* In each of the clients' processes until the time is over; what they did together, a second. */
static void
together(int clients, double seconds, size_t octets, unsigned long each)
{
	// cppcheck-suppress invalidFunctionArg
	unsigned long *done = mmap(NULL, (size_t)clients * sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long total = 0;
	double until = now() + seconds;
	char *text = letter(octets);
	int status, bad = 0;

	for (int i = 0; i < clients; i++)
		if (fork() == 0) {
			static struct conn c;

			while (now() < until) {
				enter(&c);
				for (unsigned long n = 0; n < each && (n == 0 || now() < until); n++, done[i]++)
					send_one(&c, text, octets);
				leave(&c);
				done[i] += each == 0;
			}
			_exit(0);
		}
	while (wait(&status) > 0)
		bad |= status;
	if (bad)
		die("a client failed");
	for (int i = 0; i < clients; i++)
		total += done[i];
	printf("%.0f\n", (double)total / (now() - until + seconds));
	free(text);
}

/* Each from an address of its own for every fifty. */
static void
idling(int count, const char *until)
{
	static struct conn one, *c = &one;
	char octet;

	for (int i = 0; i < count; i++) {
		if (strcmp(until, "ehlo") == 0)
			enter(c);
		else
			dial(c);
		if (strcmp(until, "greeting") == 0)
			hear(c, '2');
	}
	puts("ready");
	fflush(stdout);
	(void)!read(0, &octet, 1);
}

int
main(int argc, char *argv[])
{
	struct rlimit files;

	if (argc < 6)
		die("see the top of smtp-client.c");
	port = number(argv[2]);
	tls = number(argv[3]);
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (strcmp(argv[1], "knock") == 0)
		together(number(argv[4]), strtod(argv[5], NULL), 0, 0);
	else if (strcmp(argv[1], "send") == 0 && argc == 8)
		together(number(argv[4]), strtod(argv[5], NULL), strtoul(argv[6], NULL, 10), strtoul(argv[7], NULL, 10));
	else if (strcmp(argv[1], "idle") == 0)
		idling(number(argv[4]), argv[5]);
	else
		die("see the top of smtp-client.c");
	return 0;
}
