/*
 * textmap: a text map changed in place, by people's rules: comments, order and
 * everything else stay as they are.
 */
#ifndef LIB_STORE_TEXTMAP_H
#define LIB_STORE_TEXTMAP_H

#include <stdbool.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/store/instance.h"

struct textmap {
	const char *file;  /* below etc/ */
	struct buf text;   /* as it shall be */
	struct buf before; /* as it was */
	bool existed;
	struct stat st;    /* mode and owner, kept */
};
/* Read etc/FILE; one that is not there is empty (and made with mode). 0; -1 errno. */
int textmap_open(struct textmap *, int etc_fd, const char *file, mode_t mode) MUST_CHECK;
void textmap_close(struct textmap *); /* wiped */

/* An entry: the first line's octets, from its key. */
struct textmap_entry {
	size_t start, end; /* of the first line in text, its LF included */
	unsigned line;
	struct span key;
	struct buf value;  /* of all its lines, comments taken out, one blank between */
};
/* The entries in order; *at begins as 0. False at the end. Frees and fills e->value. */
bool textmap_next(const struct textmap *, size_t *at, struct textmap_entry *);
/* The first entry for which same(arg, key); false: none. value is the caller's to free. */
bool textmap_find(const struct textmap *, bool (*same)(void *, struct span key), void *arg,
    struct textmap_entry *);

void textmap_append(struct textmap *, const char *line); /* without LF */
/* All lines of the entry; comments between them stay. */
void textmap_remove(struct textmap *, const struct textmap_entry *);
/* Another value, on one line. */
void textmap_replace(struct textmap *, const struct textmap_entry *, const char *line);
/* Another line behind those of the entry; comments that stand behind it stay there. */
void textmap_continue(struct textmap *, const struct textmap_entry *, const char *words);
/* A word behind the key; and taken out again, by "name=" with whatever value it has. */
void textmap_add_word(struct textmap *, const struct textmap_entry *, const char *word);
void textmap_drop_word(struct textmap *, const struct textmap_entry *, const char *word);

/* Put the new text, or the old one again, into etc/FILE: atomic and durable. 0; -1 errno. */
int textmap_write(const struct textmap *, int etc_fd) MUST_CHECK;
int textmap_restore(const struct textmap *, int etc_fd) MUST_CHECK;

/* One at a time changes the maps in etc_fd: wait for the others. 0; -1 errno (EWOULDBLOCK: they do not end). The lock
 * goes with the descriptor. */
int textmap_lock(int etc_fd) MUST_CHECK;
/* `posthouse compile`; what it complains about goes to standard error. 0; -1: the maps in force are as before
 * (errno 0), or it could not be run. */
int textmap_compile(const struct instance *) MUST_CHECK;

#endif
