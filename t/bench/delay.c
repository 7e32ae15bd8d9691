/*
 * delay: a long wire in front of a server on loopback, for benchmarks.
 *
 *     delay MS PORT
 *
 * Listens on a free port of 127.0.0.1 and says which on standard output. What comes in reaches PORT there MS
 * milliseconds later, and what PORT answers comes back as late, in the pieces it was sent in; nothing is held back
 * for any other reason, so the wire is long, not thin. Ends with standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define PIECE 262144
#define ON_THE_WIRE (64 * 1024 * 1024) /* octets one way; more than a peer ever has under way */
#define PIECES 65536

struct piece {
	int64_t due_us;
	size_t n;
};
struct way { /* octets from one socket to the other: a ring, and the times at which they arrive */
	int from, to;
	char *ring;
	size_t first, held;
	struct piece *pieces;
	size_t first_piece, piece_count;
	bool ended;
};

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
way_open(struct way *w, int from, int to)
{
	*w = (struct way){ .from = from, .to = to, .ring = malloc(ON_THE_WIRE),
		.pieces = calloc(PIECES, sizeof(struct piece)) };
	if (w->ring == NULL || w->pieces == NULL)
		exit(EX_TEMPFAIL);
}

static size_t
room(const struct way *w)
{
	size_t end = (w->first + w->held) % ON_THE_WIRE, whole = ON_THE_WIRE - w->held, straight = ON_THE_WIRE - end;

	if (w->piece_count == PIECES)
		return 0;
	whole = whole < straight ? whole : straight;
	return whole < PIECE ? whole : PIECE;
}

static void
take(struct way *w, int64_t later_us)
{
	ssize_t n = recv(w->from, w->ring + (w->first + w->held) % ON_THE_WIRE, room(w), MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	w->ended = n <= 0;
	w->pieces[(w->first_piece + w->piece_count++) % PIECES] =
	    (struct piece){ now_us() + later_us, n > 0 ? (size_t)n : 0 };
	w->held += n > 0 ? (size_t)n : 0;
}

/* Octets whose time has come and that lie in one run. */
static size_t
due(struct way *w, int64_t now)
{
	size_t n = 0, straight = ON_THE_WIRE - w->first;

	for (size_t i = 0; i < w->piece_count; i++) {
		const struct piece *p = &w->pieces[(w->first_piece + i) % PIECES];

		if (p->due_us > now)
			break;
		n += p->n;
	}
	return n < straight ? n : straight;
}

static void
forget(struct way *w, size_t n)
{
	w->first = (w->first + n) % ON_THE_WIRE;
	w->held -= n;
	while (w->piece_count > 0 && w->pieces[w->first_piece].n <= n && w->pieces[w->first_piece].n > 0) {
		n -= w->pieces[w->first_piece].n;
		w->first_piece = (w->first_piece + 1) % PIECES;
		w->piece_count--;
	}
	if (n > 0)
		w->pieces[w->first_piece].n -= n;
}

/* False: the other side takes no more. */
static bool
give(struct way *w)
{
	int64_t now = now_us();
	size_t n = due(w, now);

	while (n > 0) {
		ssize_t put = send(w->to, w->ring + w->first, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put == -1)
			return errno == EAGAIN;
		forget(w, (size_t)put);
		if ((size_t)put < n)
			return true;
		n = due(w, now);
	}
	if (w->ended && w->piece_count > 0 && w->held == 0 && w->pieces[w->first_piece].due_us <= now) {
		shutdown(w->to, SHUT_WR);
		w->piece_count = 0;
	}
	return true;
}

static void
carry(int a, int b, int64_t later_us)
{
	struct way ways[2];

	way_open(&ways[0], a, b);
	way_open(&ways[1], b, a);
	while (!ways[0].ended || !ways[1].ended || ways[0].piece_count + ways[1].piece_count > 0) {
		struct pollfd p[4];
		struct timespec wait = { 60, 0 };

		for (int i = 0; i < 2; i++) {
			const struct way *w = &ways[i];
			int64_t left = w->piece_count > 0 ? w->pieces[w->first_piece].due_us - now_us() : INT64_MAX;

			p[2 * i] = (struct pollfd){ w->ended || room(w) == 0 ? -1 : w->from, POLLIN, 0 };
			p[2 * i + 1] = (struct pollfd){ left <= 0 ? w->to : -1, POLLOUT, 0 };
			if (left > 0 && left < (int64_t)wait.tv_sec * 1000000 + wait.tv_nsec / 1000)
				wait = (struct timespec){ left / 1000000, left % 1000000 * 1000 };
		}
		if (ppoll(p, 4, &wait, NULL) == -1 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++) {
			if (p[2 * i].fd != -1 && p[2 * i].revents != 0)
				take(&ways[i], later_us);
			if (!give(&ways[i]))
				return;
		}
	}
}

static int
tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd == -1 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == -1)
		exit(EX_OSERR);
	return fd;
}

static int
listen_somewhere(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	int fd = tcp_socket();

	if (bind(fd, (struct sockaddr *)&at, size) == -1 || listen(fd, 64) == -1 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) == -1)
		exit(EX_OSERR);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static void
serve(int client, uint16_t port, int64_t later_us)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int server = tcp_socket();

	if (connect(server, (struct sockaddr *)&to, sizeof to) == 0)
		carry(client, server, later_us);
	_exit(0);
}

int
main(int argc, char *argv[])
{
	int listening;

	if (argc != 3) {
		fprintf(stderr, "usage: delay MS PORT\n");
		return EX_USAGE;
	}
	listening = listen_somewhere();
	for (;;) {
		struct pollfd p[2] = { { 0, POLLIN, 0 }, { listening, POLLIN, 0 } };
		int client, one = 1;

		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		if (poll(p, 2, -1) == -1 && errno != EINTR)
			return EX_OSERR;
		if (p[0].revents != 0)
			return 0;
		if (p[1].revents == 0 || (client = accept(listening, NULL, NULL)) == -1)
			continue;
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (fork() == 0)
			serve(client, (uint16_t)strtoul(argv[2], NULL, 10), strtoll(argv[1], NULL, 10) * 1000);
		close(client);
	}
}
