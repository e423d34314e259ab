// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/cgroups.h"

#include <stdlib.h>
#include <string.h>

static bool has_id(const void *entries, __u32 entry, const void *key)
{
	return ((const struct cgroup *)entries)[entry].id == *(const __u64 *)key;
}

static __u32 find(const struct cgroups *cgroups, __u64 id)
{
	return index_find(&cgroups->index, index_hash(id), has_id, cgroups->entries, &id);
}

static int make_room(struct cgroups *cgroups)
{
	struct cgroup *entries;

	/* room is doubled at each power of two */
	if (cgroups->count & (cgroups->count - 1))
		return 0;
	entries = realloc(cgroups->entries,
			  (cgroups->count ? cgroups->count * 2UL : 1UL) * sizeof(*entries));
	if (!entries)
		return -1;
	cgroups->entries = entries;
	return 0;
}

void cgroups_add(struct cgroups *cgroups, __u64 id, const char *path)
{
	size_t size = strlen(path) + 1;
	char *copy;

	if (find(cgroups, id) != INDEX_NONE || cgroups->count == CGROUPS_MAX ||
	    cgroups->text + size > CGROUPS_TEXT_MAX || make_room(cgroups))
		return;
	copy = strdup(path);
	if (!copy || index_add(&cgroups->index, index_hash(id), cgroups->count)) {
		free(copy);
		return;
	}
	cgroups->entries[cgroups->count++] = (struct cgroup){ id, copy };
	cgroups->text += size;
}

const char *cgroups_path(const struct cgroups *cgroups, __u64 id)
{
	__u32 entry = find(cgroups, id);

	return entry == INDEX_NONE ? NULL : cgroups->entries[entry].path;
}

void cgroups_free(struct cgroups *cgroups)
{
	for (__u32 i = 0; i < cgroups->count; i++)
		free(cgroups->entries[i].path);
	free(cgroups->entries);
	index_free(&cgroups->index);
	*cgroups = (struct cgroups){ 0 };
}
