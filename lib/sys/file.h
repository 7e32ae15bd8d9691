/*
 * file: files and directories, durably.
 */
#ifndef LIB_SYS_FILE_H
#define LIB_SYS_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

void file_close(int fd); /* keeps errno; -1 is fine */
/* Read or write all of n octets (EINTR, short counts). 0; -1 with errno (EIO
 * for an early end of file). */
int file_read_all(int fd, void *, size_t n) MUST_CHECK;
int file_write_all(int fd, const void *, size_t n) MUST_CHECK;
/* The whole file into out, at most out->max octets (else EFBIG). */
int file_slurp_at(int dir_fd, const char *name, struct buf *out) MUST_CHECK;
/* All octets of from, from its offset 0, to to (copy_file_range, else read and write). */
int file_copy(int from, int to) MUST_CHECK;
/* Write out what was written so far without a flush of the disk's cache and
 * without the journal: sync_file_range and wait, where there is one. */
int file_writeout(int fd) MUST_CHECK;
/* Only set it going; file_writeout() later waits, and tells of errors. */
void file_writeout_begin(int fd);
/* New content for a file that is read by others: temporary file, fsync,
 * rename, fsync of the directory. Mode as given. */
int file_replace_at(int dir_fd, const char *name, const void *, size_t n, mode_t) MUST_CHECK;
/* fsync of a directory: the names in it. */
int file_sync_dir_at(int dir_fd, const char *name) MUST_CHECK;
/* mkdir -p below dir_fd; existing is fine. */
int file_mkdirs_at(int dir_fd, const char *path, mode_t) MUST_CHECK;
/* An unlinked file on the file system of dir_fd, read and write, that link_at
 * can give a name (mode less the umask): O_TMPFILE, or where there is none a file dir_fd/unnamed.PID.N
 * that was unlinked again (then *linkable is false). */
int file_unnamed_at(int dir_fd, mode_t, bool *linkable) MUST_CHECK;
/* Give the inode behind fd a name: linkat of /proc/self/fd/N. EEXIST, EXDEV,
 * EPERM as link(2) says. */
int file_link_fd(int fd, int dir_fd, const char *name) MUST_CHECK;
/* Does fsync of a freshly linked file also commit its name here? (ext4 with a
 * journal, XFS, btrfs; DESIGN section 3.) */
bool file_names_follow(int dir_fd);

#endif
