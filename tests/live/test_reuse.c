// SPDX-License-Identifier: BSD-2-Clause
/* How soon ports are used again, against what the workload measured itself. */
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "measured.h"
#include "net.h"
#include "rst.h"
#include "scene.h"

#define SERVER 8080
#define OTHER 8081
#define PORT 40000
#define PORTS 8

static void check_ns(long long ns, struct span wanted)
{
	if (ns < (long long)wanted.before || ns > (long long)wanted.after)
		live_fail("%lld ns, but it was %llu to %llu", ns, (unsigned long long)wanted.before,
			  (unsigned long long)wanted.after);
}

/* ---- each port, once ------------------------------------------------------------- */

struct use {
	int fd;
	struct span span;
};

/* Which of the uses had that port: connect() gives them out in no order. */
static const struct use *use_of(const struct use uses[PORTS], const int ports[PORTS], int port)
{
	for (int i = 0; i < PORTS; i++)
		if (ports[i] == port)
			return &uses[i];
	live_fail("nobody had port %d", port);
}

static void open_all(struct use uses[PORTS], int ports[PORTS])
{
	for (int i = 0; i < PORTS; i++) {
		timed(uses[i].span, uses[i].fd = tcp_connect(NET_V4, SERVER));
		ports[i] = net_port(uses[i].fd);
	}
}

/* The longer ago the sooner it was closed. */
static void close_all(struct use uses[PORTS])
{
	for (int i = 0; i < PORTS; i++) {
		timed(uses[i].span, tcp_reset(uses[i].fd));
		net_age(1 << i);
	}
}

static void check_ports(json_t *reuse, const struct use closed[PORTS], const int before[PORTS],
			const struct use again[PORTS], const int after[PORTS])
{
	json_t *all = json_object_get(reuse, "all"), *row;
	struct span times[PORTS];

	for (int i = 0; i < PORTS; i++) {
		times[i] = measured_between(use_of(closed, before, PORT + i)->span,
					    use_of(again, after, PORT + i)->span);
		row = measured_row(reuse, "proto=tcp port=%d", PORT + i);
		event_check(row, "allocs=2 clean=1 first=1 time_wait=0 shared=0 unknown=0 "
				 "same_process=1 another_process=0");
		check_ns(event_number(row, "reuse_ns_p50"), times[i]);
		check_ns(event_number(row, "reuse_ns_max"), times[i]);
	}
	event_check(all, "allocs=%d clean=%d first=%d time_wait=0 shared=0 unknown=0", 2 * PORTS,
		    PORTS, PORTS);
	measured_check_times(all, "buckets", times, PORTS);
	/* the 4-tuple is the same, too */
	event_check(json_object_get(reuse, "tuples"), "count=%d unknown=0 forgotten=0", PORTS);
	measured_check_times(json_object_get(reuse, "tuples"), "buckets", times, PORTS);
}

static void each_port_is_used_again(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), before[PORTS], after[PORTS];
	struct use closed[PORTS], again[PORTS];
	struct tracer *tracer;
	json_t *reuse;

	net_range(PORT, PORT + PORTS - 1);
	tracer = measured_begin("reuse", scene->netns, "--by", "port");
	open_all(closed, before);
	close_all(closed);
	open_all(again, after);
	reuse = measured_end(tracer);
	check_ports(reuse, closed, before, again, after);
	event_check(reuse, "event=reuse by=port lost=0 rows_total=%d others=null", PORTS);
	json_decref(reuse);
	for (int i = 0; i < PORTS; i++)
		tcp_reset(again[i].fd);
	net_close(listener);
}

/* ---- one port, by many ways -------------------------------------------------------- */

/* What the workload knows of one port's uses. */
struct uses {
	struct span times[8];
	size_t count;
	struct span ended; /* when it became free last */
};

/* The port was free until it was taken within this. */
static void note_clean(struct uses *uses, struct span taken)
{
	must_be(uses->count < sizeof(uses->times) / sizeof(uses->times[0]));
	uses->times[uses->count++] = measured_between(uses->ended, taken);
}

/* Through TIME_WAIT: until that ends, here by an RST, the port is not free. */
static void go_through_time_wait(struct uses *uses, int listener)
{
	uint32_t sequence = rst_close_into_time_wait(listener, SERVER);
	struct span taken;
	int fd;

	net_age(30);
	uses->ended.before = net_boottime();
	rst_send(SERVER, PORT, sequence);
	tcp_wait_count(PORT, TCP_TIME_WAIT, 0);
	uses->ended.after = net_boottime();
	net_age(3);
	timed(taken, fd = tcp_connect(NET_V4, SERVER));
	note_clean(uses, taken);
	/* closed into TIME_WAIT, and taken out of it by the next: it was never free */
	tcp_close_pair(fd, tcp_accept(listener));
	net_age(1100);
	fd = tcp_connect(NET_V4, SERVER);
	net_age(5);
	timed(uses->ended, tcp_reset(fd));
}

/* By two at once: it is free when both let go. */
static void share(struct uses *uses)
{
	struct span taken;
	int one, two;

	net_age(10);
	timed(taken, one = tcp_connect(NET_V4, SERVER));
	note_clean(uses, taken);
	two = tcp_connect(NET_V4, OTHER);
	tcp_reset(one);
	net_age(20);
	timed(uses->ended, tcp_reset(two));
}

