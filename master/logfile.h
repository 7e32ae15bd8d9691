/*
 * logfile: what the programs say on standard error, in one file a day.
 */
#ifndef MASTER_LOGFILE_H
#define MASTER_LOGFILE_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"

struct logfile {
	const char *dir;
	uint64_t keep_days;   /* 0: for ever */
	int echo_fd;          /* a copy goes here; -1: nowhere */
	int fd;               /* of today's file; -1: none could be opened */
	int64_t midnight_s;   /* when the next one begins, local time */
	uint64_t lost;        /* lines that could not be written */
};
struct log_source { /* one program's standard error */
	int read_fd, write_fd;
	struct buf pending; /* a line's beginning */
};

void logfile_open(struct logfile *, const char *dir, uint64_t keep_days, int echo_fd);
/* A new day begins when it is time; the moment to look again. */
int64_t logfile_turn(struct logfile *, int64_t now_s);
/* 0; -1 errno. */
int source_open(struct log_source *) MUST_CHECK;
/* Move what there is, whole lines, to the file. */
void source_read(struct log_source *, struct logfile *);
/* The last words of a program that is gone for good. */
void source_drain(struct log_source *, struct logfile *);

#endif
