/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that appears under its name when it is complete, and not before. */
#ifndef PORTTRACE_BASE_NEW_FILE_H
#define PORTTRACE_BASE_NEW_FILE_H

/* Zeroed: none. */
struct new_file {
	char *path; /* where a symbolic link leads, if it was one */
	char *name; /* of the file so far, beside path; a crash leaves it there */
	int fd;	    /* open for reading and writing, empty */
};

/*
 * Makes the file; what is at path stays. Permissions are those of any new file.
 * Returns 0 or a negative errno; file is then zeroed. The caller calls either of the
 * other two.
 */
int new_file_begin(struct new_file *file, const char *path);

/*
 * Puts what was written on the disk and gives it its name, in place of what had it.
 * Returns 0, or a negative errno: then the file is removed. file is zeroed either way.
 */
int new_file_publish(struct new_file *file);

/* Removes it. Nothing to do if file is zeroed. */
void new_file_discard(struct new_file *file);

#endif /* PORTTRACE_BASE_NEW_FILE_H */
