/* SPDX-License-Identifier: BSD-2-Clause */
/* A command that runs while something is recorded. */
#ifndef PORTTRACE_CMD_CHILD_H
#define PORTTRACE_CMD_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Exit statuses of those who run commands (env, timeout, nohup). */
enum {
	CHILD_TRACER_FAILED = 125,
	CHILD_NOT_EXECUTABLE = 126,
	CHILD_NOT_FOUND = 127,
};

struct child {
	pid_t pid; /* 0: none, or it has ended */
	int status;
};

/*
 * Starts argv with the signals as they were before the caller blocked any. SIGCHLD
 * must be blocked.
 * Returns 0, or a negative errno: it cannot run, and child->status says so as a shell would.
 */
int child_start(struct child *child, char *const *argv);

/* Whether it has ended: child->status is then its exit status, 128 and the signal's number if one
 * ended it. */
bool child_has_ended(struct child *child);

/* Passes a signal on to it. */
void child_signal(const struct child *child, int number);

#endif /* PORTTRACE_CMD_CHILD_H */
