// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/array.h"
#include "user/base/index.h"
#include "user/live/cgroup.h"
#include "user/base/parse.h"

#define NSEC_PER_SEC 1000000000ULL
#define STATE_FIELD 3 /* of /proc/PID/stat: the one behind the name */
#define START_FIELD 22
#define FIRST_PROCESS "/proc/1" /* in every pid namespace */
#define NO_LINK (~0U)

/* A process that has a socket; those of one socket are a list in order of pids. */
struct link {
	__u32 process; /* number in processes */
	__u32 next;    /* number in links, or NO_LINK */
};

struct socket {
	__u32 inode;
	__u32 first, last; /* numbers in links */
};

struct procs {
	struct pt_owner *processes;
	__u32 processes_count;
	size_t processes_size;
	struct socket *sockets;
	__u32 sockets_count;
	size_t sockets_size;
	struct link *links;
	__u32 links_count;
	size_t links_size;
	struct index index;
	unsigned int unreadable;
	bool hidden;
	int cgroup_mount; /* -1: no cgroup2 */
};

/* ---- text ------------------------------------------------------------------ */

/* The digits at the beginning of text, as a number. */
static int parse_leading(const char *text, size_t len, __u64 max, __u64 *out)
{
	struct parse_reason why;
	char digits[24];
	size_t count = 0;

	while (count < len && text[count] >= '0' && text[count] <= '9')
		count++;
	if (count >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, count);
	digits[count] = '\0';
	return parse_u64(digits, 0, max, out, &why) ? -EINVAL : 0;
}

int procs_parse_link(const char *text, size_t len, __u32 *inode)
{
	static const char prefix[] = "socket:[";
	size_t skip = sizeof(prefix) - 1;
	__u64 number;

	if (len <= skip || memcmp(text, prefix, skip) || text[len - 1] != ']' ||
	    strspn(text + skip, "0123456789") != len - skip - 1 ||
	    parse_leading(text + skip, len - skip, UINT_MAX, &number))
		return -EINVAL;
	*inode = (__u32)number;
	return 0;
}

void procs_parse_comm(const char *text, size_t len, char comm[PT_COMM_LEN])
{
	memset(comm, 0, PT_COMM_LEN);
	if (len && text[len - 1] == '\n')
		len--;
	memcpy(comm, text, len < PT_COMM_LEN ? len : PT_COMM_LEN - 1);
}

/* A name can hold spaces and parentheses: what counts begins behind the last one. */
int procs_parse_start(const char *text, size_t len, __u64 ticks_per_second, __u64 *start)
{
	const char *end = text + len, *at = len ? memrchr(text, ')', len) : NULL;
	__u64 tick = ticks_per_second ? NSEC_PER_SEC / ticks_per_second : 0, ticks;

	if (!at || !tick)
		return -EINVAL;
	at++;
	for (int field = STATE_FIELD; at < end && field <= START_FIELD; field++) {
		if (*at++ != ' ')
			return -EINVAL;
		if (field == START_FIELD)
			break;
		while (at < end && *at != ' ')
			at++;
	}
	if (at >= end || parse_leading(at, (size_t)(end - at), ULLONG_MAX / tick, &ticks))
		return -EINVAL;
	*start = ticks * tick;
	return 0;
}

/* What follows key at the beginning of a line; its length into *rest. */
static const char *find_line(const char *text, size_t len, const char *key, size_t *rest)
{
	size_t key_len = strlen(key);
	const char *newline;

	while (len >= key_len) {
		newline = memchr(text, '\n', len);
		*rest = newline ? (size_t)(newline - text) : len;
		if (*rest >= key_len && !memcmp(text, key, key_len)) {
			*rest -= key_len;
			return text + key_len;
		}
		if (!newline)
			break;
		len -= *rest + 1;
		text = newline + 1;
	}
	return NULL;
}

/* Names are escaped in this file: no process can forge a line. */
int procs_parse_uid(const char *text, size_t len, __u32 *uid)
{
	const char *value = find_line(text, len, "Uid:\t", &len);
	__u64 number;

	if (!value || parse_leading(value, len, UINT_MAX, &number))
		return -EINVAL;
	*uid = (__u32)number;
	return 0;
}

