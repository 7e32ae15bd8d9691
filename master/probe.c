/*
 * probe: does a listener of the house answer?
 *
 * Speaks the first line of each protocol and no more.
 */
#include "master/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/dialogue.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/wire/control.h"
#include "master/services.h"

static const struct socket_def *
find_def(const char *name)
{
	size_t i;

	for (i = 0; i < socket_def_count; i++)
		if (strcmp(socket_defs[i].name, name) == 0)
			return &socket_defs[i];
	return NULL;
}

/* "127.0.0.1:25", "[::1]:25" */
static int
split(const char *address, struct ip *ip, uint16_t *port)
{
	const char *colon = strrchr(address, ':');
	struct span host;
	uint64_t n;

	if (colon == NULL || num_parse(span_of(colon + 1), 65535, &n) == -1)
		return -1;
	host = (struct span){ address, (size_t)(colon - address) };
	if (host.len > 2 && host.s[0] == '[')
		host = (struct span){ host.s + 1, host.len - 2 };
	*port = (uint16_t)n;
	return ip_parse(host, ip);
}

/* An address that is not this machine's may be another's: who answers there is not asked. */
static bool
is_here(const struct ip *ip)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(ip, 0, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool here = fd == -1 || bind(fd, (struct sockaddr *)&ss, len) == 0 || errno != EADDRNOTAVAIL;

	file_close(fd);
	return here;
}

static int
probe_tcp(const char *address, bool tls, const char *greeting, int wait_ms, struct buf *why)
{
	const struct tls_peer anybody = { .host = "localhost", .unverified = true };
	deadline_ms deadline = deadline_in(wait_ms);
	struct dialogue d;
	struct span line;
	struct ip ip;
	uint16_t port;
	int rv = -1;

	if (split(address, &ip, &port) == -1) {
		buf_addf(why, "%s: not an address", address);
		return -1;
	}
	if (!is_here(&ip))
		return 0; /* listened on before the machine has it */
	dialogue_init(&d);
	if (dialogue_connect(&d, &ip, port, "localhost", NULL, deadline, why) == -1)
		goto out;
	if (tls && dialogue_starttls(&d, &anybody, deadline, why) == -1)
		goto out;
	if (io_line_lenient(&d.io, 2048, deadline, &line) != LINE_OK) {
		buf_adds(why, "no greeting");
		goto out;
	}
	if (line.len < strlen(greeting) ||
	    memcmp(line.s, greeting, strlen(greeting)) != 0) {
		buf_adds(why, "it says ");
		buf_addspan(why, line);
		goto out;
	}
	/* Polite, so that the log does not speak of a lost connection. */
	dialogue_say(&d, false, "QUIT");
	(void)io_line_lenient(&d.io, 2048, deadline, &line);
	rv = 0;
out:
	dialogue_close(&d);
	return rv;
}

static int
probe_unix(const char *path, struct buf *why)
{
	int fd = connect_unix(path);

	if (fd == -1) {
		buf_adds(why, strerror(errno));
		return -1;
	}
	file_close(fd);
	return 0;
}

int
probe_queue(const struct instance *inst, int wait_ms, struct buf *out, struct buf *why)
{
	char *path = instance_path(inst->run, "control");
	int fd = connect_unix(path), n, rv = -1;
	struct wire_packet p;
	struct wire w;

	free(path);
	if (fd == -1) {
		buf_adds(why, strerror(errno));
		return -1;
	}
	wire_open(&w, fd, CLIENT, control_messages, CONTROL_IDLE);
	if (wire_send(&w, deadline_in(wait_ms), NULL, (struct span){ "", 0 }, "STATUS",
	        NULL, 0) == -1) {
		buf_adds(why, strerror(errno));
		goto out;
	}
	n = wire_recv(&w, deadline_in(wait_ms), &p);
	if (n != 1) {
		buf_adds(why, n == 0 ? "no answer" : strerror(errno));
		goto out;
	}
	buf_addspan(out, p.body);
	wire_drop(&p);
	rv = 0;
out:
	wire_close(&w);
	return rv;
}

int
probe(const struct instance *inst, const struct record_listener *l, int wait_ms,
    struct buf *why)
{
	const struct socket_def *def = find_def(l->name);
	struct buf counts = BUF_INIT(65536);
	int rv;

	if (def == NULL)
		return 0;
	if (def->kind == SOCKET_SMTP)
		return probe_tcp(l->address, false, "220", wait_ms, why);
	if (def->kind == SOCKET_SMTPS)
		return probe_tcp(l->address, true, "220", wait_ms, why);
	if (def->kind == SOCKET_POP3)
		return probe_tcp(l->address, false, "+OK", wait_ms, why);
	if (def->kind == SOCKET_POP3S)
		return probe_tcp(l->address, true, "+OK", wait_ms, why);
	if (strcmp(l->name, "control") != 0)
		return probe_unix(l->address, why);
	rv = probe_queue(inst, wait_ms, &counts, why);
	buf_free(&counts);
	return rv;
}
