/*
 * sandbox: what a program gives up before the first octet from outside.
 *
 * Landlock for paths, seccomp for system calls (libseccomp). What the kernel
 * does not offer is logged once (EV_SANDBOX), and fatal when required.
 */
#ifndef LIB_SYS_SANDBOX_H
#define LIB_SYS_SANDBOX_H

#include <stdbool.h>

enum sandbox_mode { SANDBOX_OFF, SANDBOX_AUTO, SANDBOX_REQUIRED };
enum sandbox_right {
	MAY_READ = 1,   /* files and directories below */
	MAY_WRITE = 2,  /* ... write, create, link, rename, remove */
	MAY_EXEC = 4
};
enum sandbox_call { /* beyond reading and writing what is open */
	CALL_FORK = 1,
	CALL_EXEC = 2,
	CALL_INET = 4,  /* socket(AF_INET, AF_INET6), connect, bind */
	CALL_UNIX = 8,  /* socket(AF_UNIX), connect */
	CALL_IDS = 16   /* setuid and its kin */
};
struct sandbox {
	enum sandbox_mode mode;
	struct { const char *path; unsigned rights; } paths[32]; /* ends with NULL */
	unsigned calls;
};
/* One more path, which stays the caller's; NULL, "": none. */
void sandbox_may(struct sandbox *, const char *path, unsigned rights);
void sandbox_may_resolve(struct sandbox *); /* the resolver's files, which are replaced while we run */
void sandbox_enter(const struct sandbox *);
/* Make the filter of system calls for these calls now, in a process of its own: whoever enters a sandbox with just
 * these, here or in a process forked later, only loads it, which takes a tenth of the time and no memory. Made
 * within a sandbox it counts on that one. For four sets of calls. */
void sandbox_prepare(unsigned calls);

#endif
