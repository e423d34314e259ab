// SPDX-License-Identifier: BSD-2-Clause
/* Sockets that become something else while they hold a port. */
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define MAPPED "::ffff:127.0.0.1"

static void check_lives(struct scene *scene, int lives)
{
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), lives);
}

/* ---- listeners ----------------------------------------------------------------------- */

/* A listener that is shut down is a socket like any: its chosen port goes, and comes again. */
static void a_listener_is_shut_down(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_range(PORT, PORT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(net_try_listen(fd), 0);
		must(shutdown(fd, SHUT_RDWR));
		tracer_expect(scene->tracer, "event=alloc via=listen port=%d holders=1 reuse=%s",
			      PORT, i ? "clean" : "first");
		tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 raddr=null",
			      PORT);
	}
	net_close(fd);
	check_lives(scene, 2);
}

static void a_listener_of_a_named_port_is_shut_down(struct scene *scene)
{
	int fd = tcp_listen(NET_V4, PORT);

	for (int i = 0; i < 2; i++) {
		must(shutdown(fd, SHUT_RDWR));
		assert_int_equal(net_try_listen(fd), 0);
	}
	net_disconnect(fd);
	assert_int_equal(net_port(fd), PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 1);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
}

/* From listener to client: one named port, one hold. */
static void a_listener_becomes_a_client(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = tcp_listen(NET_V4, PORT);

	net_disconnect(fd);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 rport=%d", PORT,
		      SERVER);
	check_lives(scene, 1);
	net_close(listener);
}

/* What is bound or listens cannot be bound again: no search for a port, no refusal. */
static void a_second_bind_is_no_refusal(struct scene *scene)
{
	int fd = tcp_listen(NET_V4, PORT), udp = net_socket(NET_V4, SOCK_DGRAM);

	assert_int_equal(net_try_bind(fd, NET_V4, PORT + 1), -EINVAL);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EISCONN);
	assert_int_equal(net_try_bind(udp, NET_V4, PORT), 0);
	assert_int_equal(net_try_bind(udp, NET_V4, 0), -EINVAL);
	net_close(fd);
	net_close(udp);
	check_lives(scene, 2);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
}

/* ---- other protocols under the same descriptor ------------------------------------------ */

/* IPV6_ADDRFORM: an IPv6 socket with an IPv4 peer becomes one of IPv4. */
static void become_ipv4(int fd)
{
	must(setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &(int){ AF_INET }, sizeof(int)));
}

static void an_ipv6_connection_becomes_ipv4(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V6, SOCK_STREAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_connect(fd, MAPPED, SERVER), 0);
	become_ipv4(fd);
	tcp_close_pair(fd, tcp_accept(listener));
	tracer_expect(scene->tracer,
		      "event=alloc via=connect family=ipv6 port=%d laddr=127.0.0.1 "
		      "raddr=127.0.0.1 rport=%d holders=1",
		      PORT, SERVER);
	tracer_expect(scene->tracer, "event=time_wait port=%d rport=%d", PORT, SERVER);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
	net_close(listener);
}

static void an_ipv6_udp_socket_becomes_ipv4(struct scene *scene)
{
	int fd = net_socket(NET_V6, SOCK_DGRAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_connect(fd, MAPPED, SERVER), 0);
	become_ipv4(fd);
	net_disconnect(fd);
	assert_int_equal(net_try_send(fd, NET_V4, SERVER), 0);
	net_close(fd);
	tracer_expect(scene->tracer, "event=alloc via=autobind family=ipv6 port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	tracer_expect(scene->tracer, "event=alloc via=autobind family=ipv4 port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 2);
}

/* TLS in the kernel puts its own functions before TCP's. */
static void a_connection_gets_tls(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd;

	net_range(PORT, PORT);
	fd = tcp_connect(NET_V4, SERVER);
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"))) {
		scene_skip("this kernel has no TLS: %s", strerror(errno));
	}
	tcp_close_pair(fd, tcp_accept(listener));
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=time_wait port=%d rport=%d", PORT, SERVER);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
	net_close(listener);
}

static int sys_bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* And so does a sockmap. */
static void put_into_sockmap(int map, uint32_t place, int fd)
{
	union bpf_attr attr = { .map_fd = map, .key = (uintptr_t)&place, .value = (uintptr_t)&fd };

	must(sys_bpf(BPF_MAP_UPDATE_ELEM, &attr));
}

static int new_sockmap(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_SOCKMAP,
				.key_size = sizeof(uint32_t),
				.value_size = sizeof(int),
				.max_entries = 2 };
	int map;

	must(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }));
	map = sys_bpf(BPF_MAP_CREATE, &attr);
	if (map < 0) {
		scene_skip("this kernel has no sockmap: %s", strerror(errno));
	}
	return map;
}

static void sockets_are_in_a_sockmap(struct scene *scene)
{
	int map = new_sockmap(), listener = tcp_listen(NET_V4, SERVER), tcp, udp;

	net_range(PORT, PORT);
	tcp = tcp_connect(NET_V4, SERVER);
	udp = net_socket(NET_V4, SOCK_DGRAM);
	assert_int_equal(net_try_connect(udp, NET_V4, SERVER), 0);
	put_into_sockmap(map, 0, tcp);
	put_into_sockmap(map, 1, udp);
	tcp_reset(tcp);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0 rport=%d",
		      PORT, SERVER);
	net_close(udp);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0", PORT);
	close(map);
	check_lives(scene, 2);
	net_close(listener);
}

/* IP_FREEBIND: an address that nobody has yet. */
static void a_foreign_address_is_bound(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM), refused = net_socket(NET_V4, SOCK_STREAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_bind(refused, "192.0.2.7", 0), -EADDRNOTAVAIL);
	must(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &(int){ 1 }, sizeof(int)));
	assert_int_equal(net_try_bind(fd, "192.0.2.7", 0), 0);
	net_close(fd);
	net_close(refused);
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d laddr=192.0.2.7 holders=1",
		      PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close laddr=192.0.2.7", PORT);
	check_lives(scene, 1);
	/* refused before the port search: what porttrace does not see */
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_listener_is_shut_down),
		SCENE_TEST(a_listener_of_a_named_port_is_shut_down),
		SCENE_TEST(a_listener_becomes_a_client),
		SCENE_TEST(a_second_bind_is_no_refusal),
		SCENE_TEST(an_ipv6_connection_becomes_ipv4),
		SCENE_TEST(an_ipv6_udp_socket_becomes_ipv4),
		SCENE_TEST(a_connection_gets_tls),
		SCENE_TEST(sockets_are_in_a_sockmap),
		SCENE_TEST(a_foreign_address_is_bound),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
