/*
 * mailbox: what lies in everybody's mailbox, and where (posthouse mailbox).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "auth/boxes.h"
#include "auth/move.h"
#include "auth/uidls.h"
#include "lib/base/log.h"
#include "lib/base/options.h"

static const char usage_text[] =
    "usage: posthouse [-C DIR] mailbox list [--json]\n"
    "       posthouse [-C DIR] mailbox move ADDRESS DIRECTORY\n"
    "       posthouse [-C DIR] mailbox import-uidl ADDRESS FILE\n"
    "       posthouse [-C DIR] mailbox import-uidl ADDRESS --from dovecot|courier|qmail [--format FORMAT] [DIRECTORY]\n\n"
    "  How many messages each mailbox holds: not yet fetched or read (new), the others\n"
    "  (cur), their octets, and when the oldest came.\n"
    "  move: somebody's mail gets another DIRECTORY below the mail root, while mail comes in.\n"
    "  import-uidl: POP3 clients find the unique-ids of the server that had the mailbox before, and fetch\n"
    "  nothing twice. From what that server left in its maildir, DIRECTORY (else the mailbox's own); or from\n"
    "  FILE (- is standard input) with lines UNIQUE-ID MESSAGE-FILE.\n";

struct options {
	const char *dir, *address, *to; /* address: whose mail moves; NULL: list */
	struct uidls_source uidls;      /* of import-uidl */
	bool json, import;
};

static void
read_options(struct options *o, int argc, char *argv[])
{
	static const struct option names[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "from", required_argument, NULL, 'f' },
		{ "format", required_argument, NULL, 'F' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "C:", names, NULL)) != -1)
		if (c == 'C')
			o->dir = optarg;
		else if (c == 'j')
			o->json = true;
		else if (c == 'f')
			o->uidls.from = optarg;
		else if (c == 'F')
			o->uidls.format = optarg;
		else
			options_usage(usage_text, c == 'h' ? 0 : EX_USAGE);
	if (optind + 3 == argc && strcmp(argv[optind], "move") == 0) {
		o->address = argv[optind + 1];
		o->to = argv[optind + 2];
	} else if (optind + 2 <= argc && optind + 3 >= argc && strcmp(argv[optind], "import-uidl") == 0 &&
	    (o->uidls.from != NULL || optind + 3 == argc)) {
		o->import = true;
		o->address = argv[optind + 1];
		o->uidls.path = argv[optind + 2]; /* NULL behind the last */
	} else if (optind + 1 != argc || strcmp(argv[optind], "list") != 0) {
		options_usage(usage_text, EX_USAGE);
	}
}

/* A day in UTC; "-" for no message. */
static const char *
day(int64_t seconds, char out[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (seconds == 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%d", &tm) == 0)
		return "-";
	return out;
}

static void
print_text(const struct boxes *boxes)
{
	int width = (int)strlen("ADDRESS");
	char oldest[32];

	for (size_t i = 0; i < boxes->n; i++)
		if ((int)strlen(boxes->box[i].address) > width)
			width = (int)strlen(boxes->box[i].address);
	printf("%-*s  %8s  %8s  %14s  %s\n", width, "ADDRESS", "NEW", "CUR", "OCTETS", "OLDEST");
	for (size_t i = 0; i < boxes->n; i++) {
		const struct box *b = &boxes->box[i];

		if (b->readable)
			printf("%-*s  %8llu  %8llu  %14llu  %s\n", width, b->address,
			    (unsigned long long)b->new_count,
			    (unsigned long long)b->cur_count,
			    (unsigned long long)b->octets, day(b->oldest_s, oldest));
		else
			printf("%-*s  %8s  %8s  %14s  (cannot be read)\n", width,
			    b->address, "-", "-", "-");
	}
}

static void
print_json(const struct boxes *boxes)
{
	char oldest[32];

	printf("[");
	for (size_t i = 0; i < boxes->n; i++) {
		const struct box *b = &boxes->box[i];

		printf("%s\n  {\"address\": ", i == 0 ? "" : ",");
		boxes_json(stdout, b->address);
		printf(", \"new\": %llu, \"cur\": %llu, \"octets\": %llu, \"oldest\": ",
		    (unsigned long long)b->new_count, (unsigned long long)b->cur_count,
		    (unsigned long long)b->octets);
		if (b->oldest_s == 0)
			printf("null");
		else
			boxes_json(stdout, day(b->oldest_s, oldest));
		printf(", \"readable\": %s}", b->readable ? "true" : "false");
	}
	printf("%s]\n", boxes->n == 0 ? "" : "\n");
}

int
main(int argc, char *argv[])
{
	struct options o = { 0 };
	static struct instance inst; /* one a process */
	static struct conf conf;
	struct boxes boxes;

	log_open("mailbox");
	read_options(&o, argc, argv);
	instance_open(&inst, o.dir);
	conf_load(&conf, &inst);
	if (o.import)
		return uidls_import(&inst, &conf, o.address, &o.uidls);
	if (o.address != NULL)
		return move_mailbox(&inst, &conf, o.address, o.to);
	boxes_read(&boxes, &inst, &conf);
	if (o.json)
		print_json(&boxes);
	else
		print_text(&boxes);
	boxes_free(&boxes);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
