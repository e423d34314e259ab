// SPDX-License-Identifier: BSD-2-Clause
/*
 * Filters. Each test runs a tracer of its own over the same play; what passes
 * is known by number, and that nothing else passes by the pattern.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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

/*
 * The play, in the order of the events:
 *   the test  tcp4  listens on 8080
 *   alice     tcp4  connects from 40000 to 8080, uid 1000
 *   the test  udp4  binds 60609; a second bind is refused; udp6 binds 60610
 *   the test  udp4  obtains 40000 by connect()
 *   bob       udp4  binds 7000, in a cgroup of his own
 *   carol     udp4  binds 7001, in another namespace
 * Every hold ends before the next begins, but for the listener.
 */
#define PLAY_EVENTS 15
#define PLAY_EVENTS_HERE 13

struct cast {
	struct actor alice, bob, carol;
};

static int alice(int line, void *arg)
{
	(void)arg;
	must(setresuid(1000, 1000, 1000));
	line_hear(line);
	tcp_reset(tcp_connect(NET_V4, SERVER));
	return 0;
}

static int bind_when_told(int line, int port)
{
	int fd;

	line_hear(line);
	fd = net_socket(NET_V4, SOCK_DGRAM);
	must_be(net_try_bind(fd, NET_V4, port) == 0);
	net_close(fd);
	return 0;
}

static int bob(int line, void *arg)
{
	int fd = must(open(CGROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC));

	(void)arg;
	must(write(fd, "0", 1));
	close(fd);
	line_say(line, 0);
	return bind_when_told(line, 7000);
}

static int carol(int line, void *arg)
{
	(void)arg;
	net_unshare();
	line_say(line, 0);
	return bind_when_told(line, 7001);
}

/* Everybody waits; their pids, cgroup and namespace are there for filters to name. */
static struct cast cast_begin(void)
{
	struct cast cast;

	net_range(PORT, PORT);
	if (mkdir(CGROUP, 0755))
		must_be(errno == EEXIST);
	actor_start(&cast.alice, "alice", alice, NULL);
	actor_start(&cast.bob, "bob", bob, NULL);
	actor_start(&cast.carol, "carol", carol, NULL);
	line_hear(cast.bob.line);
	line_hear(cast.carol.line);
	return cast;
}

static void turn(struct actor *actor)
{
	line_say(actor->line, 0);
	actor_join(actor);
}

static void hold_briefly(const char *addr, int port)
{
	int fd = net_socket(addr, SOCK_DGRAM), again = net_socket(addr, SOCK_DGRAM);

	assert_int_equal(net_try_bind(fd, addr, port), 0);
	if (port == 60609)
		assert_int_equal(net_try_bind(again, addr, port), -EADDRINUSE);
	net_close(fd);
	net_close(again);
}

static void play(struct cast *cast)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_DGRAM);

	turn(&cast->alice);
	hold_briefly(NET_V4, 60609);
	hold_briefly(NET_V6, 60610);
	assert_int_equal(net_try_connect(fd, "127.0.0.2", 5353), 0);
	net_close(fd);
	turn(&cast->bob);
	turn(&cast->carol);
	net_close(listener);
	must(rmdir(CGROUP));
}

#define ARGS(...) ((const char *const[]){ "--json", ##__VA_ARGS__, NULL })

/* Plays under a tracer with args: `count` events pass, and each fits the pattern. */
static void check_play(struct cast *cast, const char *const *args, int count, const char *pattern)
{
	struct tracer *tracer = tracer_begin(true, args);

	play(cast);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	tracer_check_stream(tracer);
	assert_true(tracer_ended(tracer));
	assert_int_equal(tracer_count(tracer, "%s", pattern), count);
	/* The last line is the summary. */
	assert_int_equal(tracer_count(tracer, "%s", ""), count + 1);
}

#define FILTER_TEST(name, count, pattern, ...)                                                     \
	static void name(struct scene *scene)                                                      \
	{                                                                                          \
		struct cast cast = cast_begin();                                                   \
                                                                                                   \
		(void)scene;                                                                       \
		check_play(&cast, ARGS(__VA_ARGS__), count, pattern);                              \
	}

