/* date: RFC 5322, 3.3. */
#ifndef LIB_MAIL_DATE_H
#define LIB_MAIL_DATE_H

#include <stdint.h>
#include <time.h>

#include "lib/base/buf.h"

void date_add(struct buf *, time_t); /* "Sun, 22 Nov 2026 02:44:50 +0000", local zone */

#endif
