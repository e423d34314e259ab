/* SPDX-License-Identifier: BSD-2-Clause */
/* What porttrace told of each process, held against what the processes know. */
#ifndef SOAK_SCORE_H
#define SOAK_SCORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct score;

struct score *score_new(void);
void score_free(struct score *score);

/* An event that porttrace wrote, of those that stream_take() returns. */
void score_event(struct score *score, const json_t *event);
/* Forgets what was told so far, but not the processes that it was told of. */
void score_restart(struct score *score);

/*
 * Compares with the file that the walk wrote, and the summary's totals with the
 * events. Says on stderr what does not agree. With losses nothing can be
 * missing from what was told but the lost: only too much is wrong.
 * Returns whether all agrees.
 */
bool score_compare(struct score *score, const char *counts, const json_t *summary, bool losses);

#endif /* SOAK_SCORE_H */
