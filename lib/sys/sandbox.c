/*
 * sandbox: what a program gives up before the first octet from outside.
 *
 * Knows Landlock (by its system calls: the C library has no wrappers) and
 * libseccomp. The filter is a list of what is denied, with EPERM: what a
 * program was not granted, and what no program of ours ever needs. A list of
 * what is allowed would break with the next C library.
 */
#include "lib/sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"
#include "lib/sys/sanitized.h"

/* The kernel lacks something, or refuses it. */
static void
lacking(const struct sandbox *s, const char *what, const char *reason)
{
	if (s->mode == SANDBOX_REQUIRED)
		fatal(EX_OSERR, "cannot enter the sandbox: %s: %s", what,
		    reason);
	log_event(EV_SANDBOX, LS("what", what), LS("reason", reason));
}

/* --- Landlock ----------------------------------------------------------- */

/* linux/landlock.h of today; the one that is installed may be older. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,    /* ABI 2: link and rename between directories */
	FS_TRUNCATE = 1 << 14, /* ABI 3 */
	FS_IOCTL_DEV = 1 << 15 /* ABI 5 */
};
#define FS_OF_ABI_1 ((1u << 13) - 1)
#define FS_OF_A_FILE \
	(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define NET_TCP 3u /* ABI 4: bind and connect */
#define SCOPES 3u  /* ABI 6: abstract unix sockets, signals to others */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

static unsigned
handled_fs(long abi)
{
	unsigned fs = FS_OF_ABI_1;

	if (abi >= 2)
		fs |= FS_REFER;
	if (abi >= 3)
		fs |= FS_TRUNCATE;
	if (abi >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

static unsigned
rights_to_fs(unsigned rights)
{
	unsigned fs = 0;

	if ((rights & MAY_READ) != 0)
		fs |= FS_READ_FILE | FS_READ_DIR;
	if ((rights & MAY_WRITE) != 0)
		fs |= FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_DIR |
		    FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |
		    FS_MAKE_SYM | FS_REFER;
	if ((rights & MAY_EXEC) != 0)
		fs |= FS_EXECUTE | FS_READ_FILE;
	return fs;
}

/* A path that is not there has nothing to allow. Nor has one where all that is granted is granted everywhere: fs is 0. */
static int
allow_path(int ruleset, const char *path, unsigned fs)
{
	struct path_rule rule;
	struct stat st;
	int rv, fd;

	if (fs == 0)
		return 0;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT || errno == EACCES ? 0 : -1;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		fs &= FS_OF_A_FILE;
	rule.fd = fd;
	rule.allowed = fs;
	rv = (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH,
	    &rule, 0);
	file_close(fd);
	return rv;
}

/* Below ABI 2 nothing can be linked or renamed from one directory to another,
 * so a program that writes cannot be narrowed there. */
static bool
wants_to_write(const struct sandbox *s)
{
	size_t i;

	for (i = 0; i < COUNT(s->paths) && s->paths[i].path != NULL; i++)
		if ((s->paths[i].rights & MAY_WRITE) != 0)
			return true;
	return false;
}

static int
fill_ruleset(const struct sandbox *s, int ruleset, unsigned fs)
{
	size_t i;

	for (i = 0; i < COUNT(s->paths) && s->paths[i].path != NULL; i++)
		if (allow_path(ruleset, s->paths[i].path,
		        rights_to_fs(s->paths[i].rights) & fs) == -1)
			return -1;
	if (SANITIZED && (allow_path(ruleset, "/proc", fs & (FS_READ_FILE | FS_READ_DIR)) == -1 ||
	    allow_path(ruleset, "/usr", fs & (FS_READ_FILE | FS_READ_DIR)) == -1))
		return -1;
	return 0;
}

/* What is granted below "/" need not be looked after at all: a rule there would make the kernel walk up to it at each
 * open(2), in the domains below this one too. But for links and renames, which no rule means no. */
static unsigned
granted_everywhere(const struct sandbox *s)
{
	unsigned fs = 0;

	for (size_t i = 0; i < COUNT(s->paths) && s->paths[i].path != NULL; i++)
		if (strcmp(s->paths[i].path, "/") == 0)
			fs |= rights_to_fs(s->paths[i].rights);
	return fs & ~(unsigned)FS_REFER;
}

static void
enter_landlock(const struct sandbox *s)
{
	struct ruleset_attr attr = { 0 };
	long abi;
	int ruleset;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    CREATE_RULESET_VERSION);
	if (abi < 1 || (abi < 2 && wants_to_write(s))) {
		lacking(s, "landlock", abi < 1 ? strerror(errno)
		                               : "too old to link files");
		return;
	}
	attr.fs = handled_fs(abi) & ~granted_everywhere(s);
	if (abi >= 4 && (s->calls & CALL_INET) == 0)
		attr.net = NET_TCP;
	if (abi >= 6)
		attr.scoped = SCOPES;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    sizeof(attr), 0);
	if (ruleset == -1 || fill_ruleset(s, ruleset, (unsigned)attr.fs) == -1 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
		lacking(s, "landlock", strerror(errno));
	file_close(ruleset);
}

/* --- seccomp ------------------------------------------------------------ */

/* What no program of ours does. */
static const int never[] = {
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd), SCMP_SYS(mount),
	SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
	SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen),
	SCMP_SYS(fsmount), SCMP_SYS(fsconfig), SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr), SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(bpf), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(reboot),
	SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
	SCMP_SYS(quotactl), SCMP_SYS(quotactl_fd), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(lookup_dcookie), SCMP_SYS(fanotify_init), SCMP_SYS(syslog),
	SCMP_SYS(vhangup), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(move_pages), SCMP_SYS(migrate_pages), SCMP_SYS(vmsplice),
};

