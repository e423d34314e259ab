// SPDX-License-Identifier: BSD-2-Clause
/*
 * TIME_WAITs that run out, 60 s each, and how porttrace itself spends its time:
 * only in guests that count instructions, where waiting costs nothing.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define TIME_WAIT_MS 60000
#define SECOND_NS 1000000000LL

/* The timer wheel may be some seconds late (an eighth of the time at its level), never early. */
static void check_a_minute(long long ns)
{
	assert_in_range(ns, 60 * SECOND_NS, 68 * SECOND_NS);
}

static void wait_for_expiry(int port)
{
	net_age(TIME_WAIT_MS - 1000);
	tcp_wait_count(port, TCP_TIME_WAIT, 0);
}

static void connect_and_close(int listener, struct span *opened, struct span *closed)
{
	int client;

	timed(*opened, client = tcp_connect_from(NET_V4, 60609, SERVER));
	net_age(20);
	timed(*closed, tcp_close_pair(client, tcp_accept(listener)));
}

/* connect from port 60609, TIME_WAIT, expiry, connect again: the life of a port. */
static int live_twice(int line, void *arg)
{
	int listener = tcp_listen(NET_V4, SERVER);
	struct span *moments = arg;

	connect_and_close(listener, &moments[0], &moments[1]);
	timed(moments[2], wait_for_expiry(60609));
	net_age(3000);
	connect_and_close(listener, &moments[3], &moments[4]);
	must(send(line, moments, 5 * sizeof(*moments), 0));
	line_hear(line);
	return 0;
}

static void the_life_of_a_port(struct scene *scene)
{
	struct span moments[5];
	struct actor actor;
	json_t *event;

	scene_needs_icount();
	actor_start(&actor, "curl", live_twice, moments);
	must_be(must(recv(actor.line, moments, sizeof(moments), 0)) == sizeof(moments));
	event = tracer_expect(scene->tracer, "port=60609");
	event_check(event, "event=alloc via=fixed holders=1 reuse=first pid=%d tid=%d comm=curl",
		    actor.pid, actor.pid);
	event = tracer_expect(scene->tracer, "port=60609");
	event_check(event, "event=time_wait rport=%d pid=%d comm=curl", SERVER, actor.pid);
	event_check_ns(event, "open_ns", moments[0], moments[1]);
	event = tracer_expect(scene->tracer, "port=60609");
	event_check(event, "event=free end=expired holders=0 rport=%d pid=%d tid=%d comm=curl",
		    SERVER, actor.pid, actor.pid);
	event_check_ns(event, "open_ns", moments[0], moments[1]);
	event_check_ns(event, "held_ns", moments[0], moments[2]);
	check_a_minute(event_number(event, "held_ns") - event_number(event, "open_ns"));
	event = tracer_expect(scene->tracer, "port=60609");
	event_check(event,
		    "event=alloc via=fixed holders=1 reuse=clean prev_pid=%d prev_comm=curl pid=%d",
		    actor.pid, actor.pid);
	event_check_ns(event, "reuse_ns", moments[2], moments[3]);
	assert_in_range(event_number(event, "reuse_ns"), 3 * SECOND_NS, 5 * SECOND_NS);
	tracer_expect(scene->tracer, "event=time_wait port=60609");
	line_say(actor.line, 0);
	actor_join(&actor);
}

static void a_chosen_port_expires(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client;
	json_t *event;

	scene_needs_icount();
	net_range(PORT, PORT);
	client = tcp_connect(NET_V4, SERVER);
	tcp_close_pair(client, tcp_accept(listener));
	wait_for_expiry(PORT);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	event = tracer_expect(scene->tracer, "event=free port=%d", PORT);
	event_check(event, "end=expired holders=0 pid=%d comm=live_test", getpid());
	check_a_minute(event_number(event, "held_ns") - event_number(event, "open_ns"));
	net_close(listener);
}

/* The descriptor is closed long after the connection: the hold ends with the later of the two. */
static void a_descriptor_outlives_the_time_wait(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client, server;
	struct span closed, opened;
	json_t *event;

	scene_needs_icount();
	timed(opened, client = tcp_connect_from(NET_V4, 60609, SERVER));
	server = tcp_accept(listener);
	must(shutdown(client, SHUT_WR));
	net_close(server);
	tcp_wait_count(60609, TCP_TIME_WAIT, 1);
	wait_for_expiry(60609);
	tracer_expect(scene->tracer, "event=time_wait port=60609 tcp_state=TIME-WAIT");
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=60609"), 0);
	timed(closed, net_close(client));
	event = tracer_expect(scene->tracer, "event=free port=60609");
	event_check(event, "end=close holders=0");
	event_check_ns(event, "held_ns", opened, closed);
	net_close(listener);
}

