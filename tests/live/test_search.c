// SPDX-License-Identifier: BSD-2-Clause
/* How long the kernel looks for ports, against what the workload knows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measured.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define HALF 200

static long long took(struct span span)
{
	return (long long)(span.after - span.before);
}

/* ---- halves ---------------------------------------------------------------------- */

struct range {
	int fds[2 * HALF], servers[2 * HALF];
	long long longest; /* of the calls, ns */
	struct span refused;
};

/* Until none is left, and once more. */
static void fill_by_connect(struct range *range, int listener)
{
	int fd = net_socket(NET_V4, SOCK_STREAM), error;
	struct span call;

	for (int i = 0; i < 2 * HALF; i++) {
		timed(call, range->fds[i] = tcp_connect(NET_V4, SERVER));
		range->servers[i] = tcp_accept(listener);
		/* ports as even as the lowest one go first */
		assert_int_equal(net_port(range->fds[i]) % 2, i >= HALF);
		if (took(call) > range->longest)
			range->longest = took(call);
	}
	timed(range->refused, error = net_try_connect(fd, NET_V4, SERVER));
	assert_int_equal(error, -EADDRNOTAVAIL);
	net_close(fd);
}

static void check_halves(json_t *search, const struct range *range)
{
	json_t *all = json_object_get(search, "all"), *halves = json_object_get(search, "halves");
	json_t *first = json_object_get(halves, "first"),
	       *second = json_object_get(halves, "second");

	event_check(all, "allocs=%d unknown=0 fails=1 fail_unknown=0", 2 * HALF);
	event_check(first, "allocs=%d", HALF);
	event_check(second, "allocs=%d", HALF);
	assert_int_equal(measured_sum(first, "buckets"), HALF);
	assert_int_equal(measured_sum(second, "buckets"), HALF);
	assert_int_equal(measured_sum(all, "buckets"), 2 * HALF);
	assert_int_equal(measured_sum(all, "fail_buckets"), 1);
	/* all ports of the first half were looked at before */
	assert_true(event_number(second, "search_ns_p50") > event_number(first, "search_ns_p50"));
	assert_true(event_number(all, "search_ns_max") <= range->longest);
	assert_true(event_number(all, "fail_search_ns_max") <= took(range->refused));
	assert_true(event_number(all, "fail_search_ns_max") > event_number(first, "search_ns_p50"));
	event_check(measured_row(search, "raddr=127.0.0.1 rport=%d", SERVER), "allocs=%d fails=1",
		    2 * HALF);
	event_check(search, "event=search by=remote lost=0 rows_total=1 others=null");
}

static void the_second_half_takes_longer(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);
	struct range range = { .longest = 0 };
	struct tracer *tracer;
	json_t *search;

	net_range(PORT, PORT + 2 * HALF - 1);
	tracer = measured_begin("search", scene->netns, "--by", "remote");
	fill_by_connect(&range, listener);
	search = measured_end(tracer);
	check_halves(search, &range);
	json_decref(search);
	for (int i = 0; i < 2 * HALF; i++) {
		tcp_reset(range.fds[i]);
		net_close(range.servers[i]);
	}
	net_close(listener);
}

/* ---- how full -------------------------------------------------------------------- */

static int bound(int type, int port)
{
	int fd = net_socket(NET_V4, type);

	assert_int_equal(net_try_bind(fd, NET_V4, port), 0);
	return fd;
}

/* Ten ports, six of them reserved; two of the others are held since before. */
static void what_is_held_fills_the_range(struct scene *scene)
{
	int before[] = { bound(SOCK_STREAM, PORT + 6), bound(SOCK_STREAM, PORT + 7),
			 bound(SOCK_STREAM, PORT), bound(SOCK_STREAM, PORT + 10) };
	struct tracer *tracer;
	int fds[4], refused;
	json_t *search;

	net_range(PORT, PORT + 9);
	net_sysctl("ipv4/ip_local_reserved_ports", "%d-%d", PORT, PORT + 5);
	tracer = measured_begin("search", scene->netns, "--by", "fill");
	fds[0] = bound(SOCK_STREAM, 0); /* met 2 of 4 */
	fds[1] = bound(SOCK_STREAM, 0); /* met 3 of 4 */
	refused = net_socket(NET_V4, SOCK_STREAM);
	assert_int_equal(net_try_bind(refused, NET_V4, 0), -EADDRINUSE);
	fds[2] = bound(SOCK_DGRAM, 0);	  /* the ports of UDP are others */
	fds[3] = bound(SOCK_DGRAM, PORT); /* named: nobody looked for it */
	search = measured_end(tracer);
	event_check(measured_row(search, "fill=0-49"), "allocs=1 fails=0 first_half=0");
	event_check(measured_row(search, "fill=50-79"), "allocs=2 fails=0");
	event_check(measured_row(search, "fill=99-100"), "allocs=0 fails=1");
	event_check(search, "rows_total=3");
	/* bind tries the odd ones first: of these was one left, and one of the others */
	event_check(json_object_get(search, "all"), "first_half=1 second_half=1");
	json_decref(search);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		net_close(before[i]);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		net_close(fds[i]);
	net_close(refused);
}

/* Nobody looked who held ports before; and the end is told by the count. */
static void without_a_snapshot_it_is_not_known(struct scene *scene)
{
	struct tracer *tracer = measured_begin("search", scene->netns, "--by", "fill",
					       "--no-snapshot", "--count", "3");
	json_t *search, *row;

	for (int i = 0; i < 5; i++)
		net_close(bound(SOCK_STREAM, 0));
	search = measured_end(tracer);
	row = measured_row(search, "fill=null");
	event_check(row, "allocs=3 first_half=0 second_half=0");
	event_check(search, "rows_total=1");
	json_decref(search);
}

/* ---- the early sign -------------------------------------------------------------- */

#define MANY 2000 /* in the half that is searched first */
#define TIMES 400

static void make_room(unsigned long files)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = files;
	if (limit.rlim_max < files)
		limit.rlim_max = files;
	must(setrlimit(RLIMIT_NOFILE, &limit));
}

/* Half the range is bound, so that connect() goes through all of it to find a port. */
static void searches_that_take_long_are_told(struct scene *scene)
{
	static int fds[MANY];
	const char *const args[] = { "--watch", "99", "--event", "fail", NULL };
	int listener = tcp_listen(NET_V4, SERVER);
	struct tracer *tracer;
	char wanted[64];

	make_room(MANY + 1000);
	net_range(PORT, PORT + 2 * MANY - 1);
	for (int i = 0; i < MANY; i++)
		fds[i] = bound(SOCK_STREAM, PORT + 2 * i);
	tracer = tracer_spawn(&(struct tracer_setup){ .args = args, .text = true });
	tracer_ready(tracer);
	for (int i = 0; i < TIMES; i++) {
		int client = tcp_connect(NET_V4, SERVER);

		net_close(tcp_accept(listener));
		tcp_reset(client);
	}
	tracer_wait_stderr(tracer, " searching for a port takes ");
	snprintf(wanted, sizeof(wanted), "tcp, netns %lu)", (unsigned long)scene->netns);
	assert_non_null(strstr(tracer_stderr(tracer), wanted));
	tracer_wait_stderr(tracer, " cannot be told from 0 allocations in the last second ");
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	for (int i = 0; i < MANY; i++)
		net_close(fds[i]);
	net_close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(the_second_half_takes_longer),
		SCENE_TEST(what_is_held_fills_the_range),
		SCENE_TEST(without_a_snapshot_it_is_not_known),
		SCENE_TEST(searches_that_take_long_are_told),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
