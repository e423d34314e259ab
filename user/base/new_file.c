// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void forget(struct new_file *file)
{
	free(file->path);
	free(file->name);
	*file = (struct new_file){ 0 };
}

static int set_names(struct new_file *file, const char *path)
{
	if (!*path)
		return -ENOENT;
	file->path = realpath(path, NULL);
	if (!file->path && errno != ENOENT)
		return -errno;
	if (!file->path)
		file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;
	return asprintf(&file->name, "%s.XXXXXX", file->path) < 0 ? -ENOMEM : 0;
}

int new_file_begin(struct new_file *file, const char *path)
{
	mode_t mask = umask(0);
	int err;

	umask(mask);
	*file = (struct new_file){ 0 };
	err = set_names(file, path);
	if (err) {
		forget(file);
		return err;
	}
	file->fd = mkostemp(file->name, O_CLOEXEC);
	if (file->fd < 0) {
		err = -errno;
		forget(file);
		return err;
	}
	/* mkostemp() lets nobody else read it; of a file system that keeps no modes no error */
	fchmod(file->fd, 0666 & ~mask);
	return 0;
}

/* The name too is on the disk only with its directory; not all file systems can do that. */
static void sync_directory(char *path)
{
	int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

int new_file_publish(struct new_file *file)
{
	int err = fsync(file->fd) ? -errno : 0;

	if (!err && rename(file->name, file->path))
		err = -errno;
	if (err) {
		new_file_discard(file);
		return err;
	}
	close(file->fd);
	sync_directory(file->path);
	forget(file);
	return 0;
}

void new_file_discard(struct new_file *file)
{
	if (!file->name)
		return;
	unlink(file->name);
	close(file->fd);
	forget(file);
}
