/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel's BTF tells of functions, tracepoints and structs, asked by name, all at once:
 * BTF has no index, and libbpf goes through a hundred thousand types for each name.
 */
#ifndef PORTTRACE_KERNEL_NAMES_H
#define PORTTRACE_KERNEL_NAMES_H

#include <linux/types.h>
#include <stddef.h>
#include <string.h>

struct btf;

/* A tracepoint is found by its type, a typedef of this and its name (trace/bpf_probe.h). */
#define KERNEL_TRACEPOINT "btf_trace_"

struct kernel_name {
	const char *name;
	const char *member; /* of the struct so named; NULL: a function's or tracepoint's name */
	__u32 id;   /* found: the first such type; 0: there is none, or without the member */
	__u32 args; /* found: how many the function has; of others 0 */
};

/* The tracepoint that a name of BTF means, within it; NULL: it means something else. */
static inline const char *kernel_tracepoint(const char *name)
{
	const size_t prefix = sizeof(KERNEL_TRACEPOINT) - 1;

	return strncmp(name, KERNEL_TRACEPOINT, prefix) ? NULL : name + prefix;
}

/* Fills what is found of each; no two are the same. Returns 0 or -ENOMEM. */
int kernel_names_find(struct kernel_name *names, size_t count, const struct btf *btf);

/* The same with the running kernel's, which is freed again. Returns also -ENOENT: it has none. */
int kernel_names_read(struct kernel_name *names, size_t count);

#endif /* PORTTRACE_KERNEL_NAMES_H */