static const struct {
	unsigned unless; /* granted */
	int call;
} granted[] = {
	{ CALL_FORK, SCMP_SYS(fork) },
	{ CALL_FORK, SCMP_SYS(vfork) },
	{ CALL_EXEC, SCMP_SYS(execve) },
	{ CALL_EXEC, SCMP_SYS(execveat) },
	{ CALL_INET | CALL_UNIX, SCMP_SYS(connect) },
	{ CALL_INET | CALL_UNIX, SCMP_SYS(bind) },
	{ CALL_INET | CALL_UNIX, SCMP_SYS(listen) },
	{ CALL_IDS, SCMP_SYS(setuid) },
	{ CALL_IDS, SCMP_SYS(setgid) },
	{ CALL_IDS, SCMP_SYS(setreuid) },
	{ CALL_IDS, SCMP_SYS(setregid) },
	{ CALL_IDS, SCMP_SYS(setresuid) },
	{ CALL_IDS, SCMP_SYS(setresgid) },
	{ CALL_IDS, SCMP_SYS(setfsuid) },
	{ CALL_IDS, SCMP_SYS(setfsgid) },
	{ CALL_IDS, SCMP_SYS(setgroups) },
	{ CALL_IDS, SCMP_SYS(capset) },
};

static int
deny(scmp_filter_ctx filter, int call)
{
	int rv = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);

	/* -EDOM, -EFAULT: no such call on this architecture */
	return rv == -EDOM || rv == -EFAULT ? 0 : rv;
}

static int
deny_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp arg)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
	    &arg);
}

static int
deny_family(scmp_filter_ctx filter, unsigned family)
{
	return deny_if(filter, SCMP_SYS(socket),
	    SCMP_A0_32(SCMP_CMP_EQ, family, 0));
}

/* Unix, IPv4, IPv6 and (resolvers look at interfaces) netlink, as granted; no
 * other family for anybody. */
static int
deny_families(scmp_filter_ctx filter, unsigned calls)
{
	unsigned family, need;
	int rv;

	rv = deny_if(filter, SCMP_SYS(socket),
	    SCMP_A0_32(SCMP_CMP_GT, AF_NETLINK, 0));
	for (family = 0; family <= AF_NETLINK && rv == 0; family++) {
		need = 0;
		if (family == AF_UNIX)
			need = CALL_UNIX;
		if (family == AF_INET || family == AF_INET6 ||
		    family == AF_NETLINK)
			need = CALL_INET;
		if ((calls & need) == 0)
			rv = deny_family(filter, family);
	}
	return rv;
}

/* Threads may be, processes not. clone3 hides its flags from a filter; the C
 * library takes clone when it is not there. */
static int
deny_processes(scmp_filter_ctx filter)
{
	int rv = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
	    SCMP_SYS(clone3), 0);

	if (rv == 0)
		rv = deny_if(filter, SCMP_SYS(clone),
		    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	return rv;
}

/* A filter of ours is in force: what none of us does need not be denied again by the next, which is laid upon it. */
static bool filtered;

static int
deny_never(scmp_filter_ctx filter)
{
	int rv = 0;

	for (size_t i = 0; i < COUNT(never) && rv == 0; i++)
		rv = deny(filter, never[i]);
	if (rv == 0 && !SANITIZED)
		rv = deny(filter, SCMP_SYS(ptrace));
	if (rv == 0)
		rv = deny_if(filter, SCMP_SYS(ioctl), SCMP_A1_32(SCMP_CMP_EQ, TIOCSTI, 0));
	return rv;
}

