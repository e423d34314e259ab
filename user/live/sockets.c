// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/sockets.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/index.h"
#include "user/live/rows.h"

struct sockets {
	struct sockets_entry *entries;
	__u32 count, size;
	struct index index;
};

static bool has_cookie(const void *entries, __u32 entry, const void *key)
{
	return ((const struct sockets_entry *)entries)[entry].row.cookie == *(const __u64 *)key;
}

static __u32 find(const struct sockets *sockets, __u64 cookie)
{
	return index_find(&sockets->index, index_hash(cookie), has_cookie, sockets->entries,
			  &cookie);
}

static int add(struct sockets *sockets, const struct sock_row *row, const struct pt_owner *owner)
{
	if (sockets->count == sockets->size) {
		__u32 size = sockets->size ? 2 * sockets->size : 256;
		struct sockets_entry *grown =
			realloc(sockets->entries, size * sizeof(*sockets->entries));

		if (!grown)
			return -ENOMEM;
		sockets->entries = grown;
		sockets->size = size;
	}
	sockets->entries[sockets->count] = (struct sockets_entry){ *row, *owner };
	return index_add(&sockets->index, index_hash(row->cookie), sockets->count++);
}

/* A process can have it open more than once. */
static int on_row(const struct sock_row *row, const struct pt_owner *owner, void *data)
{
	struct sockets *sockets = data;
	__u32 entry = find(sockets, row->cookie);
	struct pt_owner *first;

	if (!owner)
		return -EBADMSG;
	if (entry == INDEX_NONE)
		return add(sockets, row, owner);
	first = &sockets->entries[entry].owner;
	if (first->pid != owner->pid || first->start != owner->start)
		first->known = false;
	return 0;
}

int sockets_new(int fd, struct sockets **out)
{
	struct sockets *sockets = calloc(1, sizeof(*sockets));
	int err;

	if (!sockets)
		return -ENOMEM;
	err = rows_read(fd, on_row, sockets);
	if (err)
		sockets_free(sockets);
	else
		*out = sockets;
	return err;
}

void sockets_free(struct sockets *sockets)
{
	if (!sockets)
		return;
	index_free(&sockets->index);
	free(sockets->entries);
	free(sockets);
}

const struct sockets_entry *sockets_find(const struct sockets *sockets, __u64 cookie)
{
	__u32 entry = find(sockets, cookie);

	return entry == INDEX_NONE ? NULL : &sockets->entries[entry];
}

const struct sockets_entry *sockets_next(const struct sockets *sockets, __u32 *position)
{
	return *position < sockets->count ? &sockets->entries[(*position)++] : NULL;
}
