// SPDX-License-Identifier: BSD-2-Clause
/* connect() in all its manners: unfinished, to oneself, with data, failing, and again. */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "netlink.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define MANY 20

static int only_port(void)
{
	net_range(PORT, PORT);
	return PORT;
}

static int nonblocking(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	must(fcntl(fd, F_SETFL, O_NONBLOCK));
	return fd;
}

/* That PORT was allocated so often, let go as often, and nothing else was said of it. */
static void check_lives(struct scene *scene, int lives)
{
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2 * lives);
}

/* ---- unfinished ---------------------------------------------------------------- */

static void a_nonblocking_connect_completes(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = nonblocking(), error;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	only_port();
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EINPROGRESS);
	assert_int_equal(must(poll(&ready, 1, 10000)), 1);
	must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) }));
	assert_int_equal(error, 0);
	/* the second call only asks how the first went */
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EISCONN);
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d rport=%d holders=1", PORT,
		      SERVER);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
	net_close(listener);
}

static void a_nonblocking_connect_is_refused_by_the_peer(struct scene *scene)
{
	int fd = nonblocking(), error;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	only_port();
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EINPROGRESS);
	assert_int_equal(must(poll(&ready, 1, 10000)), 1);
	must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) }));
	assert_int_equal(error, ECONNREFUSED);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 rport=%d", PORT,
		      SERVER);
	net_close(fd);
	check_lives(scene, 1);
}

static void a_disconnect_gives_up_an_unfinished_connect(struct scene *scene)
{
	int listener = tcp_listen_deaf(NET_V4, SERVER), fd = nonblocking();

	only_port();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EINPROGRESS);
		assert_int_equal(tcp_state(fd), TCP_SYN_SENT);
		net_disconnect(fd);
		tracer_expect(scene->tracer, "event=alloc via=connect port=%d rport=%d", PORT,
			      SERVER);
		tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	}
	net_close(fd);
	check_lives(scene, 3);
	net_close(listener);
}

static void a_shutdown_gives_up_an_unfinished_connect(struct scene *scene)
{
	int listener = tcp_listen_deaf(NET_V4, SERVER), fd = nonblocking();

	only_port();
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EINPROGRESS);
	must(shutdown(fd, SHUT_RDWR));
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(fd);
	check_lives(scene, 1);
	net_close(listener);
}

/* TCP_USER_TIMEOUT: a timer ends it, the descriptor stays. */
static void an_unfinished_connect_times_out(struct scene *scene)
{
	int listener = tcp_listen_deaf(NET_V4, SERVER), fd = nonblocking();

	only_port();
	must(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){ 100 }, sizeof(int)));
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EINPROGRESS);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 pid=%d tid=%d", PORT,
		      getpid(), gettid());
	assert_int_equal(tcp_state(fd), TCP_CLOSE);
	net_close(fd);
	check_lives(scene, 1);
	net_close(listener);
}

/* ---- to itself ----------------------------------------------------------------- */

/* The SYN meets its own sender: a simultaneous open with oneself. */
static void connect_to_itself(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	only_port();
	assert_int_equal(net_try_connect(fd, NET_V4, PORT), 0);
	assert_int_equal(tcp_state(fd), TCP_ESTABLISHED);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect port=%d laddr=127.0.0.1 raddr=127.0.0.1 rport=%d "
		      "holders=1 pid=%d",
		      PORT, PORT, getpid());
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d rport=%d end=close holders=0", PORT, PORT);
	check_lives(scene, 1);
}

static void connect_from_a_named_port_to_itself(struct scene *scene)
{
	int fd = tcp_connect_from(NET_V4, PORT, PORT);

	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=1 raddr=null", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 rport=%d", PORT, PORT);
	check_lives(scene, 1);
}

/* The FIN comes back too: both ends of the connection close at once. */
static void a_connection_to_itself_leaves_a_time_wait(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	only_port();
	assert_int_equal(net_try_connect(fd, NET_V4, PORT), 0);
	net_close(fd);
	tcp_wait_count(PORT, TCP_TIME_WAIT, 1);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	tracer_expect(scene->tracer, "event=time_wait port=%d rport=%d tcp_state=TIME-WAIT", PORT,
		      PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
}

/* ---- with data in the SYN ------------------------------------------------------ */

static int fastopen_listener(void)
{
	int fd = tcp_listen(NET_V4, SERVER);

	net_sysctl("ipv4/tcp_fastopen", "%d", 0x207);
	must(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &(int){ 5 }, sizeof(int)));
	return fd;
}

