/*
 * samples: the text files of etc/, as setup writes them; inside the program, so that it needs
 * nothing but itself.
 */
#ifndef MASTER_SAMPLES_H
#define MASTER_SAMPLES_H

struct sample {
	const char *name;         /* "domains"; "sysusers" is etc/sysusers.d/posthouse.conf */
	const char *const *lines; /* each with its LF; NULL ends them */
};
extern const struct sample samples[]; /* a NULL name ends it */

#endif
