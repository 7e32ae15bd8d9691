/*
 * envelope: what the queue must know about a message, as text.
 *
 * Knows the format and nothing of directories. A file that is cut short or
 * says what this module does not know does not parse: it is never guessed at.
 */
#include "lib/store/envelope.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/num.h"

#define FIRST_LINE "posthouse-envelope 1"
#define MARK_OCTETS 6 /* "T 0000" */

static const char *const action_names[] = { "local", "relay" };
static const struct {
	unsigned bit;
	const char *name;
} notify_names[] = {
	{ NOTIFY_NEVER, "NEVER" },
	{ NOTIFY_SUCCESS, "SUCCESS" },
	{ NOTIFY_FAILURE, "FAILURE" },
	{ NOTIFY_DELAY, "DELAY" },
};

/* --- writing ------------------------------------------------------------- */

static void
add_word(struct buf *out, const char *s)
{
	word_encode(out, s, strlen(s), NULL);
}

/* Text of several words: each encoded, so that a person can read the line and
 * nothing in it can end it. */
static void
add_text(struct buf *out, const char *s)
{
	struct span rest = span_of(s), word;
	bool first = true;

	while (rest.s != NULL) {
		word = span_cut(&rest, ' ');
		if (!first)
			buf_addc(out, ' ');
		first = false;
		word_encode(out, word.s, word.len, NULL);
	}
}

static void
add_mark(struct buf *out, const struct env_rcpt *r)
{
	buf_addf(out, "%c %04u", (int)r->status,
	    r->attempts > 9999 ? 9999 : r->attempts);
}

void
notify_add(struct buf *out, unsigned notify)
{
	bool any = false;
	size_t i;

	for (i = 0; i < COUNT(notify_names); i++) {
		if ((notify & notify_names[i].bit) == 0)
			continue;
		buf_addf(out, "%s%s", any ? "," : "", notify_names[i].name);
		any = true;
	}
	if (!any)
		buf_addc(out, '-');
}

int
notify_parse(struct span words, unsigned *out)
{
	*out = 0;
	while (words.s != NULL) {
		struct span word = span_cut(&words, ',');
		size_t i = 0;

		while (i < COUNT(notify_names) && !span_case_is(word, notify_names[i].name))
			i++;
		if (i == COUNT(notify_names))
			return -1;
		*out |= notify_names[i].bit;
	}
	return *out == 0 || ((*out & NOTIFY_NEVER) != 0 && *out != NOTIFY_NEVER) ? -1 : 0;
}

static void
add_rcpt(struct buf *out, const struct env_rcpt *r)
{
	add_mark(out, r);
	buf_addf(out, " %s ", action_names[r->action]);
	add_word(out, r->address);
	buf_addc(out, ' ');
	add_word(out, r->orcpt == NULL ? "" : r->orcpt);
	buf_addc(out, ' ');
	notify_add(out, r->notify);
	buf_addc(out, '\n');
}

static void
add_given(struct buf *out, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	buf_addf(out, "%s ", name);
	add_word(out, value);
	buf_addc(out, '\n');
}

void
envelope_write(const struct envelope *e, struct buf *out)
{
	size_t i;

	buf_addf(out, FIRST_LINE "\nid %s\narrived %lld\nsender ", e->id,
	    (long long)e->arrived_s);
	add_word(out, e->sender);
	buf_addf(out, "\noctets %llu %llu\nhead %llu\nclient ",
	    (unsigned long long)e->octets, (unsigned long long)e->wire_octets,
	    (unsigned long long)e->head_octets);
	add_text(out, e->client == NULL ? "" : e->client);
	buf_addf(out, "\nbody %s\n", e->body_8bit ? "8BITMIME" : "7BIT");
	if (e->smtputf8)
		buf_adds(out, "smtputf8\n");
	if (e->requiretls)
		buf_adds(out, "requiretls\n");
	if (e->key[0] != '\0')
		buf_addf(out, "key %s%s\n", e->key, e->again ? " again" : "");
	if (e->held != NULL && e->held[0] != '\0') {
		buf_adds(out, "hold ");
		add_text(out, e->held);
		buf_addc(out, '\n');
	}
	add_given(out, "ret", e->ret);
	add_given(out, "envid", e->envid);
	buf_addf(out, "rcpts %zu\n", e->rcpt_count);
	for (i = 0; i < e->rcpt_count; i++)
		add_rcpt(out, &e->rcpts[i]);
}

/* --- reading ------------------------------------------------------------- */

struct reading {
	struct arena *mem;
	struct envelope *e;
	struct buf *why;
	struct span all, rest;
	unsigned line;
	size_t rcpts; /* read so far */
	unsigned seen; /* fields, by their number in fields[] */
	bool counted;  /* "rcpts N" was read: recipients follow */
};

