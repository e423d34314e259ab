// SPDX-License-Identifier: BSD-2-Clause
/* Sockets ended from outside: SOCK_DESTROY (`ss -K`), and an RST into a TIME_WAIT. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "netlink.h"
#include "rst.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define ANY "0.0.0.0"

/* CONFIG_INET_DIAG_DESTROY: else every request is refused, whatever it names. */
static void needs_destroy(void)
{
	int error;

	scene_needs_sock_diag();
	error = sock_try_destroy(IPPROTO_TCP, NET_V4, 1, NET_V4, 1);
	if (error == -ENOENT)
		return;
	scene_skip("this kernel destroys no sockets: %s", strerror(-error));
}

static void check_destroyed(int protocol, int lport, const char *raddr, int rport)
{
	int error = sock_try_destroy(protocol, NET_V4, lport, raddr, rport);

	if (error)
		live_fail("SOCK_DESTROY of port %d: %s", lport, strerror(-error));
}

static void check_lives(struct scene *scene, int port, int lives)
{
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", port), lives);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", port), lives);
}

/* The port that connect() chose goes at once, the descriptor stays. */
static void a_connection_is_destroyed(struct scene *scene)
{
	int listener, fd;

	needs_destroy();
	listener = tcp_listen(NET_V4, SERVER);
	net_range(PORT, PORT);
	fd = tcp_connect(NET_V4, SERVER);
	check_destroyed(IPPROTO_TCP, PORT, NET_V4, SERVER);
	assert_int_equal(tcp_state(fd), TCP_CLOSE);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 rport=%d", PORT,
		      SERVER);
	net_close(fd);
	check_lives(scene, PORT, 1);
	net_close(listener);
}

static void an_unfinished_connect_is_destroyed(struct scene *scene)
{
	int listener, fd;

	needs_destroy();
	listener = tcp_listen_deaf(NET_V4, SERVER);
	net_range(PORT, PORT);
	fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EINPROGRESS);
	check_destroyed(IPPROTO_TCP, PORT, NET_V4, SERVER);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 rport=%d", PORT,
		      SERVER);
	net_close(fd);
	check_lives(scene, PORT, 1);
	net_close(listener);
}

/* A named port is the descriptor's, until that is closed. */
static void a_connection_from_a_named_port_is_destroyed(struct scene *scene)
{
	int listener, fd;
	struct span opened, destroyed, closed;
	json_t *event;

	needs_destroy();
	listener = tcp_listen(NET_V4, SERVER);
	timed(opened, fd = tcp_connect_from(NET_V4, PORT, SERVER));
	timed(destroyed, check_destroyed(IPPROTO_TCP, PORT, NET_V4, SERVER));
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	timed(closed, net_close(fd));
	event = tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	event_check_ns(event, "open_ns", opened, destroyed);
	event_check_ns(event, "held_ns", opened, closed);
	check_lives(scene, PORT, 1);
	net_close(listener);
}

static void listeners_are_destroyed(struct scene *scene)
{
	int named, chosen, port;

	needs_destroy();
	named = tcp_listen(NET_V4, SERVER);
	chosen = tcp_listen(NET_V4, 0);
	port = net_port(chosen);
	check_destroyed(IPPROTO_TCP, port, ANY, 0);
	check_destroyed(IPPROTO_TCP, SERVER, ANY, 0);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 raddr=null", port);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", SERVER), 0);
	net_close(named);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 raddr=null", SERVER);
	net_close(chosen);
	check_lives(scene, SERVER, 1);
	check_lives(scene, port, 1);
}

static void udp_sockets_are_destroyed(struct scene *scene)
{
	int named, chosen, port;

	needs_destroy();
	named = net_socket(NET_V4, SOCK_DGRAM);
	chosen = net_socket(NET_V4, SOCK_DGRAM);
	assert_int_equal(net_try_bind(named, NET_V4, SERVER), 0);
	assert_int_equal(net_try_connect(chosen, NET_V4, SERVER), 0);
	port = net_port(chosen);
	check_destroyed(IPPROTO_UDP, port, NET_V4, SERVER);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0", port);
	check_destroyed(IPPROTO_UDP, SERVER, ANY, 0);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", SERVER), 0);
	net_close(named);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0", SERVER);
	net_close(chosen);
	check_lives(scene, SERVER, 1);
	check_lives(scene, port, 1);
}

static void a_time_wait_is_destroyed(struct scene *scene)
{
	int listener, client, error;

	needs_destroy();
	listener = tcp_listen(NET_V4, SERVER);
	net_range(PORT, PORT);
	client = tcp_connect(NET_V4, SERVER);
	tcp_close_pair(client, tcp_accept(listener));
	error = sock_try_destroy(IPPROTO_TCP, NET_V4, PORT, NET_V4, SERVER);
	if (error == -EOPNOTSUPP) {
		scene_skip("this kernel destroys no TIME_WAIT");
	}
	assert_int_equal(error, 0);
	tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=cut holders=0 rport=%d pid=%d", PORT,
		      SERVER, getpid());
	check_lives(scene, PORT, 1);
	net_close(listener);
}

/* ---- an RST into a TIME_WAIT ------------------------------------------------------- */

static void an_rst_cuts_a_time_wait(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);

	net_range(PORT, PORT);
	rst_send(SERVER, PORT, rst_close_into_time_wait(listener, SERVER));
	tcp_wait_count(PORT, TCP_TIME_WAIT, 0);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=cut holders=0 rport=%d pid=%d", PORT,
		      SERVER, getpid());
	check_lives(scene, PORT, 1);
	net_close(listener);
}

/* RFC 1337: an RST is not enough. */
static void a_guarded_time_wait_stays(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);

	net_sysctl("ipv4/tcp_rfc1337", "1");
	net_range(PORT, PORT);
	rst_send(SERVER, PORT, rst_close_into_time_wait(listener, SERVER));
	tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tcp_count(PORT, TCP_TIME_WAIT), 1);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
	net_close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_connection_is_destroyed),
		SCENE_TEST(an_unfinished_connect_is_destroyed),
		SCENE_TEST(a_connection_from_a_named_port_is_destroyed),
		SCENE_TEST(listeners_are_destroyed),
		SCENE_TEST(udp_sockets_are_destroyed),
		SCENE_TEST(a_time_wait_is_destroyed),
		SCENE_TEST(an_rst_cuts_a_time_wait),
		SCENE_TEST(a_guarded_time_wait_stays),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
