/* SPDX-License-Identifier: BSD-2-Clause */
/* A sink whose output has no room: each of its calls says so. */
#ifndef PORTTRACE_TESTS_FULL_DISK_H
#define PORTTRACE_TESTS_FULL_DISK_H

#include <errno.h>

#include "user/sink/sink.h"

typedef int sink_new_fn(struct out *out, const struct sink_context *ctx, struct sink **sink);

static inline void check_full_disk(sink_new_fn *sink_new, const struct sink_context *ctx,
				   const struct pt_event *ev)
{
	struct sink *sink;
	struct out out;

	assert_int_equal(out_open(&out, "/dev/full"), 0);
	assert_int_equal(sink_new(&out, ctx, &sink), 0);
	assert_int_equal(sink_event(sink, ev), 0);
	assert_int_equal(sink_flush(sink), -ENOSPC);
	assert_int_equal(sink_event(sink, ev), -ENOSPC);
	assert_int_equal(sink_end(sink), -ENOSPC);
	assert_int_equal(out_close(&out), -ENOSPC);
}

#endif /* PORTTRACE_TESTS_FULL_DISK_H */
