// SPDX-License-Identifier: BSD-2-Clause
/* Whose port it is: the process that obtained it, whoever releases it. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 60609
#define CGROUP "/sys/fs/cgroup/live_test_group"

/* Binds PORT, says so, and lets go when told. */
static int hold_port(int line, void *arg)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	(void)arg;
	must_be(net_try_bind(fd, NET_V4, PORT) == 0);
	line_say(line, 0);
	line_hear(line);
	return 0;
}

/* The life of a port in a process called comm. */
static pid_t hold_as(const char *comm)
{
	struct actor actor;

	actor_start(&actor, comm, hold_port, NULL);
	line_hear(actor.line);
	line_say(actor.line, 0);
	actor_join(&actor);
	return actor.pid;
}

static void a_process_of_its_own(struct scene *scene)
{
	pid_t pid = hold_as("holder");

	tracer_expect(scene->tracer,
		      "event=alloc port=%d pid=%d tid=%d comm=holder thread=holder uid=0 "
		      "kernel=false",
		      PORT, pid, pid);
	tracer_expect(scene->tracer, "event=free port=%d pid=%d tid=%d comm=holder end=close", PORT,
		      pid, pid);
}

static void connect_in_thread(void *arg)
{
	*(int *)arg = tcp_connect(NET_V4, SERVER);
}

/* Obtained by a thread, released by the main one. */
static void a_thread_has_a_name_of_its_own(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd, port;
	pid_t tid = thread_run("worker", connect_in_thread, &fd);

	port = net_port(fd);
	assert_int_not_equal(tid, getpid());
	tcp_reset(fd);
	tracer_expect(scene->tracer,
		      "event=alloc port=%d pid=%d tid=%d comm=live_test thread=worker", port,
		      getpid(), tid);
	tracer_expect(scene->tracer,
		      "event=free port=%d pid=%d tid=%d comm=live_test thread=worker", port,
		      getpid(), tid);
	net_close(listener);
}

static int connect_and_pass(int line, void *arg)
{
	int fd = tcp_connect_from(NET_V4, PORT, SERVER);

	(void)arg;
	line_pass(line, fd);
	return 0;
}

/* The process that obtained the port is gone when another closes it. */
static void a_passed_descriptor(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd;
	struct actor actor;

	actor_start(&actor, "obtainer", connect_and_pass, NULL);
	fd = line_take(actor.line);
	actor_join(&actor);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	tcp_close_pair(fd, tcp_accept(listener));
	tracer_expect(scene->tracer, "event=alloc port=%d pid=%d comm=obtainer", PORT, actor.pid);
	tracer_expect(scene->tracer, "event=time_wait port=%d pid=%d comm=obtainer", PORT,
		      actor.pid);
	net_close(listener);
}

static int keep_until_told(int line, void *arg)
{
	(void)arg;
	line_hear(line);
	return 0;
}

static void an_inherited_descriptor(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	struct actor actor;

	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	actor_start(&actor, "heir", keep_until_told, NULL);
	net_close(fd);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	line_say(actor.line, 0);
	actor_join(&actor);
	tracer_expect(scene->tracer, "event=free port=%d pid=%d comm=live_test end=close", PORT,
		      getpid());
}

static int rename_afterwards(int line, void *arg)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	(void)line;
	(void)arg;
	must_be(net_try_bind(fd, NET_V4, PORT) == 0);
	prctl(PR_SET_NAME, "after");
	return 0;
}

static void the_name_is_of_then(struct scene *scene)
{
	struct actor actor;

	actor_start(&actor, "before", rename_afterwards, NULL);
	actor_join(&actor);
	tracer_expect(scene->tracer, "event=alloc port=%d comm=before thread=before", PORT);
	tracer_expect(scene->tracer, "event=free port=%d comm=before thread=before pid=%d", PORT,
		      actor.pid);
}

static int hold_as_user(int line, void *arg)
{
	must(setresuid(1000, 1000, 1000));
	return hold_port(line, arg);
}

static void the_user(struct scene *scene)
{
	struct actor actor;

	actor_start(&actor, "user", hold_as_user, NULL);
	line_hear(actor.line);
	line_say(actor.line, 0);
	actor_join(&actor);
	tracer_expect(scene->tracer, "event=alloc port=%d uid=1000 comm=user", PORT);
	tracer_expect(scene->tracer, "event=free port=%d uid=1000 comm=user", PORT);
}

static int hold_in_cgroup(int line, void *arg)
{
	int fd = must(open(CGROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC));

	must(write(fd, "0", 1));
	close(fd);
	return hold_port(line, arg);
}

static void the_cgroup(struct scene *scene)
{
	struct actor actor;

	must(mkdir(CGROUP, 0755));
	actor_start(&actor, "member", hold_in_cgroup, NULL);
	line_hear(actor.line);
	tracer_expect(scene->tracer, "event=alloc port=%d cgroup=/live_test_group comm=member",
		      PORT);
	line_say(actor.line, 0);
	actor_join(&actor);
	must(rmdir(CGROUP));
	tracer_expect(scene->tracer, "event=free port=%d cgroup=/live_test_group", PORT);
}

