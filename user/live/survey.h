/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who holds ports now: dumps the kernel's tables while the programs run, and
 * asks the processes' files for what these do not show: the owners, and TCP
 * sockets that are only bound before Linux 6.8.
 */
#ifndef PORTTRACE_LIVE_SURVEY_H
#define PORTTRACE_LIVE_SURVEY_H

#include "user/ledger/snapshot.h"
#include "user/live/dump.h"
#include "user/live/ring.h"

struct survey_source {
	struct loader *loader; /* whose iterators tell who has which socket open */
	struct ring *ring;
	/* Told each namespace that the second dump came to; NULL: nobody. */
	void (*netns)(void *data, const struct dump_netns *netns);
	void *netns_data;
};

/*
 * Dumps twice (the first one gives every socket a cookie, so that none lets go
 * unseen during the second) into snapshot, and reads the ring in between, so
 * that it does not overflow; its records are the ring's callback's business.
 * options: what to dump; its netns_done and loader are set here.
 * Returns 0 or a negative errno; *result is the second dump's.
 */
int survey_take(struct snapshot *snapshot, const struct survey_source *source,
		const struct dump_options *options, struct dump_result *result);

#endif /* PORTTRACE_LIVE_SURVEY_H */
