// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/recording/reader_private.h"

int reader_open(const struct reader_options *options, struct reader **out, struct parse_reason *why)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int err = -ENOMEM;

	if (!reader)
		return parse_refuse(why, err, "%s", strerror(ENOMEM));
	reader->dirfd = AT_FDCWD;
	reader->file.fd = -1;
	reader->problems = (struct problems){ options->problem, options->problem_data };
	reader->path = strdup(options->path);
	reader->block = block_reader_new();
	reader->unpacker = unpacker_new();
	if (reader->path && reader->block && reader->unpacker)
		err = reader_find_segments(reader, why);
	else
		parse_refuse(why, err, "%s", strerror(ENOMEM));
	if (err)
		reader_close(reader);
	else
		*out = reader;
	return err;
}

void reader_close(struct reader *reader)
{
	if (!reader)
		return;
	for (unsigned int i = 0; i < reader->count; i++)
		document_free(&reader->segments[i].document);
	free(reader->segments);
	for (size_t i = 0; i < reader->names_count; i++)
		free(reader->names[i]);
	free(reader->names);
	block_file_free(&reader->file);
	if (reader->file.fd >= 0)
		close(reader->file.fd);
	if (reader->dirfd >= 0)
		close(reader->dirfd);
	block_reader_free(reader->block);
	unpacker_free(reader->unpacker);
	cgroups_free(&reader->cgroups);
	free(reader->path);
	free(reader);
}

unsigned int reader_segments(const struct reader *reader)
{
	return reader->count;
}

const struct reader_segment *reader_segment(const struct reader *reader, unsigned int number)
{
	return &reader->segments[number].public;
}

unsigned int reader_find(const struct reader *reader, __u64 wall)
{
	for (unsigned int i = reader->count; i-- > 0;)
		if (reader->segments[i].public.first_wall <= wall)
			return i;
	return 0;
}

const char *reader_cgroup_path(void *data, __u64 id)
{
	const struct reader *reader = data;

	return cgroups_path(&reader->cgroups, id);
}
