/*
 * hash: password hashes, by libxcrypt's crypt(3): yescrypt for what is made
 * here; for what is verified whatever the library knows (bcrypt, sha512-crypt ...).
 */
#include "lib/store/hash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/digest.h"

char *
hash_make(const char *password)
{
	char *setting = crypt_gensalt_ra("$y$", 0, NULL, 0), *made = NULL;
	struct crypt_data *data;
	const char *got;

	if (setting == NULL)
		return NULL;
	data = mem_alloc(1, sizeof(*data));
	got = crypt_r(password, setting, data);
	if (got != NULL && got[0] != '*')
		made = mem_dup(got);
	explicit_bzero(data, sizeof(*data));
	free(data);
	free(setting);
	return made;
}

bool
hash_verify(const char *hash, const char *password)
{
	struct crypt_data *data = mem_alloc(1, sizeof(*data));
	const char *got = crypt_r(password, hash, data);
	size_t n = strlen(hash);
	bool same = false;

	if (got != NULL && got[0] != '*' && strlen(got) == n)
		same = digest_same(got, hash, n);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return same && password[0] != '\0';
}

bool
hash_usable(const char *hash)
{
	return strlen(hash) < HASH_MAX &&
	    crypt_checksalt(hash) != CRYPT_SALT_INVALID &&
	    strlen(hash) >= 13; /* the shortest there is: DES */
}
