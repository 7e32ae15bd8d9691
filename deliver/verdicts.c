/*
 * verdicts: a table of answers. Two places for each address; the one that ends sooner is given away.
 */
#include "deliver/verdicts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/mem.h"

/* Strangers choose addresses: where theirs fall must not be foreseen. */
static uint64_t seed;

void
verdicts_init(struct verdicts *v)
{
	v->place = mem_alloc(VERDICTS, sizeof(*v->place));
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = (uint64_t)clock_real_us();
}

static void
forget(struct verdict *p)
{
	free(p->address);
	free(p->not_yes);
	*p = (struct verdict){ 0 };
}

void
verdicts_free(struct verdicts *v)
{
	for (size_t i = 0; i < VERDICTS; i++)
		forget(&v->place[i]);
	free(v->place);
}

static struct verdict *
first_place(const struct verdicts *v, const char *address)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ seed;

	for (; *address != '\0'; address++)
		h = (h ^ (unsigned char)*address) * UINT64_C(1099511628211);
	h ^= h >> 29;
	return &v->place[h % (VERDICTS / 2) * 2];
}

static bool
is_for(const struct verdict *p, const char *address)
{
	return p->address != NULL && strcmp(p->address, address) == 0;
}

const struct verdict *
verdicts_find(const struct verdicts *v, const char *address)
{
	const struct verdict *p = first_place(v, address);

	for (int i = 0; i < 2; i++, p++)
		if (is_for(p, address) && !deadline_over(p->until))
			return p;
	return NULL;
}

void
verdicts_keep(struct verdicts *v, const char *address, const struct probe_result *r, deadline_ms until)
{
	struct verdict *p = first_place(v, address);

	if (!is_for(p, address) && (is_for(p + 1, address) || p[1].address == NULL || (p->address != NULL && p[1].until < p->until)))
		p++;
	forget(p);
	p->address = mem_dup(address);
	p->until = until;
	if (r->answer != CALLOUT_YES) {
		p->not_yes = mem_alloc(1, sizeof(*p->not_yes));
		*p->not_yes = *r;
	}
}
