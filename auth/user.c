/*
 * user: people come, change and go (posthouse user).
 *
 * Edits etc/users and etc/passwd as a person would, then has the maps compiled; when that
 * fails, both files are as they were. Knows those two maps' words, and of domains who
 * the postmaster is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/purge.h"
#include "auth/user_show.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/mail/path.h"
#include "lib/net/ip.h"
#include "lib/net/sasl.h"
#include "lib/store/hash.h"
#include "lib/store/quota.h"
#include "lib/store/textmap.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/sys/prompt.h"
#include "lib/wire/auth.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] user add ADDRESS [--name NAME] [--quota LIMITS] [--stdin]\n"
    "       posthouse [-C DIR] user set ADDRESS [--name NAME] [--maildir PATH] [--rights LIST] [--quota LIMITS]\n"
    "       posthouse [-C DIR] user passwd ADDRESS [--stdin]\n"
    "       posthouse [-C DIR] user disable | enable ADDRESS\n"
    "       posthouse [-C DIR] user unlock [ADDRESS | CLIENT]\n"
    "       posthouse [-C DIR] user delete ADDRESS [--purge]\n"
    "       posthouse [-C DIR] user list [--json]\n"
    "       posthouse [-C DIR] user show ADDRESS [--json]\n\n"
    "  ADDRESS     name@domain, or a bare name in the default domain\n"
    "  --name N    the person's name\n"
    "  --maildir P where the mail is, below the mail root; \"\" is DOMAIN/NAME (moves no\n"
    "              mail: posthouse mailbox move does)\n"
    "  --rights L  where to log in: smtp, pop3, or smtp,pop3; \"\" is everywhere\n"
    "  --quota Q   how much may lie in the mailbox: 2G, 50000msgs, or 2G,50000msgs; none is no limit\n"
    "  --stdin     the password is the first line of standard input, not asked for\n"
    "  --purge     delete the mail too; else it is kept\n";

struct user {
	const char *dir, *name, *maildir, *rights, *quota, *given;
	bool from_stdin, purge, json;
	struct instance inst;
	struct conf conf;
	int etc_fd;
	struct textmap domains, users, passwd;
	char domain[LIMIT_DOMAIN + 1];      /* the default one; "" */
	char address[LIMIT_ADDRESS + 1];    /* canonical */
	struct textmap_entry in_users, in_passwd;
	bool has_user, has_passwd;
};

/* --- addresses ------------------------------------------------------------ */

/* The key form; a bare name gets the default domain. False: it is no address. */
static bool
canonical(const struct user *u, struct span s, char out[LIMIT_ADDRESS + 1])
{
	struct buf full = BUF_INIT(LIMIT_ADDRESS), key = BUF_INIT(LIMIT_ADDRESS);
	struct path path;
	bool good;

	buf_addspan(&full, s);
	if (memchr(s.s, '@', s.len) == NULL && u->domain[0] != '\0')
		buf_addf(&full, "@%s", u->domain);
	good = !buf_over(&full) && full.len > 0 &&
	    path_parse_address(full.s, full.len, &path) == 0 && path.domain.len > 0;
	if (good)
		path_key(&path, &key);
	good = good && !buf_over(&key);
	if (good)
		strlcpy(out, buf_str(&key), LIMIT_ADDRESS + 1);
	buf_free(&full);
	buf_free(&key);
	return good;
}

static bool
same_address(void *arg, struct span key)
{
	const struct user *u = arg;
	char other[LIMIT_ADDRESS + 1];

	return canonical(u, key, other) && strcmp(other, u->address) == 0;
}

/* A value's first plain word: "local", "alias-of" has a value. */
static bool
is_local(struct span value)
{
	struct span rest = value;

	return span_is(span_cut(&rest, ' '), "local");
}

/* As configured, or the only local one. */
static void
know_domain(struct user *u)
{
	struct textmap_entry e;
	size_t at = 0;
	unsigned n = 0;

	strlcpy(u->domain, u->conf.default_domain, sizeof(u->domain));
	if (u->domain[0] != '\0')
		return;
	while (textmap_next(&u->domains, &at, &e))
		if (is_local(buf_span(&e.value)) && e.key.len <= LIMIT_DOMAIN && n++ == 0) {
			memcpy(u->domain, e.key.s, e.key.len);
			u->domain[e.key.len] = '\0';
		}
	if (n != 1)
		u->domain[0] = '\0';
}

