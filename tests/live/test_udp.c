// SPDX-License-Identifier: BSD-2-Clause
/* UDP: ports that send, connect and bind obtain, and how they are let go. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "scene.h"

#define PEER 5353
#define PORT 40000

static void send_obtains_a_port(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM), port;
	struct span opened, closed;
	json_t *event;

	timed(opened, assert_int_equal(net_try_send(fd, NET_V4, PEER), 0));
	port = net_port(fd);
	event = tracer_expect(scene->tracer, "event=alloc port=%d", port);
	event_check(event,
		    "via=autobind ephemeral=true proto=udp family=ipv4 laddr=0.0.0.0 raddr=null "
		    "rport=null holders=1 reuse=first vrf=null");
	event_check(event, "pid=%d tid=%d comm=live_test thread=live_test kernel=false uid=0",
		    getpid(), gettid());
	assert_true(event_number(event, "search_ns") > 0);
	net_age(20);
	timed(closed, net_close(fd));
	event = tracer_expect(scene->tracer, "event=free proto=udp port=%d", port);
	event_check(event, "end=close holders=0 pid=%d comm=live_test", getpid());
	event_check_ns(event, "open_ns", opened, closed);
	event_check_ns(event, "held_ns", opened, closed);
}

static void connect_obtains_a_port(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM), port;

	assert_int_equal(net_try_connect(fd, NET_V4, PEER), 0);
	port = net_port(fd);
	tracer_expect(scene->tracer,
		      "event=alloc via=autobind ephemeral=true proto=udp port=%d raddr=null", port);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free end=close proto=udp port=%d holders=0", port);
}

static void bind_to_zero(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM), port;
	json_t *event;

	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	port = net_port(fd);
	event = tracer_expect(scene->tracer, "event=alloc proto=udp port=%d", port);
	event_check(event, "via=bind ephemeral=true laddr=127.0.0.1 holders=1");
	assert_true(event_number(event, "search_ns") > 0);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free end=close proto=udp port=%d holders=0", port);
}

static void a_named_port_is_fixed(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	assert_int_equal(net_try_bind(fd, NET_V4, PEER), 0);
	tracer_expect(scene->tracer,
		      "event=alloc via=fixed ephemeral=false proto=udp port=%d laddr=127.0.0.1",
		      PEER);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free end=close proto=udp port=%d holders=0", PEER);
}

/* connect(AF_UNSPEC) gives up a port that the kernel chose; the next send takes one anew. */
static void disconnect_frees(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	struct span left, back;
	json_t *event;

	net_range(PORT, PORT);
	assert_int_equal(net_try_connect(fd, NET_V4, PEER), 0);
	timed(left, net_disconnect(fd));
	assert_int_equal(net_port(fd), 0);
	net_age(20);
	timed(back, assert_int_equal(net_try_send(fd, NET_V4, PEER), 0));
	assert_int_equal(net_port(fd), PORT);
	tracer_expect(scene->tracer, "event=alloc via=autobind port=%d reuse=first", PORT);
	tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
	event = tracer_expect(scene->tracer, "event=alloc port=%d", PORT);
	event_check(event, "via=autobind reuse=clean prev_pid=%d prev_comm=live_test holders=1",
		    getpid());
	event_check_ns(event, "reuse_ns", left, back);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
}

static void a_named_port_survives_a_disconnect(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	assert_int_equal(net_try_connect(fd, NET_V4, PEER), 0);
	net_disconnect(fd);
	assert_int_equal(net_port(fd), PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 1);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
}

static int bound(const char *addr, int option)
{
	int fd = net_socket(addr, SOCK_DGRAM);

	if (option)
		net_set(fd, option);
	assert_int_equal(net_try_bind(fd, addr, PEER), 0);
	return fd;
}

static void check_two_holders(struct scene *scene, int one, int two)
{
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=1", PEER);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=2 reuse=shared", PEER);
	net_close(one);
	tracer_expect(scene->tracer, "event=free port=%d holders=1", PEER);
	net_close(two);
	tracer_expect(scene->tracer, "event=free port=%d holders=0", PEER);
}

static void sockets_share_by_reuseport(struct scene *scene)
{
	int one = bound(NET_V4, SO_REUSEPORT), two = bound(NET_V4, SO_REUSEPORT);

	check_two_holders(scene, one, two);
}

static void sockets_share_by_address(struct scene *scene)
{
	int one = bound("127.0.0.1", 0), two = bound("127.0.0.2", 0);

	check_two_holders(scene, one, two);
}

static void tcp_and_udp_do_not_share(struct scene *scene)
{
	int udp = bound(NET_V4, 0), tcp = tcp_listen(NET_V4, PEER);

	tracer_expect(scene->tracer, "event=alloc proto=udp port=%d holders=1", PEER);
	tracer_expect(scene->tracer, "event=alloc proto=tcp port=%d holders=1 reuse=first", PEER);
	net_close(udp);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d holders=0", PEER);
	net_close(tcp);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d holders=0", PEER);
}

/* Ports of ping sockets and UDP-Lite are other spaces, which are not traced. */
static void others_are_left_out(struct scene *scene)
{
	int fd;

	net_sysctl("ipv4/ping_group_range", "0 0");
	fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	net_close(fd);
	/* Linux 7.1 has no UDP-Lite any more. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE);
	if (fd >= 0) {
		assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
		net_close(fd);
	}
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 0);
	assert_int_equal(tracer_count(scene->tracer, "%s", ""), 2);
}

static void a_hundred_sockets(struct scene *scene)
{
	net_range(40000, 40009);
	for (int i = 0; i < 100; i++) {
		int fd = net_socket(NET_V4, SOCK_DGRAM);

		assert_int_equal(net_try_send(fd, NET_V4, PEER), 0);
		net_close(fd);
	}
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc via=autobind"), 100);
	assert_int_equal(tracer_count(scene->tracer, "event=free end=close"), 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(send_obtains_a_port),
		SCENE_TEST(connect_obtains_a_port),
		SCENE_TEST(bind_to_zero),
		SCENE_TEST(a_named_port_is_fixed),
		SCENE_TEST(disconnect_frees),
		SCENE_TEST(a_named_port_survives_a_disconnect),
		SCENE_TEST(sockets_share_by_reuseport),
		SCENE_TEST(sockets_share_by_address),
		SCENE_TEST(tcp_and_udp_do_not_share),
		SCENE_TEST(others_are_left_out),
		SCENE_TEST(a_hundred_sockets),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
