/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The random walk: workers that take ports and let them go in every way there
 * is, and that count by themselves what they know of it. What a worker does
 * depends on its seed alone; what the kernel answers does not, and is counted.
 */
#ifndef SOAK_WALK_H
#define SOAK_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/soak/tally.h"

/* The ports of a namespace that somebody listens on, and those that nobody does. */
#define SERVER_PORT 5001 /* and the next SERVER_PORTS - 1 */
#define SERVER_PORTS 3
#define DEAF_PORT 5998
#define CLOSED_PORT 5999

#define RANGE_LOW 40000
#define RANGE_HIGH 40031
#define NAMED_OUTSIDE 41000 /* fixed ports out of the range */

#define SLOTS 24
#define NAMESPACES_MAX 8

/* What a worker knows of the port of a socket. */
enum bound { UNBOUND, CHOSEN, NAMED };

/* What can be done with a socket; bits, since a step asks for one of several. */
enum phase {
	NONE = 1, /* no socket */
	FRESH = 2,
	BOUND = 4,
	LISTENING = 8,
	BUSY = 16,  /* connecting, connected, or dead since */
	SHUT = 32,  /* by shutdown(): to be disconnected or closed */
	SPENT = 64, /* only to be closed */
};

enum kind { KIND_TCP, KIND_MPTCP, KIND_UDP };
enum addressing { IPV4, IPV6, MAPPED };

struct slot {
	int fd;
	int home; /* the number of its namespace, -1: one of its own */
	enum phase phase;
	enum bound bound;
	enum kind kind;
	enum addressing addressing;
};

struct world {
	int namespaces[NAMESPACES_MAX];
	pid_t servers[NAMESPACES_MAX];
	int count;
	int post[2]; /* where workers pass sockets to each other */
};

struct worker {
	const struct world *world;
	uint64_t random;
	int home;
	int diag; /* to the current namespace's sock_diag, -1: not open */
	struct slot slots[SLOTS];
	struct tally tally;
};

/* A number below limit. */
uint32_t worker_random(struct worker *worker, uint32_t limit);
bool worker_chance(struct worker *worker, uint32_t percent);
/* Enters one of the world's namespaces. */
void worker_move(struct worker *worker, int home);
/* A slot in one of the phases (bits), NULL if there is none. */
struct slot *worker_slot(struct worker *worker, unsigned int phases);
/* One step, as the table in steps.c weighs them. */
void worker_step(struct worker *worker);
/* Closes all that it has. */
void worker_end(struct worker *worker);

/* Makes the namespaces and a server in each, which writes its tally to the file. */
void world_begin(struct world *world, int count, int tallies, uint64_t seed);
void world_end(struct world *world);

#endif /* SOAK_WALK_H */
