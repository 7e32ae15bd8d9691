/*
 * people: login names, mailboxes, hashes. Knows the maps (through router/ and
 * store/map) and login forms; asks no hash whether it fits.
 */
#include "auth/people.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "router/lookup.h"

void
people_open(struct people *p, const struct instance *inst, const struct conf *conf)
{
	struct buf why = BUF_INIT(4096);

	p->conf = conf;
	if (router_open(&p->router, inst, conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open maps: %s", buf_str(&why));
	p->passwd = generation_open(inst->maps, 1u << MAP_PASSWD, &why);
	if (p->passwd == NULL)
		fatal(EX_CONFIG, "cannot open maps: %s", buf_str(&why));
	buf_free(&why);
}

static void
people_refresh(struct people *p)
{
	router_refresh(&p->router);
	(void)!generation_refresh(&p->passwd); /* on failure the old one serves on */
}

/* user@213.0.0.117, user@[213.0.0.117]: an old custom of clients that add their server's address. The part in front;
 * else all of it. */
static struct span
without_server(struct span login)
{
	const char *at = login.len == 0 ? NULL : memrchr(login.s, '@', login.len);
	struct span host;
	struct ip ip;

	if (at == NULL)
		return login;
	host = (struct span){ at + 1, login.len - (size_t)(at + 1 - login.s) };
	if (host.len > 2 && host.s[0] == '[' && host.s[host.len - 1] == ']')
		host = (struct span){ host.s + 1, host.len - 2 };
	if (span_case_is((struct span){ host.s, host.len < 5 ? host.len : 5 }, "IPv6:"))
		host = (struct span){ host.s + 5, host.len - 5 };
	return ip_parse(host, &ip) == 0 ? (struct span){ login.s, (size_t)(at - login.s) } : login;
}

/* user%domain, user#domain: from times when clients had their own mind about "@". It counts when there is such a
 * mailbox; these octets may stand in a local-part, too. */
static void
with_at(struct people *p, struct span login, struct arena *arena, struct buf *out)
{
	struct mailbox box = { 0 };

	for (size_t i = login.len; i-- > 1;) {
		if (strchr(p->conf->login_separators, login.s[i]) == NULL)
			continue;
		buf_addspan(out, login);
		if (!buf_over(out)) {
			out->s[i] = '@';
			if (router_mailbox(&p->router, buf_str(out), arena, &box) == 1)
				return;
		}
		break;
	}
	buf_reset(out);
	buf_addspan(out, login);
}

/* The login as a full address; a password typed into the name's field is no reason to
 * accept odd octets, so what is no address is nobody. */
static enum person_found
login_address(struct people *p, const char *text, struct arena *arena, struct buf *out)
{
	struct span login = without_server(span_of(text));
	struct buf full = BUF_INIT(LIMIT_ADDRESS);
	enum person_found found = PERSON_NONE;
	struct span domain = { "", 0 };
	struct path path;

	if (memchr(login.s, '@', login.len) == NULL)
		with_at(p, login, arena, &full);
	else
		buf_addspan(&full, login);
	if (strchr(buf_str(&full), '@') == NULL) {
		domain = router_default_domain(&p->router, arena);
		buf_addc(&full, '@');
		buf_addspan(&full, domain);
		if (domain.len == 0)
			found = PERSON_UNCLEAR;
	}
	if (found != PERSON_UNCLEAR && !buf_over(&full) &&
	    path_parse_address(full.s, full.len, &path) == 0 &&
	    path.domain.len > 0) {
		path_key(&path, out);
		found = buf_over(out) ? PERSON_NONE : PERSON_OK;
	}
	buf_free(&full);
	return found;
}

/* The hash stands under the mailbox's own address. */
static enum person_found
person_hash(const struct people *p, struct person *person)
{
	struct map_entry e;
	struct span hash, rest;
	int found = map_find(p->passwd, MAP_PASSWD, span_of(person->address), &e);

	if (found != 1)
		return found == 0 ? PERSON_NONE : PERSON_BROKEN;
	rest = span_trim(e.value);
	hash = span_cut(&rest, ' ');
	if (hash.len >= sizeof(person->hash))
		return PERSON_NONE;
	memcpy(person->hash, hash.s, hash.len);
	person->hash[hash.len] = '\0';
	person->scram = rest.s != NULL && scram_parse(rest, &person->verifier);
	return hash_usable(person->hash) ? PERSON_OK : PERSON_NONE;
}

static enum person_found
person_mailbox(struct people *p, const char *address, struct arena *arena,
    struct person *person)
{
	struct mailbox box = { 0 };
	int found = router_mailbox(&p->router, address, arena, &box), n;

	if (found != 1)
		return found == 0 ? PERSON_NONE : PERSON_BROKEN;
	n = snprintf(person->maildir, sizeof(person->maildir), "%s/./%s",
	    box.root, box.maildir);
	if (n < 0 || (size_t)n >= sizeof(person->maildir) ||
	    strlcpy(person->address, box.address, sizeof(person->address)) >=
		sizeof(person->address))
		return PERSON_BROKEN;
	person->disabled = box.disabled;
	person->may = box.may;
	return PERSON_OK;
}

enum person_found
people_find(struct people *p, const char *login, struct person *person)
{
	struct buf address = BUF_INIT(LIMIT_ADDRESS);
	struct arena *arena = arena_new();
	enum person_found found;

	memset(person, 0, sizeof(*person));
	strlcpy(person->address, login, sizeof(person->address));
	people_refresh(p);
	found = login_address(p, login, arena, &address);
	if (found == PERSON_OK) {
		strlcpy(person->address, buf_str(&address), sizeof(person->address));
		found = person_mailbox(p, buf_str(&address), arena, person);
	}
	if (found == PERSON_OK)
		found = person_hash(p, person);
	buf_free(&address);
	arena_free(arena);
	return found;
}

bool
people_all_scram(struct people *p)
{
	struct map_entry e;

	people_refresh(p);
	return map_find(p->passwd, MAP_PASSWD, SPAN(NOTE_NO_SCRAM), &e) == 0;
}
