/*
 * auth: the table of the dialogue with authd, and its client.
 */
#include "lib/wire/auth.h"

#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"
#include "lib/sys/listen.h"

// clang-format off
const struct wire_msg auth_messages[] = {
	/* who    verb      fds  said in         leads to        words */
	{ CLIENT, "CHECK",  0,   AUTH_IDLE,      AUTH_DECIDING,  "login password service client" },
	{ SERVER, "YES",    0,   AUTH_DECIDING,  AUTH_IDLE,      "mailbox ticket" },
	{ CLIENT, "BEGIN",  0,   AUTH_IDLE,      AUTH_DECIDING,  "mechanism said binding service client" },
	{ SERVER, "CHALLENGE", 0, AUTH_DECIDING, AUTH_STEPPING,  "challenge" },
	{ CLIENT, "VOUCH",  0,   AUTH_IDLE,      AUTH_DECIDING,  "name acts_for service client" },
	{ CLIENT, "STEP",   0,   AUTH_STEPPING,  AUTH_DECIDING,  "said" },
	{ CLIENT, "CANCEL", 0,   AUTH_STEPPING,  AUTH_IDLE,      "why" },
	{ SERVER, "MALFORMED", 0, AUTH_DECIDING, AUTH_IDLE,      "reason" },
	{ CLIENT, "OFFER",  0,   AUTH_IDLE,      AUTH_OFFERING,  "service" },
	{ SERVER, "OFFERED", 0,  AUTH_OFFERING,  AUTH_IDLE,      "scram tokens" },
	{ CLIENT, "DELAYED", 0,  AUTH_IDLE,      AUTH_LISTING,   "all" },
	{ SERVER, "LIST",   0,   AUTH_LISTING,   AUTH_IDLE,      "count +" },
	{ CLIENT, "LAST",   0,   AUTH_IDLE,      AUTH_LISTING,   "mailbox" },
	{ CLIENT, "STATUS", 0,   AUTH_IDLE,      AUTH_LISTING,   "all" },
	{ CLIENT, "UNLOCK", 0,   AUTH_IDLE,      AUTH_LISTING,   "who" },
	{ SERVER, "NO",     0,   AUTH_DECIDING | AUTH_REDEEMING, AUTH_IDLE, "reason" },
	{ SERVER, "LATER",  0,   AUTH_DECIDING | AUTH_REDEEMING, AUTH_IDLE, "reason" },
	{ CLIENT, "REDEEM", 0,   AUTH_IDLE,      AUTH_REDEEMING, "ticket" },
	{ SERVER, "OWNER",  0,   AUTH_REDEEMING, AUTH_IDLE,      "mailbox maildir" },
	{ 0 },
};
// clang-format on

#define ANSWER_WAIT_MS 30000

void
auth_init(struct auth *a, const char *socket_path)
{
	wire_open(&a->wire, -1, CLIENT, auth_messages, AUTH_IDLE);
	a->path = socket_path;
	a->reason[0] = '\0';
	a->asked = deadline_in(0);
	a->scram = a->tokens = false;
}

void
auth_close(struct auth *a)
{
	wire_close(&a->wire);
}

/* One question and its answer. A kept connection may belong to an authd that is gone: once more. */
static int
ask(struct auth *a, const char *verb, const char *const *words, size_t n, struct wire_packet *p)
{
	deadline_ms until = deadline_in(ANSWER_WAIT_MS);
	bool kept = a->wire.fd != -1;

	for (;;) {
		if (a->wire.fd == -1) {
			int fd = connect_unix(a->path);

			if (fd == -1)
				return -1;
			wire_open(&a->wire, fd, CLIENT, auth_messages, AUTH_IDLE);
		}
		if (wire_send(&a->wire, until, NULL, SPAN(""), verb, words, n) == 0 &&
		    wire_recv(&a->wire, until, p) == 1)
			break;
		auth_close(a);
		if (!kept || deadline_over(until)) /* who is slow is not asked twice */
			return -1;
		kept = false;
	}
	return 0;
}

static enum auth_answer
later(struct auth *a)
{
	strlcpy(a->reason, "login not possible now, try again later", sizeof(a->reason));
	return AUTH_LATER;
}

/* The next packet of a dialogue under way, which cannot be had again elsewhere. */
static int
go_on(struct auth *a, const char *said, struct wire_packet *p)
{
	if (wire_say(&a->wire, deadline_in(ANSWER_WAIT_MS), "STEP", said) == 0 &&
	    wire_recv(&a->wire, deadline_in(ANSWER_WAIT_MS), p) == 1)
		return 0;
	auth_close(a);
	return -1;
}

static enum auth_answer
refusal(struct auth *a, const struct wire_packet *p)
{
	strlcpy(a->reason, p->word[0], sizeof(a->reason));
	if (wire_is(p, "MALFORMED"))
		return AUTH_MALFORMED;
	return wire_is(p, "NO") ? AUTH_NO : AUTH_LATER;
}

static enum auth_answer
admitted(struct auth *a, const struct wire_packet *p, char mailbox[LIMIT_ADDRESS + 1], char ticket[65])
{
	if (strlcpy(mailbox, p->word[0], LIMIT_ADDRESS + 1) > LIMIT_ADDRESS || strlcpy(ticket, p->word[1], 65) >= 65)
		return later(a);
	return AUTH_YES;
}