static int
wrong(struct reading *r, const char *what)
{
	buf_addf(r->why, "line %u: %s", r->line, what);
	return -1;
}

static const char *
decode(struct reading *r, struct span word)
{
	char *s = arena_alloc(r->mem, word.len + 1);

	return word_decode(s, word.s, word.len) == -1 ? NULL : s;
}

static int
get_word(struct reading *r, struct span word, const char **out)
{
	*out = decode(r, word);
	return *out == NULL ? wrong(r, "not an encoded word") : 0;
}

static int
get_text(struct reading *r, struct span text, const char **out)
{
	char *s = arena_alloc(r->mem, text.len + 1), *p = s;
	struct span word;
	ssize_t n;

	while (text.s != NULL) {
		word = span_cut(&text, ' ');
		n = word_decode(p, word.s, word.len);
		if (n == -1)
			return wrong(r, "not encoded words");
		p += n;
		if (text.s != NULL)
			*p++ = ' ';
	}
	*p = '\0';
	*out = s;
	return 0;
}

static int
get_id(struct reading *r, struct span v)
{
	if (v.len == 0 || v.len >= LIMIT_ID)
		return wrong(r, "no ID");
	memcpy(r->e->id, v.s, v.len);
	r->e->id[v.len] = '\0';
	return 0;
}

static int
get_arrived(struct reading *r, struct span v)
{
	uint64_t n;

	if (num_parse(v, INT64_MAX, &n) == -1)
		return wrong(r, "no time");
	r->e->arrived_s = (int64_t)n;
	return 0;
}

static int
get_sender(struct reading *r, struct span v)
{
	return get_word(r, v, &r->e->sender);
}

static int
get_octets(struct reading *r, struct span v)
{
	struct span first = span_cut(&v, ' ');

	if (num_parse(first, UINT64_MAX, &r->e->octets) == -1 || v.s == NULL ||
	    num_parse(v, UINT64_MAX, &r->e->wire_octets) == -1)
		return wrong(r, "two numbers belong here");
	return 0;
}

static int
get_head(struct reading *r, struct span v)
{
	if (num_parse(v, UINT64_MAX, &r->e->head_octets) == -1)
		return wrong(r, "a number belongs here");
	return 0;
}

static int
get_client(struct reading *r, struct span v)
{
	return get_text(r, v, &r->e->client);
}

static int
get_body(struct reading *r, struct span v)
{
	r->e->body_8bit = span_is(v, "8BITMIME");
	if (!r->e->body_8bit && !span_is(v, "7BIT"))
		return wrong(r, "7BIT or 8BITMIME belongs here");
	return 0;
}

static int
get_smtputf8(struct reading *r, struct span v)
{
	r->e->smtputf8 = true;
	return v.len == 0 ? 0 : wrong(r, "nothing belongs here");
}

static int
get_requiretls(struct reading *r, struct span v)
{
	r->e->requiretls = true;
	return v.len == 0 ? 0 : wrong(r, "nothing belongs here");
}

bool
envelope_key_ok(struct span key)
{
	if (key.len == 0 || key.len >= LIMIT_KEY)
		return false;
	for (size_t i = 0; i < key.len; i++)
		if (!(key.s[i] >= '0' && key.s[i] <= '9') && !(key.s[i] >= 'a' && key.s[i] <= 'z'))
			return false;
	return true;
}

static int
get_key(struct reading *r, struct span v)
{
	struct span key = span_cut(&v, ' ');

	if (!envelope_key_ok(key) || (v.s != NULL && !span_is(v, "again")))
		return wrong(r, "no delivery key");
	memcpy(r->e->key, key.s, key.len);
	r->e->key[key.len] = '\0';
	r->e->again = v.s != NULL;
	return 0;
}

static int
get_hold(struct reading *r, struct span v)
{
	return get_text(r, v, &r->e->held);
}

static int
get_ret(struct reading *r, struct span v)
{
	return get_word(r, v, &r->e->ret);
}

static int
get_envid(struct reading *r, struct span v)
{
	return get_word(r, v, &r->e->envid);
}

static int
get_rcpts(struct reading *r, struct span v)
{
	uint64_t n;

	/* A recipient's line is longer than this; so a number that is wrong
	 * takes no memory. */
	if (num_parse(v, r->all.len / MARK_OCTETS, &n) == -1)
		return wrong(r, "no number of recipients");
	r->e->rcpt_count = (size_t)n;
	r->e->rcpts = arena_alloc(r->mem, (size_t)(n + 1) *
	    sizeof(*r->e->rcpts));
	r->counted = true;
	return 0;
}

