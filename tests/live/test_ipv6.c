// SPDX-License-Identifier: BSD-2-Clause
/* IPv6, and IPv4 through IPv6 sockets. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define MAPPED "::ffff:127.0.0.1"

static void connect_over_ipv6(struct scene *scene)
{
	int listener = tcp_listen(NET_V6, SERVER), fd;

	net_range(PORT, PORT);
	fd = tcp_connect(NET_V6, SERVER);
	tracer_expect(scene->tracer,
		      "event=alloc via=fixed family=ipv6 port=%d laddr=::1 raddr=null", SERVER);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect family=ipv6 port=%d laddr=::1 raddr=::1 rport=%d",
		      PORT, SERVER);
	tcp_close_pair(fd, tcp_accept(listener));
	tracer_expect(scene->tracer,
		      "event=time_wait family=ipv6 port=%d laddr=::1 raddr=::1 rport=%d", PORT,
		      SERVER);
	net_close(listener);
}

static void an_rst_frees_over_ipv6(struct scene *scene)
{
	int listener = tcp_listen(NET_V6, SERVER), fd;

	net_range(PORT, PORT);
	fd = tcp_connect(NET_V6, SERVER);
	tcp_reset(fd);
	tracer_expect(scene->tracer,
		      "event=free family=ipv6 port=%d end=close raddr=::1 rport=%d holders=0", PORT,
		      SERVER);
	net_close(listener);
	tracer_expect(scene->tracer, "event=free family=ipv6 port=%d end=close", SERVER);
}

/* An IPv6 socket that talks IPv4. */
static void a_mapped_connect(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd;

	net_range(PORT, PORT);
	fd = tcp_connect(MAPPED, SERVER);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect family=ipv6 port=%d laddr=127.0.0.1 "
		      "raddr=127.0.0.1 rport=%d",
		      PORT, SERVER);
	tcp_close_pair(fd, tcp_accept(listener));
	tracer_expect(scene->tracer,
		      "event=time_wait family=ipv6 port=%d laddr=127.0.0.1 raddr=127.0.0.1", PORT);
	net_close(listener);
}

static void a_mapped_bind(struct scene *scene)
{
	int fd = net_socket(MAPPED, SOCK_STREAM);

	assert_int_equal(net_try_bind(fd, MAPPED, PORT), 0);
	net_close(fd);
	tracer_expect(scene->tracer,
		      "event=alloc via=fixed family=ipv6 port=%d laddr=127.0.0.1 raddr=null", PORT);
	tracer_expect(scene->tracer, "event=free family=ipv6 port=%d laddr=127.0.0.1", PORT);
}

static void binds_of_every_kind(struct scene *scene)
{
	int fd = net_socket(NET_V6, SOCK_STREAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_bind(fd, "::", 0), 0);
	tracer_expect(scene->tracer, "event=alloc via=bind family=ipv6 port=%d laddr=::", PORT);
	net_close(fd);
	fd = net_socket(NET_V6, SOCK_STREAM);
	assert_int_equal(net_try_listen(fd), 0);
	tracer_expect(scene->tracer, "event=alloc via=listen family=ipv6 port=%d laddr=::", PORT);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free end=close family=ipv6 port=%d holders=0", PORT);
}

/* IPv4 and IPv6 sockets take their ports from one space. */
static void families_share_a_port(struct scene *scene)
{
	int four = tcp_listen(NET_V4, SERVER), six = net_socket(NET_V6, SOCK_STREAM);

	must(setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int)));
	assert_int_equal(net_try_bind(six, "::", SERVER), 0);
	tracer_expect(scene->tracer, "event=alloc family=ipv4 port=%d holders=1", SERVER);
	tracer_expect(scene->tracer, "event=alloc family=ipv6 port=%d holders=2 reuse=shared",
		      SERVER);
	net_close(four);
	tracer_expect(scene->tracer, "event=free family=ipv4 port=%d holders=1", SERVER);
	net_close(six);
	tracer_expect(scene->tracer, "event=free family=ipv6 port=%d holders=0", SERVER);
}

static void udp_over_ipv6(struct scene *scene)
{
	int fd = net_socket(NET_V6, SOCK_DGRAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_send(fd, NET_V6, SERVER), 0);
	tracer_expect(scene->tracer,
		      "event=alloc via=autobind proto=udp family=ipv6 port=%d laddr=:: raddr=null",
		      PORT);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free proto=udp family=ipv6 port=%d end=close", PORT);
}

static void udp_to_a_mapped_address(struct scene *scene)
{
	int fd = net_socket(MAPPED, SOCK_DGRAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_connect(fd, MAPPED, SERVER), 0);
	tracer_expect(scene->tracer, "event=alloc via=autobind proto=udp family=ipv6 port=%d",
		      PORT);
	net_disconnect(fd);
	tracer_expect(scene->tracer, "event=free proto=udp family=ipv6 port=%d end=close", PORT);
	net_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(connect_over_ipv6),	 SCENE_TEST(an_rst_frees_over_ipv6),
		SCENE_TEST(a_mapped_connect),	 SCENE_TEST(a_mapped_bind),
		SCENE_TEST(binds_of_every_kind), SCENE_TEST(families_share_a_port),
		SCENE_TEST(udp_over_ipv6),	 SCENE_TEST(udp_to_a_mapped_address),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
