/*
 * decoy: verifiers for accounts that are not there. Knows no accounts.
 */
#include "auth/decoy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/sys/file.h"

#define KEY_FILE "decoy.key"

static int
read_key(struct decoy *d, int dir_fd)
{
	struct buf octets = BUF_INIT(sizeof(d->key));
	int rv = file_slurp_at(dir_fd, KEY_FILE, &octets);

	if (rv == 0 && octets.len == sizeof(d->key))
		memcpy(d->key, octets.s, sizeof(d->key));
	else if (rv == 0)
		rv = -1; /* cut short: a new one */
	buf_wipe(&octets);
	buf_free(&octets);
	return rv;
}

void
decoy_open(struct decoy *d, const struct instance *inst, unsigned iterations)
{
	char *dir = instance_path(inst->state, "auth");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d->iterations = iterations;
	arc4random_buf(d->key, sizeof(d->key));
	if (fd == -1 || (read_key(d, fd) == -1 && file_replace_at(fd, KEY_FILE, d->key, sizeof(d->key), 0600) == -1))
		log_event(EV_WARNING, LS("text", "salts of unknown accounts will differ after a restart: the directory cannot "
		    "be used"), LS("file", dir), LS("error", strerror(errno)));
	file_close(fd);
	free(dir);
}

void
decoy_verifier(const struct decoy *d, const char *address, struct scram_verifier *v)
{
	uint8_t salt[DIGEST_OCTETS];
	const struct span parts[] = { SPAN("salt"), span_of(address) };

	digest_hmac(d->key, parts, COUNT(parts), salt);
	v->iterations = d->iterations;
	v->salt_n = SCRAM_SALT;
	memcpy(v->salt, salt, SCRAM_SALT);
	arc4random_buf(v->stored_key, sizeof(v->stored_key));
	arc4random_buf(v->server_key, sizeof(v->server_key));
}
