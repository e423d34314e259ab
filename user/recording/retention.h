/* SPDX-License-Identifier: BSD-2-Clause */
/* The segments that are complete in a directory, and which of them go. */
#ifndef PORTTRACE_RECORDING_RETENTION_H
#define PORTTRACE_RECORDING_RETENTION_H

#include <linux/types.h>

#include "user/recording/problems.h"

struct retention_file {
	char *name;
	__u64 size;	 /* bytes */
	__u64 last_ts;	 /* of its newest event, CLOCK_BOOTTIME, ns; 0: of another boot */
	__u64 last_wall; /* the same, CLOCK_REALTIME */
};

/* Zeroed: none. Oldest first. */
struct retention {
	struct retention_file *files;
	__u64 first, count; /* those before first are gone */
	__u64 size;	    /* bytes, of all that are there */
};

/*
 * Takes what is in the directory: *.ptr files that begin like a recording. boot: id of
 * this boot. Returns 0 or a negative errno.
 */
int retention_load(struct retention *retention, int dirfd, const char *boot);

/* One more, the newest; the name is copied. Returns 0 or -ENOMEM. */
int retention_add(struct retention *retention, const struct retention_file *file);

struct retention_bounds {
	__u64 max_size;	  /* bytes; 0: none */
	__u64 max_age_ns; /* 0: none */
	__u64 current;	  /* bytes of the segment that is being written */
	__u64 boot, wall; /* now, ns */
};

/* Deletes the oldest while they are beyond a bound. A file that stays is told, and forgotten. */
void retention_apply(struct retention *retention, int dirfd, const struct retention_bounds *bounds,
		     const struct problems *problems);

void retention_free(struct retention *retention);

#endif /* PORTTRACE_RECORDING_RETENTION_H */
