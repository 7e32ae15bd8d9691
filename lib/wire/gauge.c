/*
 * gauge: a page that queued writes and smtpd reads.
 *
 * Knows the page; what follows from it is for those who read it.
 */
#include "lib/wire/gauge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/sys/file.h"

#define PAGE sizeof(atomic_uint)

static int
map(struct gauge *g, int fd, int protection)
{
	void *page = mmap(NULL, PAGE, protection, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return -1;
	g->page = page;
	return 0;
}

int
gauge_make(struct gauge *g, const char *path, struct buf *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	g->page = NULL;
	if (fd == -1 || ftruncate(fd, PAGE) == -1 || map(g, fd, PROT_READ | PROT_WRITE) == -1)
		buf_addf(why, "cannot make %s: %s", path, strerror(errno));
	file_close(fd);
	return g->page == NULL ? -1 : 0;
}

void
gauge_set(struct gauge *g, unsigned state)
{
	if (g->page != NULL && atomic_load(g->page) != state)
		atomic_store(g->page, state);
}

/* Shorter than a page's content, it is being made at this moment. */
static void
find(struct gauge *g, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size >= PAGE)
		(void)!map(g, fd, PROT_READ);
	file_close(fd);
}

unsigned
gauge_read(struct gauge *g, const char *path)
{
	if (g->page == NULL)
		find(g, path);
	return g->page == NULL ? 0 : atomic_load(g->page);
}
