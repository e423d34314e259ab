// SPDX-License-Identifier: BSD-2-Clause
/* How a TCP socket obtains a port: every via, holders, what an alloc carries. */
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "scene.h"
#include "stream.h"

#define SERVER 8080

/* The cookies as text of an event: "null" on kernels where they are not to be had. */
static void check_identity(json_t *event, int fd)
{
	uint64_t netns_cookie = net_netns_cookie(fd);

	if (!netns_cookie)
		return;
	event_check(event, "cookie=%" PRIu64 " netns_cookie=%" PRIu64, net_cookie(fd),
		    netns_cookie);
}

static void check_self(json_t *event, struct scene *scene)
{
	event_check(event,
		    "pid=%d tid=%d comm=live_test thread=live_test kernel=false uid=0 "
		    "netns=%lu vrf=0",
		    getpid(), gettid(), (unsigned long)scene->netns);
}

static void connect_chooses_a_port(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);
	uint64_t before = net_boottime(), took;
	int fd = tcp_connect(NET_V4, SERVER);
	json_t *event;

	took = net_boottime() - before;
	event = tracer_expect(scene->tracer, "event=alloc port=%d", net_port(fd));
	event_check(event,
		    "via=connect ephemeral=true proto=tcp family=ipv4 laddr=127.0.0.1 "
		    "raddr=127.0.0.1 rport=%d holders=1 reuse=first reuse_ns=null prev_pid=null "
		    "prev_comm=null",
		    SERVER);
	check_self(event, scene);
	check_identity(event, fd);
	assert_in_range(event_number(event, "search_ns"), 1, took);
	tcp_reset(fd);
	net_close(listener);
}

static void ts_is_the_wall_clock(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);
	/* The clock may be stepped into the trace's own: a tenth of a second of slack. */
	const uint64_t slack = 100000000;
	uint64_t before = net_realtime(), ts;
	int fd = tcp_connect(NET_V4, SERVER);
	uint64_t after = net_realtime();
	json_t *event = tracer_expect(scene->tracer, "event=alloc port=%d", net_port(fd));

	ts = stream_time(event_text(event, "ts"));
	assert_in_range(ts, before - slack, after + slack);
	tcp_reset(fd);
	net_close(listener);
}

static void bind_to_zero(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	event = tracer_expect(scene->tracer, "event=alloc port=%d", net_port(fd));
	event_check(event,
		    "via=bind ephemeral=true proto=tcp family=ipv4 laddr=127.0.0.1 raddr=null "
		    "rport=null holders=1 reuse=first");
	check_self(event, scene);
	check_identity(event, fd);
	assert_true(event_number(event, "search_ns") > 0);
	net_close(fd);
}

static void bind_to_zero_and_connect(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);
	int fd = net_socket(NET_V4, SOCK_STREAM), port;
	json_t *event;

	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	port = net_port(fd);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	tcp_reset(fd);
	tracer_sync(scene->tracer);
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d raddr=null", port);
	event = tracer_expect(scene->tracer, "event=free port=%d", port);
	event_check(event, "end=close raddr=127.0.0.1 rport=%d holders=0", SERVER);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", port), 1);
	net_close(listener);
}

static void listen_without_bind(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	assert_int_equal(net_try_listen(fd), 0);
	event = tracer_expect(scene->tracer, "event=alloc port=%d", net_port(fd));
	event_check(event,
		    "via=listen ephemeral=true proto=tcp laddr=0.0.0.0 raddr=null rport=null "
		    "holders=1");
	check_self(event, scene);
	check_identity(event, fd);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free end=close cookie=%s",
		      json_string_value(json_object_get(event, "cookie")) ?: "null");
}

static void a_named_port_is_fixed(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	assert_int_equal(net_try_bind(fd, NET_V4, 60609), 0);
	event = tracer_expect(scene->tracer, "event=alloc port=60609");
	event_check(event, "via=fixed ephemeral=false laddr=127.0.0.1 raddr=null holders=1");
	check_self(event, scene);
	check_identity(event, fd);
	net_close(fd);
}

static void listen_on_a_held_port_is_no_alloc(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	assert_int_equal(net_try_bind(fd, NET_V4, 60609), 0);
	assert_int_equal(net_try_listen(fd), 0);
	net_close(fd);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=60609"), 2);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=60609");
	tracer_expect(scene->tracer, "event=free end=close port=60609 holders=0");
}