static void
know_address(struct user *u)
{
	if (canonical(u, span_of(u->given), u->address))
		return;
	if (strchr(u->given, '@') == NULL && u->domain[0] == '\0')
		options_refuse("user", EX_DATAERR, "%s: give the full address: there is no default_domain",
		    u->given);
	options_refuse("user", EX_DATAERR, "%s: not an address", u->given);
}

/* --- the maps ------------------------------------------------------------- */

static void
open_maps(struct user *u)
{
	if (textmap_open(&u->domains, u->etc_fd, "domains", 0644) == -1 ||
	    textmap_open(&u->users, u->etc_fd, "users", 0644) == -1 ||
	    textmap_open(&u->passwd, u->etc_fd, "passwd", 0600) == -1)
		options_refuse("user", errno == EACCES ? EX_NOPERM : EX_NOINPUT,
		    "cannot read the maps in %s: %s", u->inst.etc, strerror(errno));
	know_domain(u);
	know_address(u);
	u->has_user = textmap_find(&u->users, same_address, u, &u->in_users);
	u->has_passwd = textmap_find(&u->passwd, same_address, u, &u->in_passwd);
}

static void
close_maps(struct user *u)
{
	if (u->has_user)
		buf_free(&u->in_users.value);
	if (u->has_passwd)
		buf_free(&u->in_passwd.value);
	textmap_close(&u->domains);
	textmap_close(&u->users);
	textmap_close(&u->passwd);
}

/* One at a time; and the maps as they are now, not as they were before a question. */
static void
lock_maps(struct user *u)
{
	if (textmap_lock(u->etc_fd) == -1)
		options_refuse("user", EX_TEMPFAIL, "cannot lock %s: %s", u->inst.etc,
		    errno == EWOULDBLOCK ? "another one is at work" : strerror(errno));
	close_maps(u);
	open_maps(u);
}

static void NORETURN
write_failed(const struct user *u)
{
	int why = errno;

	options_refuse("user", why == EACCES || why == EPERM ? EX_NOPERM : EX_CANTCREAT,
	    "cannot write %s: %s", u->inst.etc, strerror(why));
}

/* Both maps are written and in force, or nothing has changed. */
static void
publish(struct user *u)
{
	if (textmap_write(&u->passwd, u->etc_fd) == -1)
		write_failed(u);
	if (textmap_write(&u->users, u->etc_fd) == -1) {
		int why = errno;

		(void)!textmap_restore(&u->passwd, u->etc_fd);
		errno = why;
		write_failed(u);
	}
	if (textmap_compile(&u->inst) == 0)
		return;
	if (errno != 0)
		(void)fprintf(stderr, "posthouse user: cannot compile the maps: %s\n", strerror(errno));
	if (textmap_restore(&u->users, u->etc_fd) == -1 ||
	    textmap_restore(&u->passwd, u->etc_fd) == -1)
		options_refuse("user", EX_IOERR, "cannot put %s back as it was: %s", u->inst.etc,
		    strerror(errno));
	options_refuse("user", EX_DATAERR, "nothing has changed");
}

/* --- passwords ------------------------------------------------------------ */

static void
read_password(const struct user *u, char out[LIMIT_PASSWORD + 1])
{
	const char *wrong = u->from_stdin ? prompt_line(out, LIMIT_PASSWORD + 1) :
	    prompt_secret("Password: ", "Again: ", true, out, LIMIT_PASSWORD + 1);

	if (wrong != NULL)
		options_refuse("user", errno == ENOTTY ? EX_NOINPUT : EX_DATAERR, "no password: %s%s", wrong,
		    errno == ENOTTY ? " (--stdin reads it from standard input)" : "");
	if (out[0] == '\0')
		options_refuse("user", EX_DATAERR, "the password is empty");
}

