// SPDX-License-Identifier: BSD-2-Clause
/* VRFs: the same TCP port in two of them is two ports. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "netlink.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define RED "10.1.0.1"
#define BLUE "10.2.0.1"

static void add_vrf(const char *vrf, const char *device, const char *addr, int table)
{
	int error = link_try_add_vrf(vrf, table);

	error = error ?: link_try_add(device, "dummy");
	if (error) {
		scene_skip("this kernel has no VRFs: %s", strerror(-error));
	}
	link_set_master(device, vrf);
	addr_add(device, addr, 24);
}

/* Two VRFs, each with a device that has an address. */
static void add_vrfs(void)
{
	add_vrf("red", "red0", RED, 10);
	add_vrf("blue", "blue0", BLUE, 20);
}

static int socket_on(const char *device, int type)
{
	int fd = net_socket(NET_V4, type);

	must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device) + 1));
	return fd;
}

static int listener_on(const char *device)
{
	int fd = socket_on(device, SOCK_STREAM);

	assert_int_equal(net_try_bind(fd, "0.0.0.0", SERVER), 0);
	assert_int_equal(net_try_listen(fd), 0);
	return fd;
}

static void a_named_port_in_two_vrfs(struct scene *scene)
{
	int fds[3];

	add_vrfs();
	fds[0] = socket_on("red", SOCK_STREAM);
	/* what is bound to a device of a VRF is in it */
	fds[1] = socket_on("blue0", SOCK_STREAM);
	fds[2] = net_socket(NET_V4, SOCK_STREAM);
	for (int i = 0; i < 3; i++)
		assert_int_equal(net_try_bind(fds[i], "0.0.0.0", PORT), 0);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d vrf=%u holders=1 reuse=first",
		      PORT, if_nametoindex("red"));
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d vrf=%u holders=1 reuse=first",
		      PORT, if_nametoindex("blue"));
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d vrf=0 holders=1 reuse=first",
		      PORT);
	net_close(fds[0]);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u holders=0", PORT,
		      if_nametoindex("red"));
	net_close(fds[1]);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u holders=0", PORT,
		      if_nametoindex("blue"));
	net_close(fds[2]);
	tracer_expect(scene->tracer, "event=free port=%d vrf=0 holders=0", PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 6);
}

struct way {
	int listener, client;
};

static struct way connect_in(const char *vrf, const char *addr)
{
	struct way way = { .listener = listener_on(vrf), .client = socket_on(vrf, SOCK_STREAM) };

	assert_int_equal(net_try_connect(way.client, addr, SERVER), 0);
	return way;
}

static void connects_in_two_vrfs(struct scene *scene)
{
	struct way red, blue;

	add_vrfs();
	net_range(PORT, PORT);
	red = connect_in("red", RED);
	blue = connect_in("blue", BLUE);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect port=%d vrf=%u raddr=%s holders=1 reuse=first", PORT,
		      if_nametoindex("red"), RED);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect port=%d vrf=%u raddr=%s holders=1 reuse=first", PORT,
		      if_nametoindex("blue"), BLUE);
	tcp_reset(red.client);
	net_close(tcp_accept(red.listener));
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u end=close holders=0", PORT,
		      if_nametoindex("red"));
	/* its port is free, the other's is not */
	red.client = socket_on("red", SOCK_STREAM);
	assert_int_equal(net_try_connect(red.client, RED, SERVER), 0);
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=%u holders=1 reuse=clean", PORT,
		      if_nametoindex("red"));
	tcp_reset(blue.client);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u end=close holders=0", PORT,
		      if_nametoindex("blue"));
	tcp_close_pair(red.client, tcp_accept(red.listener));
	tracer_expect(scene->tracer, "event=time_wait port=%d vrf=%u", PORT, if_nametoindex("red"));
	net_close(red.listener);
	net_close(blue.listener);
}

