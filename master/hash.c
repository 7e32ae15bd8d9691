/*
 * hash: a password becomes a yescrypt hash.
 */
#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "master/setup.h"

const char *
setup_hash(const char *password)
{
	static struct crypt_data data;
	char *salt = crypt_gensalt_ra("$y$", 0, NULL, 0);
	const char *hash;

	hash = salt != NULL ? crypt_r(password, salt, &data) : NULL;
	if (hash == NULL || hash[0] == '*')
		fatal(EX_OSERR, "cannot hash a password: %s", strerror(errno));
	free(salt);
	return hash;
}
