/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments that are complete and stay in memory until somebody wants them, in order. */
#ifndef PORTTRACE_RECORDING_KEPT_H
#define PORTTRACE_RECORDING_KEPT_H

#include "user/recording/files.h"

/* Its bytes are a file's that no directory has (memfd_create), as they would be on the disk. */
struct kept_segment {
	struct kept_segment *next;
	int fd;
	char name[FILES_NAME_MAX]; /* that it gets */
	__u64 size;		   /* bytes */
	__u64 rows;		   /* of EVENTS blocks */
	__u64 first_wall;	   /* of its beginning, CLOCK_REALTIME, ns */
	__u64 last_ts, last_wall;  /* of its newest event: CLOCK_BOOTTIME, CLOCK_REALTIME */
};

/* Zeroed: none. */
struct kept {
	struct kept_segment *first, **last;
	__u64 count;
	__u64 bytes; /* of all */
};

/* A file of memory for a segment. Returns an fd, the caller's, or a negative errno. */
int kept_open(void);

/* One more, the newest: copied, and the fd is kept's, unless it fails: -ENOMEM. */
int kept_add(struct kept *kept, const struct kept_segment *segment);

/* Forgets the first one; there must be one. */
void kept_remove(struct kept *kept);

/*
 * Writes the first one into the directory, by its name; it stays. There must be one.
 * Returns the file's fd, the caller's, or a negative errno: then nothing of it is there.
 */
int kept_write(const struct kept *kept, int dirfd);

void kept_free(struct kept *kept);

#endif /* PORTTRACE_RECORDING_KEPT_H */
