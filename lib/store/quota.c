/*
 * quota: what a mailbox holds, by its file maildirsize.
 *
 * Knows that file and how a maildir with folders is counted. What follows from a full mailbox is for those who ask.
 */
#include "lib/store/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/store/maildir.h"
#include "lib/sys/file.h"

#define NAME "maildirsize"
#define LONG 5120 /* octets of the file: beyond it is counted anew, as Maildir++ has it */

int
quota_parse(struct span text, struct quota *out)
{
	*out = (struct quota){ 0 };
	while (text.s != NULL) {
		struct span part = span_trim(span_cut(&text, ','));
		const size_t tail = strlen("msgs");
		bool messages = part.len > tail && memcmp(part.s + part.len - tail, "msgs", tail) == 0;
		uint64_t *limit = messages ? &out->messages : &out->octets;

		if (messages)
			part.len -= tail;
		if (*limit != 0 || (messages ? num_parse(part, INT64_MAX, limit) : num_size(part, INT64_MAX, limit)) == -1 ||
		    *limit == 0)
			return -1;
	}
	return 0;
}

bool
quota_given(const struct quota *q)
{
	return q->octets != 0 || q->messages != 0;
}

/* --- the mailbox, counted -------------------------------------------------- */

static DIR *
open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (dir == NULL)
		file_close(fd);
	return dir;
}

