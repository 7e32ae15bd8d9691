/*
 * oauth: posthouse oauth: people let tokend into mailboxes at providers, and look how that stands.
 *
 * Speaks with tokend (lib/wire/token.h), the terminal and the person's browser; sees a client's secret and a code on
 * their way in, no token.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "auth/oauth_browser.h"
#include "lib/base/ascii.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/options.h"
#include "lib/store/instance.h"
#include "lib/sys/file.h"
#include "lib/sys/listen.h"
#include "lib/sys/proc.h"
#include "lib/sys/prompt.h"
#include "lib/wire/token.h"

#define ANSWER_MS 60000
#define LIFE_MAX_S 7200
#define QUERY_MAX 16000
#define SECRET_OCTETS LIMIT_PASSWORD

static const char usage_text[] =
    "usage: posthouse [-C DIR] oauth login ACCOUNT [--browser] [SECRET]\n"
    "       posthouse [-C DIR] oauth app ACCOUNT SECRET\n"
    "       posthouse [-C DIR] oauth status [ACCOUNT] [--json]\n"
    "       posthouse [-C DIR] oauth forget ACCOUNT\n\n"
    "  ACCOUNT                an entry of etc/upstreams with auth=oauth provider=...\n"
    "  --browser              by a browser that comes back, not by a code\n"
    "  SECRET: of the application, where the provider gave one. On a terminal it is asked for, or:\n"
    "  --secret-file FILE     it is the first line of FILE; - is standard input\n"
    "  --no-secret            there is none\n"
    "  --secret-expires DATE  YYYY-MM-DD: postmaster is told before\n";

struct oauth {
	struct instance inst;
	const char *dir, *verb, *account, *secret_file;
	bool browser, no_secret, json;
	char secret[SECRET_OCTETS + 2];
	int64_t secret_expires_s;
	struct wire wire;
	int listen_fd;
	bool pasting;         /* standard input may bring what the browser shows */
	bool terminal;
	deadline_ms ends;
};

/* What a provider said is in it: nothing of it reaches a terminal as it is. */
static void
put(const char *s)
{
	for (; *s != '\0'; s++)
		putchar(ascii_print((unsigned char)*s) ? *s : '?');
}

/* --- the dialogue --------------------------------------------------------- */

static void
connect_tokend(struct oauth *o)
{
	char *path = instance_path(o->inst.run, "token");
	int fd = connect_unix(path);

	if (fd == -1)
		options_refuse("oauth", EX_UNAVAILABLE, "cannot reach tokend at %s: %s (posthouse start starts it)", path, strerror(errno));
	wire_open(&o->wire, fd, CLIENT, token_messages, TOKEN_IDLE);
	free(path);
}

static void
hear(struct oauth *o, struct wire_packet *p)
{
	switch (wire_recv(&o->wire, deadline_in(ANSWER_MS), p)) {
	case 1:
		return;
	case 0:
		options_refuse("oauth", EX_TEMPFAIL, "tokend has hung up: its log tells why (only root and its own user may ask)");
	default:
		options_refuse("oauth", EX_TEMPFAIL, "tokend does not answer: %s", strerror(errno));
	}
}

static void
say_failed(void)
{
	options_refuse("oauth", EX_TEMPFAIL, "tokend is gone: %s", strerror(errno));
}

/* --- the client's secret -------------------------------------------------- */

static void
read_secret_file(struct oauth *o)
{
	struct buf text = BUF_INIT(4 * SECRET_OCTETS);
	bool standard = strcmp(o->secret_file, "-") == 0;
	struct span line;

	if (file_slurp_at(AT_FDCWD, standard ? "/dev/stdin" : o->secret_file, &text) == -1)
		options_refuse("oauth", EX_NOINPUT, "cannot read %s: %s", o->secret_file, strerror(errno));
	line = buf_span(&text);
	line = span_trim(span_cut(&line, '\n'));
	if (line.len == 0 || line.len > SECRET_OCTETS)
		options_refuse("oauth", EX_DATAERR, "%s: the first line is %s", o->secret_file, line.len == 0 ? "empty" : "too long");
	memcpy(o->secret, line.s, line.len);
	buf_wipe(&text);
	buf_free(&text);
}

