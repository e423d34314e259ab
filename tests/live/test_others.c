// SPDX-License-Identifier: BSD-2-Clause
/* UDP sockets that change their mind, the kernel's own sockets, and protocols left out. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net.h"
#include "netlink.h"
#include "scene.h"

#define PEER 5353
#define PORT 40000
#define TIMES 5

static void check_lives(struct scene *scene, int lives)
{
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2 * lives);
}

/* ---- UDP --------------------------------------------------------------------------- */

/* Each disconnect gives the port up; each of three ways takes one anew. */
static void one_socket_binds_many_times(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	net_range(PORT, PORT);
	for (int i = 0; i < TIMES; i++) {
		assert_int_equal(net_try_connect(fd, NET_V4, PEER), 0);
		net_disconnect(fd);
		tracer_expect(scene->tracer, "event=alloc via=autobind port=%d holders=1", PORT);
		tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
		assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
		net_disconnect(fd);
		tracer_expect(scene->tracer, "event=alloc via=bind port=%d holders=1", PORT);
		tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
	}
	assert_int_equal(net_try_send(fd, NET_V4, PEER), 0);
	/* it has a port: that another cannot be bound is no refusal by the port search */
	assert_int_equal(net_try_bind(fd, NET_V4, PORT + 1), -EINVAL);
	net_close(fd);
	check_lives(scene, 2 * TIMES + 1);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT + 1), 0);
}

/* From a named port to a chosen one is no way back. */
static void a_named_port_stays_named(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	for (int i = 0; i < TIMES; i++) {
		assert_int_equal(net_try_connect(fd, NET_V4, PEER + i), 0);
		net_disconnect(fd);
	}
	net_close(fd);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
	check_lives(scene, 1);
}

/* The port comes first, then the route: it is kept when there is none. */
static void without_a_route_the_port_stays(struct scene *scene)
{
	int connects = net_socket(NET_V4, SOCK_DGRAM), sends = net_socket(NET_V4, SOCK_DGRAM);

	net_range(PORT, PORT + 1);
	assert_int_equal(net_try_connect(connects, "192.0.2.1", PEER), -ENETUNREACH);
	assert_int_equal(net_try_send(sends, "192.0.2.1", PEER), -ENETUNREACH);
	tracer_expect(scene->tracer, "event=alloc via=autobind port=%d raddr=null",
		      net_port(connects));
	tracer_expect(scene->tracer, "event=alloc via=autobind port=%d raddr=null",
		      net_port(sends));
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free ephemeral=true"), 0);
	net_close(connects);
	net_close(sends);
	tracer_sync(scene->tracer);
	for (int port = PORT; port < PORT + 2; port++)
		assert_int_equal(
			tracer_count(scene->tracer, "event=free end=close holders=0 port=%d", port),
			1);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
}

/* ---- the kernel's own --------------------------------------------------------------- */

/* A device's socket: made by the kernel in the call of the process that sets it up. */
static void a_vxlan_holds_its_port(struct scene *scene)
{
	int error = link_try_add_vxlan("vx0", PORT);

	if (error) {
		scene_skip("this kernel has no vxlan: %s", strerror(-error));
	}
	for (int i = 0; i < 2; i++) {
		link_set_up("vx0", true);
		tracer_expect(scene->tracer,
			      "event=alloc via=fixed ephemeral=false proto=udp port=%d holders=1 "
			      "pid=%d comm=live_test kernel=false",
			      PORT, getpid());
		link_set_up("vx0", false);
		tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0",
			      PORT);
	}
	check_lives(scene, 2);
}

/* SCTP in UDP: sockets for IPv4 and IPv6 that a sysctl opens. */
static void sctp_holds_a_udp_port(struct scene *scene)
{
	struct stat status;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);

	if (fd >= 0)
		net_close(fd);
	if (stat("/proc/sys/net/sctp/udp_port", &status)) {
		scene_skip("this kernel has no net.sctp.udp_port");
	}
	net_sysctl("sctp/udp_port", "%d", PORT);
	tracer_expect(scene->tracer,
		      "event=alloc via=fixed proto=udp family=ipv4 port=%d holders=1 pid=%d", PORT,
		      getpid());
	tracer_expect(scene->tracer,
		      "event=alloc via=fixed proto=udp family=ipv6 port=%d holders=2 pid=%d", PORT,
		      getpid());
	net_sysctl("sctp/udp_port", "0");
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=1", PORT);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0", PORT);
	check_lives(scene, 2);
}

/* ---- left out ------------------------------------------------------------------------ */

static void use(int fd, const char *addr)
{
	assert_int_equal(net_try_bind(fd, addr, PORT), 0);
	/* whether it is let through is another matter */
	net_try_connect(fd, addr, PEER);
	net_try_send(fd, addr, PEER);
	connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr));
	net_close(fd);
}

static void check_nothing(struct scene *scene)
{
	tracer_sync(scene->tracer);
	/* what the sync itself did */
	assert_int_equal(tracer_count(scene->tracer, "%s", ""), 2);
}

/* A raw socket's protocol is TCP or UDP, but what it has for a port is none. */
static void raw_sockets_are_left_out(struct scene *scene)
{
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_RAW };

	for (int i = 0; i < 3; i++) {
		use(must(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, protocols[i])), NET_V4);
		use(must(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, protocols[i])), NET_V6);
	}
	check_nothing(scene);
}

static void ping_sockets_are_left_out(struct scene *scene)
{
	net_sysctl("ipv4/ping_group_range", "0 0");
	use(must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP)), NET_V4);
	use(must(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMPV6)), NET_V6);
	check_nothing(scene);
}

static void udplite_is_left_out(struct scene *scene)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE);

	if (fd < 0) {
		scene_skip("this kernel has no UDP-Lite (until 7.1): %s", strerror(errno));
	}
	use(fd, NET_V4);
	use(must(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE)), NET_V6);
	fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE));
	net_range(PORT, PORT);
	assert_int_equal(net_try_send(fd, NET_V4, PEER), 0);
	net_close(fd);
	check_nothing(scene);
}

static void sctp_is_left_out(struct scene *scene)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP), client;

	if (listener < 0) {
		scene_skip("this kernel has no SCTP: %s", strerror(errno));
	}
	assert_int_equal(net_try_bind(listener, NET_V4, PORT), 0);
	assert_int_equal(net_try_listen(listener), 0);
	client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP));
	net_range(PORT + 1, PORT + 1);
	assert_int_equal(net_try_connect(client, NET_V4, PORT), 0);
	net_close(client);
	net_close(listener);
	check_nothing(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(one_socket_binds_many_times),
		SCENE_TEST(a_named_port_stays_named),
		SCENE_TEST(without_a_route_the_port_stays),
		SCENE_TEST(a_vxlan_holds_its_port),
		SCENE_TEST(sctp_holds_a_udp_port),
		SCENE_TEST(raw_sockets_are_left_out),
		SCENE_TEST(ping_sockets_are_left_out),
		SCENE_TEST(udplite_is_left_out),
		SCENE_TEST(sctp_is_left_out),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