/* IP_BIND_ADDRESS_NO_PORT: bind() takes the address, connect() the port. */
static void a_late_bind_is_a_connect(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);
	int fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	must(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int)));
	assert_int_equal(net_try_bind(fd, "127.0.0.2", 0), 0);
	assert_int_equal(net_port(fd), 0);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc laddr=127.0.0.2"), 0);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	event = tracer_expect(scene->tracer, "event=alloc port=%d", net_port(fd));
	event_check(event, "via=connect ephemeral=true laddr=127.0.0.2 raddr=127.0.0.1 rport=%d",
		    SERVER);
	tcp_reset(fd);
	net_close(listener);
}

static void connects_to_two_places_share_a_port(struct scene *scene)
{
	int first, second, one = tcp_listen(NET_V4, SERVER), two = tcp_listen(NET_V4, SERVER + 1);

	net_range(40000, 40000);
	first = tcp_connect(NET_V4, SERVER);
	second = tcp_connect(NET_V4, SERVER + 1);
	assert_int_equal(net_port(first), 40000);
	assert_int_equal(net_port(second), 40000);
	tracer_expect(scene->tracer, "event=alloc port=40000 rport=%d holders=1 reuse=first",
		      SERVER);
	tracer_expect(scene->tracer,
		      "event=alloc port=40000 rport=%d holders=2 reuse=shared reuse_ns=null",
		      SERVER + 1);
	tcp_reset(first);
	tracer_expect(scene->tracer, "event=free port=40000 rport=%d holders=1 end=close", SERVER);
	tcp_reset(second);
	tracer_expect(scene->tracer, "event=free port=40000 rport=%d holders=0 end=close",
		      SERVER + 1);
	net_close(one);
	net_close(two);
}

static int reuseport_listener(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_set(fd, SO_REUSEPORT);
	assert_int_equal(net_try_bind(fd, NET_V4, SERVER), 0);
	assert_int_equal(net_try_listen(fd), 0);
	return fd;
}

static void listeners_share_a_port(struct scene *scene)
{
	int one = reuseport_listener(), two = reuseport_listener();

	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=1", SERVER);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=2 reuse=shared",
		      SERVER);
	net_close(one);
	tracer_expect(scene->tracer, "event=free port=%d holders=1", SERVER);
	net_close(two);
	tracer_expect(scene->tracer, "event=free port=%d holders=0", SERVER);
}

static void accepted_sockets_are_no_holds(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), clients[3], servers[3];

	for (int i = 0; i < 3; i++) {
		clients[i] = tcp_connect(NET_V4, SERVER);
		servers[i] = tcp_accept(listener);
	}
	for (int i = 0; i < 3; i++) {
		tcp_reset(servers[i]);
		net_close(clients[i]);
	}
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc proto=tcp"), 4);
	assert_int_equal(tracer_count(scene->tracer, "event=free proto=tcp"), 3);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", SERVER), 1);
	net_close(listener);
	tracer_expect(scene->tracer, "event=free port=%d holders=0", SERVER);
}

static void a_port_is_used_again(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd;
	struct span closing, opening;
	json_t *event;

	net_range(40000, 40000);
	fd = tcp_connect(NET_V4, SERVER);
	timed(closing, tcp_reset(fd));
	net_age(20);
	timed(opening, fd = tcp_connect(NET_V4, SERVER));
	tracer_expect(scene->tracer, "event=alloc port=40000 reuse=first");
	tracer_expect(scene->tracer, "event=free port=40000 holders=0");
	event = tracer_expect(scene->tracer, "event=alloc port=40000");
	event_check(event, "reuse=clean prev_pid=%d prev_comm=live_test holders=1", getpid());
	event_check_ns(event, "reuse_ns", closing, opening);
	tcp_reset(fd);
	net_close(listener);
}

static void a_hundred_connections(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);

	net_range(40000, 40009);
	for (int i = 0; i < 100; i++)
		tcp_reset(tcp_connect(NET_V4, SERVER));
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc via=connect"), 100);
	assert_int_equal(tracer_count(scene->tracer, "event=free end=close proto=tcp"), 100);
	net_close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(connect_chooses_a_port),
		SCENE_TEST(ts_is_the_wall_clock),
		SCENE_TEST(bind_to_zero),
		SCENE_TEST(bind_to_zero_and_connect),
		SCENE_TEST(listen_without_bind),
		SCENE_TEST(a_named_port_is_fixed),
		SCENE_TEST(listen_on_a_held_port_is_no_alloc),
		SCENE_TEST(a_late_bind_is_a_connect),
		SCENE_TEST(connects_to_two_places_share_a_port),
		SCENE_TEST(listeners_share_a_port),
		SCENE_TEST(accepted_sockets_are_no_holds),
		SCENE_TEST(a_port_is_used_again),
		SCENE_TEST(a_hundred_connections),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
