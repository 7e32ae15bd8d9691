/*
 * people: login names, mailboxes, hashes. Knows the maps (through router/ and
 * store/map) and login forms; asks no hash whether it fits.
 */
#include "auth/people.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Is this entry what would be written today? */
static bool
entry_current(const struct people *p, const struct passwd_entry *e)
{
	uint64_t wanted = p->conf->scram_iterations;

	return hash_current(e->text) && (wanted == 0 || (e->scram && e->verifier.iterations >= scram_iterations(wanted)));
}

/* What was made of the map's entry takes its place. When that failed to be what it should (a password that is not
 * for SCRAM), trying again would not make it better. */
static void
entry_made(const struct people *p, struct person *person)
{
	struct buf value = BUF_INIT(2 * HASH_MAX), why = BUF_INIT(200);
	struct passwd_entry made = { 0 };

	if (p->made > 0 && logins_made(p->logins, person->address, person->of, &value) &&
	    passwd_parse(buf_span(&value), &made, &why) == 0) {
		person->entry = made;
		person->outdated = false;
	}
	explicit_bzero(&made, sizeof(made));
	buf_wipe(&value);
	buf_free(&value);
	buf_free(&why);
}

/* By the mailbox's own address, or by its domain. */
static int
find_entry(const struct people *p, const char *address, struct map_entry *e)
{
	int found = map_find(p->passwd, MAP_PASSWD, span_of(address), e);

	return found == 0 ? map_find(p->passwd, MAP_PASSWD, span_of(strrchr(address, '@')), e) : found;
}

static enum person_found
person_entry(struct people *p, struct person *person)
{
	struct buf why = BUF_INIT(200);
	struct map_entry e;
	int found = find_entry(p, person->address, &e), fine;

	if (found != 1)
		return found == 0 ? PERSON_NONE : PERSON_BROKEN;
	fine = passwd_parse(e.value, &person->entry, &why);
	buf_free(&why);
	if (fine == -1 || person->entry.kind == PASSWD_LOCKED)
		return PERSON_NONE;
	if (person->entry.kind == PASSWD_HASH && p->logins != NULL) {
		digest_sha256(e.value.s, e.value.len, person->of);
		person->outdated = p->conf->password_upgrade && !entry_current(p, &person->entry);
		if (person->outdated)
			entry_made(p, person);
	}
	return PERSON_OK;
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
people_mailbox(struct people *p, const char *login, struct person *person)
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
	buf_free(&address);
	arena_free(arena);
	return found;
}

enum person_found
people_find(struct people *p, const char *login, struct person *person)
{
	enum person_found found = people_mailbox(p, login, person);

	return found == PERSON_OK ? person_entry(p, person) : found;
}

/* Who was removed meanwhile, and comes again one day, is somebody else. */
static bool
still_there(void *arg, const char *address)
{
	const struct people *p = arg;
	struct map_entry e;

	return strchr(address, '@') != NULL && find_entry(p, address, &e) != 0;
}

void
people_remember(struct people *p, const struct instance *inst)
{
	struct buf why = BUF_INIT(1024);
	char *dir = instance_path(inst->state, "auth");
	mode_t before = umask(077);

	p->logins = logins_open(dir, &why);
	(void)umask(before);
	if (p->logins == NULL)
		log_event(EV_WARNING, LS("text", "last logins are not remembered, nor are passwords hashed anew"),
		    LS("error", buf_str(&why)));
	else {
		logins_forget(p->logins, still_there, p);
		p->made = logins_made_count(p->logins);
	}
	free(dir);
	buf_free(&why);
}

void
people_renew(struct people *p, const struct person *person, const char *value)
{
	struct buf before = BUF_INIT(2 * HASH_MAX);

	/* Two logins at once: one of them was first. */
	if (p->logins != NULL && value[0] != '\0' && !logins_made(p->logins, person->address, person->of, &before)) {
		logins_make(p->logins, person->address, person->of, value);
		p->made++;
		if (!person->entry.scram && strstr(value, SCRAM_PREFIX) != NULL && p->lacking > 0)
			p->lacking--;
		log_event(EV_AUTH_RENEWED, LS("mailbox", person->address));
	}
	buf_wipe(&before);
	buf_free(&before);
}

/* --- is SCRAM for everybody? ------------------------------------------------- */

/* One entry of the map, and what was made of it. */
static int
count_lacking(void *arg, struct span key, const struct map_entry *e)
{
	struct person person = { .outdated = true };
	struct buf why = BUF_INIT(200);
	struct people *p = arg;
	bool lacks = passwd_parse(e->value, &person.entry, &why) == 0 && person.entry.kind != PASSWD_LOCKED &&
	    !person.entry.scram;

	if (lacks && person.entry.kind == PASSWD_HASH && key.len < sizeof(person.address)) {
		memcpy(person.address, key.s, key.len);
		digest_sha256(e->value.s, e->value.len, person.of);
		entry_made(p, &person);
		lacks = !person.entry.scram;
	}
	p->lacking += lacks;
	explicit_bzero(&person, sizeof(person));
	buf_free(&why);
	return 0;
}

/* Once a generation; most have nobody to count. */
static void
count_all(struct people *p)
{
	const char *generation = generation_name(p->passwd);
	struct map_entry e;

	if (p->counted != NULL && strcmp(p->counted, generation) == 0)
		return;
	free(p->counted);
	p->counted = mem_dup(generation);
	p->lacking = 0;
	if (map_find(p->passwd, MAP_PASSWD, SPAN(NOTE_NO_SCRAM), &e) != 0 &&
	    map_each(p->passwd, MAP_PASSWD, count_lacking, p) == -1)
		p->lacking = 1;
}

bool
people_all_scram(struct people *p)
{
	people_refresh(p);
	count_all(p);
	return p->lacking == 0;
}