static int
fill_filter(scmp_filter_ctx filter, unsigned calls)
{
	int rv = filtered ? 0 : deny_never(filter);
	size_t i;

	for (i = 0; i < COUNT(granted) && rv == 0; i++)
		if ((calls & granted[i].unless) == 0)
			rv = deny(filter, granted[i].call);
	if (rv == 0 && (calls & CALL_FORK) == 0 && !SANITIZED)
		rv = deny_processes(filter);
	if (rv == 0)
		rv = deny_families(filter, calls);
	return rv;
}

/* Filters made before they were needed. */
static struct {
	unsigned calls;
	struct sock_fprog program; /* filter NULL: none */
} prepared[4];

static scmp_filter_ctx
make_filter(unsigned calls, int *error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	*error = -ENOMEM;
	if (filter == NULL)
		return NULL;
	/* a tree, not a list: every call of ours walks it */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	*error = fill_filter(filter, calls);
	return filter;
}

/* The program that libseccomp makes for these calls, from a process of its own: what libseccomp takes and gives back
 * would leave holes all over our heap, which processes forked later fill each for itself. 0: it is in fd. */
static int
export_program(unsigned calls, int fd)
{
	int status = -1, error;
	scmp_filter_ctx filter;
	pid_t pid = fork();

	if (pid == 0) {
		filter = make_filter(calls, &error);
		_exit(error != 0 || seccomp_export_bpf(filter, fd) != 0 ? 1 : 0);
	}
	if (pid == -1)
		return -1;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Or filter stays NULL: then it is made when it is needed. */
static void
read_program(int fd, struct sock_fprog *out)
{
	struct stat st;
	size_t n;

	if (fstat(fd, &st) == -1)
		return;
	n = (size_t)st.st_size;
	if (n == 0 || n % sizeof(struct sock_filter) != 0 ||
	    n / sizeof(struct sock_filter) > USHRT_MAX || lseek(fd, 0, SEEK_SET) == -1)
		return;
	out->filter = mem_alloc(n, 1);
	out->len = (unsigned short)(n / sizeof(struct sock_filter));
	if (file_read_all(fd, out->filter, n) == 0)
		return;
	free(out->filter);
	out->filter = NULL;
}

static const struct sock_fprog *
find_prepared(unsigned calls)
{
	for (size_t i = 0; i < COUNT(prepared); i++)
		if (prepared[i].program.filter != NULL && prepared[i].calls == calls)
			return &prepared[i].program;
	return NULL;
}

void
sandbox_may(struct sandbox *s, const char *path, unsigned rights)
{
	size_t n = 0;

	if (path == NULL || path[0] == '\0')
		return;
	while (n < COUNT(s->paths) && s->paths[n].path != NULL)
		n++;
	if (n == COUNT(s->paths))
		fatal(EX_SOFTWARE, "cannot enter a sandbox of more than %zu paths", COUNT(s->paths));
	s->paths[n].path = path;
	s->paths[n].rights = rights;
}

void
sandbox_may_resolve(struct sandbox *s)
{
	sandbox_may(s, "/etc", MAY_READ);
	sandbox_may(s, "/run/systemd/resolve", MAY_READ);
}

void
sandbox_prepare(unsigned calls)
{
	int fd;
	size_t i = 0;

	while (i < COUNT(prepared) && prepared[i].program.filter != NULL)
		i++;
	if (i == COUNT(prepared) || find_prepared(calls) != NULL)
		return;
	fd = memfd_create("filter", MFD_CLOEXEC);
	prepared[i].calls = calls;
	if (fd != -1 && export_program(calls, fd) == 0)
		read_program(fd, &prepared[i].program);
	file_close(fd);
}

static void
enter_seccomp(const struct sandbox *s)
{
	const struct sock_fprog *program = find_prepared(s->calls);
	scmp_filter_ctx filter;
	int rv;

	if (program != NULL) {
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) == -1)
			lacking(s, "seccomp", strerror(errno));
		else
			filtered = true;
		return;
	}
	filter = make_filter(s->calls, &rv);
	if (rv == 0)
		rv = seccomp_load(filter);
	if (rv != 0)
		lacking(s, "seccomp", strerror(-rv));
	else
		filtered = true;
	seccomp_release(filter);
}

void
sandbox_enter(const struct sandbox *s)
{
	if (s->mode == SANDBOX_OFF)
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		lacking(s, "no_new_privs", strerror(errno));
	enter_landlock(s);
	enter_seccomp(s);
}
