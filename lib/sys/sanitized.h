/*
 * sanitized: is this a build with AddressSanitizer? Its leak check traces its
 * own process at exit, so such builds narrow themselves a little less.
 */
#ifndef LIB_SYS_SANITIZED_H
#define LIB_SYS_SANITIZED_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
