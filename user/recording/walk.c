// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/walk.h"

#include <errno.h>

static bool is_damage(int err)
{
	return err == -EBADMSG || err == -ENODATA || err == -EPROTO;
}

/* Where the footer has a block behind offset that is there. Returns 1, 0 or a negative errno. */
static int next_of_footer(struct walk *walk, __u64 offset, __u64 *found)
{
	const struct footer *footer = walk->footer;

	for (__u32 i = 0; footer && i < footer->count; i++) {
		__u64 at = walk->begin + footer->blocks[i].offset;
		struct block_head head;
		int err;

		if (at <= offset || at >= walk->end)
			continue;
		err = block_file_head(walk->file, at, &head);
		if (!err && head.size <= walk->end - at) {
			*found = at;
			return 1;
		}
		if (err && !is_damage(err))
			return err;
	}
	return 0;
}

static int step_over(struct walk *walk, __u64 *at)
{
	__u64 found;
	int ret = next_of_footer(walk, *at, &found);

	if (!ret)
		ret = block_file_search(walk->file, *at + 1, walk->end, &found);
	if (ret < 0)
		return ret;
	walk->offset = ret ? found : walk->end;
	return ret ? WALK_DAMAGED : WALK_CUT;
}

int walk_next(struct walk *walk, __u64 *at, struct block_head *head)
{
	int err;

	*at = walk->offset;
	if (*at >= walk->end)
		return WALK_END;
	err = block_file_head(walk->file, *at, head);
	if (!err && head->size <= walk->end - *at) {
		walk->offset += head->size;
		return WALK_BLOCK;
	}
	if (err == -EPROTO)
		return WALK_NEWER;
	if (err && !is_damage(err))
		return err;
	return step_over(walk, at);
}
