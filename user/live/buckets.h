/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which ports connect() may share: what sock_diag does not tell, and a BPF iterator sees in
 * the port's bucket.
 */
#ifndef PORTTRACE_LIVE_BUCKETS_H
#define PORTTRACE_LIVE_BUCKETS_H

#include "user/live/loader.h"
#include "user/stats/headroom.h"

struct buckets_source {
	const struct loader *loader; /* NULL: the program is loaded for this */
	__u32 netns;		     /* inode number; 0: every namespace */
	bool no_cookies;	     /* the model knows namespaces by inode number alone */
};

/*
 * Settles what the model knows from a dump alone; see headroom_settle(). Returns 0, or a
 * negative errno: this kernel or these privileges do not allow it, or some of it could not
 * be read. What was not settled stays unsure.
 */
int buckets_settle(struct headroom *headroom, const struct buckets_source *source);

#endif /* PORTTRACE_LIVE_BUCKETS_H */