enum auth_answer
auth_check(struct auth *a, const char *login, const char *password, const char *service,
    const char *client, char mailbox[LIMIT_ADDRESS + 1], char ticket[65])
{
	const char *const words[] = { login, password, service, client };
	struct wire_packet p;

	if (ask(a, "CHECK", words, COUNT(words), &p) == -1)
		return later(a);
	return wire_is(&p, "YES") ? admitted(a, &p, mailbox, ticket) : refusal(a, &p);
}

#define OFFER_HOLDS_MS 10000

static void
learn_offers(struct auth *a)
{
	const char *const words[] = { "any" };
	struct wire_packet p;
	bool heard;

	if (!deadline_over(a->asked))
		return;
	a->asked = deadline_in(OFFER_HOLDS_MS);
	heard = ask(a, "OFFER", words, COUNT(words), &p) == 0 && wire_is(&p, "OFFERED");
	a->scram = heard && strcmp(p.word[0], "yes") == 0;
	a->tokens = heard && strcmp(p.word[1], "yes") == 0;
}

bool
auth_offers_scram(struct auth *a)
{
	learn_offers(a);
	return a->scram;
}

bool
auth_offers_tokens(struct auth *a)
{
	learn_offers(a);
	return a->tokens;
}

enum auth_answer
auth_vouch(struct auth *a, const char *name, const char *acts_for, const char *service, const char *client,
    char mailbox[LIMIT_ADDRESS + 1])
{
	const char *const words[] = { name, acts_for, service, client };
	struct wire_packet p;
	char ticket[65];

	if (ask(a, "VOUCH", words, COUNT(words), &p) == -1)
		return later(a);
	return wire_is(&p, "YES") ? admitted(a, &p, mailbox, ticket) : refusal(a, &p);
}

static enum auth_answer
challenged(struct auth *a, const struct wire_packet *p, struct buf *challenge)
{
	buf_reset(challenge);
	buf_adds(challenge, p->word[0]);
	if (!buf_over(challenge))
		return AUTH_MORE;
	auth_cancel(a);
	return later(a);
}

enum auth_answer
auth_begin(struct auth *a, const char *mechanism, const char *said, const char *binding, const char *service,
    const char *client, struct buf *challenge, char mailbox[LIMIT_ADDRESS + 1], char ticket[65])
{
	const char *const words[] = { mechanism, said, binding, service, client };
	struct wire_packet p;

	if (ask(a, "BEGIN", words, COUNT(words), &p) == -1)
		return later(a);
	if (wire_is(&p, "CHALLENGE"))
		return challenged(a, &p, challenge);
	return wire_is(&p, "YES") ? admitted(a, &p, mailbox, ticket) : refusal(a, &p);
}

enum auth_answer
auth_step(struct auth *a, const char *said, struct buf *challenge, char mailbox[LIMIT_ADDRESS + 1], char ticket[65])
{
	struct wire_packet p;

	if (go_on(a, said, &p) == -1)
		return later(a);
	if (wire_is(&p, "CHALLENGE"))
		return challenged(a, &p, challenge);
	return wire_is(&p, "YES") ? admitted(a, &p, mailbox, ticket) : refusal(a, &p);
}

void
auth_cancel(struct auth *a)
{
	if (a->wire.fd != -1 && a->wire.state == AUTH_STEPPING &&
	    wire_say(&a->wire, deadline_in(ANSWER_WAIT_MS), "CANCEL", "client") == -1)
		auth_close(a);
}

enum auth_answer
auth_redeem(struct auth *a, const char *ticket, char mailbox[LIMIT_ADDRESS + 1],
    struct buf *maildir)
{
	const char *const words[] = { ticket };
	struct wire_packet p;

	if (ask(a, "REDEEM", words, COUNT(words), &p) == -1)
		return later(a);
	if (!wire_is(&p, "OWNER"))
		return refusal(a, &p);
	if (strlcpy(mailbox, p.word[0], LIMIT_ADDRESS + 1) > LIMIT_ADDRESS)
		return later(a);
	buf_reset(maildir);
	buf_adds(maildir, p.word[1]);
	return buf_over(maildir) ? later(a) : AUTH_YES;
}

static int
ask_list(struct auth *a, const char *verb, const char *word, uint64_t *count, struct buf *list)
{
	struct wire_packet p;

	if (ask(a, verb, &word, 1, &p) == -1 ||
	    num_parse(span_of(p.word[0]), UINT64_MAX, count) == -1)
		return -1;
	buf_addspan(list, p.body);
	return 0;
}

int
auth_delayed(struct auth *a, const char *unlock, uint64_t *count, struct buf *list)
{
	return ask_list(a, unlock == NULL ? "DELAYED" : "UNLOCK", unlock == NULL ? "all" : unlock, count, list);
}

static bool
take_word(struct span *line, char *to, size_t room)
{
	struct span word = line->s == NULL ? *line : span_cut(line, ' ');

	return word.s != NULL && word.len < room && word_decode(to, word.s, word.len) != -1;
}

bool
auth_delayed_next(struct span *rest, struct auth_delay *d)
{
	while (rest->s != NULL && rest->len > 0) {
		struct span line = span_cut(rest, '\n');

		if (take_word(&line, d->account, sizeof(d->account)) && take_word(&line, d->client, sizeof(d->client)) &&
		    line.s != NULL && num_parse(line, UINT64_MAX, &d->failures) == 0)
			return true;
	}
	return false;
}

int
auth_status(struct auth *a, struct buf *list)
{
	uint64_t count;

	return ask_list(a, "STATUS", "all", &count, list);
}

int
auth_last(struct auth *a, const char *mailbox, struct buf *line)
{
	uint64_t count;

	return ask_list(a, "LAST", mailbox, &count, line) == -1 || count > 1 ? -1 : (int)count;
}
