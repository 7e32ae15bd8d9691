/*
 * fuzz: what a fuzz target is: a function on octets that ends the process when a
 * promise is broken. libFuzzer calls it, or replay.c with the corpus.
 */
#ifndef T_FUZZ_FUZZ_H
#define T_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#undef main /* a program that is fuzzed as a whole has its own, under another name */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define PROMISE(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

#endif
