/* SPDX-License-Identifier: BSD-2-Clause */
/* What recorder.c, recorder_segment.c and recorder_output.c share. */
#ifndef PORTTRACE_RECORDING_RECORDER_PRIVATE_H
#define PORTTRACE_RECORDING_RECORDER_PRIVATE_H

#include "user/recording/backlog.h"
#include "user/recording/clock.h"
#include "user/recording/document.h"
#include "user/recording/files.h"
#include "user/recording/kept.h"
#include "user/recording/recorder.h"
#include "user/recording/retention.h"
#include "user/recording/segment_write.h"
#include "user/recording/syncer.h"

#define SECOND 1000000000ULL
#define BOOT_LEN 64
#define HOST_LEN 65

struct recorder {
	struct recorder_options options;
	char *path;
	int dirfd;   /* -1: it is a file */
	int lock_fd; /* the directory's lock file, or the file itself */
	struct clock clock;
	struct syncer *syncer;
	struct retention retention;
	char run[DOCUMENT_RUN_LEN], boot[BOOT_LEN], host[HOST_LEN], kernel[HOST_LEN];
	int error; /* ended the recording; the rest of the calls return it */

	/* The segment that is written; fd -1: none. */
	struct segment_write segment;
	bool in_memory;
	char name[FILES_NAME_MAX];
	__u64 index;	  /* of the next one */
	__u64 began;	  /* CLOCK_BOOTTIME, ns */
	__u64 first_size; /* bytes of its SEGMENT and KEYFRAME blocks */
	__u64 segments;	  /* in a file */

	/* Rows that are in no block yet. */
	struct block_writer *block;
	bool dirty; /* something is not on the disk */
	__u64 dirty_since;

	/* While the disk is full. */
	bool full;
	__u64 full_since, retry_at;
	bool rotation_failed;
	struct backlog backlog;
	bool lost; /* rows were dropped, and no segment says so yet */
	__u64 lost_rows, lost_from, lost_to;

	/* With keep. */
	bool keeping;	 /* the next segment is in memory */
	bool too_little; /* that a keyframe takes most of it was told */
	struct kept kept;
	__u64 due;	   /* so many of kept are to be written, the first ones */
	__u64 files_until; /* CLOCK_BOOTTIME, ns: as long all goes to files */
	bool dumping;
	bool dump_waits; /* for room on the disk */
	__u64 dump_retry_at;
	bool was_dumped; /* ever */
	struct recorder_dumped dump;

	bool finished;
	int finish_error;
	struct recorder_counts counts;
};

/* Something for the user, printf-like. */
void recorder_tell(const struct recorder *recorder, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What a block says besides its rows; measures the clocks. */
struct block_info recorder_block_info(struct recorder *recorder, enum format_block type,
				      __u64 sequence);

/*
 * recorder_segment.c: ends the segment there is, and begins another with a keyframe. No
 * rows and no blocks may wait. On failure all is as before.
 * Returns 0 or a negative errno.
 */
int recorder_begin_segment(struct recorder *recorder);

/* The footer of a segment whose blocks are all there; *end as segment_append_footer(). */
int recorder_end_segment(struct recorder *recorder, const struct segment_write *segment,
			 __u64 *end);

/* recorder.c: all that there is is put into this segment, and the next one begun. On a full disk
 * later. */
int recorder_rotate(struct recorder *recorder);

/* recorder_dump.c: bytes that segments take in memory. */
__u64 recorder_kept_bytes(const struct recorder *recorder);

/* The oldest segments in memory go until size more fit. */
void recorder_make_room(struct recorder *recorder, size_t size);

/* The segment in memory, with its footer up to end, is complete: kept's. Returns 0 or -ENOMEM. */
int recorder_keep(struct recorder *recorder, __u64 end);

/* Its part of recorder_tick(), with keep. now: CLOCK_BOOTTIME, ns. Returns 0 or a negative errno.
 */
int recorder_dump_tick(struct recorder *recorder, __u64 now);

/* The last dump; the segment in memory ends. Returns 0 or a negative errno. */
int recorder_dump_all(struct recorder *recorder);

/*
 * recorder_output.c: the rows so far become a block, which is written or waits. Errors of
 * the disk go into recorder->error. Returns 0 or -ENOMEM.
 */
int recorder_output(struct recorder *recorder);

/* Tries what waits once more; where rows were lost, a new segment. Returns 0 or a negative errno.
 */
int recorder_retry(struct recorder *recorder);

/* A write failed since the disk is full: blocks wait from here on. */
void recorder_disk_full(struct recorder *recorder);

#endif /* PORTTRACE_RECORDING_RECORDER_PRIVATE_H */
