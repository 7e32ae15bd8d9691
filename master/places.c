/*
 * places: the directories of an instance.
 *
 * Knows the table; what lies in the directories is for their owners.
 */
#include "master/places.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/sys/file.h"
#include "lib/sys/proc.h"

void
places_list(const struct instance *inst, struct place out[PLACES_MAX])
{
	// clang-format off
	const struct place places[] = {
		{ inst->etc,   "root",     "root",     0755 },
		{ instance_path(inst->etc, "tls"), USER_TLS, USER_TLS, 0700 },
		{ inst->maps,  "root",     "root",     0755 },
		{ inst->mail,  USER_MAIL,  USER_MAIL,  0711 },
		/* setgid: what queued makes there belongs to the group of those who link it */
		{ inst->spool, USER_QUEUE, USER_MAIL,  02700 },
		{ inst->state, "root",     "root",     0755 },
		{ instance_path(inst->state, "auth"), USER_AUTH, USER_AUTH, 0700 },
		{ instance_path(inst->state, "collect"), USER_COLLECT, USER_COLLECT, 0700 },
		/* who is full: smtpd asks for one by its name */
		{ instance_path(inst->state, "full"), USER_MAIL, USER_MAIL, 0711 },
		{ instance_path(inst->state, "tls"), USER_TLS, USER_TLS, 0700 },
		{ instance_path(inst->state, "token"), USER_TOKEN, USER_TOKEN, 0700 },
		{ inst->run,   "root",     "root",     0755 },
		{ inst->log,   "root",     "root",     0750 },
		{ NULL, NULL, NULL, 0 },
	};
	// clang-format on

	memcpy(out, places, sizeof(places));
}

int
place_ids(const struct place *p, uid_t *uid, gid_t *gid, struct buf *why)
{
	const struct passwd *pw;
	const struct group *gr;

	*uid = getuid();
	*gid = getgid();
	if (!proc_privileged())
		return 0;
	pw = getpwnam(p->user);
	gr = getgrnam(p->group);
	if (pw == NULL || gr == NULL) {
		buf_addf(why, "%s: no such user or group: %s; posthouse setup "
		    "makes them", p->path, pw == NULL ? p->user : p->group);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = gr->gr_gid;
	return 0;
}

int
place_make(const struct place *p, struct buf *why)
{
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (stat(p->path, &st) == 0)
		return 0;
	if (place_ids(p, &uid, &gid, why) == -1)
		return -1;
	/* chown first: it takes setgid away. */
	if (file_mkdirs_at(AT_FDCWD, p->path, 0755) == -1 ||
	    (proc_privileged() && chown(p->path, uid, gid) == -1) ||
	    chmod(p->path, p->mode) == -1) {
		buf_addf(why, "%s: %s", p->path, strerror(errno));
		return -1;
	}
	return 1;
}

int
place_check(const struct place *p, struct buf *why)
{
	const unsigned mask = 07777;
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (stat(p->path, &st) == -1) {
		buf_addf(why, "%s: %s; posthouse setup makes it", p->path,
		    strerror(errno));
		return -1;
	}
	if (!S_ISDIR(st.st_mode)) {
		buf_addf(why, "%s: not a directory", p->path);
		return -1;
	}
	if (place_ids(p, &uid, &gid, why) == -1)
		return -1;
	if (st.st_uid != uid || (proc_privileged() && st.st_gid != gid)) {
		buf_addf(why, "%s: owned by %u:%u, not %s:%s; chown %s:%s %s",
		    p->path, (unsigned)st.st_uid, (unsigned)st.st_gid,
		    proc_privileged() ? p->user : "us",
		    proc_privileged() ? p->group : "us", p->user, p->group,
		    p->path);
		return -1;
	}
	if ((st.st_mode & mask & ~p->mode) != 0 ||
	    (p->mode & ~st.st_mode & 07000) != 0) {
		buf_addf(why, "%s: mode %o, more than %o; chmod %o %s", p->path,
		    (unsigned)st.st_mode & mask, (unsigned)p->mode,
		    (unsigned)p->mode, p->path);
		return -1;
	}
	return 0;
}
