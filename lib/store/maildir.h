/*
 * maildir: mailboxes on disk: new/, cur/, tmp/; sizes in names.
 *
 * Names: SECONDS.ID.HOST,S=octets,W=octets-with-CRLF[,K=KEY][:2,FLAGS]. ID is the queue ID, so
 * delivering the same message again is EEXIST, not a second copy. KEY is its delivery key, if it has one: under
 * another ID, too, it is the same copy.
 */
#ifndef LIB_STORE_MAILDIR_H
#define LIB_STORE_MAILDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct maildir_name {
	struct span unique;    /* without ",S=..." and ":2,..." */
	uint64_t size, wire;   /* octets in the file; with CRLF line ends */
	bool has_size, has_wire;
	struct span flags;
};
void maildir_name_format(struct buf *out, int64_t arrived_s, const char *id, const char *host,
    uint64_t size, uint64_t wire, const char *key);
void maildir_name_parse(struct span name, struct maildir_name *out);

/* A directory held open, beneath mail_root_fd (openat2 RESOLVE_BENEATH, no symlinks out). Missing
 * directories are made (0700). -1 errno. */
int maildir_open(int mail_root_fd, const char *path) MUST_CHECK;
/* Make the inode behind msg_fd appear in new/ as name: linkat; over to another file system, or where
 * the inode may not be linked (EXDEV, EPERM, EMLINK): a synced copy by tmp/ and rename. 0: it is there
 * (also when it was already); -1 errno, nothing left behind. *copied tells which. */
int maildir_deliver(int dir_fd, int msg_fd, const char *name, bool *copied) MUST_CHECK;
/* The keys that are in names now, as hashes: who asks for many does not read the directories each time. */
struct maildir_keys {
	uint64_t *v; /* ascending */
	size_t n, room;
};
int maildir_keys_read(struct maildir_keys *, int dir_fd) MUST_CHECK; /* 0; -1 errno, and it is empty */
bool maildir_keys_may_have(const struct maildir_keys *, const char *key);
void maildir_keys_free(struct maildir_keys *);
/* The message in new/ or cur/ whose name bears this delivery key, opened to read. -1 errno; ENOENT: there is none. */
int maildir_find_key(int dir_fd, const char *key) MUST_CHECK;

#endif