static int
count_messages(int folder, const char *sub, struct quota *use)
{
	DIR *dir = open_dir(folder, sub);
	struct dirent *e;

	if (dir == NULL)
		return errno == ENOENT ? 0 : -1;
	while ((e = readdir(dir)) != NULL) {
		struct maildir_name name;
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		maildir_name_parse(span_of(e->d_name), &name);
		if (!name.has_size && fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			name.size = (uint64_t)st.st_size;
		use->octets += name.size;
		use->messages++;
	}
	closedir(dir);
	return 0;
}

static int
count_folder(int folder, struct quota *use)
{
	return count_messages(folder, "new", use) == 0 ? count_messages(folder, "cur", use) : -1;
}

/* The mailbox and its folders; what is in the bin is as good as gone (Maildir++). */
static int
count_all(int maildir, struct quota *use)
{
	DIR *dir = open_dir(maildir, ".");
	struct dirent *e;
	int rv;

	*use = (struct quota){ 0 };
	if (dir == NULL)
		return -1;
	rv = count_folder(maildir, use);
	while (rv == 0 && (e = readdir(dir)) != NULL) {
		int folder;

		if (e->d_name[0] != '.' || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    strcmp(e->d_name, ".Trash") == 0)
			continue;
		folder = openat(maildir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (folder == -1)
			continue;
		rv = count_folder(folder, use);
		file_close(folder);
	}
	closedir(dir);
	return rv;
}

/* --- its file ---------------------------------------------------------------- */

static void
add_limits(struct buf *out, const struct quota *q)
{
	if (q->octets != 0)
		buf_addf(out, "%" PRIu64 "S", q->octets);
	if (q->messages != 0)
		buf_addf(out, "%s%" PRIu64 "C", q->octets != 0 ? "," : "", q->messages);
	buf_addc(out, '\n');
}

/* Not synced: what a power cut takes is counted anew. */
static int
write_file(int maildir, const struct quota *q, const struct quota *use)
{
	static unsigned serial;
	struct buf text = BUF_INIT(256);
	char tmp[64];
	int fd, rv = -1;

	snprintf(tmp, sizeof(tmp), "tmp/" NAME ".%ld.%u", (long)getpid(), ++serial);
	add_limits(&text, q);
	buf_addf(&text, "%" PRIu64 " %" PRIu64 "\n", use->octets, use->messages);
	fd = openat(maildir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd != -1 && file_write_all(fd, text.s, text.len) == 0)
		rv = renameat(maildir, tmp, maildir, NAME);
	if (rv == -1 && fd != -1)
		(void)unlinkat(maildir, tmp, 0);
	file_close(fd);
	buf_free(&text);
	return rv;
}

/* "-4096 -1", blanks in front and between. */
static bool
add_line(struct span line, int64_t sum[2])
{
	for (int i = 0; i < 2; i++) {
		struct span number;
		uint64_t v;
		bool minus;

		line = span_trim(line);
		number = span_cut(&line, ' ');
		minus = number.len > 0 && number.s[0] == '-';
		if (minus)
			number = (struct span){ number.s + 1, number.len - 1 };
		if (num_parse(number, INT64_MAX / 2, &v) == -1 ||
		    __builtin_add_overflow(sum[i], minus ? -(int64_t)v : (int64_t)v, &sum[i]))
			return false;
		if (line.s == NULL)
			line = SPAN("");
	}
	return line.len == 0;
}

/* False: it is not there, or not to be believed. *lines: below the limits. */
static bool
read_file(int maildir, const struct quota *q, struct quota *use, unsigned *lines)
{
	struct buf text = BUF_INIT(LONG), limits = BUF_INIT(128);
	int64_t sum[2] = { 0, 0 };
	struct span rest, line;
	bool good;

	*lines = 0;
	add_limits(&limits, q);
	good = file_slurp_at(maildir, NAME, &text) == 0 && text.len >= limits.len &&
	    memcmp(text.s, limits.s, limits.len) == 0;
	if (good) {
		rest = (struct span){ text.s + limits.len, text.len - limits.len };
		while (good && rest.s != NULL) {
			line = span_cut(&rest, '\n');
			if (line.len == 0 && rest.s == NULL)
				break;
			good = add_line(line, sum);
			++*lines;
		}
	}
	use->octets = sum[0] > 0 ? (uint64_t)sum[0] : 0;
	use->messages = sum[1] > 0 ? (uint64_t)sum[1] : 0;
	buf_free(&text);
	buf_free(&limits);
	return good && *lines > 0;
}

static bool
is_fresh(int maildir)
{
	struct stat st;

	return fstatat(maildir, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_mtime < QUOTA_FRESH_S;
}

static int
recount(int maildir, const struct quota *q, struct quota *use)
{
	return count_all(maildir, use) == 0 ? write_file(maildir, q, use) : -1;
}

static bool
has_room(const struct quota *q, const struct quota *use, uint64_t octets)
{
	if (q->octets != 0 && (use->octets > q->octets || octets > q->octets - use->octets))
		return false;
	return q->messages == 0 || use->messages < q->messages;
}

int
quota_fits(int maildir, const struct quota *q, uint64_t octets, struct quota *use)
{
	unsigned lines;
	bool counted = false;

	if (!read_file(maildir, q, use, &lines)) {
		if (recount(maildir, q, use) == -1)
			return -1;
		counted = true;
	}
	if (has_room(q, use, octets))
		return 1;
	if (counted || (lines == 1 && is_fresh(maildir)))
		return 0;
	return recount(maildir, q, use) == -1 ? -1 : has_room(q, use, octets);
}

int
quota_look(int maildir, const struct quota *q, struct quota *use)
{
	unsigned lines;

	return read_file(maildir, q, use, &lines) && has_room(q, use, 1) ? 0 : count_all(maildir, use);
}

int
quota_note(int maildir, int64_t octets, int64_t messages)
{
	int fd = openat(maildir, NAME, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	char line[64];
	int n, rv;

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	n = snprintf(line, sizeof(line), "%" PRId64 " %" PRId64 "\n", octets, messages);
	rv = file_write_all(fd, line, (size_t)n);
	file_close(fd);
	return rv;
}

/* --- for people ---------------------------------------------------------------- */

static unsigned
percent(uint64_t limit, uint64_t use)
{
	double v = limit == 0 ? 0 : 100.0 * (double)use / (double)limit;

	return v > 999 ? 999 : (unsigned)v;
}

unsigned
quota_percent(const struct quota *q, const struct quota *use)
{
	unsigned a = percent(q->octets, use->octets), b = percent(q->messages, use->messages);

	return a > b ? a : b;
}

static double
mib(uint64_t octets)
{
	return (double)octets / 1048576.0;
}

void
quota_describe(struct buf *out, const struct quota *q, const struct quota *use)
{
	if (q->octets != 0)
		buf_addf(out, "%.1f of %.1f MiB", mib(use->octets), mib(q->octets));
	if (q->messages != 0)
		buf_addf(out, "%s%" PRIu64 " of %" PRIu64 " messages", q->octets != 0 ? ", " : "", use->messages, q->messages);
}