static void
know_secret(struct oauth *o)
{
	bool app = strcmp(o->verb, "app") == 0;
	const char *wrong;

	if (o->secret_file != NULL) {
		read_secret_file(o);
	} else if (!o->no_secret && isatty(STDIN_FILENO)) {
		wrong = prompt_secret(app ? "Client secret: " : "Client secret (empty: there is none): ", NULL, true, o->secret,
		    sizeof(o->secret));
		if (wrong != NULL)
			options_refuse("oauth", EX_NOINPUT, "no secret: %s", wrong);
	}
	if (app && o->secret[0] == '\0')
		options_refuse("oauth", EX_USAGE, "an application needs its client secret: --secret-file FILE");
	if (strlen(o->secret) > SECRET_OCTETS)
		options_refuse("oauth", EX_DATAERR, "the secret is longer than %d octets", SECRET_OCTETS);
}

/* --- logging in ----------------------------------------------------------- */

static void
show_code(struct oauth *o, const struct wire_packet *p)
{
	printf("To let Posthouse into the mailbox of %s:\n\n  open   ", o->account);
	put(p->word[1]);
	fputs("\n  enter  ", stdout);
	put(p->word[0]);
	if (*p->word[2] != '\0') {
		fputs("\n  or open, with the code in it:\n         ", stdout);
		put(p->word[2]);
	}
	puts("\n");
}

static void
show_visit(struct oauth *o, const struct wire_packet *p)
{
	bool comes_back = strncmp(p->word[1], "http://127.0.0.1:", 17) == 0;

	printf("To let Posthouse into the mailbox of %s, open this in a browser and log in there:\n\n  ", o->account);
	put(p->word[0]);
	if (comes_back)
		puts("\n\nIf that browser runs on this machine, that is all. If not, it ends at a page that cannot be shown:\n"
		     "then copy the address of that page from the browser and paste it here.\n");
	else
		puts("\n\nIt ends at a page that perhaps cannot be shown: copy the address of that page from the browser and\n"
		     "paste it here.\n");
	o->pasting = true;
	if (comes_back)
		return;
	file_close(o->listen_fd);
	o->listen_fd = -1;
}

static void
begin_waiting(struct oauth *o, const char *seconds)
{
	uint64_t s;

	if (num_parse(span_of(seconds), LIFE_MAX_S, &s) == -1)
		s = LIFE_MAX_S;
	o->ends = deadline_in((int64_t)s * 1000);
	if (!o->terminal)
		printf("waiting for that, %llu minutes at most\n", (unsigned long long)(s + 59) / 60);
	fflush(stdout);
}

static void
show_time(const struct oauth *o)
{
	int64_t left = o->ends == NEVER ? 0 : (o->ends - clock_mono_ms()) / 1000;

	if (!o->terminal || o->ends == NEVER)
		return;
	printf("\r\033[Kwaiting, %lld:%02lld left ", (long long)(left > 0 ? left / 60 : 0), (long long)(left > 0 ? left % 60 : 0));
	fflush(stdout);
}

static void
clear_time(const struct oauth *o)
{
	if (o->terminal)
		fputs("\r\033[K", stdout);
}

static void
give_answer(struct oauth *o, const char *query)
{
	if (wire_say(&o->wire, deadline_in(ANSWER_MS), "ANSWER", query) == -1)
		say_failed();
}

static void
read_paste(struct oauth *o)
{
	struct buf line = BUF_INIT(QUERY_MAX);
	char c;
	ssize_t n;

	while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
		buf_addc(&line, c);
	if (n <= 0 && line.len == 0)
		o->pasting = false; /* nobody will type anything */
	else if (buf_over(&line) || (strstr(buf_str(&line), "code=") == NULL && strstr(buf_str(&line), "error=") == NULL))
		puts("that is not it: the address holds code=...");
	else
		give_answer(o, buf_str(&line));
	buf_wipe(&line);
	buf_free(&line);
}

