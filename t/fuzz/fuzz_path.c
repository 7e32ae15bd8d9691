/*
 * Promises of lib/mail/path.c: what it takes is inside the input and free of control
 * octets, and its canonical form is a form that stays as it is.
 */
#include <string.h>

#include "lib/base/limits.h"
#include "lib/mail/path.h"
#include "t/fuzz/fuzz.h"

static void
check_canonical(const struct path *p)
{
	struct buf once = BUF_INIT(4096), again = BUF_INIT(4096),
		   key = BUF_INIT(4096), key_again = BUF_INIT(4096);
	struct path q;

	path_canonical(p, &once);
	for (size_t i = 0; i < once.len; i++)
		PROMISE((unsigned char)once.s[i] >= 0x20 && once.s[i] != 0x7f);
	PROMISE(!buf_over(&once));
	if (path_parse_address(buf_str(&once), once.len, &q) == 0) {
		path_canonical(&q, &again);
		PROMISE(span_eq(buf_span(&once), buf_span(&again)));
		path_key(p, &key);
		path_key(&q, &key_again);
		PROMISE(span_eq(buf_span(&key), buf_span(&key_again)));
		PROMISE(q.utf8 == p->utf8 && q.bare == p->bare);
	} else { /* a literal's one spelling may be the longer one */
		PROMISE(once.len > LIMIT_PATH - 2);
	}
	buf_free(&once);
	buf_free(&again);
	buf_free(&key);
	buf_free(&key_again);
}

static void
check(const char *s, size_t n, enum path_kind kind)
{
	struct path p;
	ssize_t used = path_parse(s, n, kind, &p);

	if (used == -1)
		return;
	PROMISE(used >= 2 && (size_t)used <= n && used <= LIMIT_PATH);
	PROMISE(s[0] == '<' && s[used - 1] == '>');
	PROMISE(p.local.len <= LIMIT_LOCAL_PART && p.domain.len <= LIMIT_DOMAIN);
	PROMISE(p.local.s >= s && p.local.s + p.local.len <= s + used);
	PROMISE(p.domain.s >= s && p.domain.s + p.domain.len <= s + used);
	if (used > 2)
		check_canonical(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
	const char *s = (const char *)octets;
	struct path p;

	check(s, n, PATH_REVERSE);
	check(s, n, PATH_FORWARD);
	if (path_parse_address(s, n, &p) == 0)
		check_canonical(&p);
	return 0;
}
