// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/retention.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/recording/files.h"
#include "user/recording/scan.h"

/* ---- what is there ------------------------------------------------------------ */

struct look {
	struct retention_file *file;
	const char *boot;
};

static int take_segment(void *data, struct scan_segment *segment)
{
	const struct look *look = data;

	look->file->last_wall = segment->last_wall;
	look->file->last_ts = strcmp(segment->document.boot, look->boot) ? 0 : segment->last_ts;
	document_free(&segment->document);
	return 0;
}

/* A file whose segments are all damaged is as old as its last change. */
static __u64 change_time(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return 0;
	return (__u64)st.st_mtim.tv_sec * 1000000000 + (__u64)st.st_mtim.tv_nsec;
}

/* Returns 1 (ours), 0 or a negative errno. */
static int look_at(int fd, const char *boot, struct retention_file *file)
{
	struct block_file blocks = { .fd = fd, .size = file->size };
	struct look look = { file, boot };
	struct scan scan = {
		.file = &blocks,
		.name = file->name,
		.found = take_segment,
		.data = &look,
	};
	int err;

	file->last_wall = change_time(fd);
	err = scan_file(&scan);
	block_file_free(&blocks);
	if (err == -EBADMSG)
		return 0;
	return err && err != -EPROTO ? err : 1;
}

static int load_file(struct retention *retention, int dirfd, char *name, const char *boot)
{
	struct retention_file file = { .name = name };
	int fd = files_open(dirfd, name, &file.size);
	int ret;

	/* gone meanwhile, no file, or none that a recorder of this user wrote */
	if (fd == -ENOENT || fd == -EBADMSG || fd == -EACCES || fd == -ELOOP || fd == -ENXIO)
		return 0;
	if (fd < 0)
		return fd;
	/* an empty one does not say whose it is */
	ret = file.size ? look_at(fd, boot, &file) : 0;
	close(fd);
	return ret > 0 ? retention_add(retention, &file) : ret;
}

int retention_load(struct retention *retention, int dirfd, const char *boot)
{
	struct files files;
	int err = files_list(dirfd, &files);

	if (err)
		return err;
	for (size_t i = 0; i < files.count && !err; i++)
		err = load_file(retention, dirfd, files.names[i], boot);
	files_free(&files);
	return err;
}

int retention_add(struct retention *retention, const struct retention_file *file)
{
	struct retention_file *files;

	/* room is doubled at each power of two */
	if (!(retention->count & (retention->count - 1))) {
		__u64 room = retention->count ? retention->count * 2 : 1;

		files = realloc(retention->files, room * sizeof(*files));
		if (!files)
			return -ENOMEM;
		retention->files = files;
	}
	files = &retention->files[retention->count];
	*files = *file;
	files->name = strdup(file->name);
	if (!files->name)
		return -ENOMEM;
	retention->count++;
	retention->size += file->size;
	return 0;
}

/* ---- what goes ---------------------------------------------------------------- */

static bool is_beyond(const struct retention *retention, const struct retention_file *file,
		      const struct retention_bounds *bounds)
{
	__u64 then = file->last_ts ? file->last_ts : file->last_wall;
	__u64 now = file->last_ts ? bounds->boot : bounds->wall;

	if (bounds->max_size && retention->size + bounds->current > bounds->max_size)
		return true;
	return bounds->max_age_ns && now > then && now - then > bounds->max_age_ns;
}

void retention_apply(struct retention *retention, int dirfd, const struct retention_bounds *bounds,
		     const struct problems *problems)
{
	while (retention->first < retention->count) {
		struct retention_file *file = &retention->files[retention->first];

		if (!is_beyond(retention, file, bounds))
			break;
		if (unlinkat(dirfd, file->name, 0) && errno != ENOENT)
			problems_tell(problems, file->name, "it cannot be deleted: %s",
				      strerror(errno));
		retention->size -= file->size;
		retention->first++;
		free(file->name);
		file->name = NULL;
	}
}

void retention_free(struct retention *retention)
{
	for (__u64 i = retention->first; i < retention->count; i++)
		free(retention->files[i].name);
	free(retention->files);
	*retention = (struct retention){ 0 };
}