static void fastopen_by_send(struct scene *scene)
{
	int listener = fastopen_listener(), fd = net_socket(NET_V4, SOCK_STREAM);
	struct sockaddr_in server = { .sin_family = AF_INET,
				      .sin_port = htons(SERVER),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	only_port();
	assert_int_equal(
		must(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&server, sizeof(server))),
		1);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect ephemeral=true port=%d raddr=127.0.0.1 rport=%d "
		      "holders=1 pid=%d tid=%d",
		      PORT, SERVER, getpid(), gettid());
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
	net_close(listener);
}

static int fastopen_connected(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	must(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &(int){ 1 }, sizeof(int)));
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	return fd;
}

/* connect() sends no SYN but takes the port; the first write() sends both. */
static void fastopen_by_a_deferred_connect(struct scene *scene)
{
	int listener = fastopen_listener(), port = only_port(), fd = fastopen_connected();

	assert_int_equal(tcp_state(fd), TCP_SYN_SENT);
	assert_int_equal(net_port(fd), port);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect port=%d raddr=127.0.0.1 rport=%d holders=1", PORT,
		      SERVER);
	assert_int_equal(must(write(fd, "x", 1)), 1);
	tcp_wait_state(fd, TCP_ESTABLISHED);
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
	net_close(listener);
}

static void a_deferred_connect_that_never_sends(struct scene *scene)
{
	int listener = fastopen_listener(), fd;

	only_port();
	fd = fastopen_connected();
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
	net_close(listener);
}

/* ---- repair mode ----------------------------------------------------------------- */

/* As a checkpointed program is restored: connected without a packet, closed without one. */
static void repair_connects_in_silence(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	only_port();
	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &(int){ 1 }, sizeof(int)));
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	assert_int_equal(tcp_state(fd), TCP_ESTABLISHED);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d rport=%d holders=1", PORT,
		      SERVER);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
}

/* ---- failing --------------------------------------------------------------------- */

/* Without a route connect() does not come to the port search, nor to an end of the hold. */
static void without_a_route_a_bound_port_stays(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM), free = net_socket(NET_V4, SOCK_STREAM);

	only_port();
	assert_int_equal(net_try_bind(fd, "0.0.0.0", 0), 0);
	assert_int_equal(net_try_connect(fd, "192.0.2.1", SERVER), -ENETUNREACH);
	assert_int_equal(net_try_connect(free, "192.0.2.1", SERVER), -ENETUNREACH);
	assert_int_equal(net_port(fd), PORT);
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d", PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 1);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
	net_close(free);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 raddr=null", PORT);
	check_lives(scene, 1);
}

static void dead_routes_leave_a_named_port(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	route_add_dead("192.0.2.1", RTN_BLACKHOLE);
	route_add_dead("192.0.2.2", RTN_UNREACHABLE);
	route_add_dead("192.0.2.3", RTN_PROHIBIT);
	assert_int_equal(net_try_bind(fd, "0.0.0.0", PORT), 0);
	assert_int_equal(net_try_connect(fd, "192.0.2.1", SERVER), -EINVAL);
	assert_int_equal(net_try_connect(fd, "192.0.2.2", SERVER), -EHOSTUNREACH);
	assert_int_equal(net_try_connect(fd, "192.0.2.3", SERVER), -EACCES);
	net_close(fd);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 raddr=null", PORT);
	check_lives(scene, 1);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
}

/* A network behind a device that drops everything. */
static void drop_network(void)
{
	int error = link_try_add("drop0", "dummy");

	if (error) {
		scene_skip("this kernel has no dummy device: %s", strerror(-error));
	}
	addr_add("drop0", "192.0.2.1", 24);
}

/* The route depends on the port: looked up anew when it is known, and refused. */
static void a_connect_fails_after_it_got_its_port(struct scene *scene)
{
	drop_network();
	only_port();
	rule_prohibit_source_port(PORT);
	for (int i = 0; i < 2; i++) {
		int fd = net_socket(NET_V4, SOCK_STREAM);

		assert_int_equal(net_try_connect(fd, "192.0.2.2", SERVER), -EACCES);
		tracer_expect(scene->tracer,
			      "event=alloc via=connect port=%d laddr=192.0.2.1 raddr=192.0.2.2 "
			      "rport=%d holders=1",
			      PORT, SERVER);
		tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
		net_close(fd);
	}
	check_lives(scene, 2);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
}

