/*
 * head: the fields that mailboxes get and relays do not. Addresses are canonical:
 * a parser has seen that no line end is in them.
 */
#include "lib/mail/head.h"

#include <string.h>

static void
add_field(struct buf *out, const char *name, const char *value)
{
	buf_adds(out, name);
	buf_adds(out, value);
	buf_addc(out, '\n');
}

void
head_add(struct buf *out, const char *sender, const char *mailbox,
    const char *original)
{
	buf_adds(out, "Return-Path: <");
	buf_adds(out, sender);
	buf_adds(out, ">\n");
	if (mailbox == NULL)
		return;
	if (original != NULL && strcmp(original, mailbox) != 0)
		add_field(out, "X-Original-To: ", original);
	add_field(out, "Delivered-To: ", mailbox);
}
