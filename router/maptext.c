/*
 * maptext: text maps, read entry by entry.
 *
 * Knows lines, comments, continuations and commands; what keys and values mean
 * is for build.c. Holds one entry in memory, however large the map is.
 */
#include "router/maptext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

#define COMMAND_TIMEOUT_S 300 /* a directory of a million people takes a while */
#define COMMAND_WORDS 64
#define READ_OCTETS 65536

struct source {
	int fd;
	unsigned line;      /* of the last physical line read */
	char in[READ_OCTETS];
	size_t pos, end;
	struct buf ahead;   /* a physical line that is read and not used */
	bool has_ahead;
};

struct maptext {
	const char *file;
	int tmp_fd;
	struct report *report;
	struct source *source, *outer; /* outer: the map, while a command's output is read */
	unsigned line, command_line;
	bool only_lines;
	struct buf entry;
};

void
maptext_error(struct maptext *t, const char *text, ...)
{
	struct buf b = BUF_INIT(2000);
	va_list ap;

	if (t->outer != NULL)
		buf_addf(&b, "line %u of the command's output: ", t->line);
	va_start(ap, text);
	buf_addv(&b, text, ap);
	va_end(ap);
	report_error(t->report, t->file, t->outer != NULL ? t->command_line :
	    t->line, "%s", buf_str(&b));
	buf_free(&b);
}

/* --- physical lines ------------------------------------------------------ */

static struct source *
source_open(int fd)
{
	struct source *s = mem_alloc(1, sizeof(*s));

	s->fd = fd;
	buf_init(&s->ahead, LIMIT_MAP_LINE);
	return s;
}

static void
source_close(struct source *s)
{
	if (s == NULL)
		return;
	file_close(s->fd);
	buf_free(&s->ahead);
	explicit_bzero(s->in, sizeof(s->in)); /* it may have held secrets */
	free(s);
}

/* More octets into s->in. False at the end. */
static bool
refill(struct maptext *t, struct source *s)
{
	ssize_t n;

	do
		n = read(s->fd, s->in, sizeof(s->in));
	while (n == -1 && errno == EINTR);
	if (n == -1)
		report_error(t->report, t->file, s->line, "cannot read: %s",
		    strerror(errno));
	s->pos = 0;
	s->end = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* The next line into s->ahead, without its end. False at the end. */
static bool
read_line(struct maptext *t, struct source *s)
{
	const char *from, *newline = NULL;
	bool any = false;

	buf_reset(&s->ahead);
	while (newline == NULL) {
		if (s->pos == s->end && !refill(t, s))
			break;
		any = true;
		from = s->in + s->pos;
		newline = memchr(from, '\n', s->end - s->pos);
		buf_add(&s->ahead, from, newline != NULL ?
		    (size_t)(newline - from) : s->end - s->pos);
		s->pos = newline != NULL ? (size_t)(newline + 1 - s->in) :
		    s->end;
	}
	s->line += any;
	return any;
}

/* Is this a line to go on with? Faults of a physical line are found here. */
static bool
usable(struct maptext *t, struct source *s, struct span line)
{
	unsigned keep = t->line;
	const char *what = NULL;
	size_t i;

	if (buf_over(&s->ahead))
		what = "the line is longer than 65536 octets: split the entry";
	else if (!utf8_valid(line.s, line.len))
		what = "the line is not UTF-8";
	for (i = 0; i < line.len && what == NULL; i++)
		if (((unsigned char)line.s[i] < ' ' && line.s[i] != '\t') ||
		    line.s[i] == 0x7f)
			what = "the line holds a control character";
	if (what == NULL)
		return true;
	t->line = s->line;
	maptext_error(t, "%s", what);
	t->line = keep;
	return false;
}

/* --- entries ------------------------------------------------------------- */

/* The lines of one entry into t->entry. False at the end of the source. */
static bool
read_entry(struct maptext *t, struct source *s)
{
	struct span line;
	bool begun = false;

	buf_reset(&t->entry);
	for (;; s->has_ahead = false) {
		if (!s->has_ahead && !read_line(t, s))
			break;
		s->has_ahead = true;
		line = words_line(buf_span(&s->ahead));
		if (line.len == 0 || !usable(t, s, line))
			continue;
		if (!ascii_space((unsigned char)line.s[0])) {
			if (begun)
				break; /* it is the next one's */
			begun = true;
			t->line = s->line;
			buf_addspan(&t->entry, line);
			continue;
		}
		if (!begun) {
			t->line = s->line;
			maptext_error(t, "the line begins with a blank and "
			    "there is no entry that it continues");
			continue;
		}
		buf_addc(&t->entry, ' ');
		buf_addspan(&t->entry, span_trim(line));
	}
	return begun;
}

/* --- commands ------------------------------------------------------------ */

static int
command_words(struct maptext *t, struct span text, struct arena *mem,
    char *argv[COMMAND_WORDS + 1])
{
	struct buf why = BUF_INIT(500);
	int rv = words_argv(text, mem, argv, COMMAND_WORDS, &why);

	if (rv == -1)
		maptext_error(t, "%s", buf_str(&why));
	buf_free(&why);
	return rv;
}

/* Did it end well? If not, say how. */
static bool
command_went_well(struct maptext *t, const char *command, int status)
{
	if (status == -1 && errno == ETIMEDOUT)
		maptext_error(t, "%s took longer than %d seconds", command,
		    COMMAND_TIMEOUT_S);
	else if (status == -1)
		maptext_error(t, "cannot run %s: %s", command, strerror(errno));
	else if (WIFSIGNALED(status))
		maptext_error(t, "%s was ended by signal %d", command,
		    WTERMSIG(status));
	else if (WEXITSTATUS(status) == 127)
		maptext_error(t, "cannot run %s: is its path right?", command);
	else if (WEXITSTATUS(status) != 0)
		maptext_error(t, "%s failed with exit status %d", command,
		    WEXITSTATUS(status));
	else
		return true;
	return false;
}

/* A command runs as whoever compiles, root as a rule: nobody else may have written it down. */
static bool
may_run(struct maptext *t)
{
	struct stat st;

	if (t->only_lines)
		maptext_error(t, "a list runs no commands");
	else if (t->outer != NULL)
		maptext_error(t, "a command's output cannot run commands");
	else if (fstat(t->source->fd, &st) == -1)
		maptext_error(t, "cannot look at the file: %s", strerror(errno));
	else if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & S_IWOTH) != 0 ||
	    ((st.st_mode & S_IWGRP) != 0 && geteuid() == 0 && st.st_gid != 0))
		maptext_error(t, "no command is run from a file that others may write: chown it to root, and chmod go-w %s",
		    t->file);
	else
		return true;
	return false;
}