/* ip_dynaddr: an unfinished connect goes on from another address, with the same port. */
static void an_unfinished_connect_changes_its_address(struct scene *scene)
{
	int fd = nonblocking();
	struct sockaddr_in own;

	drop_network();
	only_port();
	net_sysctl("ipv4/ip_dynaddr", "1");
	assert_int_equal(net_try_connect(fd, "192.0.2.9", SERVER), -EINPROGRESS);
	addr_delete("drop0", "192.0.2.1", 24);
	addr_add("drop0", "192.0.2.3", 24);
	for (int waited = 0; waited < 10000; waited += 20) {
		must(getsockname(fd, (struct sockaddr *)&own, &(socklen_t){ sizeof(own) }));
		if (own.sin_addr.s_addr == htonl(0xc0000203))
			break;
		net_age(20);
	}
	assert_int_equal(ntohl(own.sin_addr.s_addr), 0xc0000203);
	net_close(fd);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d laddr=192.0.2.1", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
}

/* ---- again ------------------------------------------------------------------------- */

/* IP_BIND_ADDRESS_NO_PORT: each connect() chooses a port for the address that stays. */
static void a_late_bind_connects_again(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);

	only_port();
	must(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int)));
	assert_int_equal(net_try_bind(fd, "127.0.0.2", 0), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
		net_disconnect(fd);
		tracer_expect(scene->tracer,
			      "event=alloc via=connect ephemeral=true port=%d laddr=127.0.0.2 "
			      "rport=%d holders=1 reuse=%s",
			      PORT, SERVER, i ? "clean" : "first");
		tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 rport=%d",
			      PORT, SERVER);
	}
	net_close(fd);
	check_lives(scene, 3);
	net_close(listener);
}

/* MANY ports, all in TIME_WAIT. */
static int all_in_time_wait(void)
{
	int listener = tcp_listen(NET_V4, SERVER);

	net_range(PORT, PORT + MANY - 1);
	for (int i = 0; i < MANY; i++) {
		int client = tcp_connect(NET_V4, SERVER);

		tcp_close_pair(client, tcp_accept(listener));
	}
	/* Only a TIME_WAIT of a second ago is given to another. */
	net_age(1100);
	return listener;
}

static void many_time_waits_are_taken_over(struct scene *scene)
{
	int listener, fds[MANY];

	net_sysctl("ipv4/tcp_tw_reuse", "1");
	listener = all_in_time_wait();
	for (int i = 0; i < MANY; i++)
		fds[i] = tcp_connect(NET_V4, SERVER);
	for (int i = 0; i < MANY; i++)
		tcp_reset(fds[i]);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc reuse=first via=connect"), MANY);
	assert_int_equal(tracer_count(scene->tracer, "event=time_wait"), MANY);
	assert_int_equal(tracer_count(scene->tracer, "event=free end=reused holders=0"), MANY);
	assert_int_equal(
		tracer_count(scene->tracer, "event=alloc reuse=time_wait via=connect holders=1"),
		MANY);
	assert_int_equal(
		tracer_count(scene->tracer, "event=free end=close rport=%d holders=0", SERVER),
		MANY);
	assert_int_equal(tracer_count(scene->tracer, "event=free end=cut"), 0);
	net_close(listener);
}

/* Without timestamps nobody can tell an old segment from a new one. */
static void without_timestamps_none_is_taken_over(struct scene *scene)
{
	int listener, fd = net_socket(NET_V4, SOCK_STREAM);

	net_sysctl("ipv4/tcp_tw_reuse", "1");
	net_sysctl("ipv4/tcp_timestamps", "0");
	listener = all_in_time_wait();
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL);
	tracer_expect(scene->tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=0 rport=%d",
		      SERVER);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=time_wait"), MANY);
	assert_int_equal(tracer_count(scene->tracer, "event=free proto=tcp"), 0);
	net_close(fd);
	net_close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_nonblocking_connect_completes),
		SCENE_TEST(a_nonblocking_connect_is_refused_by_the_peer),
		SCENE_TEST(a_disconnect_gives_up_an_unfinished_connect),
		SCENE_TEST(a_shutdown_gives_up_an_unfinished_connect),
		SCENE_TEST(an_unfinished_connect_times_out),
		SCENE_TEST(connect_to_itself),
		SCENE_TEST(connect_from_a_named_port_to_itself),
		SCENE_TEST(a_connection_to_itself_leaves_a_time_wait),
		SCENE_TEST(fastopen_by_send),
		SCENE_TEST(fastopen_by_a_deferred_connect),
		SCENE_TEST(a_deferred_connect_that_never_sends),
		SCENE_TEST(repair_connects_in_silence),
		SCENE_TEST(without_a_route_a_bound_port_stays),
		SCENE_TEST(dead_routes_leave_a_named_port),
		SCENE_TEST(a_connect_fails_after_it_got_its_port),
		SCENE_TEST(an_unfinished_connect_changes_its_address),
		SCENE_TEST(a_late_bind_connects_again),
		SCENE_TEST(many_time_waits_are_taken_over),
		SCENE_TEST(without_timestamps_none_is_taken_over),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
