/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's netlink messages (sock_diag, rtnetlink), taken apart. Pure: bytes
 * in, rows out, and nothing believed that was not checked.
 */
#ifndef PORTTRACE_LIVE_DIAG_H
#define PORTTRACE_LIVE_DIAG_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "user/live/sock_row.h"

/* One dump's answer. Set the first three and row, zero the rest. */
struct diag_answer {
	__u32 seq;
	__u8 family;
	__u8 proto;
	/* space and VRF are the caller's to fill in. Not 0: diag_answer_feed() ends. */
	int (*row)(struct sock_row *row, void *data);
	void *data;
	bool done; /* the last message came */
	bool torn; /* rows may be missing */
	int error; /* with done: how the kernel ended it; 0 or a negative errno */
};

/*
 * One datagram. Returns 0, what row returned, or -EBADMSG: rows up to there were
 * delivered, and what follows cannot be understood.
 */
int diag_answer_feed(struct diag_answer *answer, const void *bytes, size_t len);

struct diag_link {
	__u32 master; /* ifindex of the device that it belongs to; 0: none */
	bool vrf;
};

/*
 * The answer to RTM_GETLINK for one device.
 * Returns 0, -EBADMSG or the error that the kernel answered; then *link is
 * untouched.
 */
int diag_link_parse(const void *bytes, size_t len, __u32 seq, struct diag_link *link);

#endif /* PORTTRACE_LIVE_DIAG_H */
