/* handover: become another program of the house. */
#ifndef QUEUE_HANDOVER_H
#define QUEUE_HANDOVER_H

#include "lib/base/mem.h"

/* mailq, sendmail -bp: `posthouse queue list`. dir: of -C, or NULL. Ends the process. */
void handover_mailq(const char *dir, char *const args[]) NORETURN;
/* newaliases, sendmail -bi: `posthouse compile`. */
void handover_compile(const char *dir) NORETURN;

#endif
