/*
 * ascii: letters, digits and encodings that depend on no locale.
 */
#ifndef LIB_BASE_ASCII_H
#define LIB_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/buf.h"

bool ascii_alpha(int c);
bool ascii_digit(int c);
bool ascii_alnum(int c);
bool ascii_space(int c); /* SP, HT */
bool ascii_print(int c); /* 0x20 to 0x7e */
int ascii_lower(int c);
void ascii_lowern(char *, size_t);
bool ascii_caseeq(const char *, const char *, size_t);
/* Octets of the UTF-8 character that starts s (RFC 3629: no overlong forms, no
 * surrogates, at most U+10FFFF), its code point into *cp if that is not NULL;
 * 0 if there is none. */
size_t utf8_char(const char *s, size_t n, unsigned *cp);
bool utf8_valid(const char *s, size_t n);
void utf8_add(struct buf *, unsigned cp);
/*
 * Words of our own dialogues and files: octets outside 0x21-0x7e, '%' and
 * those in also (may be NULL) become %XX. An empty word is "%".
 */
void word_encode(struct buf *, const char *s, size_t n, const char *also);
/* The other way, in place allowed (out may be s; it needs n + 1 octets, a NUL
 * is added). Octets of the result; -1: not such a word. */
ssize_t word_decode(char *out, const char *s, size_t n);
/* What the digit stands for; -1: it is none. */
int hex_value(char);
int base64_value(char);
/* RFC 4648, 4. Decoding is strict: exact padding, nothing else. -1: it is not
 * base64; out needs n / 4 * 3 octets. */
void base64_add(struct buf *, const void *, size_t);
ssize_t base64_decode(void *out, const char *s, size_t n);

#endif