static void one_vrf_is_full(struct scene *scene)
{
	int red, refused, blue;
	json_t *event, *total;

	add_vrfs();
	net_range(PORT, PORT);
	blue = socket_on("blue", SOCK_STREAM);
	red = socket_on("red", SOCK_STREAM);
	refused = socket_on("red", SOCK_STREAM);
	assert_int_equal(net_try_bind(blue, "0.0.0.0", 0), 0);
	assert_int_equal(net_try_bind(red, "0.0.0.0", 0), 0);
	assert_int_equal(net_try_bind(refused, "0.0.0.0", 0), -EADDRINUSE);
	assert_int_equal(net_try_bind(refused, "0.0.0.0", PORT), -EADDRINUSE);
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d vrf=%u holders=1", PORT,
		      if_nametoindex("blue"));
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d vrf=%u holders=1", PORT,
		      if_nametoindex("red"));
	tracer_expect(scene->tracer, "event=fail via=bind errno=EADDRINUSE port=0");
	event = tracer_expect(scene->tracer, "event=fail via=fixed errno=EADDRINUSE port=%d", PORT);
	/* blue's hold is in nobody's way; who is, may not be known */
	total = json_object_get(event, "blockers_total");
	if (!json_is_null(total))
		assert_int_equal(json_integer_value(total), 1);
	net_close(red);
	net_close(refused);
	net_close(blue);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u holders=0", PORT,
		      if_nametoindex("red"));
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u holders=0", PORT,
		      if_nametoindex("blue"));
}

/* The same addresses in both VRFs, and PORT in TIME_WAIT in each: two equal 4-tuples. */
static void leave_twin_time_waits(struct way *red, struct way *blue)
{
	add_vrf("red", "red0", RED, 10);
	add_vrf("blue", "blue0", RED, 20);
	net_range(PORT, PORT);
	net_sysctl("ipv4/tcp_tw_reuse", "1");
	*red = connect_in("red", RED);
	*blue = connect_in("blue", RED);
	tcp_close_pair(red->client, tcp_accept(red->listener));
	tcp_close_pair(blue->client, tcp_accept(blue->listener));
	net_age(1100);
}

static void a_time_wait_is_taken_over_in_one_vrf(struct scene *scene)
{
	struct way red, blue;

	leave_twin_time_waits(&red, &blue);
	red.client = socket_on("red", SOCK_STREAM);
	assert_int_equal(net_try_connect(red.client, RED, SERVER), 0);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u end=reused holders=0", PORT,
		      if_nametoindex("red"));
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=%u reuse=time_wait holders=1", PORT,
		      if_nametoindex("red"));
	tcp_reset(red.client);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u end=close holders=0", PORT,
		      if_nametoindex("red"));
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d vrf=%u", PORT,
				      if_nametoindex("blue")),
			 0);
	net_close(red.listener);
	net_close(blue.listener);
}

/* Without cookies (5.10) two holds that only differ by device are one to stream.c. */
static void needs_cookies(void)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	bool known = net_netns_cookie(fd);

	net_close(fd);
	if (known)
		return;
	scene_skip("this kernel gives tracing programs no socket cookies");
}

/* One port space, and only the device tells the two 4-tuples apart. */
static void one_of_two_twins_is_taken_over(struct scene *scene)
{
	json_t *allocs[2], *event;
	struct way ways[2];
	int fd;

	needs_cookies();
	net_sysctl("ipv4/tcp_l3mdev_accept", "1");
	leave_twin_time_waits(&ways[0], &ways[1]);
	for (int i = 0; i < 2; i++)
		allocs[i] = tracer_expect(scene->tracer, "event=alloc port=%d vrf=0 holders=%d",
					  PORT, i + 1);
	for (int i = 0; i < 2; i++) {
		fd = socket_on(i ? "blue" : "red", SOCK_STREAM);
		assert_int_equal(net_try_connect(fd, RED, SERVER), 0);
		event = tracer_expect(scene->tracer, "event=free port=%d vrf=0 end=reused", PORT);
		event_check(event, "cookie=%s holders=%d", event_text(allocs[i], "cookie"), 1 - i);
		tracer_expect(scene->tracer, "event=alloc port=%d vrf=0 reuse=time_wait holders=%d",
			      PORT, 2 - i);
		tcp_reset(fd);
		tracer_expect(scene->tracer, "event=free port=%d end=close holders=%d", PORT,
			      1 - i);
		net_close(ways[i].listener);
	}
}