FILTER_TEST(no_filter, PLAY_EVENTS, "kernel=false")
FILTER_TEST(one_port, 3, "port=60609", "--port", "60609")
FILTER_TEST(one_port_short, 3, "port=60609", "-P60609")
FILTER_TEST(ports, 9, "kernel=false", "-P", "60609-60610,40000-40100")
FILTER_TEST(a_remote_port, 2, "comm=alice rport=8080", "-D", "8080")
FILTER_TEST(a_remote_address, 2, "comm=alice raddr=127.0.0.1", "-d", "127.0.0.1")
FILTER_TEST(a_remote_network, 2, "comm=alice raddr=127.0.0.1", "--remote", "127.0.0.0/8")
FILTER_TEST(another_remote_network, 0, "kernel=false", "--remote", "10.0.0.0/8")
FILTER_TEST(a_name, 2, "comm=alice", "--comm", "alice")
FILTER_TEST(a_users_number, 2, "uid=1000 comm=alice", "-u", "1000")
FILTER_TEST(a_users_name, PLAY_EVENTS - 2, "uid=0", "--uid", "root")
FILTER_TEST(a_cgroup, 2, "cgroup=/live_filter comm=bob", "-c", "/live_filter")
FILTER_TEST(a_cgroups_path, 2, "cgroup=/live_filter comm=bob", "--cgroup", CGROUP)
FILTER_TEST(ipv4, PLAY_EVENTS - 2, "family=ipv4", "-4")
FILTER_TEST(ipv6, 2, "family=ipv6 port=60610", "-6")
FILTER_TEST(tcp, 4, "proto=tcp", "--proto", "tcp")
FILTER_TEST(udp, PLAY_EVENTS - 4, "proto=udp", "--proto", "udp")
FILTER_TEST(refusals, 1, "event=fail errno=EADDRINUSE port=60609", "--event", "fail")
FILTER_TEST(two_kinds_of_events, PLAY_EVENTS - 1, "kernel=false", "--event", "alloc,free")
FILTER_TEST(one_way, 2, "comm=alice", "--via", "connect")
FILTER_TEST(two_ways, PLAY_EVENTS - 2, "kernel=false", "--via", "autobind,fixed")
FILTER_TEST(ephemeral_only, 4, "port=40000", "--ephemeral")
FILTER_TEST(several_filters, 1, "event=alloc comm=alice", "--comm", "a*", "--event", "alloc", "-4")

static void a_process(struct scene *scene)
{
	struct cast cast = cast_begin();
	char pid[16];

	(void)scene;
	snprintf(pid, sizeof(pid), "%d", cast.bob.pid);
	check_play(&cast, ARGS("-p", pid), 2, "comm=bob");
}

static void a_namespace_by_inode(struct scene *scene)
{
	struct cast cast = cast_begin();
	char inode[24], pattern[40];

	snprintf(inode, sizeof(inode), "%lu", (unsigned long)scene->netns);
	snprintf(pattern, sizeof(pattern), "netns=%s", inode);
	check_play(&cast, ARGS("-N", inode), PLAY_EVENTS_HERE, pattern);
}

static void a_namespace_by_path(struct scene *scene)
{
	struct cast cast = cast_begin();
	char path[40];

	(void)scene;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", cast.carol.pid);
	check_play(&cast, ARGS("--netns", path), 2, "comm=carol port=7001");
}

/* As `ip netns add` leaves it. */
static void a_namespace_by_name(struct scene *scene)
{
	struct cast cast = cast_begin();
	char path[40];

	(void)scene;
	mkdir("/run/netns", 0755);
	must(close(must(open("/run/netns/live", O_CREAT | O_RDONLY | O_CLOEXEC, 0644))));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", cast.carol.pid);
	must(mount(path, "/run/netns/live", NULL, MS_BIND, NULL));
	check_play(&cast, ARGS("-N", "live"), 2, "comm=carol port=7001");
	must(umount2("/run/netns/live", MNT_DETACH));
	must(unlink("/run/netns/live"));
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
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	net_close(listener);
	net_close(other);
}

static void a_count_ends_it(struct scene *scene)
{
	struct cast cast = cast_begin();
	struct tracer *tracer = tracer_filtered("--count", "3");

	(void)scene;
	play(&cast);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_true(tracer_ended(tracer));
	assert_int_equal(tracer_count(tracer, "%s", ""), 4);
}

static void a_count_counts_what_is_shown(struct scene *scene)
{
	struct cast cast = cast_begin();
	struct tracer *tracer = tracer_filtered("--count", "1", "--comm", "bob");

	(void)scene;
	play(&cast);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	tracer_expect(tracer, "event=alloc comm=bob");
	assert_int_equal(tracer_count(tracer, "%s", ""), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(no_filter),
		SCENE_TEST(one_port),
		SCENE_TEST(one_port_short),
		SCENE_TEST(ports),
		SCENE_TEST(a_remote_port),
		SCENE_TEST(a_remote_address),
		SCENE_TEST(a_remote_network),
		SCENE_TEST(another_remote_network),
		SCENE_TEST(a_process),
		SCENE_TEST(a_name),
		SCENE_TEST(a_users_number),
		SCENE_TEST(a_users_name),
		SCENE_TEST(a_cgroup),
		SCENE_TEST(a_cgroups_path),
		SCENE_TEST(a_namespace_by_inode),
		SCENE_TEST(a_namespace_by_path),
		SCENE_TEST(a_namespace_by_name),
		SCENE_TEST(ipv4),
		SCENE_TEST(ipv6),
		SCENE_TEST(tcp),
		SCENE_TEST(udp),
		SCENE_TEST(refusals),
		SCENE_TEST(two_kinds_of_events),
		SCENE_TEST(one_way),
		SCENE_TEST(two_ways),
		SCENE_TEST(ephemeral_only),
		SCENE_TEST(several_filters),
		SCENE_TEST(holders_stay_true),
		SCENE_TEST(a_count_ends_it),
		SCENE_TEST(a_count_counts_what_is_shown),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
