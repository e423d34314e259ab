// SPDX-License-Identifier: BSD-2-Clause
/* Ports that the kernel refuses: `fail`, and what stands in the way. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000

/* A socket bound to PORT that shares it as SO_REUSEADDR allows. */
static int bound_sharing(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_set(fd, SO_REUSEADDR);
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	return fd;
}

/* A socket that holds PORT and shares it with nobody. */
static int bound(int type)
{
	int fd = net_socket(NET_V4, type);

	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	return fd;
}

static void check_self(json_t *event, struct scene *scene)
{
	event_check(event,
		    "pid=%d tid=%d comm=live_test thread=live_test kernel=false uid=0 netns=%lu",
		    getpid(), gettid(), (unsigned long)scene->netns);
}

/* Every blocker is ours. */
static void check_blockers(json_t *event, long long total)
{
	json_t *blockers = json_object_get(event, "blockers");

	assert_int_equal(event_number(event, "blockers_total"), total);
	assert_in_range(json_array_size(blockers), 1, 3);
	for (size_t i = 0; i < json_array_size(blockers); i++)
		event_check(json_array_get(blockers, i), "pid=%d comm=live_test", getpid());
}

static void the_third_connect_is_refused(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fds[2], fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	net_range(PORT, PORT + 1);
	for (int i = 0; i < 2; i++)
		fds[i] = tcp_connect(NET_V4, SERVER);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL);
	event = tracer_expect(scene->tracer, "event=fail");
	event_check(event,
		    "via=connect errno=EADDRNOTAVAIL proto=tcp family=ipv4 port=0 "
		    "raddr=127.0.0.1 rport=%d",
		    SERVER);
	check_self(event, scene);
	assert_true(event_number(event, "search_ns") > 0);
	check_blockers(event, 2);
	for (int i = 0; i < 2; i++)
		tcp_reset(fds[i]);
	net_close(fd);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 1);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc via=connect"), 2);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 1);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT + 1), 1);
	net_close(listener);
}

/* Nothing lets go where nothing was had: in an outage that would be the flood. */
static void a_refused_connect_is_one_record(struct scene *scene)
{
	enum { REFUSED = 10 };
	struct tracer *tracer = tracer_begin(true, (const char *const[]){ "--json", NULL });
	int listener = tcp_listen(NET_V4, SERVER), holder, events;
	long long records;

	(void)scene;
	net_range(PORT, PORT);
	holder = tcp_connect(NET_V4, SERVER);
	for (int i = 0; i < REFUSED; i++) {
		int fd = net_socket(NET_V4, SOCK_STREAM);

		assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL);
		net_close(fd);
	}
	tcp_reset(holder);
	net_close(listener);
	tracer_sync(tracer);
	assert_int_equal(tracer_count(tracer, "event=fail"), REFUSED);
	events = tracer_count(tracer, "event=alloc") + tracer_count(tracer, "event=free") + REFUSED;
	assert_int_equal(tracer_stop(tracer), 0);
	records = event_number(tracer_last(tracer), "attempted");
	/* that a named port's connection is over is a record without an event */
	assert_in_range(records, events, events + REFUSED / 2);
}

static void time_waits_refuse_a_connect(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd;
	json_t *event;

	net_sysctl("ipv4/tcp_tw_reuse", "0");
	net_range(PORT, PORT);
	fd = tcp_connect(NET_V4, SERVER);
	tcp_close_pair(fd, tcp_accept(listener));
	fd = net_socket(NET_V4, SOCK_STREAM);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL);
	event = tracer_expect(scene->tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=0");
	check_blockers(event, 1);
	net_close(fd);
	net_close(listener);
}

static void a_connect_over_ipv6_is_refused(struct scene *scene)
{
	int listener = tcp_listen(NET_V6, SERVER), fd, refused = net_socket(NET_V6, SOCK_STREAM);

	net_range(PORT, PORT);
	fd = tcp_connect(NET_V6, SERVER);
	assert_int_equal(net_try_connect(refused, NET_V6, SERVER), -EADDRNOTAVAIL);
	tracer_expect(scene->tracer,
		      "event=fail via=connect errno=EADDRNOTAVAIL family=ipv6 port=0 raddr=::1 "
		      "rport=%d",
		      SERVER);
	tcp_reset(fd);
	net_close(refused);
	net_close(listener);
}

/* Two sockets share a port; their ways lead to the same place. */
static void the_same_way_twice_is_refused(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), one = bound_sharing(), two = bound_sharing();
	json_t *event;

	assert_int_equal(net_try_connect(one, NET_V4, SERVER), 0);
	assert_int_equal(net_try_connect(two, NET_V4, SERVER), -EADDRNOTAVAIL);
	event = tracer_expect(scene->tracer, "event=fail");
	event_check(event,
		    "via=connect errno=EADDRNOTAVAIL port=%d laddr=127.0.0.1 raddr=127.0.0.1 "
		    "rport=%d",
		    PORT, SERVER);
	check_self(event, scene);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free"), 1);
	tcp_reset(one);
	tracer_expect(scene->tracer, "event=free port=%d holders=1", PORT);
	net_close(two);
	tracer_expect(scene->tracer, "event=free port=%d holders=0", PORT);
	net_close(listener);
}

