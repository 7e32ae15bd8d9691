/*
 * local: the agent that puts mail into maildirs.
 *
 * Knows mailboxes: where they are (router) and how a message gets into one
 * (store/maildir). Takes jobs from queued, one link(2) a recipient; never
 * looks into a message.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "deliver/agent.h"
#include "deliver/allowance.h"
#include "deliver/boxes.h"
#include "lib/base/log.h"
#include "lib/base/options.h"
#include "lib/store/conf.h"
#include "lib/store/maildir.h"
#include "lib/store/words.h"
#include "lib/sys/file.h"
#include "lib/sys/proc.h"
#include "lib/sys/sandbox.h"
#include "router/router.h"

#define GRACE_MS 5000
#define ROOTS_MAX 24 /* mail roots that the sandbox names one by one */

struct local {
	const char *dir;
	struct instance inst;
	struct conf conf;
	char *socket, *full_dir;
	/* of a worker */
	struct router router;
	struct boxes boxes;
	struct agent agent;
	char *roots[ROOTS_MAX];
	size_t root_count;
	bool any_root; /* more than that: every directory is allowed */
};

static void
read_options(struct local *l, int argc, char *argv[])
{
	l->dir = options_dir(argc, argv,
	    "usage: local [-C DIR]\n"
	    "  -C DIR  the instance below DIR; without it the system's own\n"
	    "Usually started by master or systemd; see local(8).\n");
	instance_open(&l->inst, l->dir);
}

static void
close_settings(struct local *l)
{
	free(l->socket);
	free(l->full_dir);
	conf_free(&l->conf);
	instance_close(&l->inst);
}

static void
read_settings(struct local *l)
{
	conf_load(&l->conf, &l->inst);
	log_level_set(l->conf.log_detail ? LOG_DETAIL : LOG_NOTICE);
	l->socket = instance_path(l->inst.run, "agents");
	l->full_dir = instance_path(l->inst.state, "full");
}

/* --- where mailboxes may lie ---------------------------------------------- */

static bool
known_root(const struct local *l, const char *root)
{
	size_t i;

	for (i = 0; i < l->root_count; i++)
		if (strcmp(l->roots[i], root) == 0)
			return true;
	return l->any_root;
}

static void
add_root(struct local *l, const char *root)
{
	if (known_root(l, root))
		return;
	if (l->root_count == ROOTS_MAX)
		l->any_root = true;
	else
		l->roots[l->root_count++] = mem_dup(root);
}

static int
add_domain_root(void *arg, struct span key, const struct map_entry *entry)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(256);
	const struct span *root;
	struct words words;

	(void)key;
	if (words_parse(entry->value, arena, &words, &why) == 0 &&
	    (root = words_get(&words, "mail_root")) != NULL)
		add_root(arg, arena_dupn(arena, root->s, root->len));
	buf_free(&why);
	arena_free(arena);
	return 0;
}

/*
 * Landlock lets a link appear only where its source could do as much: so the
 * spool, which this uid cannot even list, stands in the same rule.
 */
static void
enter_sandbox(struct local *l)
{
	const unsigned all = MAY_READ | MAY_WRITE;
	struct sandbox box = { .mode = l->conf.sandbox, .calls = CALL_UNIX };

	sandbox_may(&box, l->inst.maps, MAY_READ);
	sandbox_may(&box, "/sys/fs/ext4", MAY_READ); /* has it a journal? */
	sandbox_may(&box, l->inst.spool, all);
	sandbox_may(&box, l->full_dir, all);
	for (size_t i = 0; i < l->root_count && !l->any_root; i++)
		sandbox_may(&box, l->roots[i], all);
	if (l->any_root)
		sandbox_may(&box, "/", all);
	sandbox_enter(&box);
}

static void
open_maps(struct local *l)
{
	struct buf why = BUF_INIT(1024);

	if (router_open(&l->router, &l->inst, &l->conf, &why) == -1)
		fatal(EX_CONFIG, "cannot open the maps: %s", buf_str(&why));
	buf_free(&why);
	add_root(l, l->conf.mail_root);
	if (map_each(l->router.maps, MAP_DOMAINS, add_domain_root, l) == -1)
		fatal(EX_CONFIG, "cannot read the domains map");
}

/* --- delivery ------------------------------------------------------------- */

static void
outcome(struct job *j, struct job_rcpt *r, enum outcome what, int code,
    const char *enhanced, const char *text)
{
	job_outcome(j, r, what, code, enhanced, span_of(text));
}

/* The file system said no. */
static void
trouble(struct job *j, struct job_rcpt *r, const struct mailbox *m, int error)
{
	struct buf text = BUF_INIT(512);

	if (error == EDQUOT || error == ENOSPC) {
		outcome(j, r, RETRY, 452, "4.2.2", "the mailbox is full");
		return;
	}
	buf_addf(&text, "cannot deliver into the maildir: %s", strerror(error));
	outcome(j, r, RETRY, 451, "4.3.0", buf_str(&text));
	log_error(EV_WARNING, LS("text", buf_str(&text)), LS("id", j->id),
	    LS("mailbox", m->address), LS("maildir", m->maildir));
	buf_free(&text);
}

/* The name has to last as soon as the file is synced; a copy is synced already. */
static int
put(const struct local *l, struct box *box, int msg_fd, const char *name)
{
	bool copied;

	if (maildir_deliver(box->fd, msg_fd, name, &copied) == -1)
		return -1;
	if (copied || (box->names_follow && !l->conf.sync_names_always))
		return 0;
	return box_sync_new(box);
}

