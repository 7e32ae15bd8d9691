/*
 * assign: somebody says whose a message is that went to the fallback.
 *
 * Three processes: the keeper of the mailboxes (box.c); a worker that is the collector, reads the message and delivers
 * it; and the one that was called, which may change the maps and never sees the message, only the rule made of it.
 */
#include "collector/assign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "collector/redo.h"
#include "collector/remember.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define PLACES 4096
#define PLACES_EACH 24
#define ANSWER_MAX 2048 /* octets of "ACCOUNT\nWORDS" */

struct assign {
	struct house *house;
	const char *id, *user;
	enum remember how;
	struct choice choice; /* all accounts */
	struct arena *arena;
	struct box_place *places;
	size_t place_count;
	struct box box;
};

/* --- where it may lie ---------------------------------------------------- */

static void
add_place(struct assign *s, const struct box_place *p)
{
	for (size_t i = 0; i < s->place_count; i++)
		if (strcmp(s->places[i].root, p->root) == 0 && strcmp(s->places[i].maildir, p->maildir) == 0)
			return;
	if (s->place_count == PLACES)
		return;
	s->places[s->place_count++] = (struct box_place){ arena_dupn(s->arena, p->root, strlen(p->root)),
		arena_dupn(s->arena, p->maildir, strlen(p->maildir)) };
}

/* The mailboxes of all accounts' fallbacks. */
static void
find_places(struct assign *s)
{
	s->places = arena_alloc(s->arena, PLACES * sizeof(*s->places));
	for (size_t i = 0; i < s->choice.n; i++) {
		struct box_place some[PLACES_EACH];
		struct buf why = BUF_INIT(1024);
		struct account a;

		if (account_open(&a, s->house, s->choice.v[i].name, s->choice.v[i].value, &why) == 0) {
			size_t n = redo_places(s->house, &a, a.arena, some, PLACES_EACH);

			for (size_t k = 0; k < n; k++)
				add_place(s, &some[k]);
			account_close(&a);
		}
		buf_free(&why);
	}
}

/* --- the worker ---------------------------------------------------------- */

static const struct chosen *
account_of(const struct assign *s, const struct stored *m)
{
	for (size_t i = 0; i < s->choice.n; i++)
		if (span_is(m->mark.account, s->choice.v[i].name))
			return &s->choice.v[i];
	options_refuse("collect assign", EX_DATAERR, "%s was collected from %.*s, which is not in upstreams any more", s->id,
	    (int)m->mark.account.len, m->mark.account.s);
}

/* By name, or by the address of the mailbox. */
static size_t
person_of(const struct assign *s, const struct account *a)
{
	struct buf all = BUF_INIT(1024);

	for (size_t i = 0; i < a->people_count; i++) {
		const char *user = sort_account_user(a->sort, i);
		size_t local = strcspn(user, "@");

		if (strcasecmp(s->user, user) != 0 && strcasecmp(s->user, a->people[i].address) != 0 &&
		    (strlen(s->user) != local || strncasecmp(s->user, user, local) != 0)) {
			buf_addf(&all, "%s%s", all.len > 0 ? ", " : "", user);
			continue;
		}
		if (i == a->fallback)
			options_refuse("collect assign", EX_DATAERR, "%s lies in %s's mailbox already", s->id, user);
		if (a->people[i].rcpt_count == 0)
			options_refuse("collect assign", EX_NOUSER, "%s takes no mail (disabled, or no such mailbox)", user);
		return i;
	}
	options_refuse("collect assign", EX_NOUSER, "%s is not of the account %s: users are %s", s->user, a->name, buf_str(&all));
}

static void
find_message(struct assign *s, struct stored *m)
{
	struct buf why = BUF_INIT(1024);
	char name[BOX_NAME];
	int fd, rv = box_find(&s->box, s->id, name, &fd, &why);

	if (rv == -1)
		options_refuse("collect assign", EX_TEMPFAIL, "%s", buf_str(&why));
	if (rv == 0)
		options_refuse("collect assign", EX_NOINPUT, "%s: no such message in the mailbox of a fallback", s->id);
	if (!stored_open(m, NULL, fd, name))
		options_refuse("collect assign", EX_DATAERR, "%s was not collected by us", s->id);
	buf_free(&why);
}

/* 0; EX_DATAERR: nothing to remember, which is told. */
static int
write_answer(const struct assign *s, const struct account *a, const struct chosen *c, const struct stored *m,
    size_t person, int to)
{
	struct buf words = BUF_INIT(ANSWER_MAX), why = BUF_INIT(1024);
	struct arena *arena = arena_new();
	struct sort_header header;
	int rv = 0;

	stored_header(m, arena, &header);
	if (remember_words(s->house, a, c->value, &header, person, s->how, &words, &why) == -1) {
		fprintf(stderr, "posthouse collect assign: nothing remembered: %s\n", buf_str(&why));
		rv = EX_DATAERR;
	} else {
		struct buf answer = BUF_INIT(ANSWER_MAX);

		buf_addf(&answer, "%s\n%s", c->name, buf_str(&words));
		if (file_write_all(to, answer.s, answer.len) == -1)
			rv = EX_IOERR;
		buf_free(&answer);
	}
	arena_free(arena);
	buf_free(&words);
	buf_free(&why);
	return rv;
}

