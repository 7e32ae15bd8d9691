/*
 * textmap: a text map changed in place. Knows lines, entries, comments and
 * words (DESIGN section 6); not what they mean. Lines of commands ("!...") are
 * nobody's entry: what a command says cannot be edited.
 */
#include "lib/store/textmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define COMPILE_S 600
#define LOCK_TRIES 300 /* of a tenth of a second */
#define TEXT_MAX (256u * 1024 * 1024) /* octets: a million people's map has 100 M */

int
textmap_open(struct textmap *m, int etc_fd, const char *file, mode_t mode)
{
	memset(m, 0, sizeof(*m));
	m->file = file;
	buf_init(&m->text, TEXT_MAX);
	buf_init(&m->before, TEXT_MAX);
	m->st.st_mode = mode;
	m->st.st_uid = (uid_t)-1;
	m->st.st_gid = (gid_t)-1;
	if (fstatat(etc_fd, file, &m->st, 0) == -1)
		return errno == ENOENT ? 0 : -1;
	m->existed = true;
	if (file_slurp_at(etc_fd, file, &m->text) == -1)
		return -1;
	buf_add(&m->before, m->text.s, m->text.len);
	return 0;
}

void
textmap_close(struct textmap *m)
{
	buf_wipe(&m->text);
	buf_wipe(&m->before);
	buf_free(&m->text);
	buf_free(&m->before);
}

/* --- lines ---------------------------------------------------------------- */

enum kind { NOTHING, BEGINS, CONTINUES };

/* The line that starts at at, without its LF; *end is behind it. */
static struct span
line_at(const struct textmap *m, size_t at, size_t *end)
{
	const char *s = m->text.s + at;
	const char *lf = memchr(s, '\n', m->text.len - at);

	*end = lf == NULL ? m->text.len : (size_t)(lf - m->text.s) + 1;
	return (struct span){ s, (lf == NULL ? m->text.len : (size_t)(lf - m->text.s)) - at };
}

static enum kind
kind_of(struct span line)
{
	line = words_line(line);
	if (line.len == 0)
		return NOTHING;
	return ascii_space((unsigned char)line.s[0]) ? CONTINUES : BEGINS;
}

/* --- entries -------------------------------------------------------------- */

/* The values of the lines that continue it. */
static void
add_continuations(const struct textmap *m, struct textmap_entry *e)
{
	struct span line;
	size_t end;

	for (size_t at = e->end; at < m->text.len; at = end) {
		line = line_at(m, at, &end);
		if (kind_of(line) == BEGINS)
			return;
		if (kind_of(line) == NOTHING)
			continue;
		buf_addc(&e->value, ' ');
		buf_addspan(&e->value, span_trim(words_line(line)));
	}
}

bool
textmap_next(const struct textmap *m, size_t *at, struct textmap_entry *e)
{
	struct span line, value;
	unsigned number = *at == 0 ? 0 : e->line;
	size_t end;

	if (*at != 0)
		buf_free(&e->value);
	for (; *at < m->text.len; *at = end) {
		line = line_at(m, *at, &end);
		number++;
		if (kind_of(line) != BEGINS || line.s[0] == '!')
			continue;
		*e = (struct textmap_entry){ .start = *at, .end = end, .line = number };
		words_entry(words_line(line), &e->key, &value);
		buf_init(&e->value, TEXT_MAX);
		buf_addspan(&e->value, value);
		add_continuations(m, e);
		*at = end;
		return true;
	}
	return false;
}

bool
textmap_find(const struct textmap *m, bool (*same)(void *, struct span), void *arg,
    struct textmap_entry *e)
{
	size_t at = 0;

	while (textmap_next(m, &at, e))
		if (same(arg, e->key))
			return true;
	return false;
}

/* --- changes -------------------------------------------------------------- */

/* Octets [from, to) become s. */
static void
exchange(struct textmap *m, size_t from, size_t to, const char *s)
{
	struct buf made = BUF_INIT(TEXT_MAX);

	buf_add(&made, m->text.s, from);
	buf_adds(&made, s);
	buf_add(&made, m->text.s + to, m->text.len - to);
	buf_wipe(&m->text);
	buf_free(&m->text);
	m->text = made;
}

void
textmap_append(struct textmap *m, const char *line)
{
	if (m->text.len > 0 && m->text.s[m->text.len - 1] != '\n')
		buf_addc(&m->text, '\n');
	buf_adds(&m->text, line);
	buf_addc(&m->text, '\n');
}

