/*
 * secret: passwords and tokens, from a map, from a command or from tokend.
 *
 * A command gets no shell and no environment but PATH, has a time limit, and says the secret in its first line, as
 * password managers do.
 */
#include "collector/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base/ascii.h"
#include "lib/net/tls.h"
#include "lib/store/words.h"
#include "lib/sys/proc.h"
#include "lib/wire/token.h"

#define COMMAND_WORDS 64
#define COMMAND_TIMEOUT_S 30
#define OUTPUT_MAX 8192 /* octets; tokens are the longest */

static struct span
first_line(const struct buf *b)
{
	struct span rest = buf_span(b);

	return span_trim(span_cut(&rest, '\n'));
}

/* The last line that says something: what people need to know. Printable ones only. */
static void
add_last_line(struct buf *why, const struct buf *said)
{
	struct span rest = buf_span(said), last = { "", 0 };

	while (rest.s != NULL) {
		struct span line = span_trim(span_cut(&rest, '\n'));

		if (line.len > 0)
			last = line;
	}
	if (last.len > 0)
		buf_adds(why, ": ");
	for (size_t i = 0; i < last.len; i++)
		buf_addc(why, ascii_print((unsigned char)last.s[i]) ? last.s[i] : '?');
}

/* Did it say a secret? If not, why. */
static bool
went_well(const char *command, int status, const struct buf *out, const struct buf *said, struct buf *why)
{
	buf_addf(why, "secret=!%s ", command);
	if (status == -1 && errno == ETIMEDOUT)
		buf_addf(why, "took longer than %d seconds", COMMAND_TIMEOUT_S);
	else if (status == -1 && errno == EMSGSIZE)
		buf_addf(why, "says more than %d octets", OUTPUT_MAX);
	else if (status == -1)
		buf_addf(why, "cannot be run: %s", strerror(errno));
	else if (WIFSIGNALED(status))
		buf_addf(why, "was ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		buf_addf(why, "failed with exit status %d", WEXITSTATUS(status));
	else if (first_line(out).len == 0)
		buf_adds(why, "says nothing in its first line");
	else {
		buf_reset(why);
		return true;
	}
	add_last_line(why, said);
	return false;
}

int
secret_run(struct account *a, struct buf *why)
{
	struct buf out = BUF_INIT(OUTPUT_MAX), said = BUF_INIT(1024);
	char *argv[COMMAND_WORDS + 1];
	struct span command;
	int rv = -1;

	if (!upstream_secret_command(&a->up, &command))
		return 0;
	if (words_argv(command, a->arena, argv, COMMAND_WORDS, why) == 0 &&
	    went_well(argv[0], proc_output(argv, &out, &said, COMMAND_TIMEOUT_S), &out, &said, why)) {
		buf_wipe(&a->secret);
		buf_addspan(&a->secret, first_line(&out));
		rv = 0;
	}
	buf_wipe(&out);
	buf_free(&out);
	buf_wipe(&said);
	buf_free(&said);
	return rv;
}

static int
from_map(const struct account *a, const struct house *h, struct buf *out, struct buf *why)
{
	const char *key = a->up.secret != NULL ? a->up.secret : a->name;
	struct generation *maps = generation_open(h->instance.maps, 1u << MAP_SECRETS, why);
	struct arena *arena = arena_new();
	const struct span *password = NULL;
	struct map_entry e;
	struct words words;
	bool found;

	found = maps != NULL && map_find(maps, MAP_SECRETS, span_of(key), &e) == 1 &&
	    words_parse(e.value, arena, &words, why) == 0 && (password = words_get(&words, "password")) != NULL;
	if (found)
		buf_addspan(out, *password);
	else if (why->len == 0)
		buf_addf(why, "the map secrets has no %s password=...", key);
	arena_reset(arena); /* wipes */
	arena_free(arena);
	generation_close(maps);
	return found ? 0 : -1;
}

/* From whoever has it: tokend, a command, the map. */
static int
fetch_secret(struct account *a, const struct house *h, struct buf *out, struct buf *why)
{
	struct span command;
	int rv = 0;

	if (a->up.provider == NULL && !upstream_secret_command(&a->up, &command))
		return from_map(a, h, out, why);
	if (a->up.provider != NULL) {
		char *refused = a->refused ? mem_dup(buf_str(&a->secret)) : NULL;

		buf_wipe(&a->secret);
		rv = token_get(h->token_path, a->name, refused, &a->secret, why);
		a->tokenless = rv == -1;
		if (refused != NULL)
			explicit_bzero(refused, strlen(refused));
		free(refused);
	}
	buf_addspan(out, buf_span(&a->secret));
	return rv;
}

int
credentials_get(struct account *a, const struct house *h, struct credentials *c, struct buf *why)
{
	struct buf *out = a->up.auth == UPSTREAM_AUTH_OAUTH ? &c->token : &c->password;

	buf_init(&c->password, LIMIT_PASSWORD);
	buf_init(&c->token, LIMIT_TOKEN);
	if (fetch_secret(a, h, out, why) == -1)
		return -1;
	if (out->len > 0 && !buf_over(out))
		return 0;
	buf_addf(why, "the secret is %s", out->len > 0 ? "too long" : "empty");
	return -1;
}

struct sasl *
credentials_sasl(const struct account *a, const struct credentials *c, const struct io *io, struct span offered,
    struct buf *why)
{
	const struct upstream *up = &a->up;
	struct buf binding = BUF_INIT(256);
	struct sasl_login login = { .login = up->login, .host = up->host, .port = (unsigned)up->port };
	struct sasl *x;

	if (c->password.len > 0)
		login.password = buf_str(&c->password);
	if (c->token.len > 0)
		login.token = buf_str(&c->token);
	/* With a token: what providers have even if they do not say so. */
	if (up->auth == UPSTREAM_AUTH_OAUTH && span_trim(offered).len == 0)
		offered = span_of(up->mechanism != NULL ? up->mechanism : "XOAUTH2");
	if (io != NULL)
		tls_binding(io, &binding);
	login.binding = buf_span(&binding);
	x = sasl_client(offered, &login, up->mechanism, true, why);
	buf_wipe(&binding);
	buf_free(&binding);
	return x;
}

bool
credentials_refused(struct account *a)
{
	if (a->up.provider == NULL || a->refused)
		return false;
	a->refused = true;
	return true;
}

void
credentials_wipe(struct credentials *c)
{
	buf_wipe(&c->password);
	buf_free(&c->password);
	buf_wipe(&c->token);
	buf_free(&c->token);
}