/* What is bound to a VRF's device competes with what is bound to the VRF. */
static void take_over_from_a_device(struct scene *scene, bool joined)
{
	unsigned int vrf;
	struct way red;
	int fd;

	add_vrf("red", "red0", RED, 10);
	net_sysctl("ipv4/tcp_l3mdev_accept", "%d", joined);
	net_sysctl("ipv4/tcp_tw_reuse", "1");
	net_range(PORT, PORT);
	vrf = joined ? 0 : if_nametoindex("red");
	red = connect_in("red", RED);
	tcp_close_pair(red.client, tcp_accept(red.listener));
	net_age(1100);
	fd = socket_on("red0", SOCK_STREAM);
	must(fcntl(fd, F_SETFL, O_NONBLOCK));
	/* whether it is answered is another matter */
	assert_int_equal(net_try_connect(fd, RED, SERVER), -EINPROGRESS);
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=%u holders=1 reuse=first", PORT, vrf);
	tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u end=reused holders=0", PORT, vrf);
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=%u reuse=time_wait holders=1", PORT,
		      vrf);
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d vrf=%u end=close holders=0", PORT, vrf);
	net_close(red.listener);
}

static void a_device_takes_its_vrfs_time_wait(struct scene *scene)
{
	take_over_from_a_device(scene, false);
}

/* The default VRF's sockets accept from all VRFs, and the port spaces are one. */
static void tcp_l3mdev_accept_joins_them(struct scene *scene)
{
	int red, blue;

	add_vrfs();
	net_sysctl("ipv4/tcp_l3mdev_accept", "1");
	red = socket_on("red", SOCK_STREAM);
	blue = socket_on("blue", SOCK_STREAM);
	assert_int_equal(net_try_bind(red, "0.0.0.0", PORT), 0);
	assert_int_equal(net_try_bind(blue, "0.0.0.0", PORT), 0);
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=0 holders=1", PORT);
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=0 holders=2 reuse=shared", PORT);
	net_close(red);
	tracer_expect(scene->tracer, "event=free port=%d vrf=0 holders=1", PORT);
	net_close(blue);
	tracer_expect(scene->tracer, "event=free port=%d vrf=0 holders=0", PORT);
}

/* UDP has one space; sockets of two devices share a port in it. */
static void udp_knows_no_vrf(struct scene *scene)
{
	int red, blue;

	add_vrfs();
	red = socket_on("red", SOCK_DGRAM);
	blue = socket_on("blue", SOCK_DGRAM);
	assert_int_equal(net_try_bind(red, "0.0.0.0", PORT), 0);
	assert_int_equal(net_try_bind(blue, "0.0.0.0", PORT), 0);
	tracer_expect(scene->tracer, "event=alloc proto=udp port=%d vrf=null holders=1", PORT);
	tracer_expect(scene->tracer,
		      "event=alloc proto=udp port=%d vrf=null holders=2 reuse=shared", PORT);
	net_close(red);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d holders=1", PORT);
	net_close(blue);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d holders=0", PORT);
}

/* A device that is in no VRF makes no port space. */
static void a_device_is_no_vrf(struct scene *scene)
{
	int fd = socket_on("lo", SOCK_STREAM), other = net_socket(NET_V4, SOCK_STREAM);

	net_set(fd, SO_REUSEADDR);
	net_set(other, SO_REUSEADDR);
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	assert_int_equal(net_try_bind(other, NET_V4, PORT), 0);
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=0 holders=1", PORT);
	tracer_expect(scene->tracer, "event=alloc port=%d vrf=0 holders=2 reuse=shared", PORT);
	net_close(fd);
	net_close(other);
	tracer_expect(scene->tracer, "event=free port=%d vrf=0 holders=0", PORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_named_port_in_two_vrfs),
		SCENE_TEST(connects_in_two_vrfs),
		SCENE_TEST(one_vrf_is_full),
		SCENE_TEST(a_time_wait_is_taken_over_in_one_vrf),
		SCENE_TEST(one_of_two_twins_is_taken_over),
		SCENE_TEST(a_device_takes_its_vrfs_time_wait),
		SCENE_TEST(tcp_l3mdev_accept_joins_them),
		SCENE_TEST(udp_knows_no_vrf),
		SCENE_TEST(a_device_is_no_vrf),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