/* True: it is over, and the exit code in *rv. */
static bool
obey(struct oauth *o, int *rv)
{
	struct wire_packet p;

	hear(o, &p);
	if (wire_is(&p, "CODE")) {
		show_code(o, &p);
		begin_waiting(o, p.word[3]);
		return false;
	}
	if (wire_is(&p, "VISIT")) {
		show_visit(o, &p);
		begin_waiting(o, p.word[2]);
		return false;
	}
	clear_time(o);
	if (wire_is(&p, "DONE")) {
		printf("%s: done%s", o->account, *p.word[0] != '\0' ? ", " : "");
		put(p.word[0]);
		puts("; tokens are kept fresh from now on");
		*rv = 0;
		return true;
	}
	fflush(stdout);
	fprintf(stderr, "posthouse oauth: %s: ", o->account);
	for (const char *s = p.word[0]; *s != '\0'; s++)
		fputc(ascii_print((unsigned char)*s) ? *s : '?', stderr);
	fputc('\n', stderr);
	*rv = EX_UNAVAILABLE;
	return true;
}

static int
do_login(struct oauth *o)
{
	struct buf query = BUF_INIT(QUERY_MAX);
	char port[8] = "", expires[24] = "";
	int rv = EX_TEMPFAIL;

	o->ends = NEVER;
	o->listen_fd = browser_listen(port);
	if (o->secret_expires_s != 0)
		(void)snprintf(expires, sizeof(expires), "%lld", (long long)o->secret_expires_s);
	if (wire_say(&o->wire, deadline_in(ANSWER_MS), "LOGIN", o->account,
	        strcmp(o->verb, "app") == 0 ? "app" : o->browser ? "browser" : "login", port, o->secret, expires) == -1)
		say_failed();
	explicit_bzero(o->secret, sizeof(o->secret));
	for (;;) {
		struct pollfd fds[] = { { o->wire.fd, POLLIN, 0 }, { o->listen_fd, POLLIN, 0 },
			{ o->pasting ? STDIN_FILENO : -1, POLLIN, 0 } };

		show_time(o);
		if (poll(fds, COUNT(fds), o->terminal ? 1000 : 60000) == -1 && errno != EINTR)
			options_refuse("oauth", EX_OSERR, "cannot wait: %s", strerror(errno));
		if (fds[0].revents != 0 && obey(o, &rv))
			break;
		if (fds[1].revents != 0 && browser_serve(o->listen_fd, &query))
			give_answer(o, buf_str(&query));
		if (fds[2].revents != 0)
			read_paste(o);
	}
	buf_wipe(&query);
	buf_free(&query);
	return rv;
}

/* --- how it stands -------------------------------------------------------- */

static const char *const time_names[] = { "login_s", "renewed_s", "access_expires_s", "refresh_expires_s",
	"secret_expires_s", "trouble_s", "next_try_s", "requests" };

static bool
is_number(struct span name)
{
	for (size_t i = 0; i < COUNT(time_names); i++)
		if (span_is(name, time_names[i]))
			return true;
	return false;
}

static json_t *
item_json(const struct wire_packet *p)
{
	json_t *o = json_object();
	struct span rest = p->body;

	json_object_set_new(o, "account", json_string(p->word[0]));
	while (rest.s != NULL && rest.len > 0) {
		struct span value = span_cut(&rest, '\n'), name = span_cut(&value, ' ');
		char *key = mem_dupn(name.s, name.len);
		uint64_t n = 0;

		if (value.s == NULL)
			value = (struct span){ "", 0 };
		if (is_number(name) && num_parse(value, INT64_MAX, &n) == 0)
			json_object_set_new(o, key, json_integer((json_int_t)n));
		else
			json_object_set_new(o, key, json_stringn(value.s, value.len));
		free(key);
	}
	return o;
}

static json_int_t
number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static void
put_time(const char *what, json_int_t at_s)
{
	time_t at = (time_t)at_s;
	char date[40];
	struct tm tm;

	if (at_s == 0)
		return;
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M", localtime_r(&at, &tm));
	printf("  %-16s%s%s\n", what, date, at < time(NULL) && strstr(what, "ends") != NULL ? " (past)" : "");
}

static void
put_item(const json_t *o)
{
	put(text(o, "account"));
	fputs(": ", stdout);
	put(text(o, "state"));
	if (*text(o, "reason") != '\0') {
		fputs(": ", stdout);
		put(text(o, "reason"));
	}
	putchar('\n');
	put_time("login", number(o, "login_s"));
	put_time("last renewal", number(o, "renewed_s"));
	put_time("access ends", number(o, "access_expires_s"));
	put_time("refresh ends", number(o, "refresh_expires_s"));
	put_time("secret ends", number(o, "secret_expires_s"));
	put_time("trouble since", number(o, "trouble_s"));
	put_time("next try", number(o, "next_try_s"));
}

