/*
 * oauth_browser: as much of an HTTP server as one request needs. Whether what is brought is genuine is for tokend.
 */
#include "auth/oauth_browser.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "lib/sys/io.h"

#define WAIT_MS 5000
#define FIELDS_MAX 200
#define LINE_MAX_OCTETS 16000

int
browser_listen(char port[8])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&at, n) == -1 || listen(fd, 8) == -1 ||
	    getsockname(fd, (struct sockaddr *)&at, &n) == -1) {
		file_close(fd);
		return -1;
	}
	(void)snprintf(port, 8, "%u", ntohs(at.sin_port));
	return fd;
}

/* "GET /?code=... HTTP/1.1" */
static bool
read_request(struct io *io, deadline_ms until, struct buf *query)
{
	struct span line, target;

	if (io_line_lenient(io, LINE_MAX_OCTETS, until, &line) != LINE_OK || !span_is(span_cut(&line, ' '), "GET"))
		return false;
	target = span_cut(&line, ' ');
	span_cut(&target, '?');
	if (target.s == NULL || (memmem(target.s, target.len, "code=", 5) == NULL &&
	    memmem(target.s, target.len, "error=", 6) == NULL))
		return false;
	buf_reset(query);
	buf_addspan(query, target);
	return !buf_over(query);
}

static void
skip_fields(struct io *io, deadline_ms until)
{
	struct span line = { "x", 1 };

	for (int i = 0; i < FIELDS_MAX && line.len > 0; i++)
		if (io_line_lenient(io, LINE_MAX_OCTETS, until, &line) != LINE_OK)
			return;
}

bool
browser_serve(int listen_fd, struct buf *query)
{
	static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
	    "Connection: close\r\n\r\nPosthouse has got the answer. You may close this page.\r\n";
	static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
	    "Nothing is here.\r\n";
	deadline_ms until = deadline_in(WAIT_MS);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct io io;
	bool got;

	if (fd == -1)
		return false;
	io_open(&io, fd);
	got = read_request(&io, until, query);
	skip_fields(&io, until);
	io_puts(&io, got ? fine : none);
	(void)!io_flush(&io, until);
	io_close(&io);
	return got;
}
