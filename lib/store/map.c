/*
 * map: compiled tables (CDB), one generation at a time.
 *
 * The only module that knows libcdb. A value in a table is four octets, the
 * line of the text map (least first), and the text. Keys that begin with a blank
 * are notes of posthouse compile to the router: map_each leaves them out.
 */
#include "lib/store/map.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/sys/file.h"

#define LINE_OCTETS 4

const char *const map_names[MAP_COUNT] = {
	"domains", "users", "aliases", "lists", "routes", "access",
	"filters", "attachments", "upstreams", "passwd", "secrets",
	"providers"
};

struct generation {
	char *maps_dir;
	char *name;
	unsigned wanted;
	unsigned open; /* bits of those open */
	struct cdb tables[MAP_COUNT];
};

/* --- reading ------------------------------------------------------------- */

static int
table_open(struct generation *g, int dir, unsigned i, struct buf *why)
{
	char file[64];
	int fd, rv;

	(void)snprintf(file, sizeof(file), "%s.cdb", map_names[i]);
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	rv = fd == -1 ? -1 : cdb_init(&g->tables[i], fd);
	if (rv == -1)
		buf_addf(why, "cannot open %s/%s/%s: %s", g->maps_dir, g->name,
		    file, strerror(errno));
	else
		g->open |= 1u << i;
	file_close(fd); /* the mapping stays */
	return rv;
}

static int
read_current(const char *maps_dir, char name[NAME_MAX + 1])
{
	char path[PATH_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/current", maps_dir);
	n = readlink(path, name, NAME_MAX);
	if (n <= 0)
		return -1;
	name[n] = '\0';
	return 0;
}

struct generation *
generation_open_named(const char *maps_dir, const char *name, unsigned wanted,
    struct buf *why)
{
	struct generation *g = mem_alloc(1, sizeof(*g));
	char *path = mem_fmt("%s/%s", maps_dir, name);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned i;

	g->maps_dir = mem_dup(maps_dir);
	g->name = mem_dup(name);
	g->wanted = wanted;
	if (dir == -1) {
		buf_addf(why, "cannot open %s: %s", path, strerror(errno));
		goto fail;
	}
	for (i = 0; i < MAP_COUNT; i++)
		if ((wanted & 1u << i) != 0 && table_open(g, dir, i, why) == -1)
			goto fail;
	file_close(dir);
	free(path);
	return g;
fail:
	file_close(dir);
	free(path);
	generation_close(g);
	return NULL;
}

struct generation *
generation_open(const char *maps_dir, unsigned wanted, struct buf *why)
{
	char name[NAME_MAX + 1];

	if (read_current(maps_dir, name) == -1) {
		buf_addf(why, "cannot read %s/current: %s; run posthouse "
		    "compile", maps_dir, strerror(errno));
		return NULL;
	}
	return generation_open_named(maps_dir, name, wanted, why);
}

bool
generation_refresh(struct generation **g)
{
	struct buf why = BUF_INIT(512);
	struct generation *fresh;
	char name[NAME_MAX + 1];

	if (read_current((*g)->maps_dir, name) == -1)
		return false;
	if (strcmp(name, (*g)->name) == 0)
		return true;
	fresh = generation_open_named((*g)->maps_dir, name, (*g)->wanted, &why);
	buf_free(&why);
	if (fresh == NULL)
		return false;
	generation_close(*g);
	*g = fresh;
	return true;
}

const char *
generation_name(const struct generation *g)
{
	return g->name;
}

void
generation_close(struct generation *g)
{
	unsigned i;

	if (g == NULL)
		return;
	for (i = 0; i < MAP_COUNT; i++)
		if ((g->open & 1u << i) != 0)
			cdb_free(&g->tables[i]);
	free(g->maps_dir);
	free(g->name);
	free(g);
}

/* The record's data as line and text. -1: it is not one of ours. */
static int
entry_of(struct cdb *cdb, struct map_entry *out)
{
	unsigned n = cdb_datalen(cdb);
	const unsigned char *data = cdb_getdata(cdb);

	if (data == NULL || n < LINE_OCTETS) {
		errno = EPROTO;
		return -1;
	}
	out->line = cdb_unpack(data);
	out->value = (struct span){ (const char *)data + LINE_OCTETS,
		n - LINE_OCTETS };
	return 0;
}

int
map_find(const struct generation *g, enum map_name map, struct span key,
    struct map_entry *out)
{
	struct cdb cdb; /* of our own: libcdb keeps its place in it */
	int found;

	if ((g->open & 1u << map) == 0) {
		errno = ENOENT;
		return -1;
	}
	if (key.len > UINT32_MAX)
		return 0;
	cdb = g->tables[map];
	found = cdb_find(&cdb, key.s, (unsigned)key.len);
	if (found <= 0)
		return found;
	return entry_of(&cdb, out) == -1 ? -1 : 1;
}

int
map_each(const struct generation *g, enum map_name map,
    int (*fn)(void *arg, struct span key, const struct map_entry *), void *arg)
{
	struct cdb cdb;
	struct map_entry e;
	struct span key;
	unsigned at;
	int rv;

	if ((g->open & 1u << map) == 0) {
		errno = ENOENT;
		return -1;
	}
	cdb = g->tables[map];
	cdb_seqinit(&at, &cdb);
	while ((rv = cdb_seqnext(&at, &cdb)) > 0) {
		key = (struct span){ cdb_getkey(&cdb), cdb_keylen(&cdb) };
		if (key.s == NULL || entry_of(&cdb, &e) == -1)
			return -1;
		if (key.len > 0 && key.s[0] == ' ')
			continue;
		rv = fn(arg, key, &e);
		if (rv != 0)
			return rv;
	}
	return rv;
}

/* --- writing ------------------------------------------------------------- */

struct seen { /* a key that was put: 8 octets each, so a million need 16 MiB */
	uint32_t hash;
	uint32_t line; /* 0: free */
};

struct map_writer {
	struct cdb_make make;
	int fd;
	enum map_name map;
	struct seen *seen;
	size_t seen_count, seen_room; /* room is a power of two */
	struct buf value;
};

struct map_writer *
map_create(int dir_fd, enum map_name map, mode_t mode, struct buf *why)
{
	struct map_writer *w = mem_alloc(1, sizeof(*w));
	char file[64];

	(void)snprintf(file, sizeof(file), "%s.cdb", map_names[map]);
	w->map = map;
	w->seen_room = 64;
	w->seen = mem_alloc(w->seen_room, sizeof(*w->seen));
	buf_init(&w->value, LIMIT_MAP_LINE + LINE_OCTETS);
	w->fd = openat(dir_fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (w->fd == -1 || fchmod(w->fd, mode) == -1 ||
	    cdb_make_start(&w->make, w->fd) == -1) {
		buf_addf(why, "cannot create %s: %s", file, strerror(errno));
		file_close(w->fd);
		free(w->seen);
		free(w);
		return NULL;
	}
	return w;
}

/* FNV-1a, then mixed: its low bits choose the place in seen. */
static uint32_t
hash_of(struct span key)
{
	uint64_t h = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.s[i]) * UINT64_C(1099511628211);
	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32);
}

