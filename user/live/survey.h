/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who held ports before the trace: dumps the kernel's tables while the programs
 * already run, and looks up the owners.
 */
#ifndef PORTTRACE_LIVE_SURVEY_H
#define PORTTRACE_LIVE_SURVEY_H

#include "user/ledger/snapshot.h"
#include "user/live/dump.h"
#include "user/live/ring.h"

/*
 * Dumps twice (the first one gives every socket a cookie, so that none lets go
 * unseen during the second) into snapshot, and reads the ring in between, so
 * that it does not overflow; its records are the ring's callback's business.
 * Returns 0 or a negative errno; *result is the second dump's.
 */
int survey_take(struct snapshot *snapshot, struct ring *ring, const struct dump_options *options,
		struct dump_result *result);

#endif /* PORTTRACE_LIVE_SURVEY_H */
