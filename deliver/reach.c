/*
 * reach: the settings that count where we connect to others.
 */
#include "deliver/reach.h"

void
reach_init(struct reach *r, const struct conf *c, uint64_t connect_s, uint64_t command_s)
{
	r->limits = (struct smtp_limits){
		.connect_ms = (int64_t)connect_s * 1000,
		.command_ms = (int64_t)command_s * 1000,
		.helo = c->helo_name,
		.no_tls = !c->remote_tls,
		.ca = c->remote_tls_ca,
	};
	r->self = (struct hops_self){ c->hostname, c->helo_name, (uint16_t)c->remote_port };
}

void
reach_sandbox(struct sandbox *box, const struct conf *c)
{
	static const char *const openssl[] = { "/dev/urandom", "/usr/lib", "/usr/share" };

	sandbox_may_resolve(box);
	for (size_t i = 0; i < COUNT(openssl); i++)
		sandbox_may(box, openssl[i], MAY_READ);
	sandbox_may(box, c->remote_tls_ca, MAY_READ);
}