static void
seen_add(struct map_writer *w, uint32_t hash, uint32_t line)
{
	size_t i = hash & (w->seen_room - 1);

	while (w->seen[i].line != 0)
		i = (i + 1) & (w->seen_room - 1);
	w->seen[i] = (struct seen){ hash, line };
	w->seen_count++;
}

static void
seen_grow(struct map_writer *w)
{
	struct seen *old = w->seen;
	size_t i, n = w->seen_room;

	w->seen_room *= 2;
	w->seen_count = 0;
	w->seen = mem_alloc(w->seen_room, sizeof(*w->seen));
	for (i = 0; i < n; i++)
		if (old[i].line != 0)
			seen_add(w, old[i].hash, old[i].line);
	free(old);
}

/* The line where key was put; 0 if it was not. The table itself settles the
 * rare keys that share a hash. */
static unsigned
seen_line(struct map_writer *w, uint32_t hash, struct span key)
{
	size_t i = hash & (w->seen_room - 1);

	for (; w->seen[i].line != 0; i = (i + 1) & (w->seen_room - 1))
		if (w->seen[i].hash == hash)
			return cdb_make_exists(&w->make, key.s,
			    (unsigned)key.len) > 0 ? w->seen[i].line : 0;
	return 0;
}

int
map_put(struct map_writer *w, struct span key, unsigned line,
    struct span value, unsigned *first_line)
{
	unsigned char number[LINE_OCTETS];
	uint32_t hash = hash_of(key);

	cdb_pack(line, number);
	*first_line = seen_line(w, hash, key);
	if (*first_line != 0)
		return 1;
	buf_reset(&w->value);
	buf_add(&w->value, number, sizeof(number));
	buf_addspan(&w->value, value);
	if (buf_over(&w->value) || key.len > LIMIT_MAP_LINE) {
		errno = EMSGSIZE;
		return -1;
	}
	if (cdb_make_add(&w->make, key.s, (unsigned)key.len, w->value.s,
	    (unsigned)w->value.len) == -1)
		return -1;
	if (w->seen_count * 4 >= w->seen_room * 3)
		seen_grow(w);
	seen_add(w, hash, line == 0 ? UINT32_MAX : line);
	return 0;
}

static void
writer_free(struct map_writer *w)
{
	file_close(w->fd);
	free(w->seen);
	buf_free(&w->value);
	free(w);
}

int
map_finish(struct map_writer *w, uid_t owner, struct buf *why)
{
	int rv = cdb_make_finish(&w->make);

	if (rv == 0 && owner != (uid_t)-1 && owner != geteuid())
		rv = fchown(w->fd, owner, (gid_t)-1);
	if (rv == 0)
		rv = fsync(w->fd);
	if (rv == -1)
		buf_addf(why, "cannot write %s.cdb: %s", map_names[w->map],
		    strerror(errno));
	writer_free(w);
	return rv;
}
