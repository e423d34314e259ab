// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMED_DIR "/run/netns"

/* A namespace file's inode number, or a negative errno. */
static int inode_of(const char *path, __u32 *inode)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		err = -EINVAL;
	else if (fstat(fd, &st))
		err = -errno;
	else
		*inode = (__u32)st.st_ino;
	close(fd);
	return err;
}

/* Whether one of dir's entries, with suffix behind its name, is that namespace. */
static bool found_in(const char *dir, const char *suffix, __u32 wanted)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	bool found = false;
	char path[512];
	__u32 inode;

	if (!stream)
		return false;
	while (!found && (entry = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%s%s", dir, entry->d_name, suffix);
		found = !inode_of(path, &inode) && inode == wanted;
	}
	closedir(stream);
	return found;
}

static int resolve_inode(const char *text, __u32 *inode, struct parse_reason *why)
{
	__u64 number;
	int err = parse_u64(text, 1, 0xffffffff, &number, why);

	if (err)
		return err;
	if (!found_in("/proc", "/ns/net", (__u32)number) && !found_in(NAMED_DIR, "", (__u32)number))
		return parse_refuse(
			why, -ENOENT,
			"no network namespace has the inode %s (lsns -t net lists them)", text);
	*inode = (__u32)number;
	return 0;
}

int netns_resolve(const char *text, __u32 *inode, struct parse_reason *why)
{
	char path[512], quoted[PARSE_QUOTE_LEN];
	int err;

	if (*text && strspn(text, "0123456789") == strlen(text))
		return resolve_inode(text, inode, why);
	snprintf(path, sizeof(path), "%s%s", strchr(text, '/') ? "" : NAMED_DIR "/", text);
	err = *text ? inode_of(path, inode) : -ENOENT;
	if (!err)
		return 0;
	parse_quote(text, strlen(text), quoted);
	if (err == -EINVAL)
		return parse_refuse(why, err, "%s is not a network namespace", quoted);
	if (strchr(text, '/'))
		return parse_refuse(why, err, "%s: %s", quoted, strerror(-err));
	return parse_refuse(why, err, "there is no network namespace %s (ip netns lists them)",
			    quoted);
}

__u32 netns_own(void)
{
	__u32 inode;

	return inode_of("/proc/self/ns/net", &inode) ? 0 : inode;
}

void netns_each_name(void (*fn)(const char *name, __u32 inode, void *data), void *data)
{
	DIR *stream = opendir(NAMED_DIR);
	struct dirent *entry;
	char path[512];
	__u32 inode;

	while (stream && (entry = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%s", NAMED_DIR, entry->d_name);
		if (!inode_of(path, &inode))
			fn(entry->d_name, inode, data);
	}
	if (stream)
		closedir(stream);
}
