/*
 * uidls: the unique-ids of the POP3 server that had a mailbox before.
 *
 * Knows the files in which Dovecot and Courier keep them, that qmail's are names of files, and a plain list.
 * The source is opened as whoever calls, all else is done as the mailboxes' owner.
 */
#include "auth/uidls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/boxes.h"
#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/store/maildir.h"
#include "lib/store/uidl.h"
#include "lib/sys/file.h"

#define LINE_OCTETS 4096
#define DOVECOT_FORMAT "%08Xu%08Xv"

struct import {
	const struct uidls_source *source;
	struct uidl found;
	uint64_t validity;    /* IMAP's UIDVALIDITY, of Dovecot's list */
	uint64_t version;     /* of the file's format */
	size_t left_out;      /* what no server may call a unique-id (RFC 1939, 7) */
	const char *wrong;    /* with a line */
};

/* --- one message ---------------------------------------------------------- */

/* file: as the old server names it, perhaps with directories in front and flags behind. */
static struct span
base_of(struct span file)
{
	size_t start = file.len, colon = file.len;

	while (start > 0 && file.s[start - 1] != '/')
		start--;
	for (size_t i = start; i < file.len; i++)
		if (file.s[i] == ':') {
			colon = i;
			break;
		}
	return (struct span){ file.s + start, colon - start };
}

static bool
add(struct import *im, struct span uid, struct span file)
{
	struct maildir_name name;

	maildir_name_parse(base_of(file), &name);
	if (name.unique.len == 0) {
		im->wrong = "no name of a message's file";
		return false;
	}
	if (!uidl_valid(uid))
		im->left_out++;
	else if (!span_eq(uid, name.unique) && !uidl_add(&im->found, uid, name.unique)) {
		im->wrong = "no name of a message's file";
		return false;
	}
	return true;
}

/* --- lists ---------------------------------------------------------------- */

static bool
list_line(struct import *im, unsigned number, struct span line)
{
	struct span file = line, uid = span_cut(&file, ' ');

	(void)number;
	if (file.s == NULL || !uidl_valid(uid)) {
		im->wrong = "not UNIQUE-ID (1 to 70 printable octets), a blank, and a message's file";
		return false;
	}
	return add(im, uid, file);
}

static bool
number_of(struct span s, uint64_t *out)
{
	return num_parse(s, UINT32_MAX, out) == 0;
}

/* Dovecot: "1 VALIDITY NEXT", or "3 V<VALIDITY> N<NEXT> ...". */
static bool
dovecot_header(struct import *im, struct span line)
{
	struct span word = span_cut(&line, ' ');
	bool known = number_of(word, &im->version) && (im->version == 1 || im->version == 3);

	if (known && im->version == 1)
		return line.s != NULL && number_of(span_cut(&line, ' '), &im->validity);
	while (known && line.s != NULL) {
		word = span_cut(&line, ' ');
		if (word.len > 1 && word.s[0] == 'V')
			return number_of((struct span){ word.s + 1, word.len - 1 }, &im->validity);
	}
	return false;
}

/* One variable: [0][WIDTH][X]LETTER, as the text behind the "%". False: not one of ours. */
static bool
expand_one(const char **p, uint64_t uid, uint64_t validity, struct span base, struct buf *out)
{
	bool zero = **p == '0', hex;
	int width = 0;
	uint64_t v;

	for (; ascii_digit(**p) && width < 100; (*p)++)
		width = width * 10 + (**p - '0');
	hex = **p == 'X';
	*p += hex;
	v = **p == 'u' ? uid : validity;
	if (**p == 'f' && width == 0 && !hex)
		buf_addspan(out, base);
	else if (**p != 'u' && **p != 'v')
		return false;
	else if (hex)
		buf_addf(out, zero ? "%0*llx" : "%*llx", width, (unsigned long long)v);
	else
		buf_addf(out, zero ? "%0*llu" : "%*llu", width, (unsigned long long)v);
	(*p)++;
	return true;
}

static bool
expand(const char *format, uint64_t uid, uint64_t validity, struct span base, struct buf *out)
{
	const char *p = format;

	while (*p != '\0')
		if (*p != '%')
			buf_addc(out, *p++);
		else if (p++, !expand_one(&p, uid, validity, base, out))
			return false;
	return true;
}

