// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* Linux 6.3: vm.memfd_noexec may refuse who does not ask for it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

int kept_open(void)
{
	int fd = memfd_create("porttrace", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("porttrace", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int kept_add(struct kept *kept, const struct kept_segment *segment)
{
	struct kept_segment *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *segment;
	copy->next = NULL;
	if (kept->first)
		*kept->last = copy;
	else
		kept->first = copy;
	kept->last = &copy->next;
	kept->count++;
	kept->bytes += copy->size;
	return 0;
}

void kept_remove(struct kept *kept)
{
	struct kept_segment *segment = kept->first;

	kept->first = segment->next;
	kept->count--;
	kept->bytes -= segment->size;
	close(segment->fd);
	free(segment);
}

static int copy(const struct kept_segment *segment, int to)
{
	off_t offset = 0;

	while ((__u64)offset < segment->size) {
		ssize_t n = sendfile(to, segment->fd, &offset, segment->size - (__u64)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
	}
	return 0;
}

int kept_write(const struct kept *kept, int dirfd)
{
	const struct kept_segment *segment = kept->first;
	int fd = openat(dirfd, segment->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640), err;

	if (fd < 0)
		return -errno;
	err = copy(segment, fd);
	if (!err)
		return fd;
	close(fd);
	unlinkat(dirfd, segment->name, 0);
	return err;
}

void kept_free(struct kept *kept)
{
	while (kept->first)
		kept_remove(kept);
}
