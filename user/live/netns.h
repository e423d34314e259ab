/* SPDX-License-Identifier: BSD-2-Clause */
/* Network namespaces as people name them. */
#ifndef PORTTRACE_LIVE_NETNS_H
#define PORTTRACE_LIVE_NETNS_H

#include <linux/types.h>

#include "user/base/parse.h"

/*
 * text is a name (of `ip netns`, below /run/netns), a path (/proc/PID/ns/net),
 * or an inode number (as lsns shows it) of a namespace that some process is in
 * or that has a name.
 * Returns 0, or -ENOENT or another negative errno with the reason in why.
 */
int netns_resolve(const char *text, __u32 *inode, struct parse_reason *why);

/* The inode number of this process's own; 0 if /proc does not tell. */
__u32 netns_own(void);

/* Calls fn for each namespace that has a name under /run/netns; name lasts for the call. */
void netns_each_name(void (*fn)(const char *name, __u32 inode, void *data), void *data);

#endif /* PORTTRACE_LIVE_NETNS_H */
