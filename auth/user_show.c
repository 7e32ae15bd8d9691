/*
 * user_show: people and their mailboxes, to be read. Changes nothing.
 */
#include "auth/user_show.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "auth/boxes.h"
#include "auth/forms.h"
#include "auth/last.h"
#include "lib/base/options.h"

static unsigned long long
messages_in(const struct box *b)
{
	const unsigned long long fresh = b->new_count, old = b->cur_count;

	return fresh + old;
}

static const char *
last_text(struct last *last, const char *address, char when[LAST_TIME])
{
	struct last_login login;
	int found = last_of(last, address, &login);

	if (found == 1)
		last_time(login.at_s, when);
	return found == 1 ? when : found == 0 ? "never" : "?";
}

/* How much of the quota is used: "97%". */
static const char *
used_text(const struct box *b, char out[16])
{
	if (!quota_given(&b->quota))
		return "-";
	if (b->full_since_s != 0)
		return "full";
	if (!b->readable)
		return "?";
	(void)snprintf(out, 16, "%u%%", quota_percent(&b->quota, &b->use));
	return out;
}

static void
list_text(const struct boxes *boxes, struct last *last)
{
	int name = (int)strlen("NAME"), address = (int)strlen("ADDRESS");

	for (size_t i = 0; i < boxes->n; i++) {
		if ((int)strlen(boxes->box[i].name) > name)
			name = (int)strlen(boxes->box[i].name);
		if ((int)strlen(boxes->box[i].address) > address)
			address = (int)strlen(boxes->box[i].address);
	}
	printf("%-*s  %-*s  %8s  %5s  %s\n", name, "NAME", address, "ADDRESS", "MESSAGES", "QUOTA", "LAST LOGIN");
	for (size_t i = 0; i < boxes->n; i++) {
		const struct box *b = &boxes->box[i];
		char when[LAST_TIME], used[16];

		printf("%-*s  %-*s  ", name, b->name[0] == '\0' ? "-" : b->name, address,
		    b->address);
		if (b->readable)
			printf("%8llu", messages_in(b));
		else
			printf("%8s", "?");
		printf("  %5s  %s%s\n", used_text(b, used), last_text(last, b->address, when), b->disabled ? "  disabled" : "");
	}
}

static void
limit_json(const char *what, uint64_t limit, bool known, uint64_t use)
{
	if (limit == 0)
		return;
	printf("\"%s\": %llu, ", what, (unsigned long long)limit);
	if (known)
		printf("\"%s_used\": %llu, ", what, (unsigned long long)use);
}

static void
quota_json(const struct box *b)
{
	if (!quota_given(&b->quota))
		return;
	printf(", \"quota\": {");
	limit_json("octets", b->quota.octets, b->readable, b->use.octets);
	limit_json("messages", b->quota.messages, b->readable, b->use.messages);
	if (b->readable)
		printf("\"percent\": %u, ", quota_percent(&b->quota, &b->use));
	if (b->full_since_s != 0)
		printf("\"full_since\": %lld, ", (long long)b->full_since_s);
	printf("\"full\": %s}", b->full_since_s != 0 ? "true" : "false");
}

/* Without the end, for more may follow. */
static void
box_json(const struct box *b, struct last *last)
{
	struct last_login login;

	printf("{\"address\": ");
	boxes_json(stdout, b->address);
	printf(", \"name\": ");
	boxes_json(stdout, b->name);
	printf(", \"disabled\": %s, \"messages\": %llu, \"new\": %llu, \"octets\": %llu, \"maildir\": ",
	    b->disabled ? "true" : "false",
	    messages_in(b),
	    (unsigned long long)b->new_count, (unsigned long long)b->octets);
	boxes_json(stdout, b->maildir);
	quota_json(b);
	if (last_of(last, b->address, &login) != 1)
		return;
	printf(", \"last_login\": {\"at\": %lld, \"service\": ", (long long)login.at_s);
	boxes_json(stdout, login.service);
	printf(", \"client\": ");
	boxes_json(stdout, login.client);
	printf("}");
}

static void
list_json(const struct boxes *boxes, struct last *last)
{
	printf("[");
	for (size_t i = 0; i < boxes->n; i++) {
		printf("%s\n  ", i == 0 ? "" : ",");
		box_json(&boxes->box[i], last);
		printf("}");
	}
	printf("%s]\n", boxes->n == 0 ? "" : "\n");
}

void
user_list(const struct instance *inst, const struct conf *conf, bool json)
{
	struct boxes boxes;
	struct last last;

	last_open(&last, inst); /* as root, which we are no longer behind it */
	boxes_read(&boxes, inst, conf);
	if (json)
		list_json(&boxes, &last);
	else
		list_text(&boxes, &last);
	boxes_free(&boxes);
	last_close(&last);
}

static void
box_last(struct last *last, const char *address)
{
	struct last_login login;
	char when[LAST_TIME];
	int found = last_of(last, address, &login);

	if (found == 0)
		printf("last      never logged in\n");
	if (found != 1)
		return;
	last_time(login.at_s, when);
	printf("last      %s, %s from %s\n", when, login.service, login.client);
}

static void
box_quota(const struct box *b)
{
	struct buf used = BUF_INIT(256);
	char when[LAST_TIME];

	if (!quota_given(&b->quota))
		return;
	quota_describe(&used, &b->quota, &b->use);
	if (b->readable)
		printf("quota     %s: %u%%\n", buf_str(&used), quota_percent(&b->quota, &b->use));
	buf_free(&used);
	if (b->full_since_s == 0)
		return;
	last_time(b->full_since_s, when);
	printf("full      since %s: senders are told to wait\n", when);
}

static void
box_text(const struct box *b, struct last *last)
{
	printf("address   %s\nname      %s\nmaildir   %s\nlogin     %s\n", b->address,
	    b->name[0] == '\0' ? "-" : b->name, b->maildir,
	    b->disabled ? "disabled" : "enabled");
	if (b->readable)
		printf("messages  %llu, %llu of them new, %llu octets\n",
		    messages_in(b),
		    (unsigned long long)b->new_count, (unsigned long long)b->octets);
	else
		printf("messages  (the mailbox cannot be read)\n");
	box_quota(b);
	box_last(last, b->address);
}

static void
form_text(void *arg, const char *form)
{
	unsigned *n = arg;

	printf("%-9s %s\n", (*n)++ == 0 ? "write to" : "", form);
}

static void
form_json(void *arg, const char *form)
{
	unsigned *n = arg;

	printf((*n)++ == 0 ? "" : ", ");
	boxes_json(stdout, form);
}

void
user_show(const struct instance *inst, const struct conf *conf, const char *address, bool json)
{
	unsigned forms = 0;
	struct boxes boxes;
	struct last last;
	const struct box *b;

	last_open(&last, inst);
	if (!boxes_read_one(&boxes, inst, conf, address))
		options_refuse("user", EX_NOUSER, "%s: no such user", address);
	b = boxes.box;
	if (json) {
		box_json(b, &last);
		printf(", \"write_to\": [");
		forms_each(inst, b->address, b->name, form_json, &forms);
		printf("]}\n");
	} else {
		box_text(b, &last);
		forms_each(inst, b->address, b->name, form_text, &forms);
	}
	boxes_free(&boxes);
	last_close(&last);
}
