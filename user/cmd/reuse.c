// SPDX-License-Identifier: BSD-2-Clause
/* porttrace reuse: how soon ports are used again, live or in a recording. */
#include "user/sink/reuse.h"

#include "user/cmd/measure.h"

static void *on_begin(const struct measure_span *span)
{
	return reuse_new(&(struct reuse_options){ span->by, span->since, span->until });
}

static void on_free(void *reuse)
{
	reuse_free(reuse);
}

static int on_event(void *reuse, const struct pt_event *ev, bool wanted)
{
	return reuse_event(reuse, ev, wanted);
}

static __u64 on_count(const void *reuse)
{
	return ((const struct reuse *)reuse)->all.allocs;
}

static void on_forget(void *reuse)
{
	reuse_forget(reuse);
}

static void on_end(void *reuse, __u64 from, __u64 to)
{
	reuse_set_span(reuse, from, to);
}

static int on_write_text(struct out *out, const void *reuse, size_t top)
{
	return reuse_write_text(out, reuse, top);
}

static int on_write_json(struct out *out, const void *reuse, size_t top)
{
	return reuse_write_json(out, reuse, top);
}

static const struct measure_ops ops = {
	.begin = on_begin,
	.free = on_free,
	.event = on_event,
	.count = on_count,
	.forget = on_forget,
	.end = on_end,
	.write_text = on_write_text,
	.write_json = on_write_json,
};

enum exit_status command_reuse(struct options *options)
{
	return measure_live(options, &ops);
}

enum exit_status command_reuse_past(struct options *options)
{
	return measure_past(options, &ops);
}
