/*
 * upstream: accounts at providers come and go (posthouse upstream).
 *
 * Edits etc/upstreams and etc/secrets as a person would, then has the maps compiled, which knows the words; when that fails,
 * both files are as they were. `test` is collect's work.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/store/instance.h"
#include "lib/store/textmap.h"
#include "lib/store/upstream.h"
#include "lib/store/words.h"
#include "lib/sys/prompt.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] upstream add ACCOUNT WORD ... [--stdin | --no-secret]\n"
    "       posthouse [-C DIR] upstream passwd ACCOUNT [--stdin]\n"
    "       posthouse [-C DIR] upstream delete ACCOUNT\n"
    "       posthouse [-C DIR] upstream list\n"
    "       posthouse [-C DIR] upstream show ACCOUNT\n"
    "       posthouse [-C DIR] upstream test ACCOUNT\n\n"
    "  WORD         as in etc/upstreams: kind=single host=pop.isp.example users=ann ...\n"
    "  --stdin      the password is the first line of standard input, not asked for\n"
    "  --no-secret  there is none to ask for: secret= names another entry, or a command\n";

struct upstreams {
	const char *dir, *name;
	char **words;
	size_t word_count;
	bool from_stdin, no_secret;
	struct instance inst;
	int etc_fd;
	struct textmap accounts, secrets;
};

/* --- the maps ------------------------------------------------------------ */

static void
open_map(const struct upstreams *u, struct textmap *m, const char *file, mode_t mode)
{
	if (textmap_open(m, u->etc_fd, file, mode) == -1)
		options_refuse("upstream", EX_NOINPUT, "cannot read %s/%s: %s", u->inst.etc, file, strerror(errno));
}

static void
open_maps(struct upstreams *u, bool edits)
{
	u->etc_fd = open(u->inst.etc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u->etc_fd == -1)
		options_refuse("upstream", EX_NOINPUT, "cannot open %s: %s", u->inst.etc, strerror(errno));
	if (edits && textmap_lock(u->etc_fd) == -1)
		options_refuse("upstream", EX_TEMPFAIL, "cannot lock %s: %s", u->inst.etc, strerror(errno));
	open_map(u, &u->accounts, "upstreams", 0644);
	if (edits)
		open_map(u, &u->secrets, "secrets", 0600);
}

static bool
same_name(void *arg, struct span key)
{
	return span_case_is(key, arg);
}

/* The caller frees e->value. */
static bool
find(const struct textmap *m, const char *name, struct textmap_entry *e)
{
	char *key = mem_dup(name);
	bool found = textmap_find(m, same_name, key, e);

	free(key);
	return found;
}

static void
find_account(const struct upstreams *u, struct textmap_entry *e)
{
	if (!find(&u->accounts, u->name, e))
		options_refuse("upstream", EX_NOUSER, "%s: no such account in etc/upstreams", u->name);
}

/* Both, or neither: what cannot be compiled is taken back. */
static void
put_in_force(struct upstreams *u)
{
	if (textmap_write(&u->secrets, u->etc_fd) == -1 || textmap_write(&u->accounts, u->etc_fd) == -1)
		(void)fprintf(stderr, "posthouse upstream: cannot write below %s: %s\n", u->inst.etc, strerror(errno));
	else if (textmap_compile(&u->inst) == 0)
		return;
	else if (errno != 0)
		(void)fprintf(stderr, "posthouse upstream: cannot compile the maps: %s\n", strerror(errno));
	if (textmap_restore(&u->accounts, u->etc_fd) == -1 || textmap_restore(&u->secrets, u->etc_fd) == -1)
		options_refuse("upstream", EX_IOERR, "cannot put %s back as it was: %s", u->inst.etc, strerror(errno));
	options_refuse("upstream", EX_DATAERR, "nothing has changed");
}

/* --- secrets ------------------------------------------------------------- */

