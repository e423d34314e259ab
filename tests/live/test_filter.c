// SPDX-License-Identifier: BSD-2-Clause
/*
 * Filters. Attaching takes seconds, so several share a tracer: beside the
 * events that pass, each filter has a decoy that every other one lets pass.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000
#define CGROUP "/sys/fs/cgroup/live_filter"

static void hold(const char *addr, int type, int port)
{
	int fd = net_socket(addr, type);

	must_be(net_try_bind(fd, addr, port) == 0);
	net_close(fd);
}

/* Exactly `count` events were shown, and each fits; the summary comes on top. */
static void check_shown(struct tracer *tracer, int count, const char *pattern)
{
	tracer_check_stream(tracer);
	assert_true(tracer_ended(tracer));
	assert_int_equal(tracer_count(tracer, "%s", pattern), count);
	assert_int_equal(tracer_count(tracer, "%s", ""), count + 1);
}

static void stop_and_check(struct tracer *tracer, int count, const char *pattern)
{
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	check_shown(tracer, count, pattern);
}

/* ---- in the kernel: port, protocol, namespace -------------------------------- */

static void ports_and_protocol(struct scene *scene)
{
	struct tracer *tracer = tracer_filtered("--port", "60609,40000-40100", "--proto", "tcp");

	(void)scene;
	hold(NET_V4, SOCK_STREAM, 60609);
	hold(NET_V4, SOCK_STREAM, 40000);
	hold(NET_V6, SOCK_STREAM, 40100);
	hold(NET_V4, SOCK_DGRAM, 60609);
	hold(NET_V4, SOCK_STREAM, 60608);
	hold(NET_V4, SOCK_STREAM, 60610);
	hold(NET_V4, SOCK_STREAM, 39999);
	hold(NET_V4, SOCK_STREAM, 40101);
	stop_and_check(tracer, 6, "proto=tcp comm=live_test");
	assert_int_equal(tracer_count(tracer, "port=60609"), 2);
	assert_int_equal(tracer_count(tracer, "port=40000"), 2);
	assert_int_equal(tracer_count(tracer, "port=40100"), 2);
}

static int hold_far_away(int line, void *arg)
{
	(void)arg;
	net_unshare();
	line_say(line, 0);
	line_hear(line);
	hold(NET_V4, SOCK_DGRAM, PORT);
	return 0;
}

static void far_away(struct actor *actor, const char *comm)
{
	actor_start(actor, comm, hold_far_away, NULL);
	line_hear(actor->line);
}

static void go(struct actor *actor)
{
	line_say(actor->line, 0);
	actor_join(actor);
}

static void a_namespace_by_inode(struct scene *scene)
{
	char inode[24], pattern[64];
	struct tracer *tracer;
	struct actor actor;

	snprintf(inode, sizeof(inode), "%lu", (unsigned long)scene->netns);
	snprintf(pattern, sizeof(pattern), "netns=%s comm=live_test", inode);
	far_away(&actor, "elsewhere");
	tracer = tracer_filtered("-N", inode);
	go(&actor);
	hold(NET_V4, SOCK_DGRAM, PORT);
	hold(NET_V4, SOCK_STREAM, PORT);
	stop_and_check(tracer, 4, pattern);
}

/* As `ip netns add live` leaves it. */
static void name_namespace(pid_t pid)
{
	char path[40];

	mkdir("/run/netns", 0755);
	must(close(must(open("/run/netns/live", O_CREAT | O_RDONLY | O_CLOEXEC, 0644))));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	must(mount(path, "/run/netns/live", NULL, MS_BIND, NULL));
}

static void namespaces_by_name_and_path(struct scene *scene)
{
	struct actor carol, dave;
	struct tracer *tracer;
	char path[40];

	(void)scene;
	far_away(&carol, "carol");
	far_away(&dave, "dave");
	name_namespace(carol.pid);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", dave.pid);
	tracer = tracer_filtered("-N", "live", "--netns", path);
	go(&carol);
	hold(NET_V4, SOCK_DGRAM, PORT);
	go(&dave);
	must(umount2("/run/netns/live", MNT_DETACH));
	must(unlink("/run/netns/live"));
	stop_and_check(tracer, 4, "port=40000");
	assert_int_equal(tracer_count(tracer, "comm=carol"), 2);
	assert_int_equal(tracer_count(tracer, "comm=dave"), 2);
}

/* ---- behind the ledger ------------------------------------------------------- */

/* Who connects, and where to. */
struct visit {
	const char *comm;
	uid_t uid;
	const char *addr;
	int port;
};

static int pay_visit(int line, void *arg)
{
	const struct visit *visit = arg;

	(void)line;
	must(setresuid(visit->uid, visit->uid, visit->uid));
	tcp_reset(tcp_connect(visit->addr, visit->port));
	return 0;
}