static int
do_status(struct oauth *o)
{
	json_t *all = json_array();
	struct wire_packet p;
	int rv = 0;
	size_t i;
	const json_t *item;

	if (wire_say(&o->wire, deadline_in(ANSWER_MS), "LIST", o->account != NULL ? o->account : "") == -1)
		say_failed();
	for (hear(o, &p); wire_is(&p, "ITEM"); hear(o, &p))
		json_array_append_new(all, item_json(&p));
	json_array_foreach(all, i, item) {
		if (strcmp(text(item, "state"), "fine") != 0)
			rv = 1;
		if (!o->json)
			put_item(item);
	}
	if (o->json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (json_array_size(all) == 0 && o->account == NULL) {
		puts("no account in etc/upstreams has auth=oauth provider=...");
	}
	if (json_array_size(all) == 0 && o->account != NULL)
		options_refuse("oauth", EX_NOUSER, "no account %s with auth=oauth provider=... in etc/upstreams", o->account);
	json_decref(all);
	return rv;
}

static int
do_forget(struct oauth *o)
{
	struct wire_packet p;

	if (wire_say(&o->wire, deadline_in(ANSWER_MS), "FORGET", o->account) == -1)
		say_failed();
	hear(o, &p);
	if (strcmp(p.word[0], "1") != 0)
		options_refuse("oauth", EX_NOUSER, "%s: there is no login to forget", o->account);
	printf("%s: forgotten here; the provider's own pages take the grant back\n", o->account);
	return 0;
}

/* --- which verb ----------------------------------------------------------- */

// clang-format off
static const struct verb {
	const char *name;
	bool needs_account, needs_secret;
	int (*run)(struct oauth *);
} verbs[] = {
	{ "login",  true,  true,  do_login },
	{ "app",    true,  true,  do_login },
	{ "status", false, false, do_status },
	{ "forget", true,  false, do_forget },
};
// clang-format on

/* The end of that day, in UTC. */
static int64_t
read_date(const char *s)
{
	struct tm tm = { 0 };
	const char *end = strptime(s, "%Y-%m-%d", &tm);

	if (end == NULL || *end != '\0' || strlen(s) != 10)
		options_refuse("oauth", EX_USAGE, "--secret-expires %s: a date such as 2027-05-31 is meant", s);
	return (int64_t)timegm(&tm) + 86399;
}

static const struct verb *
read_options(struct oauth *o, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "browser", no_argument, NULL, 'b' }, { "secret-file", required_argument, NULL, 'f' },
		{ "no-secret", no_argument, NULL, 'n' }, { "secret-expires", required_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "C:h", options, NULL)) != -1)
		switch (c) {
		case 'C': o->dir = optarg; break;
		case 'b': o->browser = true; break;
		case 'f': o->secret_file = optarg; break;
		case 'n': o->no_secret = true; break;
		case 'e': o->secret_expires_s = read_date(optarg); break;
		case 'j': o->json = true; break;
		case 'h': options_usage(usage_text, 0);
		default: options_usage(usage_text, EX_USAGE);
		}
	for (size_t i = 0; optind < argc && i < COUNT(verbs); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0) {
			o->verb = verbs[i].name;
			o->account = argv[optind + 1]; /* NULL at the end */
			if (argc - optind > 2 || (verbs[i].needs_account && o->account == NULL))
				options_usage(usage_text, EX_USAGE);
			return &verbs[i];
		}
	options_usage(usage_text, EX_USAGE);
}

int
main(int argc, char *argv[])
{
	static struct oauth o; /* until the process ends */
	const struct verb *v;

	log_open("oauth");
	v = read_options(&o, argc, argv);
	instance_open(&o.inst, o.dir);
	o.terminal = isatty(STDOUT_FILENO);
	o.listen_fd = -1;
	if (v->needs_secret)
		know_secret(&o); /* a file that root alone may read */
	proc_drop(USER_TOKEN);
	connect_tokend(&o);
	return v->run(&o);
}
