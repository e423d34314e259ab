// SPDX-License-Identifier: BSD-2-Clause
/* Ports that outlive who obtained them: by exec, in a child, in accepted sockets. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000

/* ---- exec and fork ----------------------------------------------------------------- */

static void keep_over_exec(int fd)
{
	must(fcntl(fd, F_SETFD, 0));
}

/* Becomes a shell that keeps the port until it hears a line. */
static int bind_and_exec(int line, void *arg)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	(void)arg;
	must_be(net_try_bind(fd, NET_V4, PORT) == 0);
	line_say(line, 0);
	keep_over_exec(fd);
	must(dup2(line, STDIN_FILENO));
	execl("/bin/sh", "sh", "-c", "read line", NULL);
	return 1;
}

static void wait_for_exec(pid_t pid)
{
	char path[32], comm[16] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	for (int waited = 0; waited < 10000; waited += 2) {
		FILE *file = fopen(path, "re");

		must_be(file && fgets(comm, sizeof(comm), file));
		fclose(file);
		if (comm[0] == 's' && comm[1] == 'h')
			return;
		net_age(2);
	}
	live_fail("process %d is still %s", pid, comm);
}

/* The pid stays, the name is that of then. */
static void exec_changes_no_owner(struct scene *scene)
{
	struct actor actor;

	actor_start(&actor, "before-exec", bind_and_exec, NULL);
	line_hear(actor.line);
	wait_for_exec(actor.pid);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d pid=%d comm=before-exec", PORT,
		      actor.pid);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	must(send(actor.line, "\n", 1, MSG_NOSIGNAL));
	actor_join(&actor);
	tracer_expect(scene->tracer,
		      "event=free port=%d end=close holders=0 pid=%d comm=before-exec "
		      "thread=before-exec",
		      PORT, actor.pid);
}

/* Closed by exec: the port goes with the old program, the process lives on. */
static int connect_and_exec(int line, void *arg)
{
	(void)arg;
	net_range(PORT, PORT);
	tcp_connect(NET_V4, SERVER);
	line_say(line, 0);
	line_hear(line);
	must(dup2(line, STDIN_FILENO));
	execl("/bin/sh", "sh", "-c", "read line", NULL);
	return 1;
}

static void exec_closes(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), server;
	struct actor actor;

	actor_start(&actor, "closed-by-exec", connect_and_exec, NULL);
	line_hear(actor.line);
	server = tcp_accept(listener);
	tcp_reset(server);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d comm=closed-by-exec", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=close comm=closed-by-exec", PORT);
	line_say(actor.line, 0);
	wait_for_exec(actor.pid);
	must(send(actor.line, "\n", 1, MSG_NOSIGNAL));
	actor_join(&actor);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
	net_close(listener);
}

/* The child has the descriptor when its parent is dead. */
static int bind_and_die(int line, void *arg)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	(void)arg;
	must_be(net_try_bind(fd, NET_V4, PORT) == 0);
	if (must(fork()))
		return 0;
	line_say(line, getpid());
	line_hear(line);
	net_close(fd);
	line_say(line, 0);
	_exit(0);
}

static void a_child_outlives_the_owner(struct scene *scene)
{
	struct actor actor;
	int line, child;

	actor_start(&actor, "parent", bind_and_die, NULL);
	child = line_hear(actor.line);
	line = must(fcntl(actor.line, F_DUPFD_CLOEXEC, 0));
	actor_join(&actor);
	assert_int_not_equal(child, actor.pid);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d pid=%d comm=parent", PORT,
		      actor.pid);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	line_say(line, 0);
	line_hear(line);
	close(line);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 pid=%d comm=parent",
		      PORT, actor.pid);
}

/* One hold of each kind, until it is killed. */
static int hold_until_killed(int line, void *arg)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	(void)arg;
	net_range(PORT, PORT);
	tcp_connect(NET_V4, SERVER);
	must_be(net_try_send(fd, NET_V4, SERVER) == 0);
	tcp_listen(NET_V4, PORT + 1);
	must_be(net_try_bind(net_socket(NET_V4, SOCK_STREAM), NET_V4, PORT + 2) == 0);
	line_say(line, 0);
	line_hear(line);
	return 0;
}