static void the_remote_the_user_the_name_the_event(struct scene *scene)
{
	static const struct visit visits[] = {
		{ "alice", 1000, "127.0.0.1", SERVER },
		{ "alice", 1000, "127.0.0.1", SERVER + 1 }, /* another port, */
		{ "alice", 1000, "127.0.2.1", SERVER },	    /* another address, */
		{ "alice", 1001, "127.0.0.1", SERVER },	    /* another user, */
		{ "bob", 1000, "127.0.0.1", SERVER },	    /* another name; and the frees. */
	};
	int one = tcp_listen("0.0.0.0", SERVER), two = tcp_listen("0.0.0.0", SERVER + 1);
	struct tracer *tracer = tracer_filtered("-D", "8080", "--remote", "127.0.0.0/23", "-u",
						"1000", "--comm", "al*", "--event", "alloc");
	struct actor actor;

	(void)scene;
	for (size_t i = 0; i < sizeof(visits) / sizeof(visits[0]); i++) {
		actor_start(&actor, visits[i].comm, pay_visit, (void *)&visits[i]);
		actor_join(&actor);
	}
	net_close(one);
	net_close(two);
	stop_and_check(tracer, 1, "event=alloc comm=alice uid=1000 raddr=127.0.0.1 rport=8080");
}

static int hold_in_cgroup(int line, void *arg)
{
	int fd = must(open(CGROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC));

	(void)line;
	(void)arg;
	must(write(fd, "0", 1));
	close(fd);
	hold(NET_V6, SOCK_STREAM, 0);
	hold(NET_V4, SOCK_STREAM, 0);	  /* the other family, */
	hold(NET_V6, SOCK_STREAM, 60609); /* and a port of its own choice */
	return 0;
}

static void the_family_the_cgroup_the_chosen(struct scene *scene)
{
	struct tracer *tracer;
	struct actor actor;

	(void)scene;
	must(mkdir(CGROUP, 0755));
	tracer = tracer_filtered("-6", "-c", CGROUP, "--ephemeral");
	hold(NET_V6, SOCK_STREAM, 0); /* in another cgroup */
	actor_start(&actor, "member", hold_in_cgroup, NULL);
	actor_join(&actor);
	stop_and_check(tracer, 2, "comm=member cgroup=/live_filter family=ipv6 laddr=::1");
	must(rmdir(CGROUP));
}

static int hold_when_told(int line, void *arg)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	(void)arg;
	line_hear(line);
	hold(NET_V6, SOCK_DGRAM, 0);	 /* the other family, */
	hold(NET_V4, SOCK_DGRAM, 60609); /* another way, */
	hold(NET_V4, SOCK_DGRAM, 0);
	must_be(net_try_connect(fd, NET_V4, SERVER) == 0);
	net_close(fd);
	hold(NET_V4, SOCK_DGRAM, 0); /* and one too many */
	return 0;
}

/* What is counted is what is shown. */
static void the_process_the_way_the_count(struct scene *scene)
{
	struct tracer *tracer;
	struct actor actor;
	char pid[16];

	(void)scene;
	actor_start(&actor, "holder", hold_when_told, NULL);
	snprintf(pid, sizeof(pid), "%d", actor.pid);
	tracer = tracer_filtered("-4", "-p", pid, "--via", "bind,autobind", "--count", "4");
	hold(NET_V4, SOCK_DGRAM, 0); /* of another process */
	go(&actor);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	check_shown(tracer, 4, "comm=holder family=ipv4 proto=udp");
	assert_int_equal(tracer_count(tracer, "event=alloc via=bind"), 1);
	assert_int_equal(tracer_count(tracer, "event=alloc via=autobind"), 1);
}

static int connect_once(int line, void *arg)
{
	int fd;

	(void)arg;
	line_hear(line);
	fd = tcp_connect(NET_V4, SERVER);
	line_say(line, 0);
	line_hear(line);
	tcp_reset(fd);
	return 0;
}

/* What is shown of one process still counts what others do. */
static void holders_stay_true(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), other = tcp_listen(NET_V4, SERVER + 1), fd;
	struct actor actor;
	struct tracer *tracer;

	(void)scene;
	net_range(PORT, PORT);
	actor_start(&actor, "sharer", connect_once, NULL);
	tracer = tracer_filtered("--comm", "sharer");
	fd = tcp_connect(NET_V4, SERVER + 1);
	line_say(actor.line, 0);
	line_hear(actor.line);
	tcp_reset(fd);
	line_say(actor.line, 0);
	actor_join(&actor);
	tracer_expect(tracer, "event=alloc comm=sharer holders=2 reuse=shared prev_pid=null");
	tracer_expect(tracer, "event=free comm=sharer holders=0");
	stop_and_check(tracer, 2, "comm=sharer");
	net_close(listener);
	net_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(ports_and_protocol),
		SCENE_TEST(a_namespace_by_inode),
		SCENE_TEST(namespaces_by_name_and_path),
		SCENE_TEST(the_remote_the_user_the_name_the_event),
		SCENE_TEST(the_family_the_cgroup_the_chosen),
		SCENE_TEST(the_process_the_way_the_count),
		SCENE_TEST(holders_stay_true),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