/* A port that bind() chose is lost when connect() fails. */
static void a_refused_connect_loses_a_chosen_port(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM), other;

	net_range(PORT, PORT);
	net_set(fd, SO_REUSEADDR);
	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	other = tcp_connect_from(NET_V4, PORT, SERVER);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL);
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=2 reuse=shared", PORT);
	tracer_expect(scene->tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=%d rport=%d",
		      PORT, SERVER);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=1", PORT);
	net_close(fd);
	tcp_reset(other);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(listener);
}

static void a_bind_to_a_held_port_is_refused(struct scene *scene)
{
	int holder = bound(SOCK_STREAM), fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	assert_int_equal(net_try_bind(fd, NET_V4, PORT), -EADDRINUSE);
	event = tracer_expect(scene->tracer, "event=fail");
	event_check(event,
		    "via=fixed errno=EADDRINUSE proto=tcp family=ipv4 port=%d laddr=127.0.0.1 "
		    "raddr=null rport=null",
		    PORT);
	check_self(event, scene);
	check_blockers(event, 1);
	net_close(fd);
	net_close(holder);
	tracer_expect(scene->tracer, "event=free port=%d holders=0", PORT);
}

static void a_bind_to_zero_is_refused(struct scene *scene)
{
	int holder = bound(SOCK_STREAM), fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	net_range(PORT, PORT);
	assert_int_equal(net_try_bind(fd, NET_V4, 0), -EADDRINUSE);
	event = tracer_expect(scene->tracer, "event=fail");
	event_check(event, "via=bind errno=EADDRINUSE proto=tcp port=0 raddr=null rport=null");
	assert_true(event_number(event, "search_ns") > 0);
	net_close(fd);
	net_close(holder);
}

static void a_listen_without_bind_is_refused(struct scene *scene)
{
	int holder = bound(SOCK_STREAM), fd = net_socket(NET_V4, SOCK_STREAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_listen(fd), -EADDRINUSE);
	tracer_expect(scene->tracer, "event=fail via=listen errno=EADDRINUSE proto=tcp port=0");
	net_close(fd);
	net_close(holder);
}

/* Two share a port until the second wants to listen too. It keeps the port. */
static void a_second_listen_is_refused(struct scene *scene)
{
	int one = bound_sharing(), two = bound_sharing();

	assert_int_equal(net_try_listen(one), 0);
	assert_int_equal(net_try_listen(two), -EADDRINUSE);
	tracer_expect(scene->tracer, "event=fail via=listen errno=EADDRINUSE proto=tcp port=%d",
		      PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	net_close(two);
	tracer_expect(scene->tracer, "event=free port=%d holders=1", PORT);
	net_close(one);
	tracer_expect(scene->tracer, "event=free port=%d holders=0", PORT);
}

static void a_udp_bind_is_refused(struct scene *scene)
{
	int holder = bound(SOCK_DGRAM), fd = net_socket(NET_V4, SOCK_DGRAM);
	json_t *event;

	assert_int_equal(net_try_bind(fd, NET_V4, PORT), -EADDRINUSE);
	event = tracer_expect(scene->tracer, "event=fail");
	event_check(event, "via=fixed errno=EADDRINUSE proto=udp port=%d raddr=null rport=null",
		    PORT);
	check_self(event, scene);
	check_blockers(event, 1);
	net_close(fd);
	net_close(holder);
}

static void udp_autobinds_are_refused(struct scene *scene)
{
	int holder = bound(SOCK_DGRAM), fd = net_socket(NET_V4, SOCK_DGRAM);
	json_t *event;

	net_range(PORT, PORT);
	assert_int_equal(net_try_send(fd, NET_V4, SERVER), -EAGAIN);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EAGAIN);
	assert_int_equal(net_try_bind(fd, NET_V4, 0), -EADDRINUSE);
	for (int i = 0; i < 2; i++) {
		event = tracer_expect(scene->tracer, "event=fail via=autobind");
		event_check(event, "errno=EAGAIN proto=udp family=ipv4 port=0");
		check_self(event, scene);
		assert_true(event_number(event, "search_ns") > 0);
	}
	tracer_expect(scene->tracer, "event=fail via=bind errno=EADDRINUSE proto=udp port=0");
	net_close(fd);
	net_close(holder);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 3);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", PORT), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(the_third_connect_is_refused),
		SCENE_TEST(a_refused_connect_is_one_record),
		SCENE_TEST(time_waits_refuse_a_connect),
		SCENE_TEST(a_connect_over_ipv6_is_refused),
		SCENE_TEST(the_same_way_twice_is_refused),
		SCENE_TEST(a_refused_connect_loses_a_chosen_port),
		SCENE_TEST(a_bind_to_a_held_port_is_refused),
		SCENE_TEST(a_bind_to_zero_is_refused),
		SCENE_TEST(a_listen_without_bind_is_refused),
		SCENE_TEST(a_second_listen_is_refused),
		SCENE_TEST(a_udp_bind_is_refused),
		SCENE_TEST(udp_autobinds_are_refused),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
