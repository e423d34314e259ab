/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel's BTF tells of functions and structs, asked by name, all at once: BTF has
 * no index, and libbpf goes through a hundred thousand types for each name.
 */
#ifndef PORTTRACE_KERNEL_NAMES_H
#define PORTTRACE_KERNEL_NAMES_H

#include <linux/types.h>
#include <stddef.h>

struct btf;

struct kernel_name {
	const char *name;
	const char *member; /* of the struct so named; NULL: name is a function's */
	__u32 id;   /* found: the first such type; 0: there is none, or without the member */
	__u32 args; /* found: how many the function has */
};

/* Fills what is found of each; no two are the same. Returns 0 or -ENOMEM. */
int kernel_names_find(struct kernel_name *names, size_t count, const struct btf *btf);

/* The same with the running kernel's, which is freed again. Returns also -ENOENT: it has none. */
int kernel_names_read(struct kernel_name *names, size_t count);

#endif /* PORTTRACE_KERNEL_NAMES_H */
