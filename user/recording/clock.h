/* SPDX-License-Identifier: BSD-2-Clause */
/* What time it is, and by how much the two clocks differ. */
#ifndef PORTTRACE_RECORDING_CLOCK_H
#define PORTTRACE_RECORDING_CLOCK_H

#include <linux/types.h>

/* Zeroed: the host's clocks. */
struct clock {
	__u64 (*boottime)(void *data);
	__u64 (*realtime)(void *data);
	void *data;
	__u64 offset; /* as clock_offset() told it last */
};

/* CLOCK_BOOTTIME, ns. */
__u64 clock_boottime(const struct clock *clock);

/*
 * CLOCK_REALTIME minus CLOCK_BOOTTIME, ns, modulo 2^64. It stays as it was told last
 * while the measurement differs by less than 1 ms from that: measuring is no more exact.
 */
__u64 clock_offset(struct clock *clock);

#endif /* PORTTRACE_RECORDING_CLOCK_H */