/* Nobody closed them; the kernel did. What was connected goes on to TIME_WAIT. */
static void a_killed_process_lets_go(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), server;
	struct actor actor;
	char end;

	actor_start(&actor, "killed", hold_until_killed, NULL);
	line_hear(actor.line);
	server = tcp_accept(listener);
	actor_end_all();
	close(actor.line);
	must_be(must(read(server, &end, 1)) == 0);
	net_close(server);
	tcp_wait_count(PORT, TCP_TIME_WAIT, 1);
	tracer_sync(scene->tracer);
	assert_int_equal(
		tracer_count(scene->tracer, "event=alloc pid=%d comm=killed holders=1", actor.pid),
		4);
	assert_int_equal(tracer_count(scene->tracer,
				      "event=time_wait proto=tcp port=%d pid=%d comm=killed", PORT,
				      actor.pid),
			 1);
	assert_int_equal(tracer_count(scene->tracer,
				      "event=free end=close holders=0 pid=%d comm=killed",
				      actor.pid),
			 3);
	assert_int_equal(tracer_count(scene->tracer, "event=free proto=tcp port=%d", PORT), 0);
	net_close(listener);
}

/* ---- accepted sockets ---------------------------------------------------------------- */

static int reuseport_listener(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_set(fd, SO_REUSEPORT);
	assert_int_equal(net_try_bind(fd, NET_V4, SERVER), 0);
	assert_int_equal(net_try_listen(fd), 0);
	return fd;
}

/* While one listener of two lives, what the other accepted shares its port. */
static void one_of_two_listeners_closes(struct scene *scene)
{
	int one, two, client, server;

	one = reuseport_listener();
	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(one);
	two = reuseport_listener();
	net_close(one);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=1", SERVER);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc via=accept"), 0);
	net_close(two);
	tracer_expect(scene->tracer, "event=free port=%d end=close", SERVER);
	tracer_expect(scene->tracer,
		      "event=alloc via=accept port=%d raddr=127.0.0.1 rport=%d pid=%d holders=1",
		      SERVER, net_port(client), getpid());
	tcp_reset(server);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 held_ns=null", SERVER);
	net_close(client);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", SERVER), 3);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", SERVER), 3);
}

/* Named or chosen, several of them, and one that nobody had accepted yet. */
static void many_outlive_a_named_listener(struct scene *scene)
{
	int listener, clients[3], servers[3];

	listener = tcp_listen(NET_V4, SERVER);
	for (int i = 0; i < 3; i++)
		clients[i] = tcp_connect(NET_V4, SERVER);
	for (int i = 0; i < 2; i++)
		servers[i] = tcp_accept(listener);
	net_close(listener);
	tracer_expect(scene->tracer, "event=free port=%d end=close", SERVER);
	for (int i = 0; i < 2; i++)
		tracer_expect(scene->tracer, "event=alloc via=accept port=%d pid=%d", SERVER,
			      getpid());
	for (int i = 0; i < 2; i++)
		tcp_reset(servers[i]);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=1", SERVER);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", SERVER);
	for (int i = 0; i < 3; i++)
		net_close(clients[i]);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", SERVER), 3);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", SERVER), 3);
}

/* The server closes first: its TIME_WAIT keeps the listener's port. */
static void a_time_wait_outlives_its_listener(struct scene *scene)
{
	int listener, client, server, again;

	listener = tcp_listen(NET_V4, SERVER);
	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(listener);
	tcp_close_pair(server, client);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=time_wait"), 0);
	net_close(listener);
	tracer_expect(scene->tracer, "event=free port=%d end=close", SERVER);
	tracer_expect(scene->tracer, "event=alloc via=accept port=%d pid=%d holders=1", SERVER,
		      getpid());
	tracer_expect(scene->tracer, "event=time_wait port=%d", SERVER);
	again = tcp_listen(NET_V4, SERVER);
	tracer_expect(scene->tracer, "event=alloc via=fixed port=%d holders=2 reuse=shared",
		      SERVER);
	net_close(again);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=1", SERVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(exec_changes_no_owner),
		SCENE_TEST(exec_closes),
		SCENE_TEST(a_child_outlives_the_owner),
		SCENE_TEST(a_killed_process_lets_go),
		SCENE_TEST(one_of_two_listeners_closes),
		SCENE_TEST(many_outlive_a_named_listener),
		SCENE_TEST(a_time_wait_outlives_its_listener),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