/*
 * An earlier copy, left by somebody who was cut off before he could say so. 1: there is one, and it lasts from
 * now on; 0: there is none; -1 errno.
 */
static int
find_earlier(const struct local *l, struct box *box, const char *key)
{
	int fd, rv;

	/* What others have delivered since, queued remembers itself. */
	if (box->keys_calls != l->agent.calls && maildir_keys_read(&box->keys, box->fd) == -1)
		return -1;
	box->keys_calls = l->agent.calls;
	if (!maildir_keys_may_have(&box->keys, key))
		return 0;
	fd = maildir_find_key(box->fd, key);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	rv = fsync(fd);
	file_close(fd);
	if (rv == 0 && (!box->names_follow || l->conf.sync_names_always))
		rv = box_sync_new(box) == 0 ? file_sync_dir_at(box->fd, "cur") : -1;
	return rv == 0 ? 1 : -1;
}

static int
put_once(const struct local *l, const struct job *j, struct box *box, const char *name)
{
	int rv = j->again ? find_earlier(l, box, j->key) : 0;

	return rv == 0 ? put(l, box, j->msg_fd, name) : rv == 1 ? 0 : -1;
}

/* A job that is done again finds what it has put there before: it has fitted, and is counted. */
static bool
is_there(const struct box *box, const char *name)
{
	char path[NAME_MAX + 8];
	int n = snprintf(path, sizeof(path), "new/%s", name);

	return n > 0 && (size_t)n < sizeof(path) && faccessat(box->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* False: the recipient has its outcome. */
static bool
may_have(const struct local *l, struct job *j, struct job_rcpt *r, const struct box *box, struct allowance *a)
{
	if (box == NULL)
		return true;
	a->maildir_fd = box->fd;
	a->full_dir = l->full_dir;
	return allowance_ask(a, &l->conf, j, r);
}

static void
deliver(struct local *l, struct job *j, struct job_rcpt *r,
    const struct mailbox *m, const char *name)
{
	struct box *box = boxes_open(&l->boxes, m->root, m->maildir);
	struct allowance allowance = { .mailbox = m };
	bool counts = quota_given(&m->quota) && !(box != NULL && is_there(box, name));
	int rv;

	if (counts && !may_have(l, j, r, box, &allowance))
		return;
	rv = box != NULL ? put_once(l, j, box, name) : -1;

	if (rv == -1 && box != NULL && errno == ENOENT) {
		/* The directory that was held open was removed meanwhile. */
		box_forget(box);
		box = boxes_open(&l->boxes, m->root, m->maildir);
		rv = box != NULL ? put_once(l, j, box, name) : -1;
	}
	if (rv == 0 && counts) {
		allowance.maildir_fd = box->fd;
		allowance_take(&allowance, &l->conf, j);
	}
	if (rv == 0)
		outcome(j, r, SENT, 250, "2.0.0", "delivered to the mailbox");
	else
		trouble(j, r, m, errno);
}

/* False: this process may not go there, a new one may (open_maps). */
static bool
serve_rcpt(struct local *l, struct job *j, struct job_rcpt *r, const char *name)
{
	struct mailbox m;

	switch (router_mailbox(&l->router, r->address, j->arena, &m)) {
	case 1:
		break;
	case 0:
		outcome(j, r, FAILED, 550, "5.1.1", "no such mailbox here");
		return true;
	default:
		outcome(j, r, RETRY, 451, "4.3.5", "the maps cannot be read");
		return true;
	}
	if (m.disabled)
		outcome(j, r, RETRY, 450, "4.2.1", "the mailbox is disabled");
	else if (!known_root(l, m.root))
		return false;
	else
		deliver(l, j, r, &m, name);
	return true;
}

/* False: let a new process begin this job anew; what was linked stays linked
 * and is found there again. */
static bool
serve_job(struct local *l, struct job *j)
{
	struct buf name = BUF_INIT(256);
	bool served = true;
	size_t i;

	router_refresh(&l->router);
	maildir_name_format(&name, j->arrived_s, j->id, l->conf.hostname,
	    j->octets, j->wire_octets, j->key);
	for (i = 0; i < j->rcpt_count && served; i++)
		served = serve_rcpt(l, j, &j->rcpts[i], buf_str(&name));
	buf_free(&name);
	return served;
}

static void
close_worker(struct local *l)
{
	size_t i;

	agent_close(&l->agent);
	boxes_close(&l->boxes);
	router_close(&l->router);
	for (i = 0; i < l->root_count; i++)
		free(l->roots[i]);
	close_settings(l);
}

static int
work(void *arg, int slot)
{
	struct local *l = arg;
	struct job job;

	(void)slot;
	umask(077);
	open_maps(l);
	boxes_init(&l->boxes);
	agent_init(&l->agent, l->socket, "local");
	enter_sandbox(l);

	while (agent_take(&l->agent, NEVER, &job) == 1) {
		if (!serve_job(l, &job))
			break;
		agent_report(&l->agent, &job, "-", "-");
	}
	close_worker(l);
	return 0;
}

int
main(int argc, char *argv[])
{
	struct local l = { 0 };

	log_open("local");
	read_options(&l, argc, argv);
	read_settings(&l);
	proc_drop(USER_MAIL);
	proc_signals();

	proc_pool((int)l.conf.local_agents, GRACE_MS, work, &l);

	close_settings(&l);
	return 0;
}
