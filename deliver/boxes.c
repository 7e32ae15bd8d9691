/*
 * boxes: maildirs held open for the next message.
 *
 * A table with one place a hash value: a second mailbox there takes it over.
 * Knows directories, not messages.
 */
#include "deliver/boxes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/store/maildir.h"
#include "lib/sys/file.h"

void
boxes_init(struct boxes *b)
{
	memset(b, 0, sizeof(*b));
}

void
box_forget(struct box *box)
{
	int saved = errno;

	if (box->maildir == NULL)
		return;
	file_close(box->fd);
	file_close(box->new_fd);
	free(box->root);
	free(box->maildir);
	maildir_keys_free(&box->keys);
	memset(box, 0, sizeof(*box));
	errno = saved;
}

void
boxes_close(struct boxes *b)
{
	size_t i;

	for (i = 0; i < BOXES; i++)
		box_forget(&b->box[i]);
}

/* FNV-1a, 32 bits: well spread, and nobody outside chooses maildirs. */
static struct box *
place(struct boxes *b, const char *maildir)
{
	uint32_t h = 2166136261u;

	for (; *maildir != '\0'; maildir++)
		h = (h ^ (unsigned char)*maildir) * 16777619u;
	return &b->box[h % BOXES];
}

static bool
names_follow(struct boxes *b, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return false;
	if (!b->asked || b->dev != st.st_dev) {
		b->dev_follows = file_names_follow(fd);
		b->dev = st.st_dev;
		b->asked = true;
	}
	return b->dev_follows;
}

struct box *
boxes_open(struct boxes *b, const char *root, const char *maildir)
{
	struct box *box = place(b, maildir);
	int root_fd;

	if (box->maildir != NULL && !deadline_over(box->until) &&
	    strcmp(box->maildir, maildir) == 0 && strcmp(box->root, root) == 0)
		return box;
	box_forget(box);
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd == -1)
		return NULL;
	box->fd = maildir_open(root_fd, maildir);
	file_close(root_fd);
	if (box->fd == -1)
		return NULL;
	box->new_fd = -1;
	box->root = mem_dup(root);
	box->maildir = mem_dup(maildir);
	box->names_follow = names_follow(b, box->fd);
	box->until = deadline_in(BOX_TRUST_MS);
	return box;
}

int
box_sync_new(struct box *box)
{
	if (box->new_fd == -1)
		box->new_fd = openat(box->fd, "new",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return box->new_fd == -1 ? -1 : fsync(box->new_fd);
}
