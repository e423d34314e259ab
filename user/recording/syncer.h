/* SPDX-License-Identifier: BSD-2-Clause */
/* fdatasync() in a thread of its own: whoever records does not wait for a slow disk. */
#ifndef PORTTRACE_RECORDING_SYNCER_H
#define PORTTRACE_RECORDING_SYNCER_H

#include <stdbool.h>

struct syncer;

/* Returns NULL if there is no memory, or no thread to be had. */
struct syncer *syncer_new(void);

/*
 * What was written to fd goes to the disk, after what was asked for before; soon, not
 * at once. hand_over: fd is closed then, it is the syncer's. If a dozen wait
 * already, it waits for one of them.
 */
void syncer_ask(struct syncer *syncer, int fd, bool hand_over);

/* The first error so far, a negative errno, or 0. */
int syncer_error(struct syncer *syncer);

/* Waits for all that was asked for, then frees. Returns like syncer_error(). */
int syncer_close(struct syncer *syncer);

#endif /* PORTTRACE_RECORDING_SYNCER_H */
