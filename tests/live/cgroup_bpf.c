// SPDX-License-Identifier: BSD-2-Clause
#include "cgroup_bpf.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fail.h"

#define ROOT "/sys/fs/cgroup"
#define GROUP ROOT "/live_test_bpf"

static int bpf(int command, union bpf_attr *attr)
{
	int result = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return result < 0 ? -errno : result;
}

static void move_to(const char *procs)
{
	int fd = must(open(procs, O_WRONLY | O_CLOEXEC));

	must(write(fd, "0", 1));
	close(fd);
}

static enum bpf_prog_type type_of(enum bpf_attach_type attach)
{
	return attach == BPF_CGROUP_INET4_POST_BIND ? BPF_PROG_TYPE_CGROUP_SOCK
						    : BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
}

int cgroup_bpf_try_begin(struct cgroup_bpf *group, enum bpf_attach_type attach,
			 const struct bpf_insn *program, unsigned int count)
{
	union bpf_attr load = { .prog_type = type_of(attach),
				.expected_attach_type = attach,
				.insns = (uintptr_t)program,
				.insn_cnt = count,
				.license = (uintptr_t) "BSD" };
	union bpf_attr tie = { .attach_type = attach };
	int error;

	/* what a program is charged for before 5.11 (bdb7b79b4ce8) */
	must(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }));
	group->attach = attach;
	group->program = bpf(BPF_PROG_LOAD, &load);
	if (group->program < 0)
		return group->program;
	if (mkdir(GROUP, 0755))
		must_be(errno == EEXIST);
	group->group = must(open(GROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	tie.target_fd = group->group;
	tie.attach_bpf_fd = group->program;
	error = bpf(BPF_PROG_ATTACH, &tie);
	if (!error)
		move_to(GROUP "/cgroup.procs");
	else
		cgroup_bpf_end(group);
	return error;
}

void cgroup_bpf_end(struct cgroup_bpf *group)
{
	union bpf_attr untie = { .attach_type = group->attach,
				 .target_fd = group->group,
				 .attach_bpf_fd = group->program };

	move_to(ROOT "/cgroup.procs");
	bpf(BPF_PROG_DETACH, &untie);
	close(group->group);
	close(group->program);
	rmdir(GROUP);
}
