/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a recording, a directory or a file, also while it is written. Whatever the
 * file says is checked; what is damaged is told and the rest read.
 */
#ifndef PORTTRACE_RECORDING_READER_H
#define PORTTRACE_RECORDING_READER_H

#include <stdbool.h>

#include "user/base/parse.h"
#include "user/event/journal.h"

struct reader;

struct reader_options {
	const char *path;
	/* Damage and the like: file, offset, what is wrong; one line without a full stop. */
	void (*problem)(void *data, const char *text);
	void *problem_data;
};

/*
 * Finds the segments and reads their beginnings and ends; no rows yet. On failure why
 * has the reason.
 * Returns 0, -ENOENT (nothing there, or no segment in it), -EPROTO (a newer version, by
 * name in why), -EBADMSG (a foreign file) or another negative errno.
 */
int reader_open(const struct reader_options *options, struct reader **out,
		struct parse_reason *why);
/* NULL is nothing to do. */
void reader_close(struct reader *reader);

/* One segment, oldest first. Text lasts as long as the reader. */
struct reader_segment {
	const char *file;
	__u64 offset; /* in the file, bytes */
	__u64 size;
	bool complete;	 /* it has its footer */
	bool is_current; /* no footer yet, and a recorder has it: more will come */
	/*
	 * It goes on where the one before ended: nothing is missing in between. Else the
	 * rows from there to here are not known (another run, a full disk, damage).
	 */
	bool contiguous;
	char run[33];  /* of the recorder, random, in hex */
	__u64 index;   /* in this run, from 0 on */
	__u64 dropped; /* rows lost between the segment before and this one, the disk being full */
	__u64 first_ts, last_ts;     /* CLOCK_BOOTTIME, ns; of its beginning and of its last row */
	__u64 first_wall, last_wall; /* CLOCK_REALTIME, ns */
	/*
	 * Up to there nothing else happened: when it got its footer; last_wall without
	 * one, since what a recorder has not written when it is killed is gone.
	 */
	__u64 end_wall;
	const char *boot; /* id */
	const char *host;
	const char *kernel;  /* release */
	const char *version; /* porttrace's */
	const char *about;   /* the whole JSON document of its SEGMENT block */
};

unsigned int reader_segments(const struct reader *reader);
const struct reader_segment *reader_segment(const struct reader *reader, unsigned int number);

/* What is read of a segment. */
struct reader_query {
	const struct port_set *ports; /* rows of these and of none in particular; NULL: all */
	__u64 until;		      /* CLOCK_REALTIME, ns: no rows later than that; ~0: all */
};

struct reader_handler {
	/* Each row, of the keyframe first; valid for the call. realtime_offset is its block's. */
	int (*row)(void *data, const struct pt_rec_head *row, __u64 realtime_offset);
	/* A row that will be handed over soon, so that memory can be fetched; NULL: of no use. */
	void (*expect)(void *data, const struct pt_rec_head *row);
	/*
	 * Blocks were damaged and skipped: rows from `from` to `to` (CLOCK_BOOTTIME, ns) are
	 * missing, count of them if that is known, else 0.
	 */
	int (*gap)(void *data, __u64 from, __u64 to, __u64 count);
	void *data;
};

/*
 * Hands over the rows of one segment, in order. keyframe: with those of its keyframe.
 * Returns 0, a negative errno, or what a handler returned if that was not 0.
 */
int reader_rows(struct reader *reader, unsigned int segment, bool keyframe,
		const struct reader_query *query, const struct reader_handler *handler);

/*
 * The segment to begin with for something at wall (CLOCK_REALTIME, ns): the last one
 * that begins no later; the first one if all begin later.
 */
unsigned int reader_find(const struct reader *reader, __u64 wall);

/* The path of a cgroup as the blocks read so far told it; NULL: not known. data: the reader. */
const char *reader_cgroup_path(void *data, __u64 id);

#endif /* PORTTRACE_RECORDING_READER_H */
