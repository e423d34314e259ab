/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records as a busy host makes them, the same for each seed: 199,000 a second, 48
 * processes on 8 CPUs, ports 32768-60999, held for 20 ms (median), 64 remotes, 4
 * namespaces; 5 % are UDP, 4 % leave a TIME_WAIT, 1 % are refused.
 */
#ifndef PORTTRACE_TESTS_SYNTHETIC_H
#define PORTTRACE_TESTS_SYNTHETIC_H

#include <linux/types.h>

#include "user/recording/block.h"

struct synthetic;

/* Returns NULL if there is no memory. */
struct synthetic *synthetic_new(__u64 seed);
void synthetic_free(struct synthetic *load);

/* The next record. */
void synthetic_next(struct synthetic *load, union block_row *row);

/* splitmix64 */
static inline __u64 synthetic_random(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

#endif /* PORTTRACE_TESTS_SYNTHETIC_H */