/* Words between the UID and the file: P is a unique-id that Dovecot itself took over; empty: the file's name. */
static bool
saved_uid(struct span *words, struct span base, struct buf *out)
{
	while (words->s != NULL && words->len > 0 && words->s[0] != ':') {
		struct span word = span_cut(words, ' ');

		if (word.len > 0 && word.s[0] == 'P') {
			if (word.len > 1)
				buf_add(out, word.s + 1, word.len - 1);
			else
				buf_addspan(out, base);
			return true;
		}
	}
	return false;
}

static bool
dovecot_line(struct import *im, unsigned number, struct span line)
{
	struct buf made = BUF_INIT(LINE_OCTETS);
	struct span words = line, file, uid = span_cut(&words, ' ');
	const char *colon, *format = im->source->format != NULL ? im->source->format : DOVECOT_FORMAT;
	uint64_t n;
	bool good;

	im->wrong = "not as Dovecot writes it (dovecot-uidlist, version 1 or 3)";
	if (number == 1)
		return dovecot_header(im, line);
	file = words;
	if (!number_of(uid, &n) || words.s == NULL)
		return false;
	if (im->version == 3) {
		/* ":FILE", the first word that begins so. */
		colon = words.s[0] == ':' ? words.s : memmem(words.s, words.len, " :", 2);
		if (colon == NULL)
			return false;
		colon += *colon == ' ';
		file = (struct span){ colon + 1, words.len - (size_t)(colon + 1 - words.s) };
	}
	good = im->version == 3 && saved_uid(&words, base_of(file), &made);
	if (!good && !(good = expand(format, n, im->validity, base_of(file), &made)))
		im->wrong = "the --format has variables other than %u, %v and %f";
	good = good && add(im, buf_span(&made), file);
	buf_free(&made);
	return good;
}

/* Courier: "/2 NEXT VALIDITY", then "FILE SIZE UID:VALIDITY" (UID 0: the file's name); "/3" has ":FLAG" behind that. */
static bool
courier_line(struct import *im, unsigned number, struct span line)
{
	struct span words = line, file = span_cut(&words, ' '), validity;
	char uid[64];
	uint64_t n, v = 0;

	im->wrong = "not as Courier writes it (courierpop3dsizelist, version 2 or 3)";
	if (number == 1)
		return line.len > 3 && (memcmp(line.s, "/2 ", 3) == 0 || memcmp(line.s, "/3 ", 3) == 0);
	if (words.s == NULL)
		return false;
	(void)span_cut(&words, ' '); /* the size */
	if (words.s == NULL)
		return false;
	validity = words;
	if (!number_of(span_cut(&validity, ':'), &n) || (validity.s != NULL && !number_of(span_cut(&validity, ':'), &v)))
		return false;
	if (n == 0)
		return add(im, base_of(file), file);
	(void)snprintf(uid, sizeof(uid), v == 0 ? "UID%llu" : "UID%llu-%llu", (unsigned long long)n, (unsigned long long)v);
	return add(im, span_of(uid), file);
}

/* --- where they are ------------------------------------------------------- */

static const struct kind {
	const char *from;
	const char *file; /* in the maildir; NULL: the names of the messages' files are the unique-ids */
	bool (*line)(struct import *, unsigned number, struct span line);
} kinds[] = {
	{ "dovecot", "dovecot-uidlist", dovecot_line },
	{ "courier", "courierpop3dsizelist", courier_line },
	{ "qmail", NULL, NULL },
};
static const struct kind plain = { "list", NULL, list_line };

static int
read_lines(struct import *im, const struct kind *kind, int fd, const char *what)
{
	FILE *f = fdopen(fd, "r");
	char line[LINE_OCTETS];
	unsigned number = 0;
	bool good = f != NULL;

	while (good && fgets(line, sizeof(line), f) != NULL) {
		size_t n = strcspn(line, "\n");

		im->wrong = "the line is too long";
		number++;
		good = (line[n] == '\n' || feof(f)) && kind->line(im, number, (struct span){ line, n });
	}
	if (f == NULL || ferror(f))
		(void)fprintf(stderr, "posthouse mailbox: cannot read %s: %s\n", what, strerror(errno));
	else if (!good)
		(void)fprintf(stderr, "posthouse mailbox: %s:%u: %s\n", what, number, im->wrong);
	good = good && !ferror(f);
	if (f != NULL)
		(void)fclose(f);
	else
		file_close(fd);
	return good ? EX_OK : EX_DATAERR;
}

