/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A running porttrace and what it says.
 *
 * Patterns are "key=value key=value ...": every named field of an event must
 * read like that: text as it is, numbers in decimal, true, false, null. Text
 * with a space in it cannot be named.
 */
#ifndef LIVE_TRACER_H
#define LIVE_TRACER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net.h"

/* Exit statuses of porttrace. */
enum {
	STATUS_DONE = 0,
	STATUS_ERROR = 1,
	STATUS_USAGE = 2,
	STATUS_LOST = 3,
	STATUS_NOT_KNOWN = 4,
	STATUS_REFUSED = 5,
	STATUS_AUDIT = 6,
};

struct tracer;

struct tracer_setup {
	const char *const *args; /* after the program's name, NULL-terminated */
	bool text;		 /* stdout is text, to be kept as it is */
	bool part;		 /* a filter hides events: holds cannot be counted */
	int out;		 /* its stdout; 0: a pipe that is read here */
	uid_t uid;		 /* to run as; 0: root */
};

/*
 * Starts porttrace ($PORTTRACE, else ./porttrace, else /usr/bin/porttrace) and
 * waits for nothing.
 */
struct tracer *tracer_spawn(const struct tracer_setup *setup);
/* Waits for the line that begins "Tracing"; fails the test without one. */
void tracer_ready(struct tracer *tracer);
/*
 * With --json and a filter: spawned, and ready.
 * "porttrace --json --audit -v" and the arguments given; tracer_stop() fails the
 * test if the audit finds a difference.
 */
#define tracer_filtered(...)                                                                       \
	tracer_begin(true, (const char *const[]){ "--json", "--audit", "-v", ##__VA_ARGS__, NULL })
/* The same of a tracer that hides nothing. */
#define tracer_whole(...)                                                                          \
	tracer_begin(false, (const char *const[]){ "--json", "--audit", "-v", ##__VA_ARGS__, NULL })
struct tracer *tracer_begin(bool part, const char *const *args);

/* Runs porttrace to its own end. Output is text. */
#define tracer_run(...) tracer_run_args((const char *const[]){ __VA_ARGS__, NULL })
struct tracer *tracer_run_args(const char *const *args);

pid_t tracer_pid(const struct tracer *tracer);
void tracer_signal(struct tracer *tracer, int signal);
/*
 * Reads everything until the end and returns the exit status (128 + signal if
 * one killed it). Once ended, returns the same again.
 */
int tracer_exit(struct tracer *tracer);
/* SIGINT, then tracer_exit(). */
int tracer_stop(struct tracer *tracer);
/* After the test: kills it if it runs, and frees it. */
void tracer_free(struct tracer *tracer);
/* tracer_free() for every one that was started after the first `keep`. */
void tracer_free_all(size_t keep);

/* What it wrote so far. */
const char *tracer_stderr(const struct tracer *tracer);
const char *tracer_stdout(const struct tracer *tracer); /* text only */
size_t tracer_lines(const char *text);
/* Waits until stdout, which is text, or stderr holds what. */
void tracer_wait_stdout(struct tracer *tracer, const char *what);
void tracer_wait_stderr(struct tracer *tracer, const char *what);

/*
 * From here on only events of this network namespace are looked at (0: of
 * all), and only those that are yet to come.
 */
void tracer_scope(struct tracer *tracer, ino_t netns);
/* Every event since the start, of every namespace. */
void tracer_scope_all(struct tracer *tracer);

/*
 * Waits, at most ten seconds, for the next event that fits the pattern, after
 * the one that the last call returned.
 * Returns it (owned by the tracer) or fails the test.
 */
json_t *tracer_expect(struct tracer *tracer, const char *pattern, ...)
	__attribute__((format(printf, 2, 3)));
/* Reads what comes within ms. */
void tracer_poll(struct tracer *tracer, unsigned int ms);
/* The next tracer_expect() looks at the scope's events from the first on again. */
void tracer_rewind(struct tracer *tracer);
/* How many of the scope's events so far fit the pattern. */
int tracer_count(struct tracer *tracer, const char *pattern, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Waits until everything that the calling thread did has been shown: binds
 * port 9 by UDP in its namespace and waits for the release.
 */
void tracer_sync(struct tracer *tracer);

bool event_fits(const json_t *event, const char *pattern);
/* Fails the test unless the event fits; says which field does not. */
void event_check(json_t *event, const char *pattern, ...) __attribute__((format(printf, 2, 3)));
/* A number of an event, which must be there. */
long long event_number(json_t *event, const char *field);
/* A text of an event, which must be there. */
const char *event_text(json_t *event, const char *field);

/* When something was done, CLOCK_BOOTTIME ns: between these. */
struct span {
	uint64_t before, after;
};
#define timed(span, statement)                                                                     \
	do {                                                                                       \
		(span).before = net_boottime();                                                    \
		statement;                                                                         \
		(span).after = net_boottime();                                                     \
	} while (0)
/* The field must be a time in ns that can lie between begin and end. */
void event_check_ns(json_t *event, const char *field, struct span begin, struct span end);

/* Fails the test if a line so far was of bad form or did not add up. */
void tracer_check_stream(struct tracer *tracer);
/* Holds that have begun and not ended. */
size_t tracer_open(const struct tracer *tracer);
/* Whether the last line was the summary. */
bool tracer_ended(const struct tracer *tracer);
/* The last event, whatever its scope; NULL if there is none. */
json_t *tracer_last(const struct tracer *tracer);
/* Everything known about every tracer, for the log of a failed test. */
void tracer_dump_all(void);

#endif /* LIVE_TRACER_H */
