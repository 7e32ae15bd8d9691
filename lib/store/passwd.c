/*
 * passwd: values of the map passwd. Knows their forms; asks nobody whether a password is right.
 */
#include "lib/store/passwd.h"

#include <string.h>

#include "lib/base/ascii.h"

#ifdef HAVE_PAM
#define WITH_PAM true
#else
#define WITH_PAM false
#endif
#define SERVICE_USUAL "posthouse"
#define SERVICE_MAX 64

static int
wrong(struct buf *why, const char *text)
{
	buf_adds(why, text);
	return -1;
}

static bool
keep(struct passwd_entry *e, struct span text)
{
	if (text.len >= sizeof(e->text) || memchr(text.s, '\0', text.len) != NULL)
		return false;
	memcpy(e->text, text.s, text.len);
	e->text[text.len] = '\0';
	return true;
}

static int
parse_program(struct span command, struct passwd_entry *e, struct buf *why)
{
	e->kind = PASSWD_PROGRAM;
	if (command.len == 0 || command.s[0] != '/')
		return wrong(why, "{CHECKPASSWORD} is followed by the whole path of a program, and its arguments");
	return keep(e, command) ? 0 : wrong(why, "the command is longer than 511 octets");
}

/* It becomes the name of a file. */
static bool
is_service(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_alnum((unsigned char)name.s[i]) && strchr("_-", name.s[i]) == NULL)
			return false;
	return name.len <= SERVICE_MAX;
}

static int
parse_pam(struct span service, struct passwd_entry *e, struct buf *why)
{
	e->kind = PASSWD_PAM;
	if (!WITH_PAM)
		return wrong(why, "{PAM}: this posthouse was built without PAM: configure it --with-pam");
	if (service.len == 0)
		service = SPAN(SERVICE_USUAL);
	if (!is_service(service))
		return wrong(why, "{PAM} is followed by the name of a service: letters, digits, \"-\" and \"_\"");
	return keep(e, service) ? 0 : -1;
}

/* "{PLAIN}" takes the whole of a value, for passwords have blanks in them. */
static bool
is_plain(struct span value)
{
	return span_begins(value, "{PLAIN}", NULL) || span_begins(value, "{CLEARTEXT}", NULL) || span_begins(value, "{CLEAR}", NULL);
}

static int
parse_hash(struct span value, struct passwd_entry *e, struct buf *why)
{
	struct span rest = value, hash;
	bool whole = is_plain(value);

	hash = whole ? value : span_cut(&rest, ' ');
	if (!keep(e, hash))
		return wrong(why, "the hash is longer than 511 octets");
	if (!whole && rest.s != NULL) {
		if (!scram_parse(span_trim(rest), &e->verifier))
			return wrong(why, "what stands behind the hash is no verifier for SCRAM");
		e->scram = true;
	}
	if (hash.len == 0)
		return wrong(why, "this is no hash");
	if (hash.s[0] == '*' || hash.s[0] == '!') {
		e->kind = PASSWD_LOCKED;
		return 0;
	}
	if (hash_wants_prepared(e->text))
		e->scram = scram_parse(hash, &e->verifier);
	else if (strchr("$_{", hash.s[0]) == NULL) /* old DES looks like a password that was written down */
		return wrong(why, "this is no hash");
	return hash_usable(e->text) ? 0 : wrong(why, "this is no hash that can be verified here");
}

int
passwd_parse(struct span value, struct passwd_entry *e, struct buf *why)
{
	struct span rest;

	memset(e, 0, sizeof(*e));
	value = span_trim(value);
	if (span_begins(value, "{CHECKPASSWORD}", &rest))
		return parse_program(span_trim(rest), e, why);
	if (span_begins(value, "{PAM}", &rest))
		return parse_pam(span_trim(rest), e, why);
	return parse_hash(value, e, why);
}

bool
passwd_outside(const struct passwd_entry *e)
{
	return e->kind == PASSWD_PROGRAM || e->kind == PASSWD_PAM;
}
