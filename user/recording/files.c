// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void files_name(char name[FILES_NAME_MAX], __u64 wall, const char *run, __u64 index)
{
	time_t seconds = (time_t)(wall / 1000000000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(name, FILES_NAME_MAX, "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name + n, FILES_NAME_MAX - n, "-%.8s-%06llu" FILES_SUFFIX, run, index);
}

static bool is_segment_name(const char *name)
{
	size_t len = strlen(name), suffix = strlen(FILES_SUFFIX);

	return len > suffix && name[0] != '.' && !strcmp(name + len - suffix, FILES_SUFFIX);
}

static int add_name(struct files *files, const char *name)
{
	char **names;

	/* room is doubled at each power of two */
	if (!(files->count & (files->count - 1))) {
		size_t room = files->count ? files->count * 2 : 1;

		names = realloc(files->names, room * sizeof(*names));
		if (!names)
			return -ENOMEM;
		files->names = names;
	}
	files->names[files->count] = strdup(name);
	if (!files->names[files->count])
		return -ENOMEM;
	files->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* An fd of its own, since a directory's position is shared by duplicates. */
static DIR *open_again(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

int files_list(int dirfd, struct files *out)
{
	struct files files = { 0 };
	DIR *dir = open_again(dirfd);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (errno = 0, entry = readdir(dir)))
		if (is_segment_name(entry->d_name))
			err = add_name(&files, entry->d_name);
	if (!err)
		err = -errno;
	closedir(dir);
	if (err) {
		files_free(&files);
		return err;
	}
	if (files.count)
		qsort(files.names, files.count, sizeof(*files.names), by_name);
	*out = files;
	return 0;
}

void files_free(struct files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->names[i]);
	free(files->names);
	*files = (struct files){ 0 };
}

int files_open(int dirfd, const char *path, __u64 *size)
{
	/* opening a FIFO would wait for a writer */
	int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EBADMSG;
	}
	*size = (__u64)st.st_size;
	return fd;
}

/* ---- lock --------------------------------------------------------------------- */

/* Of the open file, not of the process: closing another fd of the file does not unlock. */
static int lock_call(int fd, int command, struct flock *lock)
{
	*lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
	return fcntl(fd, command, lock) ? -errno : 0;
}

int files_lock(int fd)
{
	struct flock lock;
	int err = lock_call(fd, F_OFD_SETLK, &lock);

	return err == -EAGAIN || err == -EACCES ? -EBUSY : err;
}

bool files_is_locked(int fd)
{
	struct flock lock;

	return !lock_call(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

int files_lock_tell(int fd, const struct files_holder *holder)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "%llu %s\n", holder->pid, holder->run);

	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) < 0)
		return -errno;
	return 0;
}

void files_lock_read(int fd, struct files_holder *holder)
{
	char text[80];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	*holder = (struct files_holder){ 0 };
	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "%19llu %32[0-9a-f]", &holder->pid, holder->run) != 2)
		*holder = (struct files_holder){ 0 };
}

bool files_dir_is_locked(int dirfd, struct files_holder *holder)
{
	__u64 size;
	int fd = files_open(dirfd, FILES_LOCK, &size);
	bool locked;

	*holder = (struct files_holder){ 0 };
	if (fd < 0)
		return false;
	locked = files_is_locked(fd);
	if (locked)
		files_lock_read(fd, holder);
	close(fd);
	return locked;
}