/* Run what the entry says; its output is read next. */
static void
begin_command(struct maptext *t)
{
	struct arena *mem = arena_new();
	char *argv[COMMAND_WORDS + 1] = { NULL };
	struct span text = buf_span(&t->entry);
	bool linkable;
	int fd = -1;

	text = (struct span){ text.s + 1, text.len - 1 };
	if (!may_run(t))
		goto out;
	if (command_words(t, text, mem, argv) == -1)
		goto out;
	fd = file_unnamed_at(t->tmp_fd, 0600, &linkable);
	if (fd == -1) {
		maptext_error(t, "cannot keep the output of %s: %s", argv[0],
		    strerror(errno));
		goto out;
	}
	if (!command_went_well(t, argv[0], proc_run(argv, fd,
	    COMMAND_TIMEOUT_S)))
		goto out;
	if (lseek(fd, 0, SEEK_SET) == -1) {
		maptext_error(t, "cannot read the output of %s: %s", argv[0],
		    strerror(errno));
		goto out;
	}
	t->command_line = t->line;
	t->outer = t->source;
	t->source = source_open(fd);
	fd = -1;
out:
	file_close(fd);
	arena_free(mem);
}

static void
end_command(struct maptext *t)
{
	source_close(t->source);
	t->source = t->outer;
	t->outer = NULL;
}

/* --- the map ------------------------------------------------------------- */

struct maptext *
maptext_open(const char *file, int tmp_fd, struct report *report)
{
	struct maptext *t;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd == -1 && errno == ENOENT)
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		report_error(report, file, 0, "cannot read: %s",
		    strerror(errno));
		return NULL;
	}
	t = mem_alloc(1, sizeof(*t));
	t->file = file;
	t->tmp_fd = tmp_fd;
	t->report = report;
	t->source = source_open(fd);
	buf_init(&t->entry, LIMIT_MAP_LINE);
	return t;
}

void
maptext_only_lines(struct maptext *t)
{
	t->only_lines = true;
}

bool
maptext_next(struct maptext *t, struct map_entry_text *out)
{
	for (;;) {
		if (!read_entry(t, t->source)) {
			if (t->outer == NULL)
				return false;
			end_command(t);
			continue;
		}
		if (buf_over(&t->entry)) {
			maptext_error(t, "the entry is longer than %d octets: "
			    "split it", LIMIT_MAP_LINE);
			continue;
		}
		if (t->entry.s[0] == '!') {
			begin_command(t);
			continue;
		}
		words_entry(buf_span(&t->entry), &out->key, &out->value);
		out->line = t->outer != NULL ? t->command_line : t->line;
		return true;
	}
}

void
maptext_close(struct maptext *t)
{
	if (t == NULL)
		return;
	if (t->outer != NULL)
		end_command(t);
	source_close(t->source);
	buf_wipe(&t->entry);
	buf_free(&t->entry);
	free(t);
}
