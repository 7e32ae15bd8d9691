/*
 * spool: the directories of the queue (DESIGN section 4).
 *
 * Knows names of directories, files and IDs; what is written in an envelope is
 * envelope.c's business.
 */
#include "lib/store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/sys/file.h"

/* Digits in the order of their octets, without i, l, o, u (read as 1, 1, 0, v). */
static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

/*
 * An ID is 10 digits of time, in ticks of 4 microseconds since 2020 (enough
 * until 2162), and 5 digits drawn by each process at random. A process
 * never uses a tick twice and never goes back: when the clock is stepped back
 * or the ticks run out, it counts on from the last one. What another
 * process, an earlier life of this one or another host does at the same
 * tick differs in the drawn part.
 */
#define ID_TIME 10
#define ID_DRAWN 5
#define ID_EPOCH_US INT64_C(1577836800000000)
#define ID_TICK_US 4

static uint64_t id_last;
static uint32_t id_drawn;
static bool id_begun, id_watched;

static void
id_forget(void)
{
	id_begun = false;
}

static void
id_begin(void)
{
	if (!id_watched)
		pthread_atfork(NULL, NULL, id_forget);
	id_watched = true;
	id_drawn = arc4random();
	id_begun = true;
}

static void
put_tick(char out[LIMIT_ID], uint64_t tick)
{
	for (size_t i = ID_TIME; i-- > 0; tick >>= 5)
		out[i] = digits[tick & 31];
}

void
spool_id(char out[LIMIT_ID])
{
	uint64_t tick;
	uint32_t drawn;
	size_t i;

	if (!id_begun)
		id_begin();
	tick = (uint64_t)(clock_real_us() - ID_EPOCH_US) / ID_TICK_US;
	if (tick <= id_last)
		tick = id_last + 1;
	id_last = tick;
	put_tick(out, tick);
	for (i = ID_TIME + ID_DRAWN, drawn = id_drawn; i-- > ID_TIME; drawn >>= 5)
		out[i] = digits[drawn & 31];
	out[ID_TIME + ID_DRAWN] = '\0';
}

bool
spool_id_valid(const char *id)
{
	size_t n = strlen(id);

	return n == ID_TIME + ID_DRAWN && strspn(id, digits) == n;
}

void
spool_id_earlier(char id[LIMIT_ID], unsigned seconds)
{
	uint64_t tick = 0, back = (uint64_t)seconds * 1000000 / ID_TICK_US;

	for (size_t i = 0; i < ID_TIME; i++)
		tick = tick << 5 | (uint64_t)(strchr(digits, id[i]) - digits);
	put_tick(id, tick > back ? tick - back : 0);
	memset(id + ID_TIME, digits[0], ID_DRAWN);
}

static int
open_inside(int root, const char *name, const char *dir, struct buf *why)
{
	int fd;

	if (mkdirat(root, name, 0700) == -1 && errno != EEXIST) {
		buf_addf(why, "cannot make %s/%s: %s", dir, name,
		    strerror(errno));
		return -1;
	}
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		buf_addf(why, "cannot open %s/%s: %s", dir, name,
		    strerror(errno));
	return fd;
}

int
spool_open(struct spool *s, const char *dir, struct buf *why)
{
	struct {
		const char *name;
		int *fd;
	} parts[] = {
		{ "new", &s->new_fd }, { "cur", &s->cur_fd },
		{ "env", &s->env_fd }, { "hold", &s->hold_fd },
		{ "bad", &s->bad_fd }, { "tmp", &s->tmp_fd },
	};
	size_t i, made = 0;

	s->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root == -1) {
		buf_addf(why, "cannot open %s: %s", dir, strerror(errno));
		return -1;
	}
	for (; made < COUNT(parts); made++) {
		*parts[made].fd = open_inside(s->root, parts[made].name, dir,
		    why);
		if (*parts[made].fd == -1)
			goto undo;
	}
	s->names_follow = file_names_follow(s->new_fd);
	return 0;
undo:
	for (i = 0; i < made; i++)
		file_close(*parts[i].fd);
	file_close(s->root);
	return -1;
}
