// SPDX-License-Identifier: BSD-2-Clause
/*
 * Filters. Each test runs a tracer of its own over the same play; what passes
 * is known by number, and that nothing else passes by the pattern. Where two
 * filters share a tracer (attaching takes seconds), each keeps out something
 * that the other lets pass.
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
 * The play, in the order of the events. Every hold ends before the next begins,
 * but for the listeners, which come first and go last.
 *   the test  tcp4  listens on 8080 and 8081                        4 events
 *   alice     tcp4  connects from 40000 to 127.0.0.1:8080, to
 *                   127.0.0.2:8080 and to 127.0.0.1:8081, uid 1000  6
 *   the test  udp4  binds 60609; a second bind is refused           3
 *   the test  tcp6  binds 60610                                     2
 *   the test  udp4  obtains 40000 by connect()                      2
 *   bob       udp4  binds 7000, in a cgroup of his own              2
 *   carol     udp4  binds 7001, in another namespace                2
 *   dave      udp4  binds 7001, in yet another namespace            2
 */
#define PLAY_EVENTS_HERE 19

struct cast {
	struct actor alice, bob, carol, dave;
};

static int alice(int line, void *arg)
{
	(void)arg;
	must(setresuid(1000, 1000, 1000));
	line_hear(line);
	tcp_reset(tcp_connect(NET_V4, SERVER));
	tcp_reset(tcp_connect("127.0.0.2", SERVER));
	tcp_reset(tcp_connect(NET_V4, SERVER + 1));
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

static int far_away(int line, void *arg)
{
	(void)arg;
	net_unshare();
	line_say(line, 0);
	return bind_when_told(line, 7001);
}

/* Everybody waits; their pids, cgroup and namespaces are there for filters to name. */
static struct cast cast_begin(void)
{
	struct cast cast;

	net_range(PORT, PORT);
	if (mkdir(CGROUP, 0755))
		must_be(errno == EEXIST);
	actor_start(&cast.alice, "alice", alice, NULL);
	actor_start(&cast.bob, "bob", bob, NULL);
	actor_start(&cast.carol, "carol", far_away, NULL);
	actor_start(&cast.dave, "dave", far_away, NULL);
	line_hear(cast.bob.line);
	line_hear(cast.carol.line);
	line_hear(cast.dave.line);
	return cast;
}

static void turn(struct actor *actor)
{
	line_say(actor->line, 0);
	actor_join(actor);
}

static int bound(const char *addr, int type, int port)
{
	int fd = net_socket(addr, type);

	assert_int_equal(net_try_bind(fd, addr, port), 0);
	return fd;
}

static void my_turn(void)
{
	int fd = bound(NET_V4, SOCK_DGRAM, 60609), refused = net_socket(NET_V4, SOCK_DGRAM);

	assert_int_equal(net_try_bind(refused, NET_V4, 60609), -EADDRINUSE);
	net_close(fd);
	net_close(bound(NET_V6, SOCK_STREAM, 60610));
	assert_int_equal(net_try_connect(refused, "127.0.0.2", 5353), 0);
	net_close(refused);
}

static void play(struct cast *cast)
{
	int one = tcp_listen("0.0.0.0", SERVER), two = tcp_listen("0.0.0.0", SERVER + 1);

	turn(&cast->alice);
	my_turn();
	turn(&cast->bob);
	turn(&cast->carol);
	turn(&cast->dave);
	net_close(one);
	net_close(two);
}

#define ARGS(...) ((const char *const[]){ "--json", ##__VA_ARGS__, NULL })

/* Plays under a tracer with args: `count` events pass, and each fits the pattern. */
static void check_play(struct cast *cast, const char *const *args, int count, const char *pattern)
{
	struct tracer *tracer = tracer_begin(true, args);

	play(cast);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	must(rmdir(CGROUP));
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

FILTER_TEST(one_port, 3, "port=60609 comm=live_test", "--port", "60609")
FILTER_TEST(ports_and_events, 12, "kernel=false", "-P60609-60610,40000-40100", "--event",
	    "alloc,free")
FILTER_TEST(protocol_and_ipv4, 10, "proto=tcp family=ipv4", "-4", "--proto", "tcp")
FILTER_TEST(ipv6, 2, "family=ipv6 port=60610", "-6")
FILTER_TEST(remote_port_and_address, 2, "comm=alice raddr=127.0.0.1 rport=8080", "-D", "8080",
	    "--remote", "127.0.0.1/32")
FILTER_TEST(user_and_event, 3, "uid=1000 comm=alice event=alloc", "-u", "1000", "--event", "alloc")
FILTER_TEST(ways_and_ephemeral, 2, "port=40000 proto=udp", "--via", "autobind,fixed",
	    "--ephemeral")
FILTER_TEST(cgroup, 2, "cgroup=/live_filter comm=bob", "-c", CGROUP)

static void a_namespace_by_inode(struct scene *scene)
{
	struct cast cast = cast_begin();
	char inode[24], pattern[40];

	snprintf(inode, sizeof(inode), "%lu", (unsigned long)scene->netns);
	snprintf(pattern, sizeof(pattern), "netns=%s", inode);
	check_play(&cast, ARGS("-N", inode), PLAY_EVENTS_HERE, pattern);
}

static void namespaces_by_path_and_name(struct scene *scene)
{
	struct cast cast = cast_begin();
	char path[40];

	(void)scene;
	/* As `ip netns add` leaves it. */
	mkdir("/run/netns", 0755);
	must(close(must(open("/run/netns/live", O_CREAT | O_RDONLY | O_CLOEXEC, 0644))));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", cast.carol.pid);
	must(mount(path, "/run/netns/live", NULL, MS_BIND, NULL));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", cast.dave.pid);
	check_play(&cast, ARGS("-N", "live", "--netns", path), 4, "port=7001");
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
	tracer = tracer_filtered("--comm", "sha*");
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

/* What is counted is what is shown. */
static void process_and_count(struct scene *scene)
{
	struct cast cast = cast_begin();
	struct tracer *tracer;
	char pid[16];

	(void)scene;
	snprintf(pid, sizeof(pid), "%d", cast.alice.pid);
	tracer = tracer_filtered("-p", pid, "--count", "5");
	play(&cast);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	must(rmdir(CGROUP));
	assert_true(tracer_ended(tracer));
	assert_int_equal(tracer_count(tracer, "pid=%s comm=alice", pid), 5);
	assert_int_equal(tracer_count(tracer, "%s", ""), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(one_port),
		SCENE_TEST(ports_and_events),
		SCENE_TEST(protocol_and_ipv4),
		SCENE_TEST(ipv6),
		SCENE_TEST(remote_port_and_address),
		SCENE_TEST(user_and_event),
		SCENE_TEST(ways_and_ephemeral),
		SCENE_TEST(cgroup),
		SCENE_TEST(a_namespace_by_inode),
		SCENE_TEST(namespaces_by_path_and_name),
		SCENE_TEST(process_and_count),
		SCENE_TEST(holders_stay_true),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
