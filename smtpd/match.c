/*
 * match: many strings looked for at once (Aho and Corasick, 1975).
 *
 * Each string is cut at its '*' into pieces; an automaton finds all pieces of all strings in one pass, however many there
 * are. A string is found when its pieces were, one behind the other: the earliest end of each is always good enough.
 * Knows octets; whose rules they are is filter.c's business.
 */
#include "smtpd/match.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"

#define NONE UINT32_MAX

struct node {
	uint32_t fail;
	uint32_t pieces; /* the first piece that ends here */
	uint32_t others; /* the next shorter node at which some piece ends */
};

struct piece {
	unsigned string, at, len; /* its place in the string */
	uint32_t next;            /* of those that end at the same node */
};

struct string {
	unsigned number, scopes, pieces;
	/* in the text */
	uint64_t text, end; /* which; behind the last piece found */
	unsigned have;
};

struct match {
	bool fold, built;
	unsigned char class[256]; /* octets that no string has are class 0 */
	unsigned classes;
	struct node *nodes;
	uint32_t *next;           /* nodes * classes */
	size_t n, room;
	struct piece *pieces;
	size_t piece_count;
	struct string *strings;
	size_t string_count;
	struct buf texts;         /* the strings, until they are built in */
	/* the text */
	uint32_t at;
	uint64_t text, position;
	unsigned scope;
	bool blank;
	int found;
};

struct match *
match_new(bool fold)
{
	struct match *m = mem_alloc(1, sizeof(*m));

	m->fold = fold;
	m->found = -1;
	buf_init(&m->texts, SIZE_MAX / 2);
	return m;
}

void
match_free(struct match *m)
{
	if (m == NULL)
		return;
	free(m->nodes);
	free(m->next);
	free(m->pieces);
	free(m->strings);
	buf_free(&m->texts);
	free(m);
}

static bool
is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static unsigned char
plain(const struct match *m, unsigned char c)
{
	if (is_blank(c))
		return ' ';
	return m->fold ? (unsigned char)ascii_lower(c) : c;
}

void
match_add(struct match *m, struct span string, unsigned scopes, unsigned number)
{
	bool blank = false;

	m->strings = mem_grow(m->strings, m->string_count + 1, sizeof(*m->strings));
	m->strings[m->string_count++] = (struct string){ .number = number, .scopes = scopes };
	for (size_t i = 0; i < string.len; i++) {
		unsigned char c = plain(m, (unsigned char)string.s[i]);

		if (c == ' ' && blank)
			continue;
		blank = c == ' ';
		buf_addc(&m->texts, (char)c);
		if (c != '*' && m->class[c] == 0)
			m->class[c] = (unsigned char)++m->classes;
	}
	buf_addc(&m->texts, '\0');
}

/* --- the automaton -------------------------------------------------------- */

static uint32_t *
edge(const struct match *m, uint32_t node, unsigned class)
{
	return &m->next[(size_t)node * (m->classes + 1) + class];
}

static uint32_t
new_node(struct match *m)
{
	if (m->n == m->room) {
		m->room = m->room == 0 ? 64 : 2 * m->room;
		m->nodes = mem_grow(m->nodes, m->room, sizeof(*m->nodes));
		m->next = mem_grow(m->next, m->room * (m->classes + 1), sizeof(*m->next));
	}
	m->nodes[m->n] = (struct node){ 0, NONE, NONE };
	for (unsigned c = 0; c <= m->classes; c++)
		*edge(m, (uint32_t)m->n, c) = NONE;
	return (uint32_t)m->n++;
}

static void
add_piece(struct match *m, unsigned string, struct span text)
{
	uint32_t at = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned class = m->class[(unsigned char)text.s[i]];

		if (*edge(m, at, class) == NONE) {
			uint32_t fresh = new_node(m); /* moves m->next */

			*edge(m, at, class) = fresh;
		}
		at = *edge(m, at, class);
	}
	m->pieces = mem_grow(m->pieces, m->piece_count + 1, sizeof(*m->pieces));
	m->pieces[m->piece_count] = (struct piece){ string, m->strings[string].pieces++, (unsigned)text.len,
		m->nodes[at].pieces };
	m->nodes[at].pieces = (uint32_t)m->piece_count++;
}

static void
add_strings(struct match *m)
{
	const char *s = buf_str(&m->texts);

	for (unsigned i = 0; i < m->string_count; i++, s += strlen(s) + 1) {
		struct span rest = span_of(s);

		while (rest.s != NULL) {
			struct span piece = span_cut(&rest, '*');

			if (piece.len > 0)
				add_piece(m, i, piece);
		}
	}
}

/* Breadth first: where a string does not go on, the longest end of it that begins another does. */
static void
link_node(struct match *m, uint32_t from, unsigned class, uint32_t *queue, size_t *last)
{
	uint32_t other = from == 0 ? 0 : *edge(m, m->nodes[from].fail, class);
	uint32_t to = *edge(m, from, class);

	if (to == NONE) {
		*edge(m, from, class) = other == NONE ? 0 : other;
		return;
	}
	m->nodes[to].fail = other;
	m->nodes[to].others = m->nodes[other].pieces != NONE ? other : m->nodes[other].others;
	queue[(*last)++] = to;
}

static void
build(struct match *m)
{
	uint32_t *queue;
	size_t first = 0, last = 1;

	(void)new_node(m);
	add_strings(m);
	buf_free(&m->texts);
	queue = mem_alloc(m->n + 1, sizeof(*queue));
	queue[0] = 0;
	for (; first < last; first++)
		for (unsigned c = 0; c <= m->classes; c++)
			link_node(m, queue[first], c, queue, &last);
	free(queue);
	m->built = true;
}

/* --- a text --------------------------------------------------------------- */

void
match_begin(struct match *m, unsigned scope)
{
	if (!m->built)
		build(m);
	m->at = 0;
	m->text++;
	m->position = 0;
	m->scope = scope;
	m->blank = false;
}

static void
piece_found(struct match *m, const struct piece *p)
{
	struct string *s = &m->strings[p->string];

	if (s->text != m->text) {
		s->text = m->text;
		s->have = 0;
		s->end = 0;
	}
	if ((s->scopes & m->scope) == 0 || p->at != s->have || m->position - p->len < s->end)
		return;
	s->end = m->position;
	if (++s->have == s->pieces && (m->found == -1 || s->number < (unsigned)m->found))
		m->found = (int)s->number;
}

static void
pieces_found(struct match *m)
{
	for (uint32_t node = m->at; node != NONE; node = m->nodes[node].others)
		for (uint32_t p = m->nodes[node].pieces; p != NONE; p = m->pieces[p].next)
			piece_found(m, &m->pieces[p]);
}

void
match_feed(struct match *m, struct span octets)
{
	for (size_t i = 0; i < octets.len; i++) {
		unsigned char c = plain(m, (unsigned char)octets.s[i]);

		if (c == ' ' && m->blank)
			continue;
		m->blank = c == ' ';
		m->at = *edge(m, m->at, m->class[c]);
		m->position++;
		if (m->nodes[m->at].pieces != NONE || m->nodes[m->at].others != NONE)
			pieces_found(m);
	}
}

int
match_found(const struct match *m)
{
	return m->found;
}

void
match_reset(struct match *m)
{
	m->found = -1;
}
