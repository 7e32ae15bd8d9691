/*
 * mem: memory that is there or the program is not.
 *
 * Knows malloc(3) and sizes. Knows no log: a process without memory says one
 * fixed sentence and ends.
 */
#include "lib/base/mem.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void NORETURN
out_of_memory(void)
{
	static const char text[] = "out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	_exit(EX_TEMPFAIL);
}

void *
mem_alloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_grow(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n > 0 ? n : 1, size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_dupn(const char *s, size_t n)
{
	char *p = malloc(n + 1); /* n + 1 == 0 needs SIZE_MAX octets at s */

	if (p == NULL)
		out_of_memory();
	if (n > 0)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *
mem_dup(const char *s)
{
	return mem_dupn(s, strlen(s));
}

char *
mem_fmt(const char *fmt, ...)
{
	char *p;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n == -1)
		out_of_memory();
	return p;
}

#ifdef __GLIBC__
void
mem_settle(void)
{
	(void)malloc_trim(0);
}
#else
void
mem_settle(void)
{
}
#endif

/* --- arenas ------------------------------------------------------------- */

#define BLOCK_OCTETS 8160 /* with malloc's own words it stays under two pages */

struct block {
	struct block *next;
	size_t used, cap;
	_Alignas(max_align_t) char data[];
};

struct arena {
	struct block *first; /* the block that is filled now; older ones behind */
};

static struct block *
block_new(size_t cap, struct block *next)
{
	struct block *b;

	if (cap > SIZE_MAX / 2)
		out_of_memory();
	b = malloc(sizeof(*b) + cap);
	if (b == NULL)
		out_of_memory();
	b->next = next;
	b->used = 0;
	b->cap = cap;
	return b;
}

static void
block_wipe(struct block *b)
{
	explicit_bzero(b->data, b->used);
	b->used = 0;
}

struct arena *
arena_new(void)
{
	struct arena *a = mem_alloc(1, sizeof(*a));

	a->first = block_new(BLOCK_OCTETS, NULL);
	return a;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	struct block *b = a->first;
	size_t room = b->cap - b->used;
	void *p;

	if (n > SIZE_MAX / 4)
		out_of_memory();
	n = (n + align - 1) / align * align;
	if (n > room && n > BLOCK_OCTETS / 4) {
		/* A large thing gets a block of its own, behind the current
		 * one, whose rest stays in use. */
		b->next = block_new(n, b->next);
		b = b->next;
	} else if (n > room) {
		a->first = b = block_new(BLOCK_OCTETS, b);
	}
	p = b->data + b->used;
	b->used += n;
	return memset(p, 0, n);
}

char *
arena_dupn(struct arena *a, const char *s, size_t n)
{
	char *p;

	if (n > SIZE_MAX / 4)
		out_of_memory();
	p = arena_alloc(a, n + 1);
	if (n > 0)
		memcpy(p, s, n);
	return p;
}

void
arena_reset(struct arena *a)
{
	struct block *b = a->first->next, *next;

	for (; b != NULL; b = next) {
		next = b->next;
		block_wipe(b);
		free(b);
	}
	a->first->next = NULL;
	block_wipe(a->first);
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	arena_reset(a);
	free(a->first);
	free(a);
}
