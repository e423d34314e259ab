/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BPF programs of a cgroup that change what its members bind and connect to, as
 * service meshes do. Made of instructions, by the system call.
 */
#ifndef LIVE_CGROUP_BPF_H
#define LIVE_CGROUP_BPF_H

#include <linux/bpf.h>

struct cgroup_bpf {
	int group, program;
	enum bpf_attach_type attach;
};

/*
 * A new cgroup with the calling process in it and the program attached.
 * Returns 0, or a negative errno if this kernel takes no such program.
 */
int cgroup_bpf_try_begin(struct cgroup_bpf *bpf, enum bpf_attach_type attach,
			 const struct bpf_insn *program, unsigned int count);
/* Leaves and removes the cgroup. */
void cgroup_bpf_end(struct cgroup_bpf *bpf);

#endif /* LIVE_CGROUP_BPF_H */
