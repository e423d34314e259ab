// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/segment_write.h"

#include <errno.h>
#include <unistd.h>

bool segment_disk_is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

void segment_cut(const struct segment_write *segment)
{
	/* should it fail, the next block is written over what is there, or a reader finds it torn
	 */
	if (ftruncate(segment->fd, (off_t)segment_end(segment)))
		return;
}

static int write_all(int fd, const char *bytes, size_t size, __u64 offset)
{
	while (size) {
		ssize_t n = pwrite(fd, bytes, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		bytes += n;
		size -= (size_t)n;
		offset += (__u64)n;
	}
	return 0;
}

int segment_append_footer(const struct segment_write *segment, const void *bytes, size_t size,
			  __u64 *end)
{
	int err = write_all(segment->fd, bytes, size, segment_end(segment));

	if (err)
		segment_cut(segment);
	else
		*end = segment_end(segment) + size;
	return err;
}

int segment_append(struct segment_write *segment, const void *bytes, size_t size)
{
	struct block_head head = { 0 };
	int err = block_parse_head(bytes, size, &head);

	if (!err)
		err = write_all(segment->fd, bytes, size, segment_end(segment));
	if (!err)
		err = footer_add(&segment->index, &head);
	if (err)
		segment_cut(segment);
	return err;
}
