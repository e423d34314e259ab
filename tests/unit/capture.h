/* SPDX-License-Identifier: BSD-2-Clause */
/* What went to a struct out, as a string. */
#ifndef PORTTRACE_TESTS_CAPTURE_H
#define PORTTRACE_TESTS_CAPTURE_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/out.h"

/* An output to memory; capture_end() gets it. */
static inline void capture_begin(struct out *out)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(out_init(out, fd), 0);
}

/* Closes out; returns all that was written, to be freed. */
static inline char *capture_end(struct out *out)
{
	char *text;

	assert_int_equal(out_close(out), 0);
	text = calloc(1, out_written(out) + 1);
	assert_non_null(text);
	assert_int_equal(pread(out->fd, text, out_written(out), 0), out_written(out));
	close(out->fd);
	return text;
}

#endif /* PORTTRACE_TESTS_CAPTURE_H */
