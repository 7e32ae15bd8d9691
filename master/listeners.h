/*
 * listeners: every listening socket of the house, opened by master and handed to the programs.
 */
#ifndef MASTER_LISTENERS_H
#define MASTER_LISTENERS_H

#include "lib/store/conf.h"
#include "lib/store/instance.h"
#include "master/services.h"

struct listener {
	const struct socket_def *def;
	char *wanted;  /* as configured: one address, or a path */
	char *address; /* as bound */
	char *error;   /* why it is not open; then fd is -1 */
	int fd;
};
struct listeners {
	struct listener *l;
	size_t n;
	const struct conf *conf; /* as of the last listeners_sync */
};
/* Open what the settings want and is not open, close what they no longer want. Each failure is
 * logged and remembered; the others are opened all the same. */
void listeners_sync(struct listeners *, const struct instance *, const struct conf *);
/* The open ones that a service is given, into fds and names (room for max); how many. */
int listeners_of(const struct listeners *, const struct service_def *, int *fds, const char **names, int max);
/* Is this a service that the configuration does without: of listening sockets that are all shut, or not wanted? */
bool listeners_shut(const struct listeners *, const struct service_def *);

#endif
