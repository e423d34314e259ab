/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which segments are in a file: by the footer that ends it, or else by walking from
 * block to block. The content of rows is not looked at, except the last block's where
 * there is no footer: that is what a crash cuts.
 */
#ifndef PORTTRACE_RECORDING_SCAN_H
#define PORTTRACE_RECORDING_SCAN_H

#include "user/recording/block_file.h"
#include "user/recording/document.h"
#include "user/recording/problems.h"

struct scan_segment {
	__u64 offset, size; /* bytes, with its footer */
	bool complete;
	bool growing; /* not complete, and what is behind it is being written */
	__u64 rows;   /* of EVENTS blocks */
	__u64 first_ts, last_ts;
	__u64 first_wall, last_wall;
	__u64 end_wall; /* of the footer; last_wall without one */
	struct document document;
};

struct scan {
	struct block_file *file;
	const char *name; /* to tell problems with */
	struct problems problems;
	/* Someone is writing: what is cut at the end is on its way. Of the run, or "": of any. */
	bool locked;
	char run[DOCUMENT_RUN_LEN];
	/* Gets each segment; the document is its own from then on. Returns 0 or an error. */
	int (*found)(void *data, struct scan_segment *segment);
	void *data;
};

/*
 * Returns 0 (also if there is no segment), -EBADMSG (the file does not begin like a
 * recording; it is not empty), -EPROTO (it begins with a newer version), or another negative
 * errno, found()'s too.
 */
int scan_file(const struct scan *scan);

/* The version that the head at offset tells, for a message; 0: none. */
unsigned int scan_version(struct block_file *file, __u64 offset);

#endif /* PORTTRACE_RECORDING_SCAN_H */