/* What passwd keeps of what was typed: a hash, and behind it a verifier for SCRAM. */
static char *
new_hash(const struct user *u)
{
	char password[LIMIT_PASSWORD + 1], *hash, *verifier = NULL, *both;

	read_password(u, password);
	hash = hash_make(password);
	if (hash == NULL)
		options_refuse("user", EX_OSERR, "cannot make a hash: %s", strerror(errno));
	if (u->conf.scram_iterations > 0)
		verifier = sasl_verifier(password, u->conf.scram_iterations);
	explicit_bzero(password, sizeof(password));
	if (verifier == NULL)
		return hash;
	both = mem_fmt("%s %s", hash, verifier);
	free(hash);
	free(verifier);
	return both;
}

static void
set_hash(struct user *u, const char *hash)
{
	char *line = mem_fmt("%s %s", u->address, hash);

	if (u->has_passwd)
		textmap_replace(&u->passwd, &u->in_passwd, line);
	else
		textmap_append(&u->passwd, line);
	free(line);
}

/* --- verbs ---------------------------------------------------------------- */

static void
must_exist(const struct user *u)
{
	if (!u->has_user)
		options_refuse("user", EX_NOUSER, "%s: no such user in etc/users", u->address);
}

static void
must_be_new(const struct user *u)
{
	if (u->has_user)
		options_refuse("user", EX_CANTCREAT, "%s is there already, in etc/users line %u",
		    u->address, u->in_users.line);
}

static bool
same_domain(void *arg, struct span key)
{
	const char *domain = arg;

	return span_case_is(key, domain);
}

/* Better said before than by compile about a line that is gone again. */
static void
must_be_ours(struct user *u)
{
	struct textmap_entry e;
	char *domain = strrchr(u->address, '@') + 1;
	struct span value;

	if (!textmap_find(&u->domains, same_domain, domain, &e))
		options_refuse("user", EX_DATAERR, "%s: %s is not in etc/domains: add \"%s local\" there first",
		    u->address, domain, domain);
	value = buf_span(&e.value);
	if (!is_local(value))
		options_refuse("user", EX_DATAERR, "%s: people have no mailboxes in %s, it is \"%.*s\" in etc/domains",
		    u->address, domain, (int)value.len, value.s);
	buf_free(&e.value);
}

/* "..." as words_parse() reads it. */
static void
add_quoted(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

/* Before a password is asked for. "none" is the empty word. */
static void
know_quota(struct user *u)
{
	struct quota q;

	if (u->quota == NULL)
		return;
	if (strcmp(u->quota, "none") == 0)
		u->quota = "";
	if (*u->quota != '\0' && quota_parse(span_of(u->quota), &q) == -1)
		options_refuse("user", EX_DATAERR, "--quota is octets, messages, or both with a comma between, as in 2G,50000msgs, or none: not %s",
		    u->quota);
}

static void
add_word(struct buf *line, const char *word, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	buf_addf(line, " %s", word);
	add_quoted(line, value);
}

static void
verb_add(struct user *u)
{
	struct buf line = BUF_INIT(4096);
	char *hash;

	know_quota(u);
	open_maps(u);
	must_be_new(u);
	must_be_ours(u);
	hash = new_hash(u);
	lock_maps(u);
	must_be_new(u);
	buf_adds(&line, u->address);
	add_word(&line, "name=", u->name);
	add_word(&line, "quota=", u->quota);
	textmap_append(&u->users, buf_str(&line));
	set_hash(u, hash);
	publish(u);
	printf("%s added\n", u->address);
	free(hash);
	buf_free(&line);
}

static void
verb_passwd(struct user *u)
{
	char *hash;

	open_maps(u);
	must_exist(u);
	hash = new_hash(u);
	lock_maps(u);
	must_exist(u);
	set_hash(u, hash);
	publish(u);
	printf("%s has a new password\n", u->address);
	free(hash);
}

/* word="value" instead of what was there; no value: the word goes. */
static void
set_word(struct user *u, const char *word, const char *value)
{
	struct buf with = BUF_INIT(4096);

	if (value == NULL)
		return;
	textmap_drop_word(&u->users, &u->in_users, word);
	buf_adds(&with, word);
	add_quoted(&with, value);
	if (*value != '\0')
		textmap_add_word(&u->users, &u->in_users, buf_str(&with));
	buf_free(&with);
}

static void
verb_set(struct user *u)
{
	if (u->name == NULL && u->maildir == NULL && u->rights == NULL && u->quota == NULL)
		options_refuse("user", EX_USAGE, "nothing to set: give --name, --maildir, --rights or --quota");
	know_quota(u);
	open_maps(u);
	lock_maps(u);
	must_exist(u);
	set_word(u, "maildir=", u->maildir);
	set_word(u, "rights=", u->rights);
	set_word(u, "quota=", u->quota);
	set_word(u, "name=", u->name);
	publish(u);
	printf("%s changed\n", u->address);
}

static bool
has_word(const struct buf *value, const char *word)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(200);
	struct words words = { 0 };
	bool found = false;

	if (words_parse(buf_span(value), arena, &words, &why) == 0)
		for (size_t i = 0; i < words.n; i++)
			found = found || (words.w[i].name.len == 0 &&
			    span_is(words.w[i].value, word));
	buf_free(&why);
	arena_free(arena);
	return found;
}