static void
read_password(const struct upstreams *u, char password[LIMIT_PASSWORD + 1])
{
	const char *wrong = u->from_stdin ? prompt_line(password, LIMIT_PASSWORD + 1) :
	    prompt_secret("password at the provider: ", NULL, true, password, LIMIT_PASSWORD + 1);

	if (wrong != NULL)
		options_refuse("upstream", EX_NOINPUT, "no password: %s%s", wrong,
		    u->from_stdin ? "" : " (--stdin reads it from standard input)");
	if (password[0] == '\0')
		options_refuse("upstream", EX_DATAERR, "the password is empty");
	for (const char *s = password; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			options_refuse("upstream", EX_DATAERR, "the password has control characters in it");
}

/* name=value as a map has it: with quotes where it needs them. */
static void
add_word(struct buf *line, const char *name, struct span value)
{
	bool quotes = value.len == 0;

	for (size_t i = 0; i < value.len; i++)
		quotes = quotes || ascii_space((unsigned char)value.s[i]) || strchr("\"\\#", value.s[i]) != NULL;
	buf_addf(line, " %s=", name);
	if (quotes)
		buf_addc(line, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (value.s[i] == '"' || value.s[i] == '\\')
			buf_addc(line, '\\');
		buf_addc(line, value.s[i]);
	}
	if (quotes)
		buf_addc(line, '"');
}

static void
set_secret(struct upstreams *u)
{
	struct buf line = BUF_INIT(LIMIT_MAP_LINE);
	char password[LIMIT_PASSWORD + 1];
	struct textmap_entry e;

	read_password(u, password);
	buf_adds(&line, u->name);
	add_word(&line, "password", span_of(password));
	explicit_bzero(password, sizeof(password));
	if (find(&u->secrets, u->name, &e)) {
		textmap_replace(&u->secrets, &e, buf_str(&line));
		buf_wipe(&e.value);
		buf_free(&e.value);
	} else {
		textmap_append(&u->secrets, buf_str(&line));
	}
	buf_wipe(&line);
	buf_free(&line);
}

/* --- verbs --------------------------------------------------------------- */

static bool
name_fits(const char *name)
{
	for (const char *s = name; *s != '\0'; s++)
		if (!ascii_alnum((unsigned char)*s) && strchr("-_.@+", *s) == NULL)
			return false;
	return *name != '\0' && strlen(name) <= 64;
}

static void
add_line(struct upstreams *u)
{
	struct buf line = BUF_INIT(LIMIT_MAP_LINE);

	buf_adds(&line, u->name);
	for (size_t i = 0; i < u->word_count; i++) {
		struct span value = span_of(u->words[i]), name = span_cut(&value, '=');
		char *word = mem_dupn(name.s, name.len);

		if (value.s == NULL || !name_fits(word))
			options_refuse("upstream", EX_USAGE, "%s: words are written name=value", u->words[i]);
		if (strcmp(word, "password") == 0)
			options_refuse("upstream", EX_USAGE, "a password on the command line can be seen by others: it is asked for, or read with --stdin");
		add_word(&line, word, value);
		free(word);
	}
	if (buf_over(&line))
		options_refuse("upstream", EX_DATAERR, "that is too long for one entry");
	textmap_append(&u->accounts, buf_str(&line));
	buf_free(&line);
}

static void
verb_add(struct upstreams *u)
{
	struct textmap_entry e;

	if (!name_fits(u->name))
		options_refuse("upstream", EX_USAGE, "%s: an account's name has letters, digits and -_.@+, at most 64", u->name);
	if (find(&u->accounts, u->name, &e))
		options_refuse("upstream", EX_DATAERR, "%s is there already (etc/upstreams:%u)", u->name, e.line);
	add_line(u);
	if (!u->no_secret)
		set_secret(u);
	put_in_force(u);
	printf("%s is there; posthouse upstream test %s tries it\n", u->name, u->name);
}

static void
verb_passwd(struct upstreams *u)
{
	struct textmap_entry e;

	find_account(u, &e);
	buf_free(&e.value);
	set_secret(u);
	put_in_force(u);
	printf("the password of %s is another\n", u->name);
}

static void
verb_delete(struct upstreams *u)
{
	struct textmap_entry e;

	find_account(u, &e);
	buf_free(&e.value);
	textmap_remove(&u->accounts, &e);
	if (find(&u->secrets, u->name, &e)) {
		buf_wipe(&e.value);
		buf_free(&e.value);
		textmap_remove(&u->secrets, &e);
	}
	put_in_force(u);
	printf("%s is gone; its mail stays at the provider\n", u->name);
}

static const char *
protocol_name(enum upstream_protocol p)
{
	static const char *const names[] = { [UPSTREAM_POP3] = "pop3", [UPSTREAM_IMAP] = "imap", [UPSTREAM_ETRN] = "etrn",
		[UPSTREAM_ATRN] = "atrn", [UPSTREAM_WAKE] = "wake" };

	return (size_t)p < COUNT(names) && names[p] != NULL ? names[p] : "?";
}

static void
print_account(const struct textmap_entry *e)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(4096);
	struct upstream up;

	if (upstream_parse(buf_span(&e->value), arena, &up, &why) == 0)
		printf("%-20.*s %-5s %s%s%s\n", (int)e->key.len, e->key.s, protocol_name(up.protocol),
		    up.login != NULL ? up.login : "", up.login != NULL && up.host != NULL ? " at " : "",
		    up.host != NULL ? up.host : "");
	else
		printf("%-20.*s (%s)\n", (int)e->key.len, e->key.s, buf_str(&why));
	buf_free(&why);
	arena_free(arena);
}

