/*
 * Promises of lib/net/milter_wire.c and smtpd/rewrite.c: a packet needs all its octets and no more; what a filter says stays
 * inside its packet; whatever it wants changed, the file is as long as it is said to be, our head and our Received stay, and
 * nothing that a filter gives for a field begins another one or the body.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"
#include "lib/net/milter_wire.h"
#include "smtpd/rewrite.h"
#include "t/fuzz/fuzz.h"

#define HEAD "Return-Path: <x@client.example>\n"
#define OURS "Received: from client.example\n\tby mx.example.org\n"
#define THEIRS "Received: from far\nSubject: one\n  and more\nX-A: 1\nx-a: 2\n\n"
#define BODY "Hello.\n\n.\n"
#define MESSAGE HEAD OURS THEIRS BODY
#define MOST 65536

static bool
inside(struct span part, struct span whole)
{
	return part.len == 0 || (part.s >= whole.s && part.s + part.len <= whole.s + whole.len);
}

static void
check_reply(struct span said)
{
	struct buf text = BUF_INIT(MOST);
	char enhanced[12];
	int code;

	if (milter_read_reply(said, &code, enhanced, &text) == 0) {
		PROMISE(code >= 400 && code <= 599 && strlen(enhanced) < sizeof enhanced);
		PROMISE(enhanced[0] == '\0' || (enhanced[0] - '0' == code / 100 && enhanced[1] == '.'));
		for (size_t i = 0; i < text.len; i++)
			PROMISE(text.s[i] == '\n' || ((unsigned char)text.s[i] >= ' ' && text.s[i] != 0x7f));
	}
	buf_free(&text);
}

static void
check_options(struct span data)
{
	struct milter_options o;
	struct span name;

	if (milter_read_options(data, &o) == -1)
		return;
	for (size_t i = 0; i < STAGES; i++) {
		struct span list = o.macros[i];

		PROMISE(inside(list, data));
		while (milter_next_macro(&list, &name))
			PROMISE(name.len > 0 && inside(name, data));
	}
}

static void
change(struct rewrite *w, const struct milter_said *said, bool leading)
{
	switch (said->answer) {
	case MILTER_ADD_HEADER:
		rewrite_append(w, said->name, said->value, leading);
		break;
	case MILTER_INSERT_HEADER:
		rewrite_insert(w, said->index, said->name, said->value, leading);
		break;
	case MILTER_CHANGE_HEADER:
		rewrite_change(w, said->index == 0 ? 1 : said->index, said->name, said->value, leading);
		break;
	case MILTER_REPLACE_BODY:
		PROMISE(rewrite_body(w, said->name) == 0);
		break;
	default:
		break;
	}
}

/* All packets, each looked at from every side. */
static void
read_packets(struct span in, struct rewrite *w, bool leading)
{
	struct milter_said said;
	struct span data;
	char command;
	ssize_t n;

	while ((n = milter_packet(in, &command, &data)) > 0) {
		PROMISE((size_t)n <= in.len && inside(data, in) && command == in.s[4]);
		for (size_t i = n < 64 ? 0 : (size_t)n - 64; i < (size_t)n; i++) {
			char no;
			struct span nothing;

			PROMISE(milter_packet((struct span){ in.s, i }, &no, &nothing) == 0);
		}
		check_options(data);
		if (milter_read(command, data, &said) == 0) {
			PROMISE(said.answer == command && inside(said.name, data) && inside(said.value, data));
			check_reply(said.name);
			change(w, &said, leading);
		}
		in = (struct span){ in.s + n, in.len - (size_t)n };
	}
}

static void
check_file(int fd, const struct rewrite *w, size_t fields, bool had_body)
{
	size_t n = (size_t)lseek(fd, 0, SEEK_END), lines = 0, seen = 0, ours = 0;
	char *text = mem_alloc(n + 1, 1);
	struct span rest;
	struct field field;

	PROMISE(n == w->octets && pread(fd, text, n, 0) == (ssize_t)n);
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	PROMISE(lines == w->lines);
	PROMISE(n > w->head_octets && memcmp(text, HEAD, w->head_octets) == 0);
	rest = (struct span){ text + w->head_octets, n - w->head_octets };
	while (header_next(&rest, &field)) {
		PROMISE(field.name.len > 0);
		if (span_eq(field.raw, SPAN(OURS)) && seen == rewrite_ours(w))
			ours++;
		seen++;
	}
	PROMISE(ours == 1 && seen == fields);
	if (had_body)
		PROMISE(span_is(rest, BODY));
	free(text);
}

static size_t
left(const struct rewrite *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->count; i++)
		n += !w->fields[i].gone;
	return n;
}

/* As the next filter finds it. */
static void
check_again(int fd, struct rewrite *before, size_t fields)
{
	struct rewrite w;

	PROMISE(rewrite_open(&w, fd, before->octets, before->lines, before->head_octets, rewrite_ours(before)) == 0);
	PROMISE(w.count == fields && rewrite_ours(&w) == rewrite_ours(before));
	PROMISE(w.fields[rewrite_ours(&w)].ours);
	rewrite_free(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct span in = { (const char *)octets, n };
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct rewrite w;
	size_t lines = 0, fields;
	bool spare;

	if (n > MOST || n == 0 || fd == -1) {
		close(fd);
		return 0;
	}
	for (const char *c = MESSAGE; *c != '\0'; c++)
		lines += *c == '\n';
	PROMISE(write(fd, MESSAGE, strlen(MESSAGE)) == (ssize_t)strlen(MESSAGE));
	PROMISE(rewrite_open(&w, fd, strlen(MESSAGE), lines, strlen(HEAD), 0) == 0);
	read_packets((struct span){ in.s + 1, in.len - 1 }, &w, (octets[0] & 1) != 0);
	fields = left(&w);
	spare = w.spare;
	PROMISE(rewrite_finish(&w, NULL) == 0);
	check_file(fd, &w, fields, !spare);
	if (w.octets < LIMIT_HEADER)
		check_again(fd, &w, fields);
	rewrite_free(&w);
	close(fd);
	return 0;
}
