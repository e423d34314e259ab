/* SPDX-License-Identifier: BSD-2-Clause */
/* io_uring by its system calls: one request at a time. */
#ifndef LIVE_URING_H
#define LIVE_URING_H

#include <linux/io_uring.h>

struct uring {
	int fd;
	void *queues;
	struct io_uring_sqe *entries;
	struct io_uring_params params;
};

/*
 * Flags: of io_uring_setup().
 * Returns 0, or a negative errno where the kernel has none or forbids it.
 */
int uring_try_open(struct uring *ring, unsigned int flags);
void uring_close(struct uring *ring);
/* Does one request and waits for it; returns its result. */
int uring_do(struct uring *ring, const struct io_uring_sqe *request);

#endif /* LIVE_URING_H */
