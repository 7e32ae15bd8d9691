/*
 * uidl: the unique-ids that messages had on the server before this one.
 *
 * Knows the file and its lines. Which messages there are, and that no unique-id may be given twice,
 * is its reader's business.
 */
#include "lib/store/uidl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/sys/file.h"

bool
uidl_valid(struct span uid)
{
	for (size_t i = 0; i < uid.len; i++)
		if (uid.s[i] < 0x21 || uid.s[i] > 0x7e)
			return false;
	return uid.len >= 1 && uid.len <= LIMIT_UIDL;
}

static int
by_name(const void *a, const void *b)
{
	const struct uidl_line *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
sort(struct uidl *u)
{
	for (size_t i = 1; i < u->n; i++)
		if (by_name(&u->lines[i - 1], &u->lines[i]) > 0) {
			qsort(u->lines, u->n, sizeof(*u->lines), by_name);
			return;
		}
}

static void
append(struct uidl *u, const char *uid, const char *name)
{
	if (u->n == u->cap) {
		u->cap = u->cap == 0 ? 256 : u->cap * 2;
		u->lines = mem_grow(u->lines, u->cap, sizeof(*u->lines));
	}
	u->lines[u->n++] = (struct uidl_line){ uid, name };
}

/* The text becomes strings where it stands. */
static void
cut(struct uidl *u)
{
	char *p = u->text.s, *end = p + u->text.len, *lf, *blank;

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end; /* where buf has its NUL */
		*lf = '\0';
		blank = strchr(p, ' ');
		if (blank == NULL || blank[1] == '\0' || strlen(p) != (size_t)(lf - p) ||
		    !uidl_valid((struct span){ p, (size_t)(blank - p) }))
			continue;
		*blank = '\0';
		append(u, p, blank + 1);
	}
}

int
uidl_read(struct uidl *u, int maildir_fd)
{
	*u = (struct uidl){ 0 };
	buf_init(&u->text, UIDL_FILE_MAX);
	if (file_slurp_at(maildir_fd, UIDL_FILE, &u->text) == -1) {
		buf_free(&u->text);
		return errno == ENOENT ? 0 : -1;
	}
	if (u->text.len > 0)
		cut(u);
	sort(u);
	return 0;
}

const char *
uidl_find(const struct uidl *u, struct span name)
{
	size_t low = 0, high = u->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = strncmp(u->lines[middle].name, name.s, name.len);

		if (c == 0)
			c = u->lines[middle].name[name.len] != '\0';
		if (c == 0)
			return u->lines[middle].uid;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
uidl_add(struct uidl *u, struct span uid, struct span name)
{
	if (!uidl_valid(uid) || name.len == 0 || memchr(name.s, '\n', name.len) != NULL ||
	    memchr(name.s, '\0', name.len) != NULL)
		return false;
	if (u->arena == NULL)
		u->arena = arena_new();
	append(u, arena_dupn(u->arena, uid.s, uid.len), arena_dupn(u->arena, name.s, name.len));
	return true;
}

int
uidl_write(struct uidl *u, int maildir_fd)
{
	struct buf out = BUF_INIT(UIDL_FILE_MAX);
	int rv = -1;

	sort(u);
	for (size_t i = 0; i < u->n; i++) {
		buf_adds(&out, u->lines[i].uid);
		buf_addc(&out, ' ');
		buf_adds(&out, u->lines[i].name);
		buf_addc(&out, '\n');
	}
	if (buf_over(&out))
		errno = EFBIG;
	else
		rv = file_replace_at(maildir_fd, UIDL_FILE, buf_str(&out), out.len, 0600);
	buf_free(&out);
	return rv;
}

void
uidl_free(struct uidl *u)
{
	if (u->arena != NULL)
		arena_free(u->arena);
	free(u->lines);
	buf_free(&u->text);
	*u = (struct uidl){ 0 };
}
