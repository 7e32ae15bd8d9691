/*
 * zip: the names in an archive (PKWARE's APPNOTE, 4.3), streamed.
 */
#ifndef LIB_MAIL_ZIP_H
#define LIB_MAIL_ZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define ZIP_DEPTH 3                    /* archives in one another, the outermost counted */
#define ZIP_NAMES 20000                /* told in all */
#define ZIP_NAME 4096                  /* octets of a name, directories included; longer ones are left out */
#define ZIP_INFLATED (32 * 1024 * 1024) /* octets unpacked in all, to see archives inside */

struct zip;
/* name: is told each name as UTF-8, without directories: once or more often, and in archives inside, too. */
struct zip *zip_new(void (*name)(void *arg, struct span), void *arg) MUST_CHECK;
void zip_free(struct zip *);
void zip_begin(struct zip *); /* of another archive; ZIP_NAMES and ZIP_INFLATED count on */
void zip_feed(struct zip *, struct span octets);
void zip_end(struct zip *); /* of the archive */
/* Why there may be more names than were told: the first reason; NULL: there are none. */
const char *zip_fault(const struct zip *);

#endif
