// SPDX-License-Identifier: BSD-2-Clause
/*
 * hold COUNT: holds so many UDP ports, in as many namespaces as they need, until it is
 * killed. Says "holding" when it has them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS 28000 /* a namespace: nearly the kernel's default range */

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	const struct sockaddr_in any = { .sin_family = AF_INET };
	int count = argc > 1 ? atoi(argv[1]) : 0;
	struct rlimit limit = { (rlim_t)count + 64, (rlim_t)count + 64 };

	check(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	for (int i = 0; i < count; i++) {
		int fd;

		if (i % PORTS == 0)
			check(unshare(CLONE_NEWNET), "a namespace");
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		check(fd, "socket");
		check(bind(fd, (const struct sockaddr *)&any, sizeof(any)), "bind");
	}
	puts("holding");
	fflush(stdout);
	pause();
	return 0;
}
