/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON document that a SEGMENT block holds: who recorded what where. Pure: no I/O. */
#ifndef PORTTRACE_RECORDING_DOCUMENT_H
#define PORTTRACE_RECORDING_DOCUMENT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes; neither is a greater one written nor believed. */
#define DOCUMENT_MAX (256U << 10)

#define DOCUMENT_RUN_LEN 33

struct document {
	char run[DOCUMENT_RUN_LEN]; /* 32 digits, hex */
	__u64 index;		    /* of the segment in its run */
	/* Nothing is missing since the segment before it in the run. */
	bool continues;
	__u64 dropped; /* rows lost since then, their times: CLOCK_BOOTTIME, ns */
	__u64 dropped_from, dropped_to;
	__u64 begin_boot, begin_wall; /* ns */
	__u64 pid;		      /* of the recorder */
	const char *boot, *host, *kernel, *version;
	const char *about; /* the document, in ASCII; of document_read() only */
	char *text;	   /* behind the pointers above; of document_read() only */
};

/*
 * more: members of a JSON object without its braces, or NULL; those that the document
 * has anyway are left out. *out is to be freed.
 * Returns 0, -ENOMEM, -EINVAL (more is no JSON) or -E2BIG.
 */
int document_make(const struct document *document, const char *more, char **out, size_t *size);

/*
 * What a file says: text in *out is safe to show, missing text is empty.
 * Returns 0, -ENOMEM or -EBADMSG. On success document_free() is to be called.
 */
int document_read(const void *bytes, size_t size, struct document *out);

void document_free(struct document *document);

#endif /* PORTTRACE_RECORDING_DOCUMENT_H */
