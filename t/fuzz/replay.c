/*
 * replay: feed a fuzz target its corpus, without libFuzzer.
 *
 * replay_NAME [FILE ...]: the files, or all of $SRCDIR/t/fuzz/fuzz_NAME.corpus, each
 * whole; prints TAP. A broken promise or a sanitizer ends the process.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "t/fuzz/fuzz.h"

#define NAME "replay_"

static int count;

static void
feed(const char *path, const char *name)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	char *s;

	count++;
	if (f == NULL || fstat(fileno(f), &st) == -1) {
		printf("not ok %d - %s: cannot read\n", count, name);
		return;
	}
	/* exactly as large as the input: reading on is seen by the sanitizer */
	s = malloc((size_t)st.st_size + (st.st_size == 0));
	if (s == NULL || fread(s, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
		printf("not ok %d - %s: cannot read\n", count, name);
	else
		printf("%s %d - %s\n", LLVMFuzzerTestOneInput((uint8_t *)s,
		    (size_t)st.st_size) == 0 ? "ok" : "not ok", count, name);
	fflush(stdout);
	free(s);
	fclose(f);
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void
feed_corpus(const char *target)
{
	const char *src = getenv("SRCDIR");
	char *dir = mem_fmt("%s/t/fuzz/fuzz_%s.corpus", src != NULL ? src : ".",
	    target);
	struct dirent **all = NULL;
	int n = scandir(dir, &all, visible, alphasort);

	for (int i = 0; i < n; i++) {
		char *path = mem_fmt("%s/%s", dir, all[i]->d_name);

		feed(path, all[i]->d_name);
		free(path);
		free(all[i]);
	}
	free(all);
	if (n <= 0)
		printf("not ok %d - no corpus in %s\n", ++count, dir);
	free(dir);
}

int
main(int argc, char *argv[])
{
	const char *target = strstr(argv[0], NAME);

	while (target != NULL && strstr(target + 1, NAME) != NULL)
		target = strstr(target + 1, NAME);
	for (int i = 1; i < argc; i++)
		feed(argv[i], argv[i]);
	if (argc == 1 && target != NULL)
		feed_corpus(target + strlen(NAME));
	printf("1..%d\n", count);
	return 0;
}
