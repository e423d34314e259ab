// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/block_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A footer of a segment of few blocks, and one of the most that a recorder writes. */
static const size_t footer_reach[] = { 64U << 10, 4U << 20 };

static const char magic[4] = "PTRB";

void block_file_free(struct block_file *file)
{
	free(file->bytes);
	file->bytes = NULL;
	file->room = file->have = 0;
}

static int make_room(struct block_file *file, size_t len)
{
	char *bytes;

	if (len <= file->room)
		return 0;
	bytes = realloc(file->bytes, len);
	if (!bytes)
		return -ENOMEM;
	file->bytes = bytes;
	file->room = len;
	return 0;
}

/* Returns how many bytes there were up to len, or a negative errno. */
static ssize_t read_at(int fd, __u64 offset, char *to, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, to + have, len - have, (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int fill(struct block_file *file, __u64 offset, size_t len)
{
	int err = make_room(file, len);
	ssize_t have;

	if (err)
		return err;
	file->offset = offset;
	file->have = 0;
	have = read_at(file->fd, offset, file->bytes, len);
	if (have < 0)
		return (int)have;
	file->have = (size_t)have;
	return 0;
}

/* Those of the len bytes at offset that are there: *got of them. */
static int bytes_at(struct block_file *file, __u64 offset, size_t len, const char **out,
		    size_t *got)
{
	size_t skip;
	int err;

	if (offset > file->size)
		return -ENODATA;
	if (len > file->size - offset)
		len = (size_t)(file->size - offset);
	if (offset < file->offset || offset - file->offset > file->have ||
	    file->have - (size_t)(offset - file->offset) < len) {
		size_t ahead = file->ahead;

		if (ahead > file->size - offset)
			ahead = (size_t)(file->size - offset);
		err = fill(file, offset, len > ahead ? len : ahead);
		if (err)
			return err;
	}
	skip = (size_t)(offset - file->offset);
	*out = file->bytes ? file->bytes + skip : "";
	*got = file->have - skip;
	return 0;
}

int block_file_bytes(struct block_file *file, __u64 offset, size_t len, const void **out)
{
	const char *bytes;
	size_t got;
	int err = bytes_at(file, offset, len, &bytes, &got);

	if (err)
		return err;
	if (got < len)
		return -ENODATA;
	*out = bytes;
	return 0;
}

int block_file_copy(struct block_file *file, __u64 offset, size_t len, void *to)
{
	size_t have = 0;
	ssize_t got;

	if (offset > file->size || len > file->size - offset)
		return -ENODATA;
	if (offset >= file->offset && offset - file->offset < file->have) {
		have = file->have - (size_t)(offset - file->offset);
		if (have > len)
			have = len;
		memcpy(to, file->bytes + (offset - file->offset), have);
	}
	got = read_at(file->fd, offset + have, (char *)to + have, len - have);
	if (got < 0)
		return (int)got;
	return have + (size_t)got < len ? -ENODATA : 0;
}

int block_file_head(struct block_file *file, __u64 offset, struct block_head *head)
{
	size_t need = sizeof(struct format_block_head);

	for (;;) {
		const char *bytes;
		size_t got;
		int err = bytes_at(file, offset, need, &bytes, &got);

		if (err)
			return err;
		*head = (struct block_head){ 0 };
		err = block_parse_head(bytes, got, head);
		if (!err)
			return head->size > file->size - offset ? -ENODATA : 0;
		if (err != -EAGAIN)
			return err;
		if (head->directory_size <= need || got < need)
			return -ENODATA;
		need = head->directory_size;
	}
}

/* The next place from *at on, up to end, where a block may begin. */
static int next_magic(struct block_file *file, __u64 *at, __u64 end)
{
	while (*at + sizeof(struct format_block_head) <= end) {
		const char *bytes, *hit;
		size_t got;
		int err = bytes_at(file, *at, sizeof(struct format_block_head), &bytes, &got);

		if (err)
			return err == -ENODATA ? 0 : err;
		if (got < sizeof(magic))
			return 0;
		hit = memmem(bytes, got, magic, sizeof(magic));
		if (hit) {
			*at += (__u64)(hit - bytes);
			return 1;
		}
		*at += got - sizeof(magic) + 1;
	}
	return 0;
}

int block_file_search(struct block_file *file, __u64 offset, __u64 end, __u64 *found)
{
	size_t ahead = file->ahead;
	int ret;

	file->ahead = BLOCK_FILE_ALL;
	while ((ret = next_magic(file, &offset, end)) > 0) {
		struct block_head head;
		int err = block_file_head(file, offset, &head);

		if (!err && head.size <= end - offset) {
			*found = offset;
			break;
		}
		if (err && err != -EBADMSG && err != -ENODATA && err != -EPROTO) {
			ret = err;
			break;
		}
		offset++;
	}
	file->ahead = ahead;
	return ret;
}

/* Backwards. Returns 1, 0 (none in these bytes) or -ENOENT (the last block is no footer). */
static int search_footer(struct block_file *file, __u64 begin, __u64 *found)
{
	const char *bytes;
	size_t got;
	int err = bytes_at(file, begin, (size_t)(file->size - begin), &bytes, &got);

	if (err)
		return err;
	for (size_t i = got; i >= sizeof(struct format_block_head); i--) {
		size_t at = i - sizeof(struct format_block_head);
		struct block_head head = { 0 };

		if (memcmp(bytes + at, magic, sizeof(magic)) ||
		    block_parse_head(bytes + at, got - at, &head))
			continue;
		*found = begin + at;
		return head.type == FORMAT_FOOTER && head.size == got - at ? 1 : -ENOENT;
	}
	return 0;
}

int block_file_read_footer(struct block_file *file, __u64 offset, struct footer *footer)
{
	struct block_head head;
	const void *bytes;
	void *index;
	size_t size;
	int err = block_file_head(file, offset, &head);

	if (!err)
		err = block_file_bytes(file, offset, head.size, &bytes);
	if (!err)
		err = block_section(bytes, head.size, FORMAT_SECTION_INDEX, &index, &size);
	if (!err) {
		err = footer_decode(index, size, footer);
		free(index);
	}
	if (err == -EBADMSG || err == -ENOENT || err == -ENODATA || err == -EPROTO)
		return 0;
	return err ? err : 1;
}

int block_file_footer(struct block_file *file, __u64 *found, struct footer *footer)
{
	size_t count = sizeof(footer_reach) / sizeof(*footer_reach);

	for (size_t i = 0; i < count; i++) {
		__u64 begin = file->size > footer_reach[i] ? file->size - footer_reach[i] : 0;
		int ret = search_footer(file, begin, found);

		if (ret > 0)
			return block_file_read_footer(file, *found, footer);
		if (ret == -ENOENT || (!ret && !begin))
			break;
		if (ret < 0)
			return ret;
	}
	return 0;
}
