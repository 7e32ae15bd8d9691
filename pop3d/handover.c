/*
 * handover: one packet, "WORD CLIENT STLS MECHANISMS LF octets", and one descriptor. Both ends in
 * one place.
 */
#include "pop3d/handover.h"

#include <errno.h>
#include <string.h>

#include "lib/sys/file.h"
#include "lib/sys/packet.h"

#define SEND_WAIT_MS 5000 /* the spawner only forks: it is never long behind */

int
handover_send(int to, const struct handover *h)
{
	struct buf packet = BUF_INIT(LIMIT_PACKET);
	int rv;

	buf_addf(&packet, "%s %s %s %s\n", h->word, h->client, h->stls ? "stls" : "-", h->sasl);
	buf_addspan(&packet, h->ahead);
	rv = buf_over(&packet) ? -1 :
	    packet_send(to, packet.s, packet.len, &h->fd, 1, deadline_in(SEND_WAIT_MS));
	buf_wipe(&packet);
	buf_free(&packet);
	return rv;
}

static int
text(struct span w, char *out, size_t room)
{
	if (w.len >= room)
		return -1;
	memcpy(out, w.s, w.len);
	out[w.len] = '\0';
	return 0;
}

int
handover_take(int from, char *packet, struct handover *h)
{
	int fds[LIMIT_PACKET_FDS], nfds = 0;
	ssize_t n = packet_recv(from, packet, fds, &nfds, NEVER);
	struct span line, word;

	if (n <= 0)
		return (int)n;
	h->ahead = (struct span){ packet, (size_t)n };
	line = span_cut(&h->ahead, '\n');
	word = span_cut(&line, ' ');
	if (nfds == 1 && h->ahead.s != NULL && text(word, h->word, sizeof(h->word)) == 0 &&
	    text(span_cut(&line, ' '), h->client, sizeof(h->client)) == 0) {
		h->stls = span_is(span_cut(&line, ' '), "stls");
		(void)text(line, h->sasl, sizeof(h->sasl));
		h->fd = fds[0];
		return 1;
	}
	while (nfds > 0)
		file_close(fds[--nfds]);
	errno = EBADMSG;
	return -1;
}
