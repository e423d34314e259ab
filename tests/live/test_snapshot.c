// SPDX-License-Identifier: BSD-2-Clause
/* Sockets from before the trace: found, told once, and followed to their end. */
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 60609

static struct tracer *trace(const struct scene *scene)
{
	static char netns[24];

	snprintf(netns, sizeof(netns), "%llu", (unsigned long long)scene->netns);
	return tracer_whole("-N", netns);
}

static void a_connection_is_found_and_ends(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client, server, port;
	struct tracer *tracer;

	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(listener);
	port = net_port(client);
	tracer = trace(scene);
	tracer_expect(tracer,
		      "event=alloc via=snapshot port=%d raddr=127.0.0.1 rport=%d pid=%d "
		      "comm=live_test holders=1 reuse=first reuse_ns=null search_ns=null "
		      "ephemeral=null",
		      port, SERVER, getpid());
	tcp_reset(client);
	tracer_expect(tracer, "event=free port=%d end=close holders=0 held_ns=null open_ns=null",
		      port);
	net_close(server);
	net_close(listener);
	tracer_sync(tracer);
	/* its accepted socket shares the listener's port and is no hold */
	assert_int_equal(tracer_count(tracer, "event=alloc port=%d", SERVER), 1);
	assert_int_equal(tracer_count(tracer, "event=free port=%d end=close", SERVER), 1);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

static void a_time_wait_is_found_and_taken(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client, server;
	struct tracer *tracer;

	net_range(PORT, PORT);
	net_sysctl("ipv4/tcp_tw_reuse", "1");
	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(listener);
	tcp_close_pair(client, server);
	tracer = trace(scene);
	tracer_expect(tracer, "event=alloc via=snapshot port=%d rport=%d pid=null holders=1", PORT,
		      SERVER);
	tracer_expect(tracer, "event=time_wait port=%d tcp_state=TIME-WAIT open_ns=null", PORT);
	net_age(1100);
	client = tcp_connect(NET_V4, SERVER);
	tracer_expect(tracer, "event=free port=%d end=reused", PORT);
	tracer_expect(tracer, "event=alloc via=connect port=%d reuse=time_wait holders=1", PORT);
	tcp_reset(client);
	tracer_expect(tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(listener);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

static void udp_and_a_listener_are_found(struct scene *scene)
{
	int udp = net_socket(NET_V6, SOCK_DGRAM), listener = tcp_listen(NET_V6, SERVER);
	struct tracer *tracer;

	assert_int_equal(net_try_bind(udp, NET_V6, PORT), 0);
	tracer = trace(scene);
	tracer_expect(tracer, "event=alloc via=snapshot proto=udp port=%d laddr=::1 pid=%d", PORT,
		      getpid());
	tracer_rewind(tracer);
	tracer_expect(tracer, "event=alloc via=snapshot proto=tcp port=%d laddr=::1 pid=%d", SERVER,
		      getpid());
	net_close(udp);
	tracer_expect(tracer, "event=free proto=udp port=%d end=close holders=0", PORT);
	net_close(listener);
	tracer_expect(tracer, "event=free proto=tcp port=%d end=close holders=0", SERVER);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

/* Also where the kernel's own dump does not tell of them (before 6.8). */
static void a_bound_socket_is_found(struct scene *scene)
{
	int fixed = net_socket(NET_V4, SOCK_STREAM), any = net_socket(NET_V6, SOCK_STREAM);
	struct tracer *tracer;

	must_be(net_try_bind(fixed, NET_V4, PORT) == 0);
	must_be(net_try_bind(any, NET_V6, 0) == 0);
	tracer = trace(scene);
	tracer_expect(tracer, "event=alloc via=snapshot port=%d family=ipv4 pid=%d comm=live_test",
		      PORT, getpid());
	tracer_rewind(tracer);
	tracer_expect(tracer, "event=alloc via=snapshot port=%d family=ipv6 pid=%d", net_port(any),
		      getpid());
	net_close(fixed);
	tracer_expect(tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(any);
	tracer_sync(tracer);
	assert_int_equal(tracer_open(tracer), 0);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

static int keep_open(int line, void *arg)
{
	(void)arg;
	line_say(line, 0);
	return line_hear(line);
}

/* Which of them obtained it is not known. */
static void a_socket_of_two_processes_has_no_owner(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	struct tracer *tracer;
	struct actor child;

	must_be(net_try_bind(fd, NET_V4, PORT) == 0);
	actor_start(&child, "heir", keep_open, NULL);
	line_hear(child.line);
	tracer = trace(scene);
	tracer_expect(tracer, "event=alloc via=snapshot port=%d pid=null comm=null", PORT);
	line_say(child.line, 0);
	actor_join(&child);
	net_close(fd);
	tracer_expect(tracer, "event=free port=%d end=close pid=null", PORT);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

static void without_a_snapshot_they_are_not_known(struct scene *scene)
{
	int udp = net_socket(NET_V4, SOCK_DGRAM);
	struct tracer *tracer;
	char netns[24];

	assert_int_equal(net_try_bind(udp, NET_V4, PORT), 0);
	snprintf(netns, sizeof(netns), "%llu", (unsigned long long)scene->netns);
	tracer = tracer_begin(
		false, (const char *const[]){ "--json", "--no-snapshot", "-N", netns, NULL });
	net_close(udp);
	tracer_sync(tracer);
	assert_int_equal(tracer_count(tracer, "port=%d", PORT), 0);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

/* Connections come and go while the dump runs: each is told once. */
static int come_and_go(int line, void *arg)
{
	(void)arg;
	line_say(line, 0);
	for (int i = 0; i < 3000; i++) {
		int fd = net_socket(NET_V4, SOCK_DGRAM);

		must_be(net_try_bind(fd, NET_V4, 0) == 0);
		net_close(fd);
	}
	return 0;
}

static void what_moves_meanwhile_is_told_once(struct scene *scene)
{
	struct tracer *tracer;
	struct actor actor;

	actor_start(&actor, "mover", come_and_go, NULL);
	line_hear(actor.line);
	tracer = trace(scene);
	actor_join(&actor);
	tracer_sync(tracer);
	/* the stream's own check has seen each hold begin once and end once */
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	assert_int_equal(tracer_open(tracer), 0);
}

static int bound_udp(int port)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	assert_int_equal(net_try_bind(fd, NET_V4, port), 0);
	return fd;
}

/* What the buffer does not hold is put right from a dump, a second later. */
static void after_a_loss_the_ledger_is_put_right(struct scene *scene)
{
	int stays, goes, comes;
	struct tracer *tracer;
	char netns[24];

	snprintf(netns, sizeof(netns), "%llu", (unsigned long long)scene->netns);
	tracer = tracer_whole("-N", netns, "--buffer-size", "64K");
	stays = bound_udp(PORT);
	goes = bound_udp(PORT + 1);
	tracer_expect(tracer, "event=alloc port=%d holders=1", PORT + 1);
	tracer_signal(tracer, SIGSTOP);
	for (int i = 0; i < 1000; i++)
		net_close(bound_udp(0));
	net_close(goes);
	comes = bound_udp(PORT + 2);
	tracer_signal(tracer, SIGCONT);
	tracer_expect(tracer, "event=lost");
	tracer_expect(tracer, "event=free port=%d end=unknown held_ns=null holders=null", PORT + 1);
	tracer_expect(tracer, "event=alloc port=%d via=snapshot pid=%d holders=null", PORT + 2,
		      getpid());
	net_close(stays);
	tracer_expect(tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(comes);
	tracer_expect(tracer, "event=free port=%d end=close held_ns=null holders=0", PORT + 2);
	net_close(bound_udp(PORT));
	tracer_expect(tracer, "event=alloc port=%d reuse=clean holders=1", PORT);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

/* They hold its port on, charged to the listener's owner. */
static void accepted_sockets_outlive_their_listener(struct scene *scene)
{
	int listener, client, server, port;
	struct tracer *tracer;

	tracer = trace(scene);
	listener = net_socket(NET_V4, SOCK_STREAM);
	assert_int_equal(net_try_bind(listener, NET_V4, 0), 0);
	assert_int_equal(net_try_listen(listener), 0);
	port = net_port(listener);
	client = tcp_connect(NET_V4, port);
	server = tcp_accept(listener);
	tracer_expect(tracer, "event=alloc via=bind port=%d holders=1", port);
	net_close(listener);
	tracer_expect(tracer, "event=free port=%d end=close", port);
	tracer_expect(tracer, "event=alloc via=accept port=%d raddr=127.0.0.1 rport=%d pid=%d",
		      port, net_port(client), getpid());
	net_close(client);
	net_close(server);
	tracer_expect(tracer, "event=free port=%d end=close held_ns=null holders=0", port);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_connection_is_found_and_ends),
		SCENE_TEST(a_time_wait_is_found_and_taken),
		SCENE_TEST(udp_and_a_listener_are_found),
		SCENE_TEST(a_bound_socket_is_found),
		SCENE_TEST(a_socket_of_two_processes_has_no_owner),
		SCENE_TEST(without_a_snapshot_they_are_not_known),
		SCENE_TEST(what_moves_meanwhile_is_told_once),
		SCENE_TEST(after_a_loss_the_ledger_is_put_right),
		SCENE_TEST(accepted_sockets_outlive_their_listener),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
