/*
 * look: a visit to an account that changes nothing, told in a few lines.
 */
#include "collector/look.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "collector/choice.h"
#include "collector/fetch.h"
#include "collector/lines.h"
#include "collector/secret.h"
#include "lib/base/log.h"

static void
put(const char *name, const char *value)
{
	struct buf line = BUF_INIT(1024);

	buf_addf(&line, "%-10s %s", name, value);
	line_put(&line);
	buf_free(&line);
}

static void
put_mailbox(const struct fetch_probe *p)
{
	struct buf line = BUF_INIT(200);

	buf_addf(&line, "%llu message%s", (unsigned long long)p->messages, p->messages == 1 ? "" : "s");
	if (p->octets_known) {
		buf_adds(&line, ", ");
		line_add_octets(&line, p->octets);
	}
	put("mailbox", buf_str(&line));
	buf_free(&line);
}

static void
tell(const struct account *a, const struct fetch_probe *p, enum fetch_result result, const char *error)
{
	struct buf server = BUF_INIT(512);

	buf_addf(&server, "%s port %llu", a->up.host, (unsigned long long)a->up.port);
	put("server", buf_str(&server));
	put("tls", *p->tls != '\0' ? p->tls : "none");
	if (result == FETCH_OK) {
		put("login", *p->mechanism != '\0' ? p->mechanism : "not asked for");
		put_mailbox(p);
		put("result", "it works; nothing was fetched");
	} else {
		put("result", result == FETCH_AUTH_FAILED ? "the login is refused" : result == FETCH_TLS_FAILED
		    ? "the server cannot be trusted" : "it does not work");
		put("reason", error);
	}
	buf_free(&server);
}

int
look_at_account(struct house *h, char *name)
{
	struct buf why = BUF_INIT(1024);
	struct state *state = state_open(h->state_dir, &why);
	enum fetch_result result = FETCH_FAILED;
	struct fetch_probe probe = { 0 };
	struct choice c;
	struct account a;
	char error[256];

	if (state == NULL)
		fatal(EX_UNAVAILABLE, "%s", buf_str(&why));
	if (choice_make(&c, h, (char *const[]){ name }, 1) != 0)
		return EX_USAGE;
	log_level_set(LOG_ERROR); /* a person looks on: the lines below tell */
	if (account_open(&a, h, c.v[0].name, c.v[0].value, &why) == -1)
		fatal(EX_CONFIG, "cannot use %s of upstreams: %s", name, buf_str(&why));
	if (secret_run(&a, &why) == -1) {
		strlcpy(error, buf_str(&why), sizeof(error));
	} else {
		account_sandbox(&a, h);
		result = fetch_look(h, &a, state, &probe, error, sizeof(error));
	}
	tell(&a, &probe, result, error);
	account_close(&a);
	choice_free(&c);
	state_close(state);
	buf_free(&why);
	return result == FETCH_OK ? 0 : EX_TEMPFAIL;
}
