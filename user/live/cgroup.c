// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/cgroup.h"

#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/index.h"

#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: the handle is the id */

struct known {
	__u64 id;
	char *path; /* NULL: it was gone */
};

struct cgroup_paths {
	char mount[PATH_MAX];
	int mount_fd; /* -1: no cgroup2 */
	struct known *known;
	__u32 count;
	struct index index;
};

int cgroup_open_mount(char *path)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	int fd = -1;

	while (mounts && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup2")) {
			fd = open(entry->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (path)
				snprintf(path, PATH_MAX, "%s", entry->mnt_dir);
			break;
		}
	if (mounts)
		endmntent(mounts);
	return fd;
}

struct cgroup_paths *cgroup_paths_new(void)
{
	struct cgroup_paths *paths = calloc(1, sizeof(*paths));

	if (!paths)
		return NULL;
	paths->mount_fd = cgroup_open_mount(paths->mount);
	return paths;
}

void cgroup_paths_free(struct cgroup_paths *paths)
{
	if (!paths)
		return;
	for (__u32 i = 0; i < paths->count; i++)
		free(paths->known[i].path);
	free(paths->known);
	index_free(&paths->index);
	if (paths->mount_fd >= 0)
		close(paths->mount_fd);
	free(paths);
}

/* What is behind the mount point; "/" for itself. */
static const char *below_mount(const struct cgroup_paths *paths, const char *path)
{
	size_t len = strlen(paths->mount);

	if (!len || strncmp(path, paths->mount, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] ? path + len : "/";
}

static char *look_up(const struct cgroup_paths *paths, __u64 id)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} handle = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	char link[64], path[PATH_MAX];
	const char *below;
	ssize_t len;
	int fd;

	memcpy(handle.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(paths->mount_fd, &handle.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	close(fd);
	if (len < 0)
		return NULL;
	path[len] = '\0';
	below = below_mount(paths, path);
	return below ? strdup(below) : NULL;
}

static bool id_matches(const void *entries, __u32 entry, const void *key)
{
	return ((const struct known *)entries)[entry].id == *(const __u64 *)key;
}

static const struct known *find(const struct cgroup_paths *paths, __u64 id)
{
	__u32 entry = index_find(&paths->index, index_hash(id), id_matches, paths->known, &id);

	return entry == INDEX_NONE ? NULL : &paths->known[entry];
}

/* Takes path. Returns what is now known, NULL without memory. */
static const struct known *learn(struct cgroup_paths *paths, __u64 id, char *path)
{
	struct known *known = realloc(paths->known, (paths->count + 1) * sizeof(*known));

	if (known)
		paths->known = known;
	if (!known || index_add(&paths->index, index_hash(id), paths->count)) {
		free(path);
		return NULL;
	}
	known[paths->count] = (struct known){ .id = id, .path = path };
	return &known[paths->count++];
}

const char *cgroup_path(void *data, __u64 id)
{
	struct cgroup_paths *paths = data;
	const struct known *known;

	if (paths->mount_fd < 0 || !id)
		return NULL;
	known = find(paths, id) ?: learn(paths, id, look_up(paths, id));
	return known ? known->path : NULL;
}

/* A cgroup's id is the inode number of its directory (kernfs, 64 bits). */
static void learn_tree(struct cgroup_paths *paths, const char *below)
{
	char full[2 * PATH_MAX];
	char *roots[] = { full, NULL };
	FTSENT *entry;
	FTS *tree;

	snprintf(full, sizeof(full), "%s%s", paths->mount, below);
	tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	while (tree && (entry = fts_read(tree))) {
		const char *path = below_mount(paths, entry->fts_path);

		if (entry->fts_info == FTS_D && path && !find(paths, entry->fts_statp->st_ino))
			learn(paths, entry->fts_statp->st_ino, strdup(path));
	}
	if (tree)
		fts_close(tree);
}

const char *cgroup_resolve(struct cgroup_paths *paths, const char *path)
{
	const char *below = below_mount(paths, path) ?: path;
	char full[2 * PATH_MAX];

	if (paths->mount_fd < 0 || *below != '/')
		return NULL;
	snprintf(full, sizeof(full), "%s%s", paths->mount, below);
	if (access(full, F_OK))
		return NULL;
	learn_tree(paths, below);
	return below;
}
