/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths of cgroups by id, as a recording tells them. Bounded: a file is not believed. */
#ifndef PORTTRACE_RECORDING_CGROUPS_H
#define PORTTRACE_RECORDING_CGROUPS_H

#include "user/base/index.h"

#define CGROUPS_MAX 65536
#define CGROUPS_TEXT_MAX (32U << 20) /* bytes of all paths */

struct cgroup {
	__u64 id;
	char *path;
};

/* Zeroed: none. */
struct cgroups {
	struct index index;
	struct cgroup *entries;
	__u32 count;
	size_t text;
};

/* The first path of an id stays; the text is copied. Beyond the bounds, or memory, none is kept. */
void cgroups_add(struct cgroups *cgroups, __u64 id, const char *path);

/* NULL: not known. */
const char *cgroups_path(const struct cgroups *cgroups, __u64 id);

void cgroups_free(struct cgroups *cgroups);

#endif /* PORTTRACE_RECORDING_CGROUPS_H */
