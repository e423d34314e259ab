// SPDX-License-Identifier: BSD-2-Clause
#include "recording.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_env.h"
#include "fail.h"
#include "stream.h"

#define ARGS_MAX 24
#define PATTERN_MAX 512
#define WAIT_NS 20000000000ULL
/* A recording tells wall times to a millisecond: user/recording/clock.c. */
#define APART_MS 5

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

struct tracer *recording_begin_args(const char *dir, const char *const *more)
{
	const char *args[ARGS_MAX];
	struct tracer *recorder;

	join(args, (const char *const[]){ "record", "-w", dir, NULL }, more);
	recorder = tracer_spawn(&(struct tracer_setup){ .args = args, .text = true });
	tracer_ready(recorder);
	return recorder;
}

void recording_end(struct tracer *recorder)
{
	assert_int_equal(tracer_stop(recorder), STATUS_DONE);
	assert_string_equal(tracer_stdout(recorder), "");
	tracer_free(recorder);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void recording_remove(const char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

json_t *lines_of(const char *text)
{
	json_t *lines = json_array(), *line;
	json_error_t error;

	while (*text) {
		const char *end = strchr(text, '\n');

		must_be(end);
		line = json_loadb(text, (size_t)(end - text), 0, &error);
		if (!line)
			live_fail("no JSON (%s): %.*s", error.text, (int)(end - text), text);
		json_array_append_new(lines, line);
		text = end + 1;
	}
	return lines;
}

static bool is_shown(json_t *event, ino_t netns)
{
	if (!strcmp(event_text(event, "event"), "summary"))
		return false;
	return !netns || !strcmp(event_text(event, "event"), "lost") ||
	       (ino_t)event_number(event, "netns") == netns;
}

json_t *recording_events_args(const char *dir, ino_t netns, const char *const *more)
{
	const char *args[ARGS_MAX];
	struct tracer *replay;
	json_t *events;

	join(args, (const char *const[]){ "trace", "-r", dir, "--json", NULL }, more);
	replay = tracer_run_args(args);
	assert_int_equal(tracer_exit(replay), STATUS_DONE);
	events = lines_of(tracer_stdout(replay));
	for (size_t i = json_array_size(events); i--;)
		if (!is_shown(json_array_get(events, i), netns))
			json_array_remove(events, i);
	tracer_free(replay);
	return events;
}

json_t *recording_wait(const char *dir, ino_t netns, const char *fmt, ...)
{
	uint64_t end = net_boottime() + WAIT_NS;
	char pattern[PATTERN_MAX];
	va_list args;
	json_t *events;

	va_start(args, fmt);
	must_be(vsnprintf(pattern, sizeof(pattern), fmt, args) < PATTERN_MAX);
	va_end(args);
	for (;;) {
		events = recording_events(dir, netns);
		if (events_count(events, "%s", pattern))
			return events;
		json_decref(events);
		if (net_boottime() > end)
			live_fail("%s never has an event that fits '%s'", dir, pattern);
	}
}

static json_t *find(json_t *events, int *count, const char *fmt, va_list args)
{
	char pattern[PATTERN_MAX];
	json_t *event, *found = NULL;
	size_t i;

	must_be(vsnprintf(pattern, sizeof(pattern), fmt, args) < PATTERN_MAX);
	*count = 0;
	json_array_foreach(events, i, event)
	{
		if (!event_fits(event, pattern))
			continue;
		found = event;
		(*count)++;
	}
	return found;
}

int events_count(json_t *events, const char *fmt, ...)
{
	va_list args;
	int count;

	va_start(args, fmt);
	find(events, &count, fmt, args);
	va_end(args);
	return count;
}

json_t *events_one(json_t *events, const char *fmt, ...)
{
	json_t *event;
	va_list args;
	int count;

	va_start(args, fmt);
	event = find(events, &count, fmt, args);
	va_end(args);
	if (count == 1)
		return event;
	json_dumpf(events, stderr, JSON_COMPACT);
	live_fail("%d events fit '%s', not 1", count, fmt);
}

const char *moment(uint64_t wall, char text[MOMENT_LEN])
{
	time_t seconds = (time_t)(wall / 1000000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, MOMENT_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + strlen(text), MOMENT_LEN - strlen(text), ".%09lluZ",
		 (unsigned long long)(wall % 1000000000));
	return text;
}

uint64_t moment_apart(void)
{
	uint64_t now;

	net_age(APART_MS);
	now = net_realtime();
	net_age(APART_MS);
	return now;
}