static const struct {
	const char *name;
	bool needed;
	int (*get)(struct reading *, struct span);
} fields[] = {
	{ "id", true, get_id },
	{ "arrived", true, get_arrived },
	{ "sender", true, get_sender },
	{ "octets", true, get_octets },
	{ "head", true, get_head },
	{ "client", true, get_client },
	{ "body", true, get_body },
	{ "smtputf8", false, get_smtputf8 },
	{ "requiretls", false, get_requiretls },
	{ "key", false, get_key },
	{ "hold", false, get_hold },
	{ "ret", false, get_ret },
	{ "envid", false, get_envid },
	{ "rcpts", true, get_rcpts },
};

static int
read_field(struct reading *r, struct span line)
{
	struct span name = span_cut(&line, ' ');
	size_t i;

	if (line.s == NULL)
		line = SPAN("");
	for (i = 0; i < COUNT(fields); i++) {
		if (!span_is(name, fields[i].name))
			continue;
		if ((r->seen & 1u << i) != 0)
			return wrong(r, "this field was there already");
		r->seen |= 1u << i;
		return fields[i].get(r, line);
	}
	return wrong(r, "no field has this name");
}

static int
get_notify(struct span v, unsigned *out)
{
	*out = 0;
	return span_is(v, "-") ? 0 : notify_parse(v, out);
}

static int
get_mark(struct span line, struct env_rcpt *rcpt)
{
	uint64_t n;

	if (line.len <= MARK_OCTETS || strchr("TWSDB", line.s[0]) == NULL ||
	    line.s[1] != ' ' || line.s[MARK_OCTETS] != ' ' ||
	    num_parse((struct span){ line.s + 2, 4 }, 9999, &n) == -1)
		return -1;
	rcpt->status = (enum rcpt_status)line.s[0];
	rcpt->attempts = (unsigned)n;
	return 0;
}

static int
read_rcpt(struct reading *r, struct span line)
{
	struct env_rcpt *rcpt = &r->e->rcpts[r->rcpts];
	struct span rest, action, address, orcpt;

	if (get_mark(line, rcpt) == -1)
		return wrong(r, "not a recipient");
	rcpt->offset = (off_t)(line.s - r->all.s);
	rcpt->last = "";
	rest = (struct span){ line.s + MARK_OCTETS + 1,
		line.len - MARK_OCTETS - 1 };
	action = span_cut(&rest, ' ');
	address = rest.s == NULL ? rest : span_cut(&rest, ' ');
	orcpt = rest.s == NULL ? rest : span_cut(&rest, ' ');
	if (rest.s == NULL)
		return wrong(r, "a recipient cut short");
	if (span_is(action, action_names[RCPT_LOCAL]))
		rcpt->action = RCPT_LOCAL;
	else if (span_is(action, action_names[RCPT_RELAY]))
		rcpt->action = RCPT_RELAY;
	else
		return wrong(r, "no action has this name");
	if (get_notify(rest, &rcpt->notify) == -1)
		return wrong(r, "no NOTIFY has this name");
	if (get_word(r, address, &rcpt->address) == -1 ||
	    get_word(r, orcpt, &rcpt->orcpt) == -1)
		return -1;
	r->rcpts++;
	return 0;
}

static int
read_note(struct reading *r, struct span line)
{
	struct span name = span_cut(&line, ' ');
	struct span when = line.s == NULL ? line : span_cut(&line, ' ');
	struct span rcpt = line.s == NULL ? line : span_cut(&line, ' ');
	uint64_t n;

	if (!span_is(name, "note") || line.s == NULL ||
	    num_parse(when, INT64_MAX, &n) == -1 ||
	    num_parse(rcpt, r->rcpts, &n) == -1 || n == 0)
		return wrong(r, "not a note");
	return get_text(r, line, &r->e->rcpts[n - 1].last);
}

static int
read_line(struct reading *r, struct span line)
{
	if (r->line == 1)
		return span_is(line, FIRST_LINE) ? 0 :
		    wrong(r, "not an envelope of version 1");
	if (!r->counted)
		return read_field(r, line);
	if (r->rcpts < r->e->rcpt_count)
		return read_rcpt(r, line);
	return read_note(r, line);
}

static int
check_whole(struct reading *r)
{
	size_t i;

	for (i = 0; i < COUNT(fields); i++)
		if (fields[i].needed && (r->seen & 1u << i) == 0) {
			buf_addf(r->why, "the field %s is missing",
			    fields[i].name);
			return -1;
		}
	if (r->rcpts != r->e->rcpt_count) {
		if (memchr(r->all.s, '\0', r->all.len) != NULL)
			buf_adds(r->why, "NUL octets: it was not written out; ");
		buf_addf(r->why, "%zu of %zu recipients are missing",
		    r->e->rcpt_count - r->rcpts, r->e->rcpt_count);
		return -1;
	}
	return 0;
}