/* Last first, so that what is in front stays where it is. */
static void
remove_continuations(struct textmap *m, size_t from)
{
	struct span line;
	size_t end;

	for (size_t at = from; at < m->text.len;) {
		line = line_at(m, at, &end);
		if (kind_of(line) == BEGINS)
			return;
		if (kind_of(line) == CONTINUES)
			exchange(m, at, end, "");
		else
			at = end;
	}
}

void
textmap_remove(struct textmap *m, const struct textmap_entry *e)
{
	remove_continuations(m, e->end);
	exchange(m, e->start, e->end, "");
}

void
textmap_replace(struct textmap *m, const struct textmap_entry *e, const char *line)
{
	char *with = mem_fmt("%s\n", line);

	remove_continuations(m, e->end);
	exchange(m, e->start, e->end, with);
	explicit_bzero(with, strlen(with));
	free(with);
}

void
textmap_add_word(struct textmap *m, const struct textmap_entry *e, const char *word)
{
	char *with = mem_fmt(" %s", word);

	exchange(m, e->start + e->key.len, e->start + e->key.len, with);
	free(with);
}

void
textmap_continue(struct textmap *m, const struct textmap_entry *e, const char *words)
{
	size_t behind = e->end, end;
	char *line;

	for (size_t at = e->end; at < m->text.len; at = end) {
		enum kind kind = kind_of(line_at(m, at, &end));

		if (kind == BEGINS)
			break;
		if (kind == CONTINUES)
			behind = end;
	}
	line = mem_fmt("%s\t%s\n", m->text.s[behind - 1] == '\n' ? "" : "\n", words);
	exchange(m, behind, behind, line);
	free(line);
}

/* "name=" stands for that word with any value. */
static bool
is_word(struct span s, const char *word)
{
	size_t n = strlen(word);

	return word[n - 1] == '=' ? s.len >= n && memcmp(s.s, word, n) == 0 : span_is(s, word);
}

/* Where the word stands in a line, with the blanks before it; false: nowhere. */
static bool
word_in(struct span line, size_t from, const char *word, size_t *start, size_t *end)
{
	struct span found, rest;
	size_t i = from, blanks;

	line = words_line(line);
	while (i < line.len) {
		blanks = i;
		while (i < line.len && ascii_space((unsigned char)line.s[i]))
			i++;
		words_entry((struct span){ line.s + i, line.len - i }, &found, &rest);
		i += found.len;
		if (is_word(found, word)) {
			*start = blanks;
			*end = i;
			return true;
		}
	}
	return false;
}

void
textmap_drop_word(struct textmap *m, const struct textmap_entry *e, const char *word)
{
	size_t at = e->start, end, a, b, from = e->key.len;
	struct span line;

	for (; at < m->text.len; at = end, from = 0) {
		line = line_at(m, at, &end);
		if (at != e->start && kind_of(line) == BEGINS)
			return;
		while (word_in(line, from, word, &a, &b)) {
			exchange(m, at + a, at + b, "");
			line = line_at(m, at, &end);
		}
	}
}

/* --- the file ------------------------------------------------------------- */

static int
put(const struct textmap *m, int etc_fd, const struct buf *text)
{
	if (buf_over(text)) {
		errno = EFBIG;
		return -1;
	}
	if (file_replace_at(etc_fd, m->file, text->s, text->len, m->st.st_mode & 07777) == -1)
		return -1;
	/* Only root can, and only root need. */
	if (m->existed && geteuid() == 0)
		return fchownat(etc_fd, m->file, m->st.st_uid, m->st.st_gid, 0);
	return 0;
}

int
textmap_write(const struct textmap *m, int etc_fd)
{
	if (m->text.len == m->before.len &&
	    (m->text.len == 0 || memcmp(m->text.s, m->before.s, m->text.len) == 0))
		return 0;
	return put(m, etc_fd, &m->text);
}

int
textmap_restore(const struct textmap *m, int etc_fd)
{
	return m->existed ? put(m, etc_fd, &m->before) : unlinkat(etc_fd, m->file, 0);
}

/* --- people at work on maps ----------------------------------------------- */

int
textmap_lock(int etc_fd)
{
	for (int i = 0; flock(etc_fd, LOCK_EX | LOCK_NB) == -1; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -1;
		usleep(100000);
	}
	return 0;
}

int
textmap_compile(const struct instance *inst)
{
	char *path = instance_path(instance_libexec(), "compile");
	char option[] = "-C";
	char *argv[] = { path, inst->root == NULL ? NULL : option, inst->root, NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int status = null == -1 ? -1 : proc_run(argv, null, COMPILE_S);

	errno = status == -1 ? errno : 0;
	file_close(null);
	free(path);
	return status == 0 ? 0 : -1;
}
