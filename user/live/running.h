/* SPDX-License-Identifier: BSD-2-Clause */
/* The porttraces that run now on this kernel, by the BPF programs that they loaded. */
#ifndef PORTTRACE_LIVE_RUNNING_H
#define PORTTRACE_LIVE_RUNNING_H

#include <linux/types.h>

struct running {
	unsigned int programs;
	unsigned int skipped; /* programs that the kernel ever skipped */
	__u64 misses;	      /* how often, all of them */
	char worst[16];	      /* the one skipped most; the kernel cuts its name */
	__u64 worst_misses;
};

/* Calls fn for each. Returns 0 or a negative errno: -EPERM, the kernel does not tell. */
typedef void (*running_fn)(const struct running *running, void *data);
int running_each(running_fn fn, void *data);

#endif /* PORTTRACE_LIVE_RUNNING_H */