static void
verb_disable(struct user *u)
{
	open_maps(u);
	lock_maps(u);
	must_exist(u);
	if (has_word(&u->in_users.value, "disabled")) {
		printf("%s is disabled already\n", u->address);
		return;
	}
	textmap_add_word(&u->users, &u->in_users, "disabled");
	publish(u);
	printf("%s disabled: no login, no new mail\n", u->address);
}

static void
verb_enable(struct user *u)
{
	open_maps(u);
	lock_maps(u);
	must_exist(u);
	if (!has_word(&u->in_users.value, "disabled")) {
		printf("%s is not disabled\n", u->address);
		return;
	}
	textmap_drop_word(&u->users, &u->in_users, "disabled");
	publish(u);
	printf("%s enabled\n", u->address);
}

/* Complaints about a domain must reach somebody (RFC 5321, 4.5.1). */
static void
must_not_be_postmaster(const struct user *u)
{
	struct arena *arena = arena_new();
	struct textmap_entry e;
	size_t at = 0;

	while (textmap_next(&u->domains, &at, &e)) {
		struct buf why = BUF_INIT(200);
		struct words words = { 0 };
		const struct span *who = NULL;
		char address[LIMIT_ADDRESS + 1];

		if (words_parse(buf_span(&e.value), arena, &words, &why) == 0)
			who = words_get(&words, "postmaster");
		if (who != NULL && canonical(u, *who, address) &&
		    strcmp(address, u->address) == 0)
			options_refuse("user", EX_NOPERM, "%s is the postmaster of %.*s: name another one in etc/domains first",
			    u->address, (int)e.key.len, e.key.s);
		buf_free(&why);
	}
	arena_free(arena);
}

/* Everybody writes to postmaster@ (RFC 2142, 5), whoever reads it. */
static void
must_not_be_called_postmaster(struct user *u)
{
	struct textmap_entry e;

	if (strncmp(u->address, "postmaster@", 11) != 0 ||
	    !textmap_find(&u->domains, same_domain, u->address + 11, &e))
		return;
	options_refuse("user", EX_NOPERM, "%s stays as long as %s is in etc/domains: mail to it must reach somebody", u->address,
	    u->address + 11);
}

static void
verb_delete(struct user *u)
{
	struct purge purge = { -1, -1 };
	struct textmap_entry e;

	open_maps(u);
	lock_maps(u);
	must_not_be_called_postmaster(u);
	must_exist(u);
	must_not_be_postmaster(u);
	if (u->purge) /* where it is can be asked only now */
		purge_begin(&purge, &u->inst, u->address);
	textmap_remove(&u->users, &u->in_users);
	if (u->has_passwd)
		textmap_remove(&u->passwd, &u->in_passwd);
	if (textmap_find(&u->users, same_address, u, &e))
		options_refuse("user", EX_DATAERR, "%s stands in etc/users twice: line %u too", u->address, e.line);
	publish(u);
	if (u->purge && !purge_finish(&purge))
		options_refuse("user", EX_IOERR, "%s deleted, but not all of the mail", u->address);
	printf(u->purge ? "%s deleted, with all mail\n" :
	    "%s deleted; the mail is kept\n", u->address);
}

static void
verb_list(struct user *u)
{
	conf_load(&u->conf, &u->inst);
	user_list(&u->inst, &u->conf, u->json);
}

static void
verb_show(struct user *u)
{
	conf_load(&u->conf, &u->inst);
	user_show(&u->inst, &u->conf, u->given, u->json);
}

