/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a recording: a directory of segments, of which the oldest go, or one file.
 * What the ledger takes is handed to recorder_row(); at most a second later it is in
 * the file and on the disk.
 */
#ifndef PORTTRACE_RECORDING_RECORDER_H
#define PORTTRACE_RECORDING_RECORDER_H

#include <stdbool.h>

#include "user/base/parse.h"
#include "user/event/journal.h"

struct recorder;

/* Gets each row of a keyframe. */
typedef void (*recorder_row_fn)(void *data, const struct pt_rec_head *row);

/* What was written from memory. */
struct recorder_dumped {
	__u64 rows, bytes, segments; /* 0: nothing was new */
	__u64 dropped;		     /* rows that made place for newer ones, the disk being full */
	__u64 first_wall, last_wall; /* of these rows, CLOCK_REALTIME, ns */
};

struct recorder_options {
	const char *path;   /* the directory, made if it is not there, or the file */
	bool single;	    /* it is a file: neither max_size nor max_age */
	__u64 max_size;	    /* bytes, of all segments; 0: no bound */
	__u64 max_age_ns;   /* of the newest event of a segment; 0: no bound */
	__u64 segment_size; /* bytes; 0: 64 MiB, or less so that max_size has eight */
	__u64 memory;	    /* bytes that wait while the disk is full; 0: 16 MiB */
	/*
	 * A flight recorder: the newest segments stay in memory, in as many bytes, and nothing is
	 * in the directory until recorder_dump(); more, where the keyframes of two segments alone
	 * are more. 0: all goes to files at once. Not with single.
	 */
	__u64 keep;
	/* All that the ledger knows, as rows: a keyframe. */
	void (*keyframe)(void *data, recorder_row_fn fn, void *fn_data);
	void *keyframe_data;
	/* More for the SEGMENT block, as members of a JSON object without its braces; freed by the
	 * recorder. NULL: none. */
	char *(*describe)(void *data);
	void *describe_data;
	const char *(*cgroup_path)(void *data, __u64 id);
	void *cgroup_data;
	/* The clocks, for tests; NULL: the host's. ns. */
	__u64 (*boottime)(void *data);
	__u64 (*realtime)(void *data);
	void *clock_data;
	/* Something to tell the user, one line without a full stop: a full disk, room again. */
	void (*notice)(void *data, const char *text);
	/* A dump is complete. May be NULL. */
	void (*dumped)(void *data, const struct recorder_dumped *dumped);
	void *notice_data; /* of both */
};

/*
 * The caller ignores SIGXFSZ: else RLIMIT_FSIZE kills it, instead of being a full disk.
 * Locks the directory (or file), looks at what is there, and begins a segment with a
 * keyframe (keep: in memory). On failure why has the reason.
 * Returns 0, -EBUSY (another recorder has it), -EEXIST (a file that is no recording:
 * it is not overwritten; one that is is replaced), or another negative errno.
 */
int recorder_new(const struct recorder_options *options, struct recorder **out,
		 struct parse_reason *why);

/*
 * Takes a row. Nothing is written to a new segment meanwhile; what goes wrong with the
 * file is recorder_tick()'s to tell. Returns 0 or -ENOMEM.
 */
int recorder_row(struct recorder *recorder, const struct pt_rec_head *row);

/*
 * To be called at least four times a second, between two rows, when the ledger has
 * taken what was handed over: writes what is a second old, syncs, begins a new segment
 * where one is due, forgets old ones, tries again on a full disk.
 * Returns 0, or a negative errno that ends the recording (a full disk does not).
 */
int recorder_tick(struct recorder *recorder);

/*
 * With keep: what is in memory goes to files, now and with the next ticks, and for then_ns
 * also what comes. A segment that is written is forgotten, so the next dump has what is new.
 * While all goes to files anyway it does nothing.
 * Returns like recorder_tick().
 */
int recorder_dump(struct recorder *recorder, __u64 then_ns);

/*
 * Writes everything and the footer; what follows is recorder_counts() and recorder_close().
 * Returns 0, or a negative errno: not all could be written.
 */
int recorder_finish(struct recorder *recorder);

struct recorder_counts {
	__u64 rows;	 /* taken */
	__u64 written;	 /* of these in files */
	__u64 dropped;	 /* of these lost, since the disk was full */
	__u64 forgotten; /* of these too old for the memory there is, before anybody wanted them */
	__u64 bytes;	 /* of all segments that are in files now */
	__u64 segments;	 /* that are in files now */
	__u64 kept;	 /* bytes in memory */
	bool in_memory;	 /* what comes goes there */
	bool disk_full;	 /* now */
};
struct recorder_counts recorder_counts(const struct recorder *recorder);

/*
 * recorder_finish() unless that was called, then syncs and frees.
 * Returns 0, or a negative errno: not all could be written. *dropped (may be NULL): rows
 * that were lost from the beginning on; not those that were forgotten.
 */
int recorder_close(struct recorder *recorder, __u64 *dropped);

#endif /* PORTTRACE_RECORDING_RECORDER_H */
