// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/fail.h"
#include "tests/live/net.h"
#include "tests/soak/walk.h"

#define KEPT 16 /* connections that a server leaves open */

struct setting {
	const char *name, *value;
};

/* So that queues that overflow and peers that are gone hold nobody up. */
static const struct setting for_all[] = {
	{ "ipv4/ip_local_port_range", "40000 40031" },
	{ "ipv4/tcp_abort_on_overflow", "1" },
	{ "ipv4/tcp_fin_timeout", "1" },
	{ "ipv4/tcp_syn_retries", "1" },
	{ "ipv4/tcp_synack_retries", "1" },
	{ "ipv4/tcp_orphan_retries", "1" },
	{ "mptcp/close_timeout", "1" },
	{ NULL, NULL },
};

/* What sets the namespaces apart, by number. */
static const struct setting reusing[] = {
	{ "ipv4/tcp_tw_reuse", "1" },
	{ "ipv4/tcp_tw_reuse_delay", "50" },
	{ NULL, NULL },
};
static const struct setting few_buckets[] = {
	{ "ipv4/tcp_max_tw_buckets", "16" },
	{ "ipv4/tcp_tw_reuse", "0" },
	/* client, server, without cookies, for all listeners */
	{ "ipv4/tcp_fastopen", "1543" },
	{ NULL, NULL },
};
static const struct setting few_ports[] = {
	{ "ipv4/ip_local_port_range", "40000 40003" },
	{ "ipv4/tcp_tw_reuse", "1" },
	{ "ipv4/tcp_max_tw_buckets", "8" },
	{ NULL, NULL },
};
static const struct setting *const apart[] = { reusing, few_buckets, few_ports };

/* Not each kernel has them all. */
static void set_all(const struct setting *settings)
{
	char path[128];

	for (; settings->name; settings++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/sys/net/%s", settings->name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, settings->value, strlen(settings->value)) < 0)
			fprintf(stderr, "walk: %s: %m\n", path);
		close(fd);
	}
}

static int listen_on(int port, int protocol, struct tally *tally)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0)
		fd = must(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	net_set(fd, SO_REUSEADDR);
	must(bind(fd, (struct sockaddr *)&any, sizeof(any)));
	must(listen(fd, 64));
	tally->allocs[TALLY_TCP][TALLY_FIXED]++;
	return fd;
}

/* Nobody who connects to it hears anything. */
static void make_deaf(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };

	must(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

/* Closes first, closes last, or cuts: so TIME_WAITs arise on both sides. */
static void serve(struct worker *server, int listener, int kept[KEPT])
{
	int fd, *place;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		switch (worker_random(server, 4)) {
		case 0:
			net_close(fd);
			break;
		case 1:
			tcp_reset(fd);
			break;
		default:
			place = &kept[worker_random(server, KEPT)];
			if (*place >= 0)
				net_close(*place);
			*place = fd;
		}
	}
}

static noreturn void server_main(int number, int tallies, int ready, uint64_t seed)
{
	struct worker server = { .random = seed + 7919 * (number + 1) };
	struct pollfd ports[SERVER_PORTS];
	int kept[KEPT];
	char comm[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(comm, sizeof(comm), "walk-srv-%d", number % NAMESPACES_MAX);
	prctl(PR_SET_NAME, comm);
	memset(kept, -1, sizeof(kept));
	make_deaf(listen_on(DEAF_PORT, 0, &server.tally));
	for (int i = 0; i < SERVER_PORTS; i++)
		ports[i] = (struct pollfd){
			.fd = listen_on(SERVER_PORT + i, i ? 0 : IPPROTO_MPTCP, &server.tally),
			.events = POLLIN,
		};
	tally_write(tallies, comm, getpid(), &server.tally);
	must(write(ready, "", 1));
	for (;;) {
		must(poll(ports, SERVER_PORTS, -1));
		for (int i = 0; i < SERVER_PORTS; i++)
			if (ports[i].revents)
				serve(&server, ports[i].fd, kept);
	}
}

static void namespace_begin(struct world *world, int number, int tallies, uint64_t seed)
{
	int ready[2];
	char byte;

	net_unshare();
	world->namespaces[number] = must(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	set_all(for_all);
	set_all(apart[number % (sizeof(apart) / sizeof(apart[0]))]);
	must(pipe2(ready, O_CLOEXEC));
	world->servers[number] = must(fork());
	if (!world->servers[number])
		server_main(number, tallies, ready[1], seed);
	close(ready[1]);
	must_be(must(read(ready[0], &byte, 1)) == 1);
	close(ready[0]);
}

void world_begin(struct world *world, int count, int tallies, uint64_t seed)
{
	world->count = count;
	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, world->post));
	for (int i = 0; i < count; i++)
		namespace_begin(world, i, tallies, seed);
}

void world_end(struct world *world)
{
	for (int i = 0; i < world->count; i++) {
		kill(world->servers[i], SIGKILL);
		waitpid(world->servers[i], NULL, 0);
	}
}
