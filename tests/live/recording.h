/* SPDX-License-Identifier: BSD-2-Clause */
/* Recordings in a live test: one that is being made, and what is read from it. */
#ifndef LIVE_RECORDING_H
#define LIVE_RECORDING_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "tracer.h"

/* Begins "porttrace record -w dir" and the arguments given, and waits until it traces. */
#define recording_begin(dir, ...)                                                                  \
	recording_begin_args(dir, (const char *const[]){ NULL, ##__VA_ARGS__, NULL } + 1)
struct tracer *recording_begin_args(const char *dir, const char *const *args);
/* Ends it in peace. */
void recording_end(struct tracer *recorder);
/* Deletes the recording. */
void recording_remove(const char *dir);

/*
 * What "porttrace trace -r dir --json" and the arguments given show of that network
 * namespace (0: of all), without the summary: an array, owned by the caller.
 */
#define recording_events(dir, netns, ...)                                                          \
	recording_events_args(dir, netns, (const char *const[]){ NULL, ##__VA_ARGS__, NULL } + 1)
json_t *recording_events_args(const char *dir, ino_t netns, const char *const *args);
/* Replays until there is an event that fits; returns all of that replay, as above. */
json_t *recording_wait(const char *dir, ino_t netns, const char *pattern, ...)
	__attribute__((format(printf, 3, 4)));

/* The lines of text, which are JSON objects: an array, owned by the caller. */
json_t *lines_of(const char *text);
/* Those of events that fit; borrowed. At most one may, where one is asked for. */
int events_count(json_t *events, const char *pattern, ...) __attribute__((format(printf, 2, 3)));
json_t *events_one(json_t *events, const char *pattern, ...) __attribute__((format(printf, 2, 3)));

/* A moment (CLOCK_REALTIME, ns) as --at, --since and --until take it. */
#define MOMENT_LEN 40
const char *moment(uint64_t wall, char text[MOMENT_LEN]);
/*
 * Now, apart from what was before and what comes by more than wall clocks that two
 * processes read can differ.
 */
uint64_t moment_apart(void);

#endif /* LIVE_RECORDING_H */
