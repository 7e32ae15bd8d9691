/*
 * secure: the table of the dialogue with tlsd, and its client.
 */
#include "lib/wire/secure.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"

// clang-format off
const struct wire_msg secure_messages[] = {
	/* who    verb         fds  said in          leads to         words */
	{ CLIENT, "ASK",       0,   SECURE_IDLE,     SECURE_ASKING,   "" },
	{ SERVER, "READY",     0,   SECURE_ASKING,   SECURE_IDLE,     "" },
	{ SERVER, "NONE",      0,   SECURE_ASKING,   SECURE_IDLE,     "" },
	{ CLIENT, "STATUS",    0,   SECURE_IDLE,     SECURE_ASKING,   "" },
	{ SERVER, "STANDING",  0,   SECURE_ASKING,   SECURE_IDLE,     "connections processes tickets +" },
	{ CLIENT, "TERMINATE", 1,   SECURE_IDLE,     SECURE_SHAKING,  "service client" },
	{ SERVER, "SECURED",   1,   SECURE_SHAKING,  SECURE_DONE,     "version cipher sni certificate binding name" },
	{ SERVER, "FAILED",    0,   SECURE_SHAKING,  SECURE_DONE,     "reason" },
	{ 0 },
};
// clang-format on

#define ANSWER_WAIT_MS 2000
#define KNOWN_MS 60000
#define KNOWN_NONE_MS 1000

void
secure_init(struct secure *s, const char *socket_path)
{
	*s = (struct secure){ .path = socket_path };
}

static int
open_wire(const struct secure *s, struct wire *w)
{
	int fd = connect_unix(s->path);

	if (fd == -1)
		return -1;
	wire_open(w, fd, CLIENT, secure_messages, SECURE_IDLE);
	return 0;
}

static bool
ask(const struct secure *s)
{
	struct wire_packet p;
	struct wire w;
	bool ready;

	if (open_wire(s, &w) == -1)
		return false;
	ready = wire_send(&w, deadline_in(ANSWER_WAIT_MS), NULL, SPAN(""), "ASK", NULL, 0) == 0 &&
	    wire_recv(&w, deadline_in(ANSWER_WAIT_MS), &p) == 1 && wire_is(&p, "READY");
	wire_close(&w);
	return ready;
}

bool
secure_ready(struct secure *s)
{
	if (s->asked == 0 || deadline_over(s->asked)) {
		s->ready = ask(s);
		s->asked = deadline_in(s->ready ? KNOWN_MS : KNOWN_NONE_MS);
	}
	return s->ready;
}

bool
secure_wanted(struct secure *s)
{
	if (!s->ready)
		s->asked = 0;
	return secure_ready(s);
}

static bool
keep_facts(const struct wire_packet *p, struct secure_facts *f)
{
	return strlcpy(f->version, p->word[0], sizeof(f->version)) < sizeof(f->version) &&
	    strlcpy(f->cipher, p->word[1], sizeof(f->cipher)) < sizeof(f->cipher) &&
	    strlcpy(f->sni, p->word[2], sizeof(f->sni)) < sizeof(f->sni) &&
	    strlcpy(f->certificate, p->word[3], sizeof(f->certificate)) < sizeof(f->certificate) &&
	    strlcpy(f->binding, p->word[4], sizeof(f->binding)) < sizeof(f->binding) &&
	    strlcpy(f->name, p->word[5], sizeof(f->name)) < sizeof(f->name);
}

int
secure_terminate(const struct secure *s, int fd, const char *service, const char *client, deadline_ms until,
    struct secure_facts *facts, struct buf *why)
{
	const char *const words[] = { service, client };
	struct wire_packet p;
	struct wire w;
	int got = -1, sent;

	if (open_wire(s, &w) == -1) {
		buf_addf(why, "no tlsd: %s", strerror(errno));
		file_close(fd);
		return -1;
	}
	sent = wire_send(&w, until, &fd, SPAN(""), "TERMINATE", words, COUNT(words));
	file_close(fd); /* only tlsd holds it now */
	if (sent == -1 || wire_recv(&w, until, &p) != 1)
		buf_adds(why, "tlsd does not answer");
	else if (wire_is(&p, "FAILED"))
		buf_adds(why, p.word[0]);
	else if (keep_facts(&p, facts))
		got = wire_fd(&p, 0);
	else
		wire_drop(&p);
	if (got == -1 && why->len == 0)
		buf_adds(why, "tlsd answers strangely");
	wire_close(&w);
	return got;
}

/* --- what is served -------------------------------------------------------- */

static bool
take_standing(const struct wire_packet *p, struct secure_standing *st)
{
	uint64_t tickets;

	if (!wire_is(p, "STANDING") || num_parse(span_of(p->word[0]), UINT64_MAX, &st->connections) == -1 ||
	    num_parse(span_of(p->word[1]), UINT64_MAX, &st->processes) == -1 ||
	    num_parse(span_of(p->word[2]), INT64_MAX, &tickets) == -1)
		return false;
	st->tickets_s = (int64_t)tickets;
	buf_addspan(&st->pairs, p->body);
	return true;
}

int
secure_status(const char *socket_path, struct secure_standing *st)
{
	const struct secure s = { .path = socket_path };
	struct wire_packet p;
	struct wire w;
	int rv = -1;

	*st = (struct secure_standing){ .pairs = BUF_INIT(LIMIT_PACKET) };
	if (open_wire(&s, &w) == -1)
		return -1;
	if (wire_send(&w, deadline_in(ANSWER_WAIT_MS), NULL, SPAN(""), "STATUS", NULL, 0) == 0 &&
	    wire_recv(&w, deadline_in(ANSWER_WAIT_MS), &p) == 1 && take_standing(&p, st))
		rv = 0;
	wire_close(&w);
	return rv;
}

static void
add_word(struct buf *out, const char *s)
{
	word_encode(out, s, strlen(s), NULL);
	buf_addc(out, ' ');
}

void
secure_pair_add(const struct secure_pair *p, struct buf *out)
{
	add_word(out, p->name);
	add_word(out, p->kind);
	add_word(out, p->digest);
	add_word(out, p->hosts);
	buf_addf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u\n", p->from_s, p->until_s, p->ocsp_from_s,
	    p->ocsp_until_s, p->usual ? 1u : 0u);
}

static bool
take_word(struct span *line, char *to, size_t room)
{
	struct span word = line->s == NULL ? *line : span_cut(line, ' ');

	return word.s != NULL && word.len < room && word_decode(to, word.s, word.len) != -1;
}

static bool
take_number(struct span *line, uint64_t *to)
{
	return line->s != NULL && num_parse(span_cut(line, ' '), UINT64_MAX, to) == 0;
}

bool
secure_pair_next(struct span *rest, struct secure_pair *p)
{
	uint64_t usual;

	while (rest->s != NULL && rest->len > 0) {
		struct span line = span_cut(rest, '\n');

		*p = (struct secure_pair){ .from_s = 0 };
		if (take_word(&line, p->name, sizeof(p->name)) && take_word(&line, p->kind, sizeof(p->kind)) &&
		    take_word(&line, p->digest, sizeof(p->digest)) && take_word(&line, p->hosts, sizeof(p->hosts)) &&
		    take_number(&line, &p->from_s) && take_number(&line, &p->until_s) && take_number(&line, &p->ocsp_from_s) &&
		    take_number(&line, &p->ocsp_until_s) && take_number(&line, &usual)) {
			p->usual = usual == 1;
			return true;
		}
	}
	return false;
}
