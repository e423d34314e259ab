// SPDX-License-Identifier: BSD-2-Clause
/*
 * load MODE COUNT ROUNDS WARM-UP [TRACER-PID [CATCH-UP-MS]]: one process makes
 * WARM-UP connections over loopback, both ends its own, then COUNT of them ROUNDS
 * times, and prints what those took, in nanoseconds a connection. In a guest that
 * counts instructions a nanosecond is one instruction.
 *
 * A round is all that the CPU does while the connections are made and until the tracer has
 * caught up, less what it does in as long when there are none: so each event is paid for in full,
 * whether the tracer reads at once or in batches, and so is what the kernel puts off (RCU); but
 * idle time is not, nor looks at an empty ring. These are told apart, by the second. Where the
 * kernel does not tell (7.x), and on two CPUs, where it is the rate that is asked for, a round
 * is the time that the connections take, and then what the tracer still runs. The median of the
 * rounds counts: timers and slabs fall into one or another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/peer.h"

#define PORT 7777
#define ROUNDS_MAX 99
/* The tracers measured poll every 100 ms: after two periods each has read all. */
#define CATCH_UP_NS 250000000LL
/* Longer than a TIME_WAIT and the timer's coarseness. */
#define TIME_WAIT_NS 70000000000LL
#define RANGE_FILE "/proc/sys/net/ipv4/ip_local_port_range"
#define RANGE_LOW 32768 /* the kernel's defaults */
#define RANGE_HIGH 60999
#define RANGE_STEP 64

struct load {
	int server; /* a listener, or a UDP socket that receives */
	struct sockaddr_in addr;
	const char *tracer; /* pid, or NULL */
	long long catch_up_ns;
};

struct mode {
	const char *name;
	int type;
	void (*prepare)(const struct load *load);
	void (*connection)(const struct load *load);
	long long rest_ns; /* between rounds */
	int processes;	   /* that share a round's connections; 0: one */
	bool peers;	   /* its clients are those of peer.h */
	bool rate;	   /* how many a second */
	long long pace_ns; /* a connection begins so long after the one before */
};

/* What ran: in all, and in the tracer's own process. */
struct cost {
	long long all;
	long long tracer;
	long long standing; /* of a round: in a second without connections */
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int check(int result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void rest(long long ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&ts, NULL);
}

/* The first number in a file that format finds; -1: there is none. */
static long long read_number(const char *path, const char *format)
{
	FILE *file = fopen(path, "r");
	long long number = -1;
	char line[256];

	if (!file)
		die(path);
	while (number < 0 && fgets(line, sizeof(line), file))
		sscanf(line, format, &number);
	fclose(file);
	return number;
}

/* How long the tracer has run since it began. */
static long long tracer_ns(const struct load *load)
{
	char path[64];

	if (!load->tracer)
		return 0;
	snprintf(path, sizeof(path), "/proc/%s/schedstat", load->tracer);
	return read_number(path, "%lld");
}

/* How long the first CPU, of one the only one, was idle; -1: the kernel does not tell. */
static long long idle_ns(void)
{
	return read_number("/proc/timer_list", " .idle_sleeptime : %lld nsecs");
}

/* ---- the modes --------------------------------------------------------------- */

static int connected(const struct load *load)
{
	int fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

	check(connect(fd, (const struct sockaddr *)&load->addr, sizeof(load->addr)), "connect");
	return fd;
}

static void close_with_rst(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), "SO_LINGER");
}

static void connection_rst(const struct load *load)
{
	int client = connected(load);
	int child = check(accept(load->server, NULL, NULL), "accept");

	close_with_rst(client);
	close(client);
	close(child);
}

static void connection_time_wait(const struct load *load)
{
	int client = connected(load);
	int child = check(accept(load->server, NULL, NULL), "accept");

	close(client);
	close(child);
}

static void connection_udp(const struct load *load)
{
	int client = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	char byte = 0;

	check(sendto(client, &byte, 1, 0, (const struct sockaddr *)&load->addr, sizeof(load->addr)),
	      "sendto");
	check(recv(load->server, &byte, 1, 0), "recv");
	close(client);
}

/* Which client it is: none comes twice. */
static struct peer next_peer(const struct load *load)
{
	static unsigned int number;

	return peer_connect(number++, load->addr.sin_port);
}

/* The client closes first, as most do. */
static void connection_accept(const struct load *load)
{
	struct peer peer = next_peer(load);
	int child = check(accept(load->server, NULL, NULL), "accept");

	peer_close(&peer);
	close(child);
	peer_closed(&peer);
}

/* The server closes first, and has the TIME_WAIT. */
static void connection_accept_tw(const struct load *load)
{
	struct peer peer = next_peer(load);

	close(check(accept(load->server, NULL, NULL), "accept"));
	peer_close_too(&peer);
}

static void set_range(int low, int high)
{
	FILE *file = fopen(RANGE_FILE, "w");

	if (!file || fprintf(file, "%d %d\n", low, high) < 0 || fclose(file))
		die(RANGE_FILE);
}

/* Whether a port was left in the range. Both ends stay open. */
static bool take_port(const struct load *load)
{
	int client = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

	close_with_rst(client);
	if (connect(client, (const struct sockaddr *)&load->addr, sizeof(load->addr))) {
		close(client);
		return false;
	}
	check(accept(load->server, NULL, NULL), "accept");
	return true;
}

/*
 * Takes every port of the range by connect(), as an outage does; a few at a
 * time, since the search for the last free ones of a large range takes long.
 */
