/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process of the walk knows: how often a port was obtained and refused, by way. */
#ifndef SOAK_TALLY_H
#define SOAK_TALLY_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

enum tally_proto { TALLY_TCP, TALLY_UDP, TALLY_PROTOS };
enum tally_via {
	TALLY_CONNECT,
	TALLY_BIND,
	TALLY_LISTEN,
	TALLY_AUTOBIND,
	TALLY_FIXED,
	TALLY_UNTOLD, /* porttrace's null: the program that tells it was skipped */
	TALLY_VIAS
};

struct tally {
	uint64_t steps;
	uint64_t unclear; /* answers that tell not whether a port was taken */
	uint64_t allocs[TALLY_PROTOS][TALLY_VIAS];
	uint64_t fails[TALLY_PROTOS][TALLY_VIAS];
};

extern const char *const tally_protos[TALLY_PROTOS];
extern const char *const tally_vias[TALLY_VIAS];

void tally_add(struct tally *to, const struct tally *tally);
/* One JSON object as a line into a file opened for appending. */
void tally_write(int file, const char *comm, pid_t pid, const struct tally *tally);
/* The same object read again. */
void tally_read(struct tally *tally, const json_t *object);

#endif /* SOAK_TALLY_H */