static int hold_in_pid_namespace(int line, void *arg)
{
	pid_t pid;
	int status;

	must(unshare(CLONE_NEWPID));
	pid = must(fork());
	if (!pid) {
		must_be(getpid() == 1);
		_exit(hold_port(line, arg));
	}
	line_say(line, pid);
	must(waitpid(pid, &status, 0));
	return status;
}

/* In a container a process has another pid; told is the one of the host. */
static void the_pid_is_the_hosts(struct scene *scene)
{
	int first, second;
	struct actor actor;

	actor_start(&actor, "contained", hold_in_pid_namespace, NULL);
	/* The pid and the "I hold it", in whichever order. */
	first = line_hear(actor.line);
	second = line_hear(actor.line);
	line_say(actor.line, 0);
	actor_join(&actor);
	tracer_expect(scene->tracer, "event=alloc port=%d pid=%d tid=%d comm=contained", PORT,
		      first + second, first + second);
}

static int hold_in_namespace(int line, void *arg)
{
	net_unshare();
	line_say(line, net_inode());
	return hold_port(line, arg);
}

/* The same number in two namespaces is two ports. */
static void two_namespaces(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	struct actor actor;
	ino_t other;

	tracer_scope(scene->tracer, 0);
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	actor_start(&actor, "elsewhere", hold_in_namespace, NULL);
	other = (unsigned int)line_hear(actor.line);
	line_hear(actor.line);
	assert_int_not_equal(other, scene->netns);
	tracer_expect(scene->tracer, "event=alloc port=%d netns=%lu holders=1 reuse=first", PORT,
		      (unsigned long)scene->netns);
	tracer_expect(scene->tracer,
		      "event=alloc port=%d netns=%lu holders=1 reuse=first comm=elsewhere", PORT,
		      (unsigned long)other);
	line_say(actor.line, 0);
	actor_join(&actor);
	tracer_expect(scene->tracer, "event=free port=%d netns=%lu holders=0", PORT,
		      (unsigned long)other);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free port=%d netns=%lu holders=0", PORT,
		      (unsigned long)scene->netns);
}

/* A socket stays in the namespace where it was made. */
static void the_namespace_is_the_sockets(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	net_unshare();
	assert_int_not_equal(net_inode(), scene->netns);
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	net_close(fd);
	tracer_expect(scene->tracer, "event=alloc port=%d netns=%lu", PORT,
		      (unsigned long)scene->netns);
	tracer_expect(scene->tracer, "event=free port=%d netns=%lu", PORT,
		      (unsigned long)scene->netns);
}

/*
 * Names that would command a terminal, end a string, or are no UTF-8: what the
 * program called itself, and what a reader of JSON gets. That no line has a raw
 * control byte is checked as it is read (stream.c).
 */
static const struct {
	const char *name, *shown;
} hostile[] = {
	{ "\x1b[2J\x1b]0;x\x07", "\x1b[2J\x1b]0;x\x07" },
	{ "\"},{\"a\":\"", "\"},{\"a\":\"" },
	{ "\\", "\\" },
	{ "a\nb\tc\rd", "a\nb\tc\rd" },
	{ "\x7f\x08", "\x7f\x08" },
	{ "   ", "   " },
	{ "\xff\xfe\x80", "\\xff\\xfe\\x80" },
	{ "\xe2\x82", "\\xe2\\x82" },
	{ "\xc0\xae", "\\xc0\\xae" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
	{ "\xe2\x80\xaetxt", "\xe2\x80\xaetxt" },
};

static void hostile_names(struct scene *scene)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		pid_t pid = hold_as(hostile[i].name);
		json_t *event =
			tracer_expect(scene->tracer, "event=alloc port=%d pid=%d", PORT, pid);

		assert_string_equal(event_text(event, "comm"), hostile[i].shown);
		assert_string_equal(event_text(event, "thread"), hostile[i].shown);
	}
}

static void a_harmless_name_is_shown_as_it_is(struct scene *scene)
{
	static const char name[] = "gr\xc3\xbc\xc3\x9f(sd-pam)";
	pid_t pid = hold_as(name);

	tracer_expect(scene->tracer, "event=alloc port=%d pid=%d comm=%s", PORT, pid, name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_process_of_its_own), SCENE_TEST(a_thread_has_a_name_of_its_own),
		SCENE_TEST(a_passed_descriptor),  SCENE_TEST(an_inherited_descriptor),
		SCENE_TEST(the_name_is_of_then),  SCENE_TEST(the_user),
		SCENE_TEST(the_cgroup),		  SCENE_TEST(the_pid_is_the_hosts),
		SCENE_TEST(two_namespaces),	  SCENE_TEST(the_namespace_is_the_sockets),
		SCENE_TEST(hostile_names),	  SCENE_TEST(a_harmless_name_is_shown_as_it_is),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