static void prepare_refused(const struct load *load)
{
	struct rlimit limit = { 2 * 65536, 2 * 65536 };

	check(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	for (int low = RANGE_LOW; low < RANGE_HIGH; low += RANGE_STEP) {
		int last = low + RANGE_STEP - 1;

		set_range(low, last < RANGE_HIGH ? last : RANGE_HIGH);
		while (take_port(load))
			;
	}
	set_range(RANGE_LOW, RANGE_HIGH);
}

static void connection_refused(const struct load *load)
{
	int fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

	if (!connect(fd, (const struct sockaddr *)&load->addr, sizeof(load->addr)) ||
	    errno != EADDRNOTAVAIL)
		die("a port was left");
	close(fd);
}

static const struct mode modes[] = {
	{ "rst", SOCK_STREAM, .connection = connection_rst },
	{ "time_wait", SOCK_STREAM, .connection = connection_time_wait, .rest_ns = TIME_WAIT_NS },
	{ "udp", SOCK_DGRAM, .connection = connection_udp },
	{ "accept", SOCK_STREAM, .connection = connection_accept, .peers = true },
	{ "accept_tw", SOCK_STREAM, .connection = connection_accept_tw, .rest_ns = TIME_WAIT_NS,
	  .peers = true },
	{ "refused", SOCK_STREAM, .prepare = prepare_refused, .connection = connection_refused },
	/* for two CPUs, without -icount */
	{ "flood", SOCK_STREAM, .connection = connection_rst, .processes = 2, .rate = true },
	{ "steady", SOCK_STREAM, .connection = connection_rst, .pace_ns = 4000000, .rate = true },
};

static const struct mode *mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

/* ---- measuring --------------------------------------------------------------- */

static void serve(struct load *load, const struct mode *mode)
{
	int type = mode->type;

	load->addr = (struct sockaddr_in){ .sin_family = AF_INET,
					   .sin_port = htons(PORT),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (mode->peers)
		load->addr.sin_addr = peer_device_open();
	load->server = check(socket(AF_INET, type, 0), "socket");
	check(bind(load->server, (const struct sockaddr *)&load->addr, sizeof(load->addr)), "bind");
	if (type == SOCK_STREAM)
		check(listen(load->server, 128), "listen");
}

static void make_connections(const struct load *load, const struct mode *mode, int count)
{
	long long due = now_ns();

	for (int i = 0; i < count; i++) {
		mode->connection(load);
		due += mode->pace_ns;
		while (mode->pace_ns && now_ns() < due)
			rest(due - now_ns());
	}
}

/* A connection of one process may be accepted by another: there is one for each accept(). */
static void share_connections(const struct load *load, const struct mode *mode, int count)
{
	int status;

	for (int i = 0; i < mode->processes; i++) {
		if (check(fork(), "fork"))
			continue;
		make_connections(load, mode, count / mode->processes);
		_exit(0);
	}
	while (wait(&status) > 0)
		if (status)
			exit(1);
}

static struct cost ran(const struct load *load)
{
	return (struct cost){ .all = now_ns() - idle_ns(), .tracer = tracer_ns(load) };
}

/* By connection. */
static struct cost run_round(const struct load *load, const struct mode *mode, int count)
{
	struct cost begin = ran(load), then, caught_up, idle;
	long long took = now_ns();

	if (mode->processes)
		share_connections(load, mode, count);
	else
		make_connections(load, mode, count);
	took = now_ns() - took;
	then = ran(load);
	rest(load->catch_up_ns);
	caught_up = ran(load);
	rest(load->catch_up_ns);
	idle = ran(load);
	rest(mode->rest_ns);
	idle.all -= caught_up.all;
	idle.tracer -= caught_up.tracer;
	if (idle_ns() < 0 || mode->rate) {
		then.all = took + caught_up.tracer - then.tracer;
		idle = (struct cost){ 0 };
	} else {
		then.all = caught_up.all - begin.all - idle.all;
	}
	return (struct cost){ then.all / count,
			      (caught_up.tracer - begin.tracer - idle.tracer) / count,
			      idle.all * 1000 / (load->catch_up_ns / 1000000) };
}

static int compare(const void *a, const void *b)
{
	const struct cost *x = a, *y = b;

	return (x->all > y->all) - (x->all < y->all);
}

int main(int argc, char **argv)
{
	const struct mode *mode = argc > 4 ? mode_find(argv[1]) : NULL;
	struct load load = { .tracer = argc > 5 ? argv[5] : NULL,
			     .catch_up_ns = argc > 6 ? atoi(argv[6]) * 1000000LL : CATCH_UP_NS };
	struct cost costs[ROUNDS_MAX];
	int count, rounds, warm_up;

	if (!mode || (count = atoi(argv[2])) <= 0 || (rounds = atoi(argv[3])) <= 0 ||
	    rounds > ROUNDS_MAX || (warm_up = atoi(argv[4])) <= 0) {
		fprintf(stderr,
			"Usage: load rst|time_wait|udp|accept|accept_tw|refused|flood|steady "
			"COUNT ROUNDS WARM-UP [TRACER-PID [CATCH-UP-MS]]\n");
		return 2;
	}
	serve(&load, mode);
	if (mode->prepare)
		mode->prepare(&load);
	run_round(&load, mode, warm_up);
	for (int i = 0; i < rounds; i++)
		costs[i] = run_round(&load, mode, count);
	qsort(costs, (size_t)rounds, sizeof(costs[0]), compare);
	/* the median, its tracer's part, the least, the most, standing, connections in all */
	printf("%lld %lld %lld %lld %lld %d\n", costs[rounds / 2].all, costs[rounds / 2].tracer,
	       costs[0].all, costs[rounds - 1].all, costs[rounds / 2].standing,
	       warm_up + rounds * count);
	return 0;
}
