/*
 * listen: sockets that others connect to, ours or handed over (LISTEN_FDS).
 *
 * Knows socket(2), getaddrinfo(3) for what people wrote, and sd_listen_fds(3);
 * not what is spoken on them.
 */
#include "lib/sys/listen.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/sys/file.h"

/* --- handed over -------------------------------------------------------- */

#define PASSED_FIRST 3 /* SD_LISTEN_FDS_START */
#define PASSED_MAX 64

static struct {
	bool looked;
	int count;
	char *name[PASSED_MAX];
} passed;

static int
environment_number(const char *name, uint64_t max)
{
	const char *s = getenv(name);
	uint64_t n;

	if (s == NULL || num_parse(span_of(s), max, &n) == -1)
		return -1;
	return (int)n;
}

static void
look_at_environment(void)
{
	struct span names = span_of(getenv("LISTEN_FDNAMES")), name;
	int i, n;

	passed.looked = true;
	if (environment_number("LISTEN_PID", INT32_MAX) != (int)getpid())
		return; /* meant for another process */
	n = environment_number("LISTEN_FDS", PASSED_MAX);
	for (i = 0; i < n; i++) {
		name = names.s != NULL ? span_cut(&names, ':')
		                       : SPAN("unknown");
		passed.name[i] = mem_dupn(name.s, name.len);
		if (fcntl(PASSED_FIRST + i, F_SETFD, FD_CLOEXEC) == -1)
			break;
		passed.count++;
	}
}

int
listen_passed(int i, const char **name)
{
	if (!passed.looked)
		look_at_environment();
	if (i < 0 || i >= passed.count)
		return -1;
	*name = passed.name[i];
	return PASSED_FIRST + i;
}

/* --- who has the port? -------------------------------------------------- */

/* The inode of a listening socket on this port, from /proc/net/tcp or tcp6. */
static unsigned long
port_inode(const char *table, unsigned port)
{
	unsigned long inode = 0, seen;
	unsigned at, state;
	char line[512];
	FILE *f = fopen(table, "re");

	if (f == NULL)
		return 0;
	while (inode == 0 && fgets(line, sizeof(line), f) != NULL)
		// NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers fit
		if (sscanf(line, "%*u: %*[0-9A-F]:%x %*s %x %*s %*s %*s %*u %*u %lu",
		        &at, &state, &seen) == 3 &&
		    at == port && state == TCP_LISTEN)
			inode = seen;
	fclose(f);
	return inode;
}

static bool
holds_socket(const char *pid, const char *target)
{
	char link[64], *path = mem_fmt("/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool found = false;
	ssize_t n;

	free(path);
	if (dir == NULL)
		return false;
	while (!found && (e = readdir(dir)) != NULL) {
		n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		found = strcmp(link, target) == 0;
	}
	closedir(dir);
	return found;
}

/* " by exim4 (pid 7)", when it can be found out. */
static void
add_holder(struct buf *why, unsigned port)
{
	unsigned long inode = port_inode("/proc/net/tcp", port);
	char target[64], *path;
	struct buf comm = BUF_INIT(64);
	const struct dirent *e;
	DIR *proc;

	if (inode == 0)
		inode = port_inode("/proc/net/tcp6", port);
	proc = inode != 0 ? opendir("/proc") : NULL;
	if (proc == NULL)
		return;
	snprintf(target, sizeof(target), "socket:[%lu]", inode);
	while ((e = readdir(proc)) != NULL) {
		if (*e->d_name < '1' || *e->d_name > '9' ||
		    !holds_socket(e->d_name, target))
			continue;
		path = mem_fmt("/proc/%s/comm", e->d_name);
		if (file_slurp_at(AT_FDCWD, path, &comm) == 0) {
			buf_adds(why, " by ");
			buf_addspan(why, span_trim(buf_span(&comm)));
			buf_addf(why, " (pid %s)", e->d_name);
		}
		free(path);
		buf_free(&comm);
		break;
	}
	closedir(proc);
}

/* --- TCP ---------------------------------------------------------------- */

struct place {
	char host[256]; /* "" for every address */
	char port[32];
};

static int
split_address(const char *address, struct place *p)
{
	const char *colon = strrchr(address, ':'), *host = address;
	const char *port = colon != NULL ? colon + 1 : address;
	size_t n = colon != NULL ? (size_t)(colon - address) : 0;
	uint64_t number;

	if (n > 1 && host[0] == '[' && host[n - 1] == ']')
		host++, n -= 2;
	else if (n > 0 && memchr(host, ':', n) != NULL)
		return -1; /* an IPv6 address takes brackets: where does it end? */
	if (n == 1 && *host == '*')
		n = 0;
	if (n >= sizeof(p->host) || *port == '\0' ||
	    strlen(port) >= sizeof(p->port))
		return -1;
	/* getaddrinfo(3) would take 65561 for 25 */
	if (num_parse(span_of(port), UINT16_MAX, &number) == -1 && errno == ERANGE)
		return -1;
	memcpy(p->host, host, n);
	p->host[n] = '\0';
	strlcpy(p->port, port, sizeof(p->port));
	return 0;
}

static unsigned
sockaddr_port(const struct sockaddr *sa)
{
	in_port_t port = sa->sa_family == AF_INET6
	    ? ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port
	    : ((const struct sockaddr_in *)(const void *)sa)->sin_port;

	return ntohs(port);
}

static void
add_place(struct buf *why, const struct sockaddr *sa, socklen_t len)
{
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
	bool v6 = sa->sa_family == AF_INET6;

	(void)getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
	    NI_NUMERICHOST | NI_NUMERICSERV);
	buf_addf(why, "cannot listen on %s%s%s:%s: ", v6 ? "[" : "", host,
	    v6 ? "]" : "", port);
}

