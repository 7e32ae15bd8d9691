/*
 * instance: where one installation keeps what (-C DIR, or the system's own directories).
 */
#ifndef LIB_STORE_INSTANCE_H
#define LIB_STORE_INSTANCE_H

#include <stdbool.h>

#include "lib/base/mem.h"

struct instance {
	char *root;  /* DIR of -C, absolute; NULL: the system's own */
	char *etc;   /* text maps, posthouse.conf    DIR/etc      /etc/posthouse */
	char *maps;  /* GENERATION/, current ->      DIR/maps     /var/lib/posthouse/maps */
	char *mail;  /* DOMAIN/USER/ maildirs        DIR/mail     /var/lib/posthouse/mail */
	char *spool; /* the queue                    DIR/spool    /var/lib/posthouse/spool: same file system as mail */
	char *state; /* SQLite files, one a program  DIR/state/PROGRAM  /var/lib/posthouse/state/PROGRAM */
	char *run;   /* sockets, master.pid          DIR/run      /run/posthouse */
	char *log;   /* YYYY-MM-DD.log               DIR/log      /var/log/posthouse */
};
/* dir NULL: the system's. Paths are made absolute; nothing is checked. */
void instance_open(struct instance *, const char *dir);
void instance_close(struct instance *);
/* "DIR/run/submit" and the like; the caller frees. */
char *instance_path(const char *dir, const char *name) MUST_CHECK;
/* Where programs lie: beside this one when it is in a libexec/posthouse or a build
 * tree's stage, else the compiled-in directory. Static memory. */
const char *instance_libexec(void);

/* The users of DESIGN section 2. */
#define USER_SMTPD "phsmtpd"
#define USER_POP3 "phpop3"
#define USER_COLLECT "phcollect"
#define USER_QUEUE "phqueue"
#define USER_MAIL "phmail"   /* its group shares message files with phqueue */
#define USER_REMOTE "phremote"
#define USER_AUTH "phauth"
#define USER_TOKEN "phtoken"
#define USER_TLS "phtls"
#define USER_CHECK "phcheck" /* programs of others that know passwords */

#endif
