/* SPDX-License-Identifier: BSD-2-Clause */
/* From the id of a cgroup (v2) to its path, remembered after it is gone. */
#ifndef PORTTRACE_LIVE_CGROUP_H
#define PORTTRACE_LIVE_CGROUP_H

#include <linux/types.h>

struct cgroup_paths;

/*
 * The first cgroup2 mount: a descriptor, the caller's, and its path into path
 * (PATH_MAX bytes; may be NULL). Returns -1 without one.
 */
int cgroup_open_mount(char *path);

/* NULL if there is no memory. A host without cgroup2 knows no path. */
struct cgroup_paths *cgroup_paths_new(void);
void cgroup_paths_free(struct cgroup_paths *paths);

/*
 * The path below the cgroup2 mount ("/" is the root), or NULL if the cgroup was
 * gone before it was first asked for. data is a struct cgroup_paths; the text
 * stays valid as long as that.
 */
const char *cgroup_path(void *data, __u64 id);

/*
 * For --cgroup: path as /proc/PID/cgroup shows it, or with the mount point
 * before it. Returns the part that cgroup_path() would give, a part of path
 * itself; NULL if there is no such cgroup. That cgroup and those below it are
 * known from then on, even if they go before their first event is read.
 */
const char *cgroup_resolve(struct cgroup_paths *paths, const char *path);

#endif /* PORTTRACE_LIVE_CGROUP_H */
