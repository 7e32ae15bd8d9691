/*
 * texts: the configuration and maps that setup writes: the samples of etc/, and behind them what
 * was asked for.
 *
 * Knows which words go into which map. A file that exists is left alone, and said so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/net/sasl.h"
#include "lib/store/hash.h"
#include "lib/sys/file.h"
#include "master/samples.h"
#include "master/setup.h"

#define TEXT_MAX (1024 * 1024)

/* --- posthouse.conf ------------------------------------------------------ */

static void
add_address(struct buf *out, const char *address, const char *port)
{
	if (strcmp(address, "") == 0)
		address = "*";
	buf_addf(out, strchr(address, ':') != NULL ? "[%s]:%s" : "%s:%s",
	    address, port);
}

static void
add_listen(const struct setup *s, const char *comment, const char *service,
    const char *port, struct buf *out)
{
	size_t i;

	buf_addf(out, "%slisten_%s = ", comment, service);
	if (s->listen.n == 0) {
		add_address(out, "127.0.0.1", port);
		buf_adds(out, ", ");
		add_address(out, "::1", port);
	}
	for (i = 0; i < s->listen.n; i++) {
		buf_adds(out, i > 0 ? ", " : "");
		add_address(out, s->listen.s[i], port);
	}
	buf_addc(out, '\n');
}

static void
add_conf(const struct setup *s, struct buf *out)
{
	buf_adds(out, "# Addresses and ports, separated by commas; \"*:25\" is every "
	    "address, \"none\" nothing.\n");
	add_listen(s, "", "smtp", s->smtp_port, out);
	add_listen(s, "", "submission", s->submission_port, out);
	add_listen(s, "", "pop3", s->pop3_port, out);
	if (!s->tls)
		buf_adds(out, "\n# With a certificate in tls/ (see tlsd(8)) these can be served, too:\n");
	add_listen(s, s->tls ? "" : "#", "submissions", s->submissions_port, out);
	add_listen(s, s->tls ? "" : "#", "pop3s", s->pop3s_port, out);
	if (s->domains.n > 0)
		buf_addf(out, "\n# The domain of names that are given without one.\n"
		    "default_domain = %s\n", s->domains.s[0]);
}

/* --- maps ---------------------------------------------------------------- */

/* Who gets a domain's postmaster mail (RFC 5321, 4.5.1): its first person, else
 * the first of all. */
static const struct person *
postmaster(const struct setup *s, const char *domain)
{
	size_t i;

	for (i = 0; i < s->people_count; i++)
		if (strcmp(s->people[i].domain, domain) == 0)
			return &s->people[i];
	return s->people_count > 0 ? &s->people[0] : NULL;
}

static void
add_domains(const struct setup *s, struct buf *out)
{
	const struct person *p;
	size_t i;

	for (i = 0; i < s->domains.n; i++) {
		buf_addf(out, "%s local", s->domains.s[i]);
		p = postmaster(s, s->domains.s[i]);
		if (p != NULL)
			buf_addf(out, " postmaster=%s@%s", p->name, p->domain);
		buf_addc(out, '\n');
	}
}

static void
add_users(const struct setup *s, struct buf *out)
{
	size_t i;

	for (i = 0; i < s->people_count; i++)
		buf_addf(out, "%s@%s\n", s->people[i].name, s->people[i].domain);
}

#define SETUP_ITERATIONS 32768 /* the default of scram_iterations */

static void
add_passwd(const struct setup *s, struct buf *out)
{
	size_t i;

	for (i = 0; i < s->people_count; i++) {
		char *hash = hash_make(s->people[i].password);
		char *verifier = sasl_verifier(s->people[i].password, SETUP_ITERATIONS);

		if (hash == NULL)
			fatal(EX_OSERR, "cannot hash a password: %s",
			    strerror(errno));
		buf_addf(out, "%s@%s %s%s%s\n", s->people[i].name,
		    s->people[i].domain, hash, verifier == NULL ? "" : " ",
		    verifier == NULL ? "" : verifier);
		free(hash);
		free(verifier);
	}
}

static void
add_routes(const struct setup *s, struct buf *out)
{
	if (s->smarthost != NULL)
		buf_addf(out, "* smarthost=%s\n", s->smarthost);
	else
		buf_adds(out, "* mx\n");
}

static const struct filling {
	const char *name;
	mode_t mode;
	void (*add)(const struct setup *, struct buf *);
} fillings[] = {
	{ "posthouse.conf", 0644, add_conf },
	{ "domains", 0644, add_domains },
	{ "users", 0644, add_users },
	{ "aliases", 0644, NULL },
	{ "routes", 0644, add_routes },
	{ "access", 0644, NULL },
	{ "upstreams", 0644, NULL },
	{ "providers", 0644, NULL },
	{ "lists", 0644, NULL },
	{ "filters", 0644, NULL },
	{ "attachments", 0644, NULL },
	{ "passwd", 0600, add_passwd },
	{ "secrets", 0600, NULL },
};

static void
add_sample(const char *name, struct buf *out)
{
	const struct sample *s;
	size_t i;

	for (s = samples; s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			for (i = 0; s->lines[i] != NULL; i++)
				buf_adds(out, s->lines[i]);
}

/* 1: written, 0: it was there, -1 errno. */
static int
write_new(const char *path, const struct buf *text, mode_t mode)
{
	int rv = -1;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    mode);

	if (fd == -1)
		return errno == EEXIST ? 0 : -1;
	if (fchmod(fd, mode) == 0 && file_write_all(fd, text->s, text->len) == 0 &&
	    fsync(fd) == 0)
		rv = 1;
	if (rv == -1)
		(void)unlink(path);
	file_close(fd);
	return rv;
}

void
setup_texts(struct setup *s)
{
	struct buf text = BUF_INIT(TEXT_MAX), kept = BUF_INIT(4096);
	size_t i, asked = s->domains.n + s->people_count;

	for (i = 0; i < COUNT(fillings); i++) {
		const struct filling *f = &fillings[i];
		char *path = instance_path(s->inst.etc, f->name);

		buf_reset(&text);
		/* A hash takes a while: only for a file that will be written. */
		if (access(path, F_OK) == -1) {
			add_sample(f->name, &text);
			if (f->add != NULL)
				f->add(s, &text);
		}
		switch (write_new(path, &text, f->mode)) {
		case 1:
			break;
		case 0:
			buf_addf(&kept, " %s", f->name);
			break;
		default:
			fatal(EX_CANTCREAT, "cannot write %s: %s", path,
			    strerror(errno));
		}
		buf_wipe(&text);
		free(path);
	}
	if (kept.len > 0) {
		printf("kept as they are in %s:%s\n", s->inst.etc, buf_str(&kept));
		if (asked > 0)
			puts("(people are added with posthouse user add, domains in "
			     "the map domains)");
	}
	buf_free(&kept);
	buf_free(&text);
}
