/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which holds there are now, and in which row of a statistic each was counted:
 * so that its end counts where its beginning did, whatever became known between.
 */
#ifndef PORTTRACE_STATS_HELD_H
#define PORTTRACE_STATS_HELD_H

#include "user/event/event.h"

/* A hold. Key: space (but for its VRF), port and socket; sock is not 0. */
struct held_hold {
	__u64 sock;
	__u64 netns_cookie;
	__u32 row;
	__u16 port;
	__u8 proto;
	bool time_wait : 1;
	bool counted : 1; /* its allocation counts */
};

/* Zeroed: empty. Private to held.{c,h}. */
struct held {
	struct held_hold *slots;
	__u32 size; /* a power of two */
	__u32 count;
};

/* NULL: there is no such hold. Valid until the next held_add() or held_remove(). */
struct held_hold *held_find(const struct held *held, const struct pt_space *space, __u16 port,
			    __u64 sock);

/* hold is not there yet; it is copied. Returns 0 or -ENOMEM. */
int held_add(struct held *held, const struct held_hold *hold);

/* hold: what held_find() returned. */
void held_remove(struct held *held, struct held_hold *hold);

void held_free(struct held *held);

#endif /* PORTTRACE_STATS_HELD_H */
