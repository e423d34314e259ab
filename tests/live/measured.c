// SPDX-License-Identifier: BSD-2-Clause
#include "measured.h"

#include <stdarg.h>
#include <stdio.h>

#include "cmocka_env.h"
#include "fail.h"
#include "recording.h"

#define ARGS_MAX 24
#define PATTERN_MAX 256

static void join(const char *args[ARGS_MAX], const char *const *first, const char *const *more)
{
	int count = 0;

	while (*first && count + 1 < ARGS_MAX)
		args[count++] = *first++;
	while (*more && count + 1 < ARGS_MAX)
		args[count++] = *more++;
	must_be(!*first && !*more);
	args[count] = NULL;
}

struct tracer *measured_begin_args(const char *command, ino_t netns, const char *const *more)
{
	const char *args[ARGS_MAX];
	struct tracer *tracer;
	char inode[24];

	snprintf(inode, sizeof(inode), "%lu", (unsigned long)netns);
	join(args, (const char *const[]){ command, "--json", "--top", "0", "-N", inode, NULL },
	     more);
	tracer = tracer_spawn(&(struct tracer_setup){ .args = args, .text = true });
	tracer_ready(tracer);
	return tracer;
}

static json_t *said(struct tracer *tracer)
{
	json_t *lines, *measured;

	if (tracer_exit(tracer) != STATUS_DONE)
		live_fail("exit status %d: %s", tracer_exit(tracer), tracer_stderr(tracer));
	lines = lines_of(tracer_stdout(tracer));
	assert_int_equal(json_array_size(lines), 1);
	measured = json_incref(json_array_get(lines, 0));
	json_decref(lines);
	tracer_free(tracer);
	return measured;
}

json_t *measured_end(struct tracer *tracer)
{
	tracer_stop(tracer);
	return said(tracer);
}

json_t *measured_past_args(const char *command, const char *dir, ino_t netns,
			   const char *const *more)
{
	const char *args[ARGS_MAX];
	char inode[24];

	snprintf(inode, sizeof(inode), "%lu", (unsigned long)netns);
	join(args,
	     (const char *const[]){ command, "-r", dir, "--json", "--top", "0", "-N", inode, NULL },
	     more);
	return said(tracer_run_args(args));
}

json_t *measured_row(json_t *measured, const char *fmt, ...)
{
	json_t *row, *found = NULL;
	char pattern[PATTERN_MAX];
	va_list args;
	size_t i;

	va_start(args, fmt);
	must_be(vsnprintf(pattern, sizeof(pattern), fmt, args) < PATTERN_MAX);
	va_end(args);
	json_array_foreach(json_object_get(measured, "rows"), i, row)
	{
		if (!event_fits(row, pattern))
			continue;
		must_be(!found);
		found = row;
	}
	if (!found)
		live_fail("no row fits '%s'", pattern);
	return found;
}

long long measured_sum(json_t *object, const char *buckets)
{
	long long sum = 0;
	json_t *bucket;
	size_t i;

	json_array_foreach(json_object_get(object, buckets), i, bucket) sum +=
		event_number(bucket, "count");
	return sum;
}

/* How many of times lie within from and to surely, and how many may. */
static void count_times(const struct span *times, size_t count, uint64_t from, uint64_t to,
			long long *surely, long long *maybe)
{
	*surely = *maybe = 0;
	for (size_t i = 0; i < count; i++) {
		*surely += times[i].before >= from && times[i].after <= to;
		*maybe += times[i].before <= to && times[i].after >= from;
	}
}

void measured_check_times(json_t *object, const char *buckets, const struct span *times,
			  size_t count)
{
	long long surely, maybe;
	json_t *bucket;
	size_t i;

	assert_int_equal(measured_sum(object, buckets), count);
	json_array_foreach(json_object_get(object, buckets), i, bucket)
	{
		uint64_t from = (uint64_t)event_number(bucket, "from_ns");
		uint64_t to = (uint64_t)event_number(bucket, "to_ns");

		count_times(times, count, from, to, &surely, &maybe);
		if (event_number(bucket, "count") < surely || event_number(bucket, "count") > maybe)
			live_fail("%lld from %llu to %llu ns, not %lld to %lld",
				  event_number(bucket, "count"), (unsigned long long)from,
				  (unsigned long long)to, surely, maybe);
	}
}

struct span measured_between(struct span from, struct span to)
{
	return (struct span){ .before = to.before - from.after, .after = to.after - from.before };
}
