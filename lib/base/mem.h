/*
 * mem: memory that is there or the program is not.
 *
 * Out of memory ends the process with EX_TEMPFAIL: any program of the suite
 * may die at any instruction and lose nothing.
 */
#ifndef LIB_BASE_MEM_H
#define LIB_BASE_MEM_H

#include <stddef.h>

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Never NULL; zeroed. n * size is checked. */
void *mem_alloc(size_t n, size_t size) MUST_CHECK;
/* As realloc, never NULL; n * size is checked. What is new is not zeroed. */
void *mem_grow(void *, size_t n, size_t size) MUST_CHECK;
char *mem_dup(const char *) MUST_CHECK;
char *mem_dupn(const char *, size_t n) MUST_CHECK; /* adds the NUL */
/* printf into fresh memory. */
char *mem_fmt(const char *, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

/* Before processes are forked that are to share our memory: what is free goes back, and the allocator is left with
 * nothing to tidy up, which would have each of them write to (and so copy) pages all over the heap. */
void mem_settle(void);

/* Memory that is freed all at once: what one message or one session needs. */
struct arena;
struct arena *arena_new(void) MUST_CHECK;
void *arena_alloc(struct arena *, size_t n) MUST_CHECK; /* aligned, zeroed */
char *arena_dupn(struct arena *, const char *, size_t n) MUST_CHECK;
void arena_reset(struct arena *); /* keeps one block; wiped with explicit_bzero */
void arena_free(struct arena *);

#endif
