// SPDX-License-Identifier: BSD-2-Clause
/* Which ports the kernel may choose: reserved ones, a socket's own range, shared by bind(0). */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "scene.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

#define SERVER 8080
#define PORT 40000
#define COUNT 8

/* From Linux 6.3 (91d0b78c5177). */
static void needs_socket_range(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	uint32_t range;
	int error = getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range,
			       &(socklen_t){ sizeof(range) })
			    ? errno
			    : 0;

	net_close(fd);
	if (!error)
		return;
	scene_skip("this kernel has no IP_LOCAL_PORT_RANGE: %s", strerror(error));
}

static int ranged(int type, int low, int high)
{
	int fd = net_socket(NET_V4, type);
	uint32_t range = (uint32_t)high << 16 | low;

	must(setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)));
	return fd;
}

static void connects_stay_in_the_sockets_range(struct scene *scene)
{
	int listener, fds[COUNT], fd;

	needs_socket_range();
	listener = tcp_listen(NET_V4, SERVER);
	/* it can only narrow what the namespace allows */
	net_range(PORT - 1000, PORT + 1000);
	for (int i = 0; i < COUNT; i++) {
		fds[i] = ranged(SOCK_STREAM, PORT, PORT + COUNT - 1);
		assert_int_equal(net_try_connect(fds[i], NET_V4, SERVER), 0);
		assert_in_range(net_port(fds[i]), PORT, PORT + COUNT - 1);
	}
	fd = ranged(SOCK_STREAM, PORT, PORT + COUNT - 1);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL);
	tracer_expect(scene->tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=0 rport=%d",
		      SERVER);
	for (int i = 0; i < COUNT; i++)
		tcp_reset(fds[i]);
	tracer_sync(scene->tracer);
	for (int port = PORT; port < PORT + COUNT; port++) {
		assert_int_equal(tracer_count(scene->tracer,
					      "event=alloc via=connect ephemeral=true port=%d "
					      "holders=1",
					      port),
				 1);
		assert_int_equal(
			tracer_count(scene->tracer, "event=free end=close port=%d holders=0", port),
			1);
	}
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 1);
	net_close(fd);
	net_close(listener);
}

static void binds_stay_in_the_sockets_range(struct scene *scene)
{
	int tcp, udp, late, refused;

	needs_socket_range();
	net_range(PORT - 1000, PORT + 1000);
	tcp = ranged(SOCK_STREAM, PORT, PORT);
	udp = ranged(SOCK_DGRAM, PORT, PORT);
	late = ranged(SOCK_STREAM, PORT + 1, PORT + 1);
	refused = ranged(SOCK_STREAM, PORT, PORT);
	assert_int_equal(net_try_bind(tcp, NET_V4, 0), 0);
	assert_int_equal(net_try_bind(refused, NET_V4, 0), -EADDRINUSE);
	assert_int_equal(net_try_send(udp, NET_V4, SERVER), 0);
	assert_int_equal(net_try_listen(late), 0);
	tracer_expect(scene->tracer, "event=alloc proto=tcp via=bind port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=fail proto=tcp via=bind errno=EADDRINUSE port=0");
	tracer_expect(scene->tracer, "event=alloc proto=udp via=autobind port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=alloc proto=tcp via=listen port=%d holders=1",
		      PORT + 1);
	net_close(tcp);
	net_close(udp);
	net_close(late);
	net_close(refused);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close", PORT);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close", PORT);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close", PORT + 1);
}

/* ---- ip_local_reserved_ports ----------------------------------------------------- */

static void reserved_ports_are_not_chosen(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), tcp, udp;

	net_range(PORT, PORT + COUNT - 1);
	net_sysctl("ipv4/ip_local_reserved_ports", "%d-%d", PORT, PORT + COUNT - 2);
	for (int i = 0; i < COUNT; i++) {
		tcp = tcp_connect(NET_V4, SERVER);
		udp = net_socket(NET_V4, SOCK_DGRAM);
		assert_int_equal(net_try_send(udp, NET_V4, SERVER), 0);
		tcp_reset(tcp);
		net_close(udp);
		tcp = net_socket(NET_V4, SOCK_STREAM);
		assert_int_equal(net_try_bind(tcp, NET_V4, 0), 0);
		net_close(tcp);
	}
	tracer_sync(scene->tracer);
	/* every one that was chosen is the one that is not reserved */
	assert_int_equal(tracer_count(scene->tracer, "event=alloc ephemeral=true"), 3 * COUNT);
	assert_int_equal(
		tracer_count(scene->tracer, "event=alloc ephemeral=true port=%d", PORT + COUNT - 1),
		3 * COUNT);
	assert_int_equal(
		tracer_count(scene->tracer, "event=free end=close port=%d", PORT + COUNT - 1),
		3 * COUNT);
	net_close(listener);
}

static void all_ports_are_reserved(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), tcp = net_socket(NET_V4, SOCK_STREAM);
	int udp = net_socket(NET_V4, SOCK_DGRAM);

	net_range(PORT, PORT + COUNT - 1);
	net_sysctl("ipv4/ip_local_reserved_ports", "%d-%d", PORT, PORT + COUNT - 1);
	assert_int_equal(net_try_connect(tcp, NET_V4, SERVER), -EADDRNOTAVAIL);
	assert_int_equal(net_try_bind(tcp, NET_V4, 0), -EADDRINUSE);
	assert_int_equal(net_try_listen(tcp), -EADDRINUSE);
	assert_int_equal(net_try_send(udp, NET_V4, SERVER), -EAGAIN);
	tracer_expect(scene->tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=0 rport=%d",
		      SERVER);
	tracer_expect(scene->tracer, "event=fail via=bind errno=EADDRINUSE port=0 proto=tcp");
	tracer_expect(scene->tracer, "event=fail via=listen errno=EADDRINUSE port=0 proto=tcp");
	tracer_expect(scene->tracer, "event=fail via=autobind errno=EAGAIN port=0 proto=udp");
	/* who names a reserved port gets it */
	assert_int_equal(net_try_bind(tcp, NET_V4, PORT), 0);
	tracer_expect(scene->tracer, "event=alloc via=fixed ephemeral=false port=%d", PORT);
	net_close(tcp);
	net_close(udp);
	tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 4);
	net_close(listener);
}

/* ---- ip_autobind_reuse ----------------------------------------------------------- */

static int bound_anywhere(int *error)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_set(fd, SO_REUSEADDR);
	*error = net_try_bind(fd, NET_V4, 0);
	return fd;
}

/* Every port is taken, but by sockets that would share it. */
static void bind_to_zero_shares_the_last_port(struct scene *scene)
{
	int one, two, three, error;

	net_range(PORT, PORT);
	one = bound_anywhere(&error);
	assert_int_equal(error, 0);
	two = bound_anywhere(&error);
	assert_int_equal(error, -EADDRINUSE);
	net_sysctl("ipv4/ip_autobind_reuse", "1");
	three = bound_anywhere(&error);
	assert_int_equal(error, 0);
	assert_int_equal(net_port(three), PORT);
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=fail via=bind errno=EADDRINUSE port=0");
	tracer_expect(scene->tracer,
		      "event=alloc via=bind ephemeral=true port=%d holders=2 reuse=shared", PORT);
	net_close(one);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=1", PORT);
	net_close(three);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(two);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(connects_stay_in_the_sockets_range),
		SCENE_TEST(binds_stay_in_the_sockets_range),
		SCENE_TEST(reserved_ports_are_not_chosen),
		SCENE_TEST(all_ports_are_reserved),
		SCENE_TEST(bind_to_zero_shares_the_last_port),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
