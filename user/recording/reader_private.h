/* SPDX-License-Identifier: BSD-2-Clause */
/* What reader.c, reader_open.c and reader_rows.c share. */
#ifndef PORTTRACE_RECORDING_READER_PRIVATE_H
#define PORTTRACE_RECORDING_READER_PRIVATE_H

#include "user/recording/block_file.h"
#include "user/recording/cgroups.h"
#include "user/recording/document.h"
#include "user/recording/problems.h"
#include "user/recording/reader.h"
#include "user/recording/unpacker.h"

struct segment {
	struct reader_segment public;
	struct document document;
	const char *name; /* as problems tell it */
	__u64 told;	  /* damage before this offset in the file was told already */
	__u64 boot_wall;  /* to sort by: of its boot and of its run */
	__u64 run_ts;
};

struct reader {
	char *path;
	int dirfd; /* AT_FDCWD: it is a file */
	struct problems problems;
	char **names; /* of the files */
	size_t names_count;
	struct segment *segments;
	unsigned int count;
	size_t text; /* bytes of all documents */

	/* The file that was read last stays open. */
	struct block_file file;
	const char *file_name;
	struct unpacker *unpacker;
	struct block_reader *block; /* to look at blocks that may not be wanted */
	struct cgroups cgroups;
};

/* reader_open.c: finds the segments. Returns like reader_open(). */
int reader_find_segments(struct reader *reader, struct parse_reason *why);

#endif /* PORTTRACE_RECORDING_READER_PRIVATE_H */