static void
deliver(struct assign *s, struct account *a, struct stored *m, size_t person)
{
	static struct redo redo;
	struct buf why = BUF_INIT(4096);
	bool had;

	if (redo_begin(&redo, s->house, a, &s->box, &why) == -1)
		options_refuse("collect assign", EX_TEMPFAIL, "%s", buf_str(&why));
	if (redo_message(&redo, m, &person, false, &why) == -1)
		options_refuse("collect assign", EX_TEMPFAIL, "%s", buf_str(&why));
	had = redo.take.done[0].class == SORT_DUPLICATE;
	if (redo_settle(&redo, &why) == -1)
		options_refuse("collect assign", EX_TEMPFAIL, "%s", buf_str(&why));
	redo_end(&redo);
	printf(had ? "%s: %s had it already; it is gone from %s's mailbox\n" : "%s: %s has it now, and not %s\n", s->id,
	    sort_account_user(a->sort, person), sort_account_user(a->sort, a->fallback));
	buf_free(&why);
}

static int
work(struct assign *s, int answer)
{
	struct buf why = BUF_INIT(4096);
	const struct chosen *c;
	struct account a;
	struct stored m;
	size_t person;
	int rv = 0;

	proc_drop(USER_COLLECT);
	find_message(s, &m);
	c = account_of(s, &m);
	if (account_open(&a, s->house, c->name, c->value, &why) == -1)
		options_refuse("collect assign", EX_CONFIG, "cannot use %s of upstreams: %s", c->name, buf_str(&why));
	if (!mark_read(buf_span(&m.top), sort_account_site(a.sort), &m.mark))
		options_refuse("collect assign", EX_DATAERR, "%s was not collected by us", s->id);
	person = person_of(s, &a);
	if (s->how != REMEMBER_NOT) /* before the sandbox: it reads maps */
		rv = write_answer(s, &a, c, &m, person, answer);
	deliver(s, &a, &m, person);
	stored_close(&m);
	account_close(&a);
	buf_free(&why);
	return fflush(stdout) == 0 ? rv : EX_IOERR;
}

/* --- who was called ------------------------------------------------------ */

/* The worker's exit code; what it says in answer. */
static int
let_work(struct assign *s, struct buf *answer)
{
	char text[ANSWER_MAX];
	int fds[2], status;
	ssize_t n;
	pid_t pid, parent = getpid();

	if (pipe2(fds, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fatal(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (pid == 0) {
		file_close(fds[0]);
		proc_follow_parent(parent);
		exit(work(s, fds[1]));
	}
	file_close(fds[1]);
	while ((n = read(fds[0], text, sizeof(text))) > 0 || (n == -1 && errno == EINTR))
		if (n > 0)
			buf_add(answer, text, (size_t)n);
	file_close(fds[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_TEMPFAIL;
}

static int
write_rule(const struct assign *s, const struct buf *answer)
{
	struct span words = buf_span(answer), name = span_cut(&words, '\n');
	struct buf why = BUF_INIT(1024);
	char *account = mem_dupn(name.s, name.len);
	int rv = 0;

	if (words.s == NULL || remember_write(s->house, account, words.s, &why) == -1) {
		fprintf(stderr, "posthouse collect assign: not remembered: %s\n",
		    words.s == NULL ? "no rule came" : buf_str(&why));
		rv = EX_CANTCREAT;
	} else {
		printf("upstreams: %s: %s\n", account, words.s);
	}
	free(account);
	buf_free(&why);
	return rv;
}

static enum remember
how_to_remember(bool remember, const char *by)
{
	if (!remember)
		return REMEMBER_NOT;
	if (by == NULL)
		return REMEMBER_BEST;
	if (strcmp(by, "list-id") == 0)
		return REMEMBER_LIST;
	if (strcmp(by, "address") == 0)
		return REMEMBER_ADDRESS;
	options_refuse("collect assign", EX_USAGE, "--remember %s: by what? list-id or address", by);
}

int
assign_message(struct house *h, char *const *words, size_t count, bool remember)
{
	struct assign s = { .house = h, .id = words[0], .user = words[1], .arena = arena_new() };
	struct buf answer = BUF_INIT(ANSWER_MAX);
	int rv;

	s.how = how_to_remember(remember, count > 2 ? words[2] : NULL);
	if (choice_make(&s.choice, h, NULL, 0) != 0)
		return EX_USAGE;
	find_places(&s);
	if (s.place_count == 0)
		options_refuse("collect assign", EX_CONFIG, "no account's fallback has a mailbox here");
	box_open(&s.box, &h->conf, s.places, s.place_count);
	rv = let_work(&s, &answer);
	box_close(&s.box);
	if (rv == 0 && s.how != REMEMBER_NOT)
		rv = write_rule(&s, &answer);
	choice_free(&s.choice);
	arena_free(s.arena);
	buf_free(&answer);
	return rv;
}