static void the_last_of_two_time_waits_frees(struct scene *scene)
{
	int one = tcp_listen(NET_V4, SERVER), two = tcp_listen(NET_V4, SERVER + 1), fd, server;

	scene_needs_icount();
	fd = tcp_connect_from(NET_V4, 60609, SERVER);
	server = tcp_accept(one);
	must(shutdown(fd, SHUT_WR));
	net_close(server);
	tcp_wait_count(60609, TCP_TIME_WAIT, 1);
	net_age(5000);
	net_disconnect(fd);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER + 1), 0);
	tcp_close_pair(fd, tcp_accept(two));
	net_age(TIME_WAIT_MS - 5000);
	tcp_wait_count(60609, TCP_TIME_WAIT, 1);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=60609"), 0);
	tcp_wait_count(60609, TCP_TIME_WAIT, 0);
	tracer_expect(scene->tracer, "event=free port=60609 end=expired holders=0");
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=60609"), 1);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=60609"), 1);
	net_close(one);
	net_close(two);
}

/* Connects to two places from one port; the TIME_WAITs end one after the other. */
static void each_time_wait_of_a_port_expires(struct scene *scene)
{
	int one = tcp_listen(NET_V4, SERVER), two = tcp_listen(NET_V4, SERVER + 1);
	int first, second;

	scene_needs_icount();
	net_range(PORT, PORT);
	first = tcp_connect(NET_V4, SERVER);
	second = tcp_connect(NET_V4, SERVER + 1);
	tcp_close_pair(first, tcp_accept(one));
	net_age(5000);
	tcp_close_pair(second, tcp_accept(two));
	wait_for_expiry(PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=expired holders=1 rport=%d", PORT,
		      SERVER);
	tracer_expect(scene->tracer, "event=free port=%d end=expired holders=0 rport=%d", PORT,
		      SERVER + 1);
	net_close(one);
	net_close(two);
}

/* Nobody answers: the kernel gives up, in a timer, while the descriptor stays open. */
static void a_connect_times_out(struct scene *scene)
{
	int listener = tcp_listen_deaf(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);
	struct span asked;
	json_t *event;

	scene_needs_icount();
	net_sysctl("ipv4/tcp_syn_retries", "1");
	net_range(PORT, PORT);
	timed(asked, assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -ETIMEDOUT));
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	event = tracer_expect(scene->tracer, "event=free port=%d", PORT);
	event_check(event, "end=close holders=0 rport=%d pid=%d comm=live_test", SERVER, getpid());
	assert_in_range(event_number(event, "open_ns"), 3 * SECOND_NS, asked.after - asked.before);
	net_close(fd);
	net_close(listener);
}

/* What a person sees, as the README shows it. */
static void the_table_tells_the_life_of_a_port(struct scene *scene)
{
	struct tracer *tracer;
	struct span moments[5];
	struct actor actor;
	const char *text;

	scene_needs_icount();
	tracer = tracer_spawn(&(struct tracer_setup){
		.args = (const char *const[]){ "--port", "60609", NULL }, .text = true });
	tracer_ready(tracer);
	actor_start(&actor, "curl", live_twice, moments);
	must_be(must(recv(actor.line, moments, sizeof(moments), 0)) == sizeof(moments));
	line_say(actor.line, 0);
	actor_join(&actor);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	text = tracer_stdout(tracer);
	assert_non_null(strstr(text, "expired"));
	for (int i = 0; i < 2; i++) {
		text = strstr(text, "alloc");
		assert_non_null(text);
		assert_non_null(strstr(text, "127.0.0.1:60609"));
		assert_non_null(strstr(text, "curl"));
		text = strstr(text, "time_wait");
		assert_non_null(text);
	}
	(void)scene;
}

static long wakeups(pid_t pid)
{
	char path[64], line[128];
	long count = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	must_be(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "voluntary_ctxt_switches: %ld", &count);
	fclose(file);
	must_be(count >= 0);
	return count;
}

/* Shown within 200 ms; idle, it wakes at most ten times a second. */
static void events_come_soon_and_idleness_sleeps(struct scene *scene)
{
	struct tracer *tracer;
	uint64_t then;
	long before;
	int fd;

	(void)scene;
	scene_needs_icount();
	tracer = tracer_whole("--proto", "udp");
	for (int port = 60600; port < 60610; port++) {
		then = net_boottime();
		fd = net_socket(NET_V4, SOCK_DGRAM);
		assert_int_equal(net_try_bind(fd, NET_V4, port), 0);
		net_close(fd);
		tracer_expect(tracer, "event=free port=%d", port);
		assert_true(net_boottime() - then < 210000000);
		net_age(37);
	}
	before = wakeups(tracer_pid(tracer));
	net_age(30000);
	assert_true(wakeups(tracer_pid(tracer)) - before <= 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(the_life_of_a_port),
		SCENE_TEST(a_chosen_port_expires),
		SCENE_TEST(a_descriptor_outlives_the_time_wait),
		SCENE_TEST(the_last_of_two_time_waits_frees),
		SCENE_TEST(each_time_wait_of_a_port_expires),
		SCENE_TEST(a_connect_times_out),
		SCENE_TEST(the_table_tells_the_life_of_a_port),
		SCENE_TEST(events_come_soon_and_idleness_sleeps),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
