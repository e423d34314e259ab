/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF programs in the kernel: chosen for what this kernel has, set up,
 * attached, detached. The only file that knows the skeleton is loader.c.
 */
#ifndef PORTTRACE_LOADER_H
#define PORTTRACE_LOADER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

struct loader;

struct loader_options {
	const __u64 *ports; /* 65536 bits, borrowed; NULL: every port */
	__u32 netns;	    /* inode number; 0: every namespace */
	__u8 proto;	    /* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	__u64 buffer_size;  /* bytes, a power of two of whole pages */
	bool audit;	    /* tell every port that becomes empty, for the audit */
	bool only_files;    /* only LOADER_SOCK_FILES: nothing is traced */
	bool only_tcp;	    /* the same of LOADER_SOCK_TCP */
	bool verbose;	    /* libbpf's messages and the verifier's go to stderr */
};

/* What became of one program. */
enum loader_state {
	LOADER_READY,
	LOADER_ABSENT,	/* this kernel has not that function, nor needs it */
	LOADER_MISSING, /* it has not, and a fact goes unseen without it */
	LOADER_REFUSED, /* the kernel did not take the program */
	LOADER_STATES,
};

struct loader_program {
	const char *name;
	const char *function; /* of the kernel, or its tracepoint */
	const char *tells;    /* the fact, in words */
	enum loader_state state;
	int error; /* LOADER_REFUSED: positive errno */
};

/*
 * Loads and attaches; no record comes before loader_start(). On success *out is the caller's, to be
 * freed by loader_free(). On failure a line that says what is missing is in reason. Returns 0,
 * -EOPNOTSUPP (this kernel), -EPERM (these privileges), or another negative errno.
 */
int loader_new(const struct loader_options *options, struct loader **out, char *reason,
	       size_t size);

/* All programs begin at this moment. */
void loader_start(struct loader *loader);

/* A dump gave every socket there was a cookie, in every namespace. */
void loader_all_known(struct loader *loader);

/*
 * No record comes after this returns: no program is amid one either. Those in
 * the ring stay readable. The programs stay attached, silent, until
 * loader_free(), since detaching takes a while.
 */
void loader_stop(struct loader *loader);

/* NULL is fine. */
void loader_free(struct loader *loader);

/* The ring's file descriptor; the loader's. */
int loader_ring_fd(const struct loader *loader);

enum loader_iterator {
	LOADER_SOCK_FILES, /* each socket that a process has open, with the process */
	LOADER_SOCK_TCP,   /* each of the calling thread's network namespace */
	LOADER_SOCK_UDP,
};

/* A file to read struct pt_row from (rows.h), or a negative errno. */
int loader_iterate(const struct loader *loader, enum loader_iterator which);

/*
 * Whether records tell sockets by cookie (5.12), as sock_diag does; else by
 * address, as the iterators do.
 */
bool loader_has_cookies(const struct loader *loader);

/*
 * Whether a port's bucket that bind() touched opens to connect() again when bind()'s last
 * holder leaves (6.18, "tcp: Update bind bucket state on port release"), as TIME_WAITs then
 * remember how they came to their port; else when it is empty.
 */
bool loader_buckets_reopen(const struct loader *loader);

/* Records lost so far because the ring was full. */
__u64 loader_lost(const struct loader *loader);

/* How often each program was skipped by the kernel since it was loaded, summed. */
__u64 loader_recursion_misses(const struct loader *loader);

/*
 * Each program's name and how often it was skipped, for the summary.
 * Returns false past the last one.
 */
bool loader_misses(const struct loader *loader, size_t index, const char **name, __u64 *misses);

/*
 * For `porttrace doctor`: tries all programs, and if that fails each by itself.
 * Returns the number of programs, *out is a static table.
 */
size_t loader_probe(const struct loader_program **out);

/* Whether the kernel describes its types (/sys/kernel/btf/vmlinux). */
bool loader_has_btf(void);

#endif /* PORTTRACE_LOADER_H */