/* The settings as they stand in etc/, which is what will be compiled. */
static void
open_etc(struct user *u)
{
	struct buf why = BUF_INIT(65536);
	char *file = instance_path(u->inst.etc, "posthouse.conf");

	u->etc_fd = open(u->inst.etc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u->etc_fd == -1)
		options_refuse("user", EX_NOINPUT, "cannot open %s: %s", u->inst.etc, strerror(errno));
	if (conf_read(&u->conf, file, &why) == -1)
		options_refuse("user", EX_CONFIG, "%s", buf_str(&why));
	free(file);
	buf_free(&why);
}

/* --- delays ---------------------------------------------------------------- */

static void
delayed_text(const struct buf *list)
{
	struct span rest = buf_span(list);
	struct auth_delay d;

	if (rest.len == 0)
		printf("nobody's login is delayed\n");
	while (auth_delayed_next(&rest, &d))
		printf("%s from %s: %llu failures\n", d.account, d.client, (unsigned long long)d.failures);
}

/* An account or a client's address; without either, whom it would be good for. */
static void
verb_unlock(struct user *u)
{
	char *path = instance_path(u->inst.run, "auth");
	struct buf list = BUF_INIT(LIMIT_PACKET);
	const char *who = u->given;
	struct auth auth;
	uint64_t n;
	struct ip ip;

	if (who != NULL && ip_parse(span_of(who), &ip) == -1) {
		open_etc(u);
		open_maps(u);
		who = u->address;
	}
	auth_init(&auth, path);
	if (auth_delayed(&auth, who, &n, &list) == -1)
		options_refuse("user", EX_UNAVAILABLE, "cannot ask authd over %s: it does not run, or not for you: be root", path);
	if (who == NULL)
		delayed_text(&list);
	else
		printf(n == 0 ? "%s: no login was delayed\n" : "%s: delays are over\n", who);
	auth_close(&auth);
	buf_free(&list);
	free(path);
}

/* --- the command line ----------------------------------------------------- */

// clang-format off
static const struct verb {
	const char *verb;
	bool takes_address, edits;
	void (*run)(struct user *);
} verbs[] = {
	{ "add",     true,  true,  verb_add },
	{ "set",     true,  true,  verb_set },
	{ "passwd",  true,  true,  verb_passwd },
	{ "list",    false, false, verb_list },
	{ "show",    true,  false, verb_show },
	{ "disable", true,  true,  verb_disable },
	{ "enable",  true,  true,  verb_enable },
	{ "unlock",  false, false, verb_unlock },
	{ "delete",  true,  true,  verb_delete },
	{ "del",     true,  true,  verb_delete },
};
// clang-format on

static const struct verb *
read_options(struct user *u, int argc, char *argv[])
{
	static const struct option names[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "maildir", required_argument, NULL, 'm' },
		{ "rights", required_argument, NULL, 'r' },
		{ "quota", required_argument, NULL, 'q' },
		{ "stdin", no_argument, NULL, 's' },
		{ "purge", no_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		switch (c) {
		case 'C': u->dir = optarg; break;
		case 'n': u->name = optarg; break;
		case 'm': u->maildir = optarg; break;
		case 'r': u->rights = optarg; break;
		case 'q': u->quota = optarg; break;
		case 's': u->from_stdin = true; break;
		case 'p': u->purge = true; break;
		case 'j': u->json = true; break;
		default: options_usage(usage_text, c == 'h' ? 0 : EX_USAGE);
		}
	for (size_t i = 0; optind < argc && i < COUNT(verbs); i++)
		if (strcmp(verbs[i].verb, argv[optind]) == 0) {
			bool may_have = verbs[i].run == verb_unlock && optind + 2 == argc;

			if (optind + 1 + verbs[i].takes_address != argc && !may_have)
				options_usage(usage_text, EX_USAGE);
			u->given = argv[optind + 1];
			return &verbs[i];
		}
	options_usage(usage_text, EX_USAGE);
}

int
main(int argc, char *argv[])
{
	static struct user u; /* one a process */
	const struct verb *verb;

	log_open("user");
	verb = read_options(&u, argc, argv);
	instance_open(&u.inst, u.dir);
	if (verb->edits)
		open_etc(&u);
	verb->run(&u);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