/* Call each for every message's file; -1 errno. */
static int
each_file(int maildir, void (*each)(struct import *, struct span file, size_t count[2]), struct import *im,
    size_t count[2])
{
	static const char *const subs[] = { "cur", "new" };

	for (size_t i = 0; i < COUNT(subs); i++) {
		int fd = openat(maildir, subs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *dir = fd == -1 ? NULL : fdopendir(fd);
		const struct dirent *e;

		if (dir == NULL) {
			file_close(fd);
			return -1;
		}
		while ((e = readdir(dir)) != NULL)
			if (e->d_name[0] != '.')
				each(im, span_of(e->d_name), count);
		closedir(dir);
	}
	return 0;
}

static void
name_as_uid(struct import *im, struct span file, size_t count[2])
{
	(void)count;
	(void)!add(im, base_of(file), file);
}

static void
count_one(struct import *im, struct span file, size_t count[2])
{
	struct maildir_name name;

	maildir_name_parse(file, &name);
	count[0]++;
	count[1] += uidl_find(&im->found, name.unique) != NULL;
}

static int
cannot(const char *what, const char *path)
{
	(void)fprintf(stderr, "posthouse mailbox: cannot %s %s: %s\n", what, path, strerror(errno));
	return EX_NOINPUT;
}

/* fd: the source, or the maildir that has it. Takes it. */
static int
read_source(struct import *im, const struct kind *kind, int fd, const char *path)
{
	struct stat st;
	int file = fd;

	if (kind->line == NULL) {
		int rv = each_file(fd, name_as_uid, im, NULL) == 0 ? EX_OK : cannot("list the messages in", path);

		file_close(fd);
		return rv;
	}
	if (kind->file == NULL || fstat(fd, &st) == -1 || !S_ISDIR(st.st_mode))
		return read_lines(im, kind, fd, path);
	file = openat(fd, kind->file, O_RDONLY | O_CLOEXEC);
	file_close(fd);
	if (file != -1)
		return read_lines(im, kind, file, kind->file);
	(void)fprintf(stderr, "posthouse mailbox: cannot open %s in %s: %s\n", kind->file, path, strerror(errno));
	return EX_NOINPUT;
}

static int
open_source(const char *path)
{
	return strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
}

static const struct kind *
find_kind(const char *from)
{
	if (from == NULL)
		return &plain;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(kinds[i].from, from) == 0)
			return &kinds[i];
	return NULL;
}

/* --- all of it ------------------------------------------------------------ */

static int
write_found(struct import *im, const struct box *b, int maildir)
{
	size_t count[2] = { 0 }; /* messages; those with a unique-id from there */

	if (uidl_write(&im->found, maildir) == -1 || each_file(maildir, count_one, im, count) == -1)
		return cannot("write " UIDL_FILE " in", b->maildir);
	printf("%s: %zu unique-ids, for %zu of %zu messages\n", b->address, im->found.n, count[1], count[0]);
	if (im->left_out > 0)
		printf("%zu were left out: no POP3 server may use what is empty, over %d octets or not printable\n",
		    im->left_out, LIMIT_UIDL);
	return EX_OK;
}

static int
import_for(struct import *im, const struct kind *kind, const struct box *b, int source)
{
	int maildir = open(b->maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rv;

	if (maildir == -1) {
		file_close(source);
		return cannot("open", b->maildir);
	}
	if (source == -1)
		source = openat(maildir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rv = source == -1 ? cannot("open", b->maildir) :
	    read_source(im, kind, source, im->source->path != NULL ? im->source->path : b->maildir);
	if (rv == EX_OK)
		rv = write_found(im, b, maildir);
	file_close(maildir);
	return rv;
}

int
uidls_import(const struct instance *inst, const struct conf *conf, const char *address, const struct uidls_source *source)
{
	struct import im = { .source = source };
	const struct kind *kind = find_kind(source->from);
	struct boxes boxes = { 0 };
	int fd = -1, rv;

	if (kind == NULL) {
		(void)fprintf(stderr, "posthouse mailbox: --from is dovecot, courier or qmail, not %s\n", source->from);
		return EX_USAGE;
	}
	if (source->path != NULL && (fd = open_source(source->path)) == -1)
		return cannot("open", source->path);
	if (boxes_read_one(&boxes, inst, conf, address))
		rv = import_for(&im, kind, &boxes.box[0], fd);
	else {
		(void)fprintf(stderr, "posthouse mailbox: there is no mailbox %s\n", address);
		file_close(fd);
		rv = EX_NOUSER;
	}
	uidl_free(&im.found);
	boxes_free(&boxes);
	return fflush(stdout) == 0 ? rv : EX_IOERR;
}
