/*
 * limits: every ceiling on what comes from outside, with its reason.
 */
#ifndef LIB_BASE_LIMITS_H
#define LIB_BASE_LIMITS_H

#define LIMIT_LOCAL_PART 64      /* octets; RFC 5321, 4.5.3.1.1 */
#define LIMIT_DOMAIN 255         /* octets; RFC 5321, 4.5.3.1.2 */
#define LIMIT_PATH 256           /* octets, brackets included; RFC 5321, 4.5.3.1.3 */
#define LIMIT_ADDRESS 320        /* local-part, "@", domain */
#define LIMIT_SMTP_AUTH 12288    /* octets of a line of AUTH; RFC 4954, 4 */
#define LIMIT_SMTP_COMMAND 2048  /* octets; RFC 5321, 4.5.3.1.4 asks 512, extensions add */
#define LIMIT_SMTP_REPLY 2048    /* octets a line kept from a server; RFC 5321, 4.5.3.1.5 asks 512 */
#define LIMIT_REPLY_LINES 100    /* lines of one multi-line reply */
#define LIMIT_POP3_COMMAND 255   /* octets; RFC 2449, 4 */
#define LIMIT_POP3_REPLY 512     /* octets; RFC 1939, 3 */
#define LIMIT_PACKET 65536       /* octets of one packet between our programs */
#define LIMIT_PACKET_FDS 4       /* descriptors a packet may carry */
#define LIMIT_HEADER (256 * 1024) /* octets of a header that is read whole */
#define LIMIT_MAP_LINE 65536     /* octets of one entry with its continuations */
#define LIMIT_CONF_VALUE 4096    /* octets of one setting */
#define LIMIT_UIDL 70            /* octets; RFC 1939, 7 */
#define LIMIT_ID 32              /* octets of a queue ID */
#define LIMIT_KEY 32             /* octets of a delivery key */
#define LIMIT_LOG_VALUE 512      /* octets of one foreign value in a log line */
#define LIMIT_ALIAS_DEPTH 10     /* an alias of an alias of an alias ... */
#define LIMIT_EXPANSION 10000    /* final recipients one RCPT may become */
#define LIMIT_PASSWORD 1024      /* octets */
#define LIMIT_SASL 12288         /* octets of a SASL challenge or answer in base64; RFC 4954, 4 */
#define LIMIT_ENVELOPE (64 * 1024 * 1024) /* octets of an envelope file */

#endif
