/*
 * tree: what a test made below a directory goes away again.
 */
#ifndef T_UNIT_TREE_H
#define T_UNIT_TREE_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static int
tree_remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st, (void)what, (void)at;
	return remove(path);
}

/* rm -r. 0, or -1 with errno. */
static inline int
tree_remove(const char *top)
{
	return nftw(top, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
