/*
 * sort-corpus: the sorter as the corpus of labelled messages asks it (its README, "What a sorter under test
 * does"): --config FILE --state DIR, the message on standard input.
 *
 * The corpus's settings become an entry of `upstreams`, so that its words are tried as well. Not installed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "collector/sort.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/sys/file.h"

#define MESSAGE_MAX (64 * 1024 * 1024)

static struct upstream upstream;
static const char *state_dir, *config_file;
static bool explaining;

static void
read_options(int argc, char *argv[])
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--config") == 0)
			config_file = argv[i + 1];
		else if (strcmp(argv[i], "--state") == 0)
			state_dir = argv[i + 1];
		else
			fatal(EX_USAGE, "unknown option %s", argv[i]);
	}
	if (config_file == NULL || state_dir == NULL)
		fatal(EX_USAGE, "usage: sort-corpus --config FILE --state DIR");
	explaining = getenv("EXPLAIN") != NULL;
}

static void
add_word(struct buf *entry, struct span key, struct span value)
{
	if (span_is(key, "kind") && span_is(value, "regular"))
		value = SPAN("shared");
	if (span_is(key, "user"))
		key = SPAN("users");
	if (span_is(key, "strip_prefix") && value.len == 0)
		return;
	buf_addspan(entry, key);
	buf_adds(entry, "=\"");
	for (size_t i = 0; i < value.len; i++) {
		if (value.s[i] == '"' || value.s[i] == '\\')
			buf_addc(entry, '\\');
		buf_addc(entry, value.s[i]);
	}
	buf_adds(entry, "\" ");
}

static void
read_config(struct arena *arena)
{
	struct buf text = BUF_INIT(LIMIT_MAP_LINE), entry = BUF_INIT(2 * LIMIT_MAP_LINE), why = BUF_INIT(4096);
	struct span rest;

	if (file_slurp_at(AT_FDCWD, config_file, &text) == -1)
		fatal(EX_NOINPUT, "cannot read %s", config_file);
	buf_adds(&entry, "host=corpus.example login=corpus ");
	rest = buf_span(&text);
	while (rest.s != NULL) {
		struct span line = span_trim(span_cut(&rest, '\n')), value = line, key = span_cut(&value, '=');

		if (value.s != NULL)
			add_word(&entry, span_trim(key), span_trim(value));
	}
	if (upstream_parse(buf_span(&entry), arena, &upstream, &why) == -1)
		fatal(EX_CONFIG, "cannot use %s: %s", config_file, buf_str(&why));
	buf_free(&text);
	buf_free(&entry);
	buf_free(&why);
}

/* A file a digest and user is state enough here. */
static void
state_name(const char *user, const unsigned char *digest, char out[256])
{
	int n = snprintf(out, 256, "%s/", state_dir);

	for (int i = 0; i < 16; i++)
		n += snprintf(out + n, (size_t)(256 - n), "%02x", digest[i]);
	snprintf(out + n, (size_t)(256 - n), "-%s", user);
}

static bool
seen(void *arg, const char *user, const unsigned char *digest)
{
	char name[256];

	(void)arg;
	state_name(user, digest, name);
	return access(name, F_OK) == 0;
}

static void
remember(const char *user, const unsigned char *digest)
{
	char name[256];
	int fd;

	state_name(user, digest, name);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd == -1)
		fatal(EX_CANTCREAT, "cannot write %s", name);
	file_close(fd);
}

static void
read_message(struct buf *message)
{
	char octets[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, octets, sizeof(octets))) > 0)
		buf_add(message, octets, (size_t)n);
	if (n == -1 || buf_over(message))
		fatal(EX_IOERR, "cannot read the message");
}

static struct span
body_of(struct span message)
{
	for (size_t i = 0; i < message.len;) {
		const char *lf = memchr(message.s + i, '\n', message.len - i);
		size_t end = lf == NULL ? message.len : (size_t)(lf - message.s) + 1;

		if (end - i == 1 || (end - i == 2 && message.s[i] == '\r'))
			return (struct span){ message.s + end, message.len - end };
		i = end;
	}
	return (struct span){ "", 0 };
}

int
main(int argc, char *argv[])
{
	struct buf message = BUF_INIT(MESSAGE_MAX), why = BUF_INIT(1024), explain = BUF_INIT(1 << 20);
	struct arena *arena = arena_new();
	struct sort_account *account;
	struct sort_header header;
	struct sort_result result;
	struct sort_digest *digest;
	unsigned char octets[DIGEST_OCTETS];
	struct span body;

	log_open("sort-corpus");
	read_options(argc, argv);
	read_config(arena);
	account = sort_account_new(&upstream, "localhost", &why);
	if (account == NULL)
		fatal(EX_CONFIG, "%s", buf_str(&why));
	read_message(&message);
	body = body_of(buf_span(&message));
	sort_header_read(buf_span(&message), arena, &header);
	sort_message(account, &header, arena, &result, &explain);
	digest = sort_digest_new(&header);
	sort_digest_body(digest, body.s, body.len);
	sort_digest_end(digest, octets);
	sort_duplicates(account, &result, octets, seen, NULL, &explain);

	for (size_t i = 0; result.count > 0 && sort_account_user(account, i) != NULL; i++)
		if (result.gets[i]) {
			puts(sort_account_user(account, i));
			remember(sort_account_user(account, i), octets);
		}
	printf("#class: %s\n", sort_class_name(result.class));
	if (explaining)
		fputs(buf_str(&explain), stderr);
	sort_account_free(account);
	arena_free(arena);
	buf_free(&message);
	buf_free(&why);
	buf_free(&explain);
	return 0;
}
