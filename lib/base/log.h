/*
 * log: one event a line in logfmt on standard error (DESIGN section 9).
 *
 *   2026-11-22T03:04:05.678Z smtpd[123] smtpd.received id=7KQ... octets=4096
 *
 * Foreign octets outside 0x20-0x7e are escaped (\xNN), values are quoted when
 * they need it and cut at LIMIT_LOG_VALUE; one write(2) an event, unless they
 * are gathered. Secrets are never given to this module.
 */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/events.h"
#include "lib/base/mem.h"

struct log_field {
	const char *name;
	enum { LOG_END, LOG_STR, LOG_NUM } kind;
	struct span str;
	int64_t num;
};
#define LS(name, cstring) { (name), LOG_STR, span_of(cstring), 0 }
#define LSPAN(name, span) { (name), LOG_STR, (span), 0 }
#define LN(name, number) { (name), LOG_NUM, { NULL, 0 }, (int64_t)(number) }

enum log_level { LOG_ERROR, LOG_NOTICE, LOG_DETAIL };

void log_open(const char *program); /* NULL: as before; after a fork: takes the pid anew */
void log_level_set(enum log_level); /* events above it are not written */
/* For a program with an event loop and one thread: from now on lines are gathered until log_flush(), which it calls
 * before it waits, until they would no longer fit in one write, or until an error is told. */
void log_gather(void);
void log_flush(void);
void log_write(enum log_level, const char *event, const struct log_field *);
/* log_event(EV_SMTPD_RECEIVED, LS("id", id), LN("octets", n)) */
#define log_event(event, ...) \
	log_write(LOG_NOTICE, event, (const struct log_field[]){ __VA_ARGS__, { NULL, LOG_END, { NULL, 0 }, 0 } })
#define log_detail(event, ...) \
	log_write(LOG_DETAIL, event, (const struct log_field[]){ __VA_ARGS__, { NULL, LOG_END, { NULL, 0 }, 0 } })
#define log_error(event, ...) \
	log_write(LOG_ERROR, event, (const struct log_field[]){ __VA_ARGS__, { NULL, LOG_END, { NULL, 0 }, 0 } })

/*
 * Startup code only. Ends the process with a sysexits(3) code and the text
 * "PROGRAM: cannot <do> <what>: <reason>"; on a terminal plainly, otherwise
 * as the event program.fatal.
 */
void fatal(int exit_code, const char *, ...) PRINTF_LIKE(2, 3) NORETURN;
/* A warning at startup, the same way. */
void warn_text(const char *, ...) PRINTF_LIKE(1, 2);

#endif
