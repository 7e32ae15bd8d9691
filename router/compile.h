/*
 * compile: text maps → a generation of tables: parse (build.c), cross-check (check.c), publish
 * (generations.c).
 */
#ifndef ROUTER_COMPILE_H
#define ROUTER_COMPILE_H

#include <stdbool.h>

#include "lib/store/conf.h"
#include "lib/store/instance.h"
#include "lib/store/map.h"
#include "router/report.h"

struct compile {
	const struct instance *inst;
	struct report *report;
	char *where;       /* the directory in which the new generation's directory lies */
	char *name;        /* of that directory */
	int dir_fd;        /* it */
	struct conf conf;
	char *files[MAP_COUNT]; /* the text maps: etc/NAME */
	char *conf_file;
	char *default_domain;   /* key form; "" */
	char *postmaster_domain; /* the domain whose postmaster a bare <postmaster> is; "" */
	unsigned long counts[MAP_COUNT]; /* entries taken */
};

/* Compile inst's maps into a new generation and put it in force; with check_only: only say
 * what is wrong. 0; -1: errors were reported, nothing has changed. name: of the generation, the caller
 * frees; may be NULL. */
int compile_maps(const struct instance *inst, bool check_only, struct report *, char **name,
    unsigned long counts[MAP_COUNT]) MUST_CHECK;

/* --- build.c ------------------------------------------------------------- */
void build_conf(struct compile *);
void build_maps(struct compile *); /* all tables, finished; faults go to the report */

/* --- check.c: what only several maps together can tell --------------------- */
void check_maps(struct compile *);

/* --- generations.c --------------------------------------------------------- */
#define GENERATIONS_KEPT 5
/* Only one compile or rollback at a time. The lock's descriptor, or -1 with why. */
int generations_lock(int maps_fd, struct buf *why) MUST_CHECK;
/* Remove what crashed compiles left, then make the directory of a new one. Its name
 * ("00000012.tmp"), the caller frees; NULL with why. */
char *generations_begin(int maps_fd, struct buf *why) MUST_CHECK;
/* Put tmp in force and forget the oldest. The final name, the caller frees; NULL with why: nothing has changed. */
char *generations_publish(int maps_fd, const char *tmp, struct buf *why) MUST_CHECK;
/* Put the one before the current in force. Its name; NULL with why. */
char *generations_back(int maps_fd, struct buf *why) MUST_CHECK;
void generations_remove(int parent_fd, const char *name); /* one directory of tables */

#endif
