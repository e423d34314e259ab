/* SPDX-License-Identifier: BSD-2-Clause */
/* The segment files of a directory, and whose lock it is. */
#ifndef PORTTRACE_RECORDING_FILES_H
#define PORTTRACE_RECORDING_FILES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define FILES_SUFFIX ".ptr"
#define FILES_LOCK "lock"
#define FILES_NAME_MAX 64
#define FILES_RUN_LEN 33

/*
 * 20261122T140210Z-0a1b2c3d-000012.ptr: sorts by time. wall: CLOCK_REALTIME, ns, of the
 * segment's beginning; run: 32 hex digits.
 */
void files_name(char name[FILES_NAME_MAX], __u64 wall, const char *run, __u64 index);

struct files {
	char **names; /* sorted */
	size_t count;
};

/*
 * What in the directory is named *.ptr. dirfd stays the caller's.
 * Returns 0 or a negative errno. On success files_free() is to be called.
 */
int files_list(int dirfd, struct files *out);
void files_free(struct files *files);

/*
 * A regular file for reading; nothing else is opened, nor waited for. dirfd: of a
 * relative path, or AT_FDCWD. *size: bytes.
 * Returns an fd, the caller's, or a negative errno: -EBADMSG if it is no regular file.
 */
int files_open(int dirfd, const char *path, __u64 *size);

/* ---- lock --------------------------------------------------------------------- */

/*
 * Locks an open file for as long as it is open, here or where it was inherited.
 * Returns 0, -EBUSY (it is locked) or another negative errno.
 */
int files_lock(int fd);

/* Who has the lock, as the lock file of a directory tells it. */
struct files_holder {
	__u64 pid; /* 0: not known */
	char run[FILES_RUN_LEN];
};

/* Writes it into the lock file. Returns 0 or a negative errno. */
int files_lock_tell(int fd, const struct files_holder *holder);

/* What a lock file says; zeroed: nothing of that kind. */
void files_lock_read(int fd, struct files_holder *holder);

/* Whether somebody has locked the file. */
bool files_is_locked(int fd);

/* Whether a recorder has the directory, and which. */
bool files_dir_is_locked(int dirfd, struct files_holder *holder);

#endif /* PORTTRACE_RECORDING_FILES_H */
