// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/range.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSCTL_DIR "/proc/sys/net/ipv4/"

/* The list can be 65536 ports long: some 380 KiB. */
static int read_reserved(struct range *range)
{
	FILE *file = fopen(SYSCTL_DIR "ip_local_reserved_ports", "re");
	struct parse_reason why;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	if (!file)
		return -errno;
	if (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			err = parse_ports(line, &range->reserved, &why);
	}
	free(line);
	fclose(file);
	return err;
}

static int read_bounds(struct range *range)
{
	FILE *file = fopen(SYSCTL_DIR "ip_local_port_range", "re");
	int fields;

	if (!file)
		return -errno;
	fields = fscanf(file, "%hu %hu", &range->low, &range->high);
	fclose(file);
	return fields == 2 ? 0 : -EBADMSG;
}

int range_read(struct range *range)
{
	int err;

	*range = (struct range){ 0 };
	err = read_bounds(range);
	if (!err)
		err = read_reserved(range);
	if (err)
		return err;
	for (unsigned int port = range->low; port <= range->high; port++)
		range->reserved_count += port_set_has(&range->reserved, (__u16)port);
	return 0;
}

const char *range_iana(__u16 port)
{
	if (port < 1024)
		return "system (IANA 1-1023)";
	return port < 49152 ? "user (IANA 1024-49151)" : "dynamic (IANA 49152-65535)";
}
