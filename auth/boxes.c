/*
 * boxes: everybody's mailbox, counted. Sizes come from names (S=); only a foreign
 * name costs a stat. Reads directories as the uid that owns them, never as root.
 */
#include "auth/boxes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/full.h"
#include "lib/store/maildir.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"

static int64_t
name_seconds(const char *s)
{
	int64_t v = 0;

	while (*s >= '0' && *s <= '9' && v < INT64_MAX / 16)
		v = v * 10 + (*s++ - '0');
	return v;
}

static void
count_message(struct box *b, int dir_fd, const char *file)
{
	struct maildir_name name;
	struct stat st;
	int64_t when = name_seconds(file);

	maildir_name_parse(span_of(file), &name);
	if (name.has_size)
		b->octets += name.size;
	else if (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		b->octets += (uint64_t)st.st_size;
	if (when > 0 && (b->oldest_s == 0 || when < b->oldest_s))
		b->oldest_s = when;
}

/* Messages in one of its directories; one that is not there has none. */
static uint64_t
count_in(struct box *b, int maildir, const char *sub)
{
	int fd = openat(maildir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t n = 0;

	if (dir == NULL) {
		b->readable = b->readable && errno == ENOENT;
		file_close(fd);
		return 0;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		count_message(b, fd, e->d_name);
		n++;
	}
	closedir(dir);
	return n;
}

static void
count(struct box *b)
{
	int fd = open(b->maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	b->readable = fd != -1 || errno == ENOENT; /* no mail yet: nobody made it */
	if (fd == -1)
		return;
	b->new_count = count_in(b, fd, "new");
	b->cur_count = count_in(b, fd, "cur");
	if (quota_given(&b->quota) && quota_look(fd, &b->quota, &b->use) == -1)
		b->readable = false;
	file_close(fd);
}

struct reading {
	struct boxes *boxes;
	struct router router;
	struct arena *arena;
	char *full_dir;
};

static void
reading_open(struct reading *r, struct boxes *boxes, const struct instance *inst,
    const struct conf *conf)
{
	struct buf why = BUF_INIT(4096);

	memset(boxes, 0, sizeof(*boxes));
	memset(r, 0, sizeof(*r));
	proc_drop(USER_MAIL);
	if (router_open(&r->router, inst, conf, &why) == -1)
		fatal(EX_CONFIG, "cannot read the maps: %s", buf_str(&why));
	buf_free(&why);
	r->boxes = boxes;
	r->arena = arena_new();
	r->full_dir = instance_path(inst->state, "full");
}

static void
reading_close(struct reading *r)
{
	free(r->full_dir);
	arena_free(r->arena);
	router_close(&r->router);
}

static bool
add(struct reading *r, const char *address)
{
	struct boxes *boxes = r->boxes;
	struct mailbox m = { 0 };
	struct box *b;

	arena_reset(r->arena);
	if (router_mailbox(&r->router, address, r->arena, &m) != 1)
		return false;
	if (boxes->n == boxes->cap) {
		boxes->cap = boxes->cap == 0 ? 64 : boxes->cap * 2;
		boxes->box = mem_grow(boxes->box, boxes->cap, sizeof(*boxes->box));
	}
	b = &boxes->box[boxes->n++];
	memset(b, 0, sizeof(*b));
	b->address = mem_dup(m.address);
	b->name = mem_dup(m.name);
	b->root = mem_dup(m.root);
	b->maildir = mem_fmt("%s/%s", m.root, m.maildir);
	b->disabled = m.disabled;
	b->quota = m.quota;
	if (quota_given(&m.quota))
		b->full_since_s = full_since(r->full_dir, m.address, clock_real_us() / 1000000);
	count(b);
	return true;
}

static int
add_each(void *arg, struct span key, const struct map_entry *e)
{
	char *address = mem_dupn(key.s, key.len);

	(void)e;
	(void)!add(arg, address);
	free(address);
	return 0;
}

void
boxes_read(struct boxes *boxes, const struct instance *inst, const struct conf *conf)
{
	struct reading r;

	reading_open(&r, boxes, inst, conf);
	if (map_each(r.router.maps, MAP_USERS, add_each, &r) == -1)
		fatal(EX_CONFIG, "cannot read the users map");
	reading_close(&r);
}

bool
boxes_read_one(struct boxes *boxes, const struct instance *inst, const struct conf *conf,
    const char *address)
{
	struct reading r;
	bool found;

	reading_open(&r, boxes, inst, conf);
	found = add(&r, address);
	reading_close(&r);
	return found;
}

void
boxes_free(struct boxes *boxes)
{
	for (size_t i = 0; i < boxes->n; i++) {
		free(boxes->box[i].address);
		free(boxes->box[i].name);
		free(boxes->box[i].root);
		free(boxes->box[i].maildir);
	}
	free(boxes->box);
	memset(boxes, 0, sizeof(*boxes));
}

void
boxes_json(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s != '\0'; s++)
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", (unsigned)(unsigned char)*s);
		else
			putc(*s, out);
	putc('"', out);
}
