// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/running.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BSS "porttrac.bss" /* libbpf's name for the section of porttrace's object */
#define MAPS_MAX 16

static bool is_ours(__u32 map)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_map_get_fd_by_id(map);
	bool ours = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, BSS);

	if (fd >= 0)
		close(fd);
	return ours;
}

/* Whether the program uses that map. */
static bool read_program(__u32 id, __u32 map, struct bpf_prog_info *info)
{
	__u32 maps[MAPS_MAX], size = sizeof(*info);
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return false; /* it ended meanwhile */
	memset(info, 0, sizeof(*info));
	info->nr_map_ids = MAPS_MAX;
	info->map_ids = (__u64)(unsigned long)maps;
	err = bpf_obj_get_info_by_fd(fd, info, &size);
	close(fd);
	for (__u32 i = 0; !err && i < info->nr_map_ids && i < MAPS_MAX; i++)
		if (maps[i] == map)
			return true;
	return false;
}

static void count_programs(__u32 map, struct running *running)
{
	struct bpf_prog_info info;
	__u32 id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		if (!read_program(id, map, &info))
			continue;
		running->programs++;
		running->skipped += info.recursion_misses > 0;
		running->misses += info.recursion_misses;
		if (info.recursion_misses <= running->worst_misses)
			continue;
		running->worst_misses = info.recursion_misses;
		snprintf(running->worst, sizeof(running->worst), "%.15s", info.name);
	}
}

int running_each(running_fn fn, void *data)
{
	__u32 map = 0;

	while (!bpf_map_get_next_id(map, &map)) {
		struct running running = { 0 };

		if (!is_ours(map))
			continue;
		count_programs(map, &running);
		if (running.programs)
			fn(&running, data);
	}
	return errno == ENOENT ? 0 : -errno;
}