static int use_once(int line, void *arg)
{
	struct span *moments = arg;
	int fd;

	timed(moments[0], fd = tcp_connect(NET_V4, SERVER));
	timed(moments[1], tcp_reset(fd));
	must(send(line, moments, 2 * sizeof(*moments), 0));
	return 0;
}

/* Another process takes it, then this one again. */
static pid_t hand_over(struct uses *uses)
{
	struct span moments[2], taken;
	struct actor actor;
	int fd;

	net_age(40);
	actor_start(&actor, "other", use_once, moments);
	must_be(must(recv(actor.line, moments, sizeof(moments), 0)) == sizeof(moments));
	actor_join(&actor);
	note_clean(uses, moments[0]);
	uses->ended = moments[1];
	net_age(80);
	timed(taken, fd = tcp_connect(NET_V4, SERVER));
	note_clean(uses, taken);
	tcp_reset(fd);
	return actor.pid;
}

static void check_ways(json_t *reuse, const struct uses *uses, pid_t other)
{
	json_t *all = json_object_get(reuse, "all");
	json_t *ours = measured_row(reuse, "pid=%d comm=" SCENE_COMM, getpid());
	json_t *theirs = measured_row(reuse, "pid=%d comm=other", other);
	const struct span *longest = &uses->times[0];

	for (size_t i = 1; i < uses->count; i++)
		if (uses->times[i].before > longest->before)
			longest = &uses->times[i];
	event_check(all, "allocs=7 clean=4 first=1 time_wait=1 shared=1 unknown=0 same_process=2 "
			 "another_process=2 unknown_process=0");
	measured_check_times(all, "buckets", uses->times, uses->count);
	check_ns(event_number(all, "reuse_ns_max"), *longest);
	event_check(ours, "allocs=6 clean=3 first=1 time_wait=1 shared=1 same_process=2 "
			  "another_process=1");
	event_check(theirs, "allocs=1 clean=1 same_process=0 another_process=1");
	check_ns(event_number(theirs, "reuse_ns_max"), uses->times[2]);
	event_check(reuse, "by=process lost=0 rows_total=2");
}

static void a_port_is_used_in_many_ways(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), second = tcp_listen(NET_V4, OTHER);
	struct uses uses = { .count = 0 };
	struct tracer *tracer;
	json_t *reuse;
	pid_t other;

	net_range(PORT, PORT);
	net_sysctl("ipv4/tcp_tw_reuse", "1");
	tracer = measured_begin("reuse", scene->netns, "--by", "process");
	go_through_time_wait(&uses, listener);
	share(&uses);
	other = hand_over(&uses);
	reuse = measured_end(tracer);
	check_ways(reuse, &uses, other);
	json_decref(reuse);
	net_close(listener);
	net_close(second);
}

/* ---- records are lost -------------------------------------------------------------- */

#define LOSING 2000
#define BEFORE 60700 /* free before the loss, used again after it */
#define FLOOD 60701
#define AFTER 60702 /* used after it only */

static void bind_and_close(int port)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	must_be(net_try_bind(fd, NET_V4, port) == 0);
	net_close(fd);
}

/* Stopped while more comes than its buffer holds. */
static void lose(struct tracer *tracer)
{
	tracer_signal(tracer, SIGSTOP);
	for (int i = 0; i < LOSING; i++)
		bind_and_close(FLOOD);
	tracer_signal(tracer, SIGCONT);
}

static void check_sums(json_t *all)
{
	assert_int_equal(measured_sum(all, "buckets"), event_number(all, "clean"));
	assert_int_equal(event_number(all, "allocs"), event_number(all, "clean") +
							      event_number(all, "first") +
							      event_number(all, "unknown"));
}

static void a_loss_makes_no_times(struct scene *scene)
{
	struct tracer *tracer =
		measured_begin("reuse", scene->netns, "--by", "port", "--buffer-size", "64K");
	json_t *reuse, *row;
	struct span lost;

	bind_and_close(BEFORE);
	timed(lost, lose(tracer));
	/* nothing tells that it has read its ring, which takes it a tenth of a second */
	net_age(1000);
	bind_and_close(BEFORE);
	bind_and_close(AFTER);
	/* nor that its ledger is right again: within two seconds after the loss */
	net_age(3000);
	bind_and_close(AFTER);
	bind_and_close(AFTER);
	reuse = measured_end(tracer);
	event_check(measured_row(reuse, "proto=udp port=%d", BEFORE),
		    "allocs=2 first=1 clean=0 unknown=1 reuse_ns_max=null");
	row = measured_row(reuse, "proto=udp port=%d", AFTER);
	event_check(row, "allocs=3 first=0");
	assert_in_range(event_number(row, "unknown"), 1, 2);
	assert_int_equal(event_number(row, "clean") + event_number(row, "unknown"), 3);
	row = measured_row(reuse, "proto=udp port=%d", FLOOD);
	assert_true(event_number(row, "reuse_ns_max") < (long long)(lost.after - lost.before));
	/* how many records a bind and a close are differs between kernels */
	assert_in_range(event_number(reuse, "lost"), 100, 8 * LOSING);
	check_sums(json_object_get(reuse, "all"));
	json_decref(reuse);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(each_port_is_used_again),
		SCENE_TEST(a_port_is_used_in_many_ways),
		SCENE_TEST(a_loss_makes_no_times),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
