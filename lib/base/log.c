/*
 * log: one event a line in logfmt on standard error (DESIGN section 9).
 *
 * Knows how a line looks and how foreign octets are made harmless. Does not
 * know who reads it, nor files: what catches standard error keeps the log.
 */
#include "lib/base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"

/* Writers of one pipe do not mix their lines as long as none is longer. */
#define LINE_OCTETS PIPE_BUF
#define LINE_TAIL 8 /* ..." and the LF always fit */

static struct {
	char program[32];
	int pid;
	enum log_level level;
	bool gather;
} self = { "", 0, LOG_NOTICE, false };

struct line {
	char s[LINE_OCTETS];
	size_t len;
};

static struct line gathered;

static size_t
room(const struct line *l)
{
	const size_t full = sizeof(l->s) - LINE_TAIL;

	return l->len < full ? full - l->len : 0; /* a tail may lie behind */
}

static void
add(struct line *l, const char *s, size_t n)
{
	if (n > room(l))
		n = room(l);
	memcpy(l->s + l->len, s, n);
	l->len += n;
}

/* Behind the ordinary room: closes what was cut. */
static void
add_tail(struct line *l, const char *s)
{
	size_t n = strlen(s);

	if (n > sizeof(l->s) - 1 - l->len)
		return;
	memcpy(l->s + l->len, s, n);
	l->len += n;
}

void
log_open(const char *program)
{
	if (program != NULL)
		snprintf(self.program, sizeof(self.program), "%s", program);
	self.pid = (int)getpid();
}

void
log_level_set(enum log_level level)
{
	self.level = level;
}

/* "2026-11-22T03:04:05.678Z smtpd[123] " */
static void
add_prefix(struct line *l)
{
	int64_t now_us = clock_real_us();
	time_t now_s = (time_t)(now_us / 1000000);
	char text[96];
	struct tm tm;
	int n;

	if (self.pid == 0)
		log_open(program_invocation_short_name);
	gmtime_r(&now_s, &tm);
	n = snprintf(text, sizeof(text),
	    "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s[%d] ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (int)(now_us / 1000 % 1000), self.program, self.pid);
	if (n > 0)
		add(l, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static bool
needs_quotes(struct span v)
{
	size_t i;

	for (i = 0; i < v.len; i++)
		if (v.s[i] <= 0x20 || v.s[i] >= 0x7f || v.s[i] == '"' ||
		    v.s[i] == '=' || v.s[i] == '\\')
			return true;
	return v.len == 0;
}

static void
add_string(struct line *l, struct span v)
{
	static const char hex[] = "0123456789abcdef";
	bool cut = v.len > LIMIT_LOG_VALUE;
	unsigned char c;
	char esc[4];
	size_t i, n;

	if (cut)
		v.len = LIMIT_LOG_VALUE;
	if (!cut && !needs_quotes(v)) {
		add(l, v.s, v.len);
		return;
	}
	add(l, "\"", 1);
	for (i = 0; i < v.len; i++) {
		c = (unsigned char)v.s[i];
		n = 0;
		if (c == '"' || c == '\\') {
			esc[n++] = '\\';
			esc[n++] = (char)c;
		} else if (ascii_print(c)) {
			esc[n++] = (char)c;
		} else {
			esc[n++] = '\\';
			esc[n++] = 'x';
			esc[n++] = hex[c >> 4];
			esc[n++] = hex[c & 15];
		}
		if (n > room(l)) {
			cut = true;
			break;
		}
		add(l, esc, n);
	}
	add_tail(l, cut ? "...\"" : "\"");
}

static void
add_field(struct line *l, const struct log_field *f)
{
	size_t name_len = strlen(f->name);
	char number[24];
	int n;

	if (name_len + sizeof(number) + 2 > room(l))
		return;
	add(l, " ", 1);
	add(l, f->name, name_len);
	add(l, "=", 1);
	if (f->kind == LOG_STR) {
		add_string(l, f->str);
		return;
	}
	n = snprintf(number, sizeof(number), "%lld", (long long)f->num);
	if (n > 0)
		add(l, number, (size_t)n);
}

static void
put(struct line *l)
{
	while (l->len > 0 && write(STDERR_FILENO, l->s, l->len) == -1 && errno == EINTR)
		continue;
	l->len = 0;
}

static void
gather_line(enum log_level level, const struct line *l)
{
	if (gathered.len + l->len > sizeof(gathered.s))
		put(&gathered);
	memcpy(gathered.s + gathered.len, l->s, l->len);
	gathered.len += l->len;
	if (level == LOG_ERROR)
		put(&gathered);
}

void
log_gather(void)
{
	self.gather = true;
}

void
log_flush(void)
{
	int saved = errno;

	put(&gathered);
	errno = saved;
}

void
log_write(enum log_level level, const char *event, const struct log_field *f)
{
	int saved = errno;
	struct line l;

	if (level > self.level)
		return;
	l.len = 0;
	add_prefix(&l);
	add(&l, event, strlen(event));
	for (; f->kind != LOG_END; f++)
		add_field(&l, f);
	l.s[l.len++] = '\n';
	if (self.gather)
		gather_line(level, &l);
	else
		put(&l);
	errno = saved;
}

/* --- startup ------------------------------------------------------------ */

static void PRINTF_LIKE(3, 0)
say_text(enum log_level level, const char *event, const char *fmt, va_list ap)
{
	const char *name = self.program[0] != '\0'
	    ? self.program
	    : program_invocation_short_name;
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (isatty(STDERR_FILENO))
		dprintf(STDERR_FILENO, "%s: %s\n", name, text);
	else
		log_write(level, event,
		    (const struct log_field[]){ LS("text", text),
		        { NULL, LOG_END, { NULL, 0 }, 0 } });
}

void
fatal(int exit_code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_text(LOG_ERROR, EV_FATAL, fmt, ap);
	va_end(ap);
	exit(exit_code);
}

void
warn_text(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_text(LOG_NOTICE, EV_WARNING, fmt, ap);
	va_end(ap);
}
