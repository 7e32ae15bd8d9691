/*
 * Promises of lib/store/envelope.c: what parses is written and parses again the
 * same (notes apart, which writing leaves out); each recipient's mark is where it is said to be.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/store/envelope.h"
#include "lib/sys/file.h"
#include "t/fuzz/fuzz.h"

static int fd = -1;

static int
read_back(const void *octets, size_t n, struct arena *mem, struct envelope *e)
{
	struct buf why = BUF_INIT(4096);
	int rv;

	if (fd == -1)
		fd = memfd_create("envelope", 0);
	PROMISE(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	PROMISE(file_write_all(fd, octets, n) == 0);
	rv = envelope_read(fd, mem, e, &why);
	PROMISE((rv == -1) == (why.len > 0));
	buf_free(&why);
	return rv;
}

static void
check_same(const struct envelope *a, const struct envelope *b)
{
	PROMISE(strcmp(a->id, b->id) == 0 && strcmp(a->sender, b->sender) == 0);
	PROMISE(a->arrived_s == b->arrived_s && a->octets == b->octets &&
	    a->wire_octets == b->wire_octets && a->head_octets == b->head_octets);
	PROMISE(a->body_8bit == b->body_8bit && a->smtputf8 == b->smtputf8 &&
	    a->requiretls == b->requiretls);
	PROMISE(strcmp(a->client, b->client) == 0);
	PROMISE(strcmp(a->ret, b->ret) == 0 && strcmp(a->envid, b->envid) == 0);
	PROMISE(strcmp(a->key, b->key) == 0 && a->again == b->again);
	PROMISE(a->rcpt_count == b->rcpt_count);
	for (size_t i = 0; i < a->rcpt_count; i++) {
		const struct env_rcpt *x = &a->rcpts[i], *y = &b->rcpts[i];

		PROMISE(x->status == y->status && x->action == y->action &&
		    x->attempts == y->attempts && x->notify == y->notify);
		PROMISE(strcmp(x->address, y->address) == 0 &&
		    strcmp(x->orcpt, y->orcpt) == 0);
	}
}

static void
check_marks(const struct envelope *e)
{
	char mark[3];

	for (size_t i = 0; i < e->rcpt_count; i++) {
		PROMISE(pread(fd, mark, 2, e->rcpts[i].offset) == 2);
		PROMISE(mark[0] == (char)e->rcpts[i].status && mark[1] == ' ');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	struct buf text = BUF_INIT(LIMIT_ENVELOPE);
	struct arena *mem = arena_new();
	struct envelope e, again;

	if (read_back(octets, n, mem, &e) == 0) {
		check_marks(&e);
		envelope_write(&e, &text);
		PROMISE(!buf_over(&text));
		PROMISE(read_back(text.s, text.len, mem, &again) == 0);
		check_same(&e, &again);
		check_marks(&again);
	}
	buf_free(&text);
	arena_free(mem);
	return 0;
}
