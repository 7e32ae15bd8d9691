/*
 * worker: one process of the pool, with its sessions.
 */
#ifndef TLS_WORKER_H
#define TLS_WORKER_H

#include "lib/base/mem.h"
#include "tls/pool.h"
#include "tls/session.h"

/* Serve until this process is to be replaced or is not needed any more, and its last session has ended. */
void worker_run(const struct session_env *, struct seat *, int listen_fd);

#endif