int procs_parse_cgroup(const char *text, size_t len, char *path, size_t size)
{
	const char *value = find_line(text, len, "0::", &len);

	if (!value || !len || value[0] != '/' || len >= size || memchr(value, '\0', len))
		return -EINVAL;
	/* outside of our cgroup namespace; otherwise no component is ".." */
	if (len >= 3 && !memcmp(value, "/..", 3) && (len == 3 || value[3] == '/'))
		return -EINVAL;
	memcpy(path, value, len);
	path[len] = '\0';
	return 0;
}

/* ---- /proc ----------------------------------------------------------------- */

/*
 * The beginning of a file of a process. dir is its directory in /proc, which
 * stays with it: a later process with the same pid is not mistaken for it.
 * Returns the length or a negative errno.
 */
static ssize_t read_file(int dir, const char *name, char *buffer, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, buffer, size);
	if (len < 0)
		len = -errno;
	close(fd);
	return len;
}

/* A cgroup's id is the inode number of its directory; 0 if it is not known. */
static __u64 read_cgroup(const struct procs *procs, int dir)
{
	char text[PATH_MAX + 1024], path[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (procs->cgroup_mount < 0)
		return 0;
	len = read_file(dir, "cgroup", text, sizeof(text));
	if (len < 0 || procs_parse_cgroup(text, (size_t)len, path, sizeof(path)))
		return 0;
	/* the root is "/" */
	if (fstatat(procs->cgroup_mount, path[1] ? path + 1 : ".", &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	return st.st_ino;
}

static int read_owner(const struct procs *procs, int dir, __u32 pid, struct pt_owner *owner)
{
	char text[4096];
	ssize_t len = read_file(dir, "stat", text, sizeof(text));

	*owner = (struct pt_owner){ .pid = pid, .tid = pid, .known = true };
	if (len < 0 ||
	    procs_parse_start(text, (size_t)len, (__u64)sysconf(_SC_CLK_TCK), &owner->start))
		return -ESRCH;
	len = read_file(dir, "status", text, sizeof(text));
	if (len < 0 || procs_parse_uid(text, (size_t)len, &owner->uid))
		return -ESRCH;
	len = read_file(dir, "comm", text, sizeof(text));
	if (len < 0)
		return -ESRCH;
	procs_parse_comm(text, (size_t)len, owner->comm);
	memcpy(owner->thread, owner->comm, sizeof(owner->thread));
	owner->cgroup = read_cgroup(procs, dir);
	return 0;
}

static bool same_inode(const void *entries, __u32 entry, const void *key)
{
	return ((const struct socket *)entries)[entry].inode == *(const __u32 *)key;
}

/* The new link's number; NO_LINK: no memory. */
static __u32 add_link(struct procs *procs, __u32 process)
{
	struct link *links = array_make_room(procs->links, procs->links_count, &procs->links_size,
					     sizeof(*links));

	if (!links)
		return NO_LINK;
	procs->links = links;
	links[procs->links_count] = (struct link){ .process = process, .next = NO_LINK };
	return procs->links_count++;
}

/* One that other processes have too, or that this one has twice. */
static int share_socket(struct procs *procs, struct socket *socket, __u32 process)
{
	__u32 link;

	if (procs->links[socket->last].process == process)
		return 0;
	link = add_link(procs, process);
	if (link == NO_LINK)
		return -ENOMEM;
	procs->links[socket->last].next = link;
	socket->last = link;
	return 0;
}

static int add_socket(struct procs *procs, __u32 inode, __u32 process)
{
	__u32 hash = index_hash(inode), link;
	__u32 entry = index_find(&procs->index, hash, same_inode, procs->sockets, &inode);
	struct socket *sockets;

	if (entry != INDEX_NONE)
		return share_socket(procs, &procs->sockets[entry], process);
	sockets = array_make_room(procs->sockets, procs->sockets_count, &procs->sockets_size,
				  sizeof(*sockets));
	if (!sockets)
		return -ENOMEM;
	procs->sockets = sockets;
	link = add_link(procs, process);
	if (link == NO_LINK || index_add(&procs->index, hash, procs->sockets_count))
		return -ENOMEM;
	sockets[procs->sockets_count++] =
		(struct socket){ .inode = inode, .first = link, .last = link };
	return 0;
}

/* The sockets of the process that comes next in processes. */
static int read_sockets(struct procs *procs, DIR *fds)
{
	struct dirent *entry;
	char link[64];
	__u32 inode;
	ssize_t len;
	int err = 0;

	while (!err && (entry = readdir(fds))) {
		len = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		if (!procs_parse_link(link, (size_t)len, &inode))
			err = add_socket(procs, inode, procs->processes_count);
	}
	return err;
}

/* The fd directory of a process; NULL if it ended, or does not let us look. */
static DIR *open_fds(struct procs *procs, int dir)
{
	int fd = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *fds;

	if (fd < 0) {
		procs->unreadable += errno == EACCES || errno == EPERM;
		return NULL;
	}
	fds = fdopendir(fd);
	if (!fds)
		close(fd);
	return fds;
}

static int read_process(struct procs *procs, int dir, __u32 pid)
{
	__u32 before = procs->links_count;
	struct pt_owner *processes;
	DIR *fds;
	int err;

	processes = array_make_room(procs->processes, procs->processes_count,
				    &procs->processes_size, sizeof(*processes));
	if (!processes)
		return -ENOMEM;
	procs->processes = processes;
	fds = open_fds(procs, dir);
	if (!fds)
		return 0;
	err = read_sockets(procs, fds);
	closedir(fds);
	if (err || procs->links_count == before) /* has none */
		return err;
	/* An owner that ended in the meantime stays unknown. */
	if (read_owner(procs, dir, pid, &processes[procs->processes_count]))
		processes[procs->processes_count] = (struct pt_owner){ 0 };
	procs->processes_count++;
	return 0;
}

static int read_all(struct procs *procs, DIR *proc)
{
	struct dirent *entry;
	int dir, err = 0;
	__u64 pid;

	while (!err && (entry = readdir(proc))) {
		if (parse_leading(entry->d_name, strlen(entry->d_name), INT_MAX, &pid))
			continue;
		dir = openat(dirfd(proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0) {
			procs->unreadable += errno == EACCES || errno == EPERM;
			continue;
		}
		err = read_process(procs, dir, (__u32)pid);
		close(dir);
	}
	return err;
}

struct procs *procs_new(void)
{
	struct procs *procs = calloc(1, sizeof(*procs));
	DIR *proc = opendir("/proc");
	int err;

	if (!procs || !proc) {
		err = procs ? -errno : -ENOMEM;
	} else {
		procs->hidden = access(FIRST_PROCESS, F_OK);
		procs->cgroup_mount = cgroup_open_mount(NULL);
		err = read_all(procs, proc);
		if (procs->cgroup_mount >= 0)
			close(procs->cgroup_mount);
	}
	if (proc)
		closedir(proc);
	if (!err)
		return procs;
	procs_free(procs);
	errno = -err;
	return NULL;
}

void procs_free(struct procs *procs)
{
	if (!procs)
		return;
	free(procs->processes);
	free(procs->sockets);
	free(procs->links);
	index_free(&procs->index);
	free(procs);
}

int procs_each_holder(const struct procs *procs, __u32 inode,
		      int (*fn)(const struct pt_owner *holder, void *data), void *data)
{
	__u32 entry =
		index_find(&procs->index, index_hash(inode), same_inode, procs->sockets, &inode);
	__u32 at = entry == INDEX_NONE ? NO_LINK : procs->sockets[entry].first;
	int result = 0;

	for (; at != NO_LINK && !result; at = procs->links[at].next) {
		const struct pt_owner *holder = &procs->processes[procs->links[at].process];

		if (holder->known)
			result = fn(holder, data);
	}
	return result;
}

unsigned int procs_unreadable(const struct procs *procs)
{
	return procs->unreadable;
}

bool procs_hidden(const struct procs *procs)
{
	return procs->hidden;
}