static void
turn_on(int fd, int level, int option)
{
	const int on = 1;

	(void)setsockopt(fd, level, option, &on, sizeof(on));
}

/* named: an address of its own, which an interface may get later. */
static int
listen_one(const struct addrinfo *a, bool named, int backlog)
{
	bool v6 = a->ai_family == AF_INET6;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	turn_on(fd, SOL_SOCKET, SO_REUSEADDR);
	turn_on(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
	if (v6)
		turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (named)
		turn_on(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		    v6 ? IPV6_FREEBIND : IP_FREEBIND);
	if (bind(fd, a->ai_addr, a->ai_addrlen) == -1 ||
	    listen(fd, backlog) == -1) {
		file_close(fd);
		return -1;
	}
	return fd;
}

static void
explain(struct buf *why, const struct addrinfo *a, int error)
{
	add_place(why, a->ai_addr, a->ai_addrlen);
	if (error != EADDRINUSE) {
		buf_adds(why, strerror(error));
		return;
	}
	buf_adds(why, "address in use");
	add_holder(why, sockaddr_port(a->ai_addr));
}

int
listen_tcp(const char *address, int backlog, int *fds, int max, struct buf *why)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE,
		.ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };
	struct addrinfo *list, *a;
	struct place p;
	int n = 0, error;

	if (split_address(address, &p) == -1) {
		buf_addf(why, "cannot listen on %s: not HOST:PORT, [IPV6]:PORT, "
		              "*:PORT or PORT", address);
		return -1;
	}
	error = getaddrinfo(*p.host != '\0' ? p.host : NULL, p.port, &hints,
	    &list);
	if (error != 0) {
		buf_addf(why, "cannot listen on %s: %s", address,
		    gai_strerror(error));
		return -1;
	}
	for (a = list; a != NULL && n < max; a = a->ai_next) {
		fds[n] = listen_one(a, *p.host != '\0', backlog);
		if (fds[n] != -1) {
			n++;
			continue;
		}
		if (errno == EAFNOSUPPORT && (a->ai_next != NULL || n > 0))
			continue; /* a kernel without this family */
		explain(why, a, errno);
		while (n > 0)
			file_close(fds[--n]);
		break;
	}
	freeaddrinfo(list);
	return n > 0 ? n : -1;
}

/* --- unix --------------------------------------------------------------- */

/*
 * The address of path. One that is too long for sun_path goes by way of a
 * descriptor of its directory, *dir_fd, which the caller closes.
 */
static int
unix_address(const char *path, struct sockaddr_un *sun, int *dir_fd)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int n;

	*dir_fd = -1;
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlen(path) < sizeof(sun->sun_path)) {
		strlcpy(sun->sun_path, path, sizeof(sun->sun_path));
		return 0;
	}
	if (slash == NULL) {
		errno = ENAMETOOLONG;
		return -1;
	}
	dir = mem_dupn(path, (size_t)(slash - path) + 1);
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (*dir_fd == -1)
		return -1;
	n = snprintf(sun->sun_path, sizeof(sun->sun_path),
	    "/proc/self/fd/%d/%s", *dir_fd, slash + 1);
	if (n < 0 || (size_t)n >= sizeof(sun->sun_path)) {
		file_close(*dir_fd);
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static int
bind_unix(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un sun;
	struct stat st;
	mode_t mask;
	int dir_fd, rv = -1;

	if (unix_address(path, &sun, &dir_fd) == -1)
		return -1;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	mask = umask(0177);
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    chmod(path, mode) == 0)
		rv = 0;
	umask(mask);
	file_close(dir_fd);
	return rv;
}

int
listen_unix(const char *path, mode_t mode, struct buf *why)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd != -1 && bind_unix(fd, path, mode) == 0 &&
	    listen(fd, SOMAXCONN) == 0)
		return fd;
	buf_addf(why, "cannot listen on %s: %s", path, strerror(errno));
	file_close(fd);
	return -1;
}

int
connect_unix(const char *path)
{
	const struct timeval patience = { 30, 0 }; /* a full backlog */
	struct sockaddr_un sun;
	int dir_fd, rv, fd;

	if (unix_address(path, &sun, &dir_fd) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd != -1) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		    sizeof(patience));
		rv = connect(fd, (const struct sockaddr *)&sun, sizeof(sun));
		if (rv == -1) {
			file_close(fd);
			fd = -1;
		}
	}
	file_close(dir_fd);
	return fd;
}

int
peer_uid(int fd, uid_t *uid, pid_t *pid)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1)
		return -1;
	*uid = who.uid;
	*pid = who.pid;
	return 0;
}
