/* SPDX-License-Identifier: BSD-2-Clause */
/* What in a filter can be checked only by looking at this host. */
#ifndef PORTTRACE_CMD_RESOLVE_H
#define PORTTRACE_CMD_RESOLVE_H

#include "user/cmd/commands.h"
#include "user/live/cgroup.h"

/*
 * Namespaces become inode numbers, cgroups what cgroups (which the filter uses
 * from then on) calls them, and pids must exist.
 * Returns STATUS_DONE, or STATUS_USAGE after a complaint.
 */
enum exit_status resolve_names(struct options *options, struct cgroup_paths *cgroups);

/* The one port that is asked for, or 0. count: how many are. */
__u16 resolve_only_port(const struct filter *filter, unsigned int *count);

#endif /* PORTTRACE_CMD_RESOLVE_H */
