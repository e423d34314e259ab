/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process has which socket, as /proc/PID/fd told at one moment. Sockets
 * in the private file table of a single thread, in flight over a Unix socket,
 * or known to io_uring only, are not found.
 */
#ifndef PORTTRACE_LIVE_PROCS_H
#define PORTTRACE_LIVE_PROCS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "user/event/event.h"

struct procs;

/* Reads /proc. NULL if there is no memory, or no /proc: see errno. */
struct procs *procs_new(void);
void procs_free(struct procs *procs);

/*
 * Calls fn for each process that has the socket with that inode number, in order
 * of pids, until it returns other than 0; returns that. Which of several (after
 * a fork) obtained the port is not known. A process that ended while it was
 * looked at is left out. pids are those of our own pid namespace; thread is
 * comm; start is rounded down to clock ticks (10 ms). What fn gets is valid
 * until procs_free().
 */
int procs_each_holder(const struct procs *procs, __u32 inode,
		      int (*fn)(const struct pt_owner *holder, void *data), void *data);

/*
 * Processes that did not let us look (CAP_SYS_PTRACE is missing): they may have
 * any socket, also one of which another process was found.
 */
unsigned int procs_unreadable(const struct procs *procs);

/* Whether /proc does not even show that there are others (hidepid=2). */
bool procs_hidden(const struct procs *procs);

/* ---- for procs.c and its test: files of /proc/PID, len bytes, no NUL needed ---- */

/* The link of a file descriptor. Returns 0, or -EINVAL: not a socket. */
int procs_parse_link(const char *text, size_t len, __u32 *inode);

/* "comm": all but the last newline, cut as the kernel cuts names. */
void procs_parse_comm(const char *text, size_t len, char comm[PT_COMM_LEN]);

/* "stat": when it began, ns since boot, from ticks_per_second. 0 or -EINVAL. */
int procs_parse_start(const char *text, size_t len, __u64 ticks_per_second, __u64 *start);

/* "status": the real uid. 0 or -EINVAL. */
int procs_parse_uid(const char *text, size_t len, __u32 *uid);

/*
 * "cgroup": the path of the line of cgroup v2, into path, NUL-terminated.
 * Returns 0 or -EINVAL: none, not below our root, or too long.
 */
int procs_parse_cgroup(const char *text, size_t len, char *path, size_t size);

#endif /* PORTTRACE_LIVE_PROCS_H */
