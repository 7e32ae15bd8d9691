/*
 * head: the fields at the start of a message file that mailboxes get and relays do
 * not (RFC 5321, 4.4): envelope.head_octets counts them.
 */
#ifndef LIB_MAIL_HEAD_H
#define LIB_MAIL_HEAD_H

#include "lib/base/buf.h"

/*
 * Return-Path with the sender ("": null); for a message to one mailbox only also Delivered-To and, where it
 * was sent to another address, X-Original-To. mailbox, original: canonical, or NULL. LF line ends.
 */
void head_add(struct buf *out, const char *sender, const char *mailbox, const char *original);

#endif