static int
read_all(struct reading *r)
{
	const char *nul = memchr(r->all.s, '\0', r->all.len);
	struct span line;

	/*
	 * After a power cut the file may have the length of its newest note but not
	 * the note: NULs are there instead. As with a note that was cut off, what
	 * is in front of them counts; NULs among the fields or recipients do not parse.
	 */
	r->rest = r->all;
	if (nul != NULL)
		r->rest.len = (size_t)(nul - r->all.s);
	for (r->line = 1; r->rest.s != NULL && r->rest.len > 0; r->line++) {
		line = span_cut(&r->rest, '\n');
		/* A note whose writing was cut off is no loss. */
		if (r->rest.s == NULL && r->counted &&
		    r->rcpts == r->e->rcpt_count)
			break;
		if (r->rest.s == NULL)
			return wrong(r, "a line without its end");
		if (read_line(r, line) == -1)
			return -1;
	}
	return check_whole(r);
}

/* The file's octets in the arena. Most need one pread. */
static int
slurp(int fd, struct arena *mem, struct span *out)
{
	char first[4096];
	ssize_t n = pread(fd, first, sizeof(first), 0);
	struct stat st;
	size_t have;
	char *s;

	if (n == -1)
		return -1;
	if ((size_t)n < sizeof(first)) {
		*out = (struct span){ arena_dupn(mem, first, (size_t)n),
			(size_t)n };
		return 0;
	}
	if (fstat(fd, &st) == -1)
		return -1;
	if (st.st_size > LIMIT_ENVELOPE) {
		errno = EFBIG;
		return -1;
	}
	s = arena_alloc(mem, (size_t)st.st_size + 1);
	for (have = 0; have < (size_t)st.st_size; have += (size_t)n) {
		n = pread(fd, s + have, (size_t)st.st_size - have, (off_t)have);
		if (n == -1)
			return -1;
		if (n == 0)
			break;
	}
	*out = (struct span){ s, have };
	return 0;
}

static struct reading
begin_reading(struct arena *mem, struct envelope *out, struct buf *why)
{
	memset(out, 0, sizeof(*out));
	out->sender = out->client = out->held = out->ret = out->envid = "";
	return (struct reading){ .mem = mem, .e = out, .why = why };
}

int
envelope_parse(struct span text, struct arena *mem, struct envelope *out, struct span *kept, struct buf *why)
{
	struct reading r = begin_reading(mem, out, why);

	r.all = (struct span){ arena_dupn(mem, text.s, text.len), text.len };
	if (kept != NULL)
		*kept = (struct span){ arena_dupn(mem, text.s, text.len), text.len }; /* reading decodes in place */
	return read_all(&r);
}

int
envelope_read(int fd, struct arena *mem, struct envelope *out, struct buf *why)
{
	struct reading r = begin_reading(mem, out, why);

	if (slurp(fd, mem, &r.all) == -1) {
		buf_addf(why, "cannot read: %s", strerror(errno));
		return -1;
	}
	return read_all(&r);
}

/* --- changing ------------------------------------------------------------ */

int
envelope_mark(int fd, const struct env_rcpt *r)
{
	struct buf mark = BUF_INIT(2 * MARK_OCTETS);
	ssize_t n;

	add_mark(&mark, r);
	n = pwrite(fd, mark.s, mark.len, r->offset);
	buf_free(&mark);
	if (n == MARK_OCTETS)
		return 0;
	if (n >= 0)
		errno = EIO;
	return -1;
}

int
envelope_note(int fd, size_t rcpt, int64_t when_s, const char *reply)
{
	struct buf line = BUF_INIT(8 * LIMIT_SMTP_REPLY);
	off_t whole = lseek(fd, 0, SEEK_END), end = whole;
	ssize_t n = -1;
	char last = '\n';

	if (end == -1)
		return -1;
	/* The remains of a note whose writing was cut off go. */
	while (end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n')
		end--;
	if (end != whole && ftruncate(fd, end) == -1)
		return -1;
	buf_addf(&line, "note %lld %zu ", (long long)when_s, rcpt + 1);
	add_text(&line, reply);
	if (buf_over(&line))
		errno = EMSGSIZE;
	else {
		buf_addc(&line, '\n');
		n = pwrite(fd, line.s, line.len, end);
		if (n >= 0 && (size_t)n != line.len) {
			n = -1;
			/* What remains is cut off by the next note. */
			if (ftruncate(fd, end) == 0)
				errno = EIO;
		}
	}
	buf_free(&line);
	return n == -1 ? -1 : 0;
}