static void
verb_list(struct upstreams *u)
{
	struct textmap_entry e;
	size_t at = 0;

	while (textmap_next(&u->accounts, &at, &e))
		print_account(&e);
}

static void
verb_show(struct upstreams *u)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(1024);
	struct textmap_entry e;
	struct words words;

	find_account(u, &e);
	if (words_parse(buf_span(&e.value), arena, &words, &why) == -1)
		options_refuse("upstream", EX_DATAERR, "etc/upstreams:%u: %s", e.line, buf_str(&why));
	printf("%-18s %.*s (etc/upstreams:%u)\n", "account", (int)e.key.len, e.key.s, e.line);
	for (size_t i = 0; i < words.n; i++)
		printf("%-18.*s %.*s\n", (int)words.w[i].name.len, words.w[i].name.s, (int)words.w[i].value.len,
		    words.w[i].value.s);
	buf_free(&e.value);
	buf_free(&why);
	arena_free(arena);
}

static void
verb_test(struct upstreams *u)
{
	char *path = instance_path(instance_libexec(), "collect"), *name = mem_dup(u->name);
	char flag[] = "-C", test[] = "--test";
	char *with[] = { path, flag, u->inst.root, test, name, NULL };
	char *without[] = { path, test, name, NULL };

	execv(path, u->inst.root != NULL ? with : without);
	options_refuse("upstream", EX_UNAVAILABLE, "cannot run %s: %s", path, strerror(errno));
}

/* --- the command line ---------------------------------------------------- */

// clang-format off
static const struct verb {
	const char *verb;
	int names;       /* what stands behind it: 0, 1, or 2: words as well */
	bool opens, edits;
	void (*run)(struct upstreams *);
} verbs[] = {
	{ "add",    2, true,  true,  verb_add },
	{ "passwd", 1, true,  true,  verb_passwd },
	{ "delete", 1, true,  true,  verb_delete },
	{ "del",    1, true,  true,  verb_delete },
	{ "list",   0, true,  false, verb_list },
	{ "show",   1, true,  false, verb_show },
	{ "test",   1, false, false, verb_test },
};
// clang-format on

static const struct verb *
read_options(struct upstreams *u, int argc, char *argv[])
{
	static const struct option names[] = {
		{ "stdin", no_argument, NULL, 's' },
		{ "no-secret", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, left;

	while ((c = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		switch (c) {
		case 'C': u->dir = optarg; break;
		case 's': u->from_stdin = true; break;
		case 'n': u->no_secret = true; break;
		default: options_usage(usage_text, c == 'h' ? 0 : EX_USAGE);
		}
	left = argc - optind - 1;
	for (size_t i = 0; left >= 0 && i < COUNT(verbs); i++)
		if (strcmp(verbs[i].verb, argv[optind]) == 0) {
			if (verbs[i].names == 2 ? left < 2 : left != verbs[i].names)
				options_usage(usage_text, EX_USAGE);
			u->name = left > 0 ? argv[optind + 1] : NULL;
			u->words = argv + optind + 2;
			u->word_count = left > 1 ? (size_t)left - 1 : 0;
			return &verbs[i];
		}
	options_usage(usage_text, EX_USAGE);
}

int
main(int argc, char *argv[])
{
	static struct upstreams u; /* one a process */
	const struct verb *verb;

	log_open("upstream");
	verb = read_options(&u, argc, argv);
	instance_open(&u.inst, u.dir);
	if (verb->opens)
		open_maps(&u, verb->edits);
	verb->run(&u);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
