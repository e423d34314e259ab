// SPDX-License-Identifier: BSD-2-Clause
/* How a TCP socket lets its port go, but for TIME_WAITs that run out (test_expire.c). */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 40000

/* A connection over loopback; its client's port is PORT, the only one there is. */
struct pair {
	int listener, client, server;
	struct span opened;
};

static struct pair pair_open(void)
{
	struct pair pair = { .listener = tcp_listen(NET_V4, SERVER) };

	net_range(PORT, PORT);
	timed(pair.opened, pair.client = tcp_connect(NET_V4, SERVER));
	pair.server = tcp_accept(pair.listener);
	return pair;
}

static void an_rst_frees_at_once(struct scene *scene)
{
	struct pair pair = pair_open();
	struct span closed;
	json_t *event;

	net_age(20);
	timed(closed, tcp_reset(pair.client));
	event = tracer_expect(scene->tracer, "event=free port=%d", PORT);
	event_check(event,
		    "end=close holders=0 laddr=127.0.0.1 raddr=127.0.0.1 rport=%d pid=%d tid=%d "
		    "comm=live_test thread=live_test",
		    SERVER, getpid(), gettid());
	event_check_ns(event, "open_ns", pair.opened, closed);
	event_check_ns(event, "held_ns", pair.opened, closed);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=time_wait"), 0);
	net_close(pair.server);
	net_close(pair.listener);
}

static void a_close_leaves_a_time_wait(struct scene *scene)
{
	struct pair pair = pair_open();
	struct span closed;
	json_t *event;

	net_age(20);
	timed(closed, tcp_close_pair(pair.client, pair.server));
	event = tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	event_check(event, "raddr=127.0.0.1 rport=%d pid=%d comm=live_test", SERVER, getpid());
	event_check_ns(event, "open_ns", pair.opened, closed);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
	net_close(pair.listener);
}

static void a_named_port_stays_in_time_wait(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client = tcp_connect_from(NET_V4, 60609, SERVER);

	tcp_close_pair(client, tcp_accept(listener));
	tracer_expect(scene->tracer, "event=alloc via=fixed port=60609 raddr=null holders=1");
	tracer_expect(scene->tracer, "event=time_wait port=60609 raddr=127.0.0.1 rport=%d pid=%d",
		      SERVER, getpid());
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=60609"), 2);
	net_close(listener);
}

/* By shutdown(): the TIME_WAIT holds the port, and so does the open descriptor. */
static void a_descriptor_outlives_its_connection(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client = tcp_connect_from(NET_V4, 60609, SERVER);
	int server = tcp_accept(listener);

	must(shutdown(client, SHUT_WR));
	net_close(server);
	tcp_wait_count(60609, TCP_TIME_WAIT, 1);
	tracer_expect(scene->tracer, "event=time_wait port=60609 tcp_state=TIME-WAIT");
	net_close(client);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=60609"), 2);
	net_close(listener);
}

/* The server closes first: TIME_WAIT is on its side, and its port is the listener's. */
static void a_passive_close_frees(struct scene *scene)
{
	struct pair pair = pair_open();
	char end;

	net_close(pair.server);
	must_be(must(read(pair.client, &end, 1)) == 0);
	net_close(pair.client);
	tcp_wait_count(SERVER, TCP_TIME_WAIT, 1);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=time_wait"), 0);
	net_close(pair.listener);
	tracer_expect(scene->tracer, "event=free port=%d end=close", SERVER);
}

static void without_room_there_is_no_time_wait(struct scene *scene)
{
	struct pair pair = pair_open();
	char end;

	net_sysctl("ipv4/tcp_max_tw_buckets", "0");
	net_close(pair.client);
	must_be(must(read(pair.server, &end, 1)) == 0);
	net_close(pair.server);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=time_wait"), 0);
	net_close(pair.listener);
}

/* An orphan in FIN_WAIT2 becomes a small socket, of which tcp_fin_timeout rids the port. */
static void an_orphan_expires(struct scene *scene)
{
	struct pair pair;
	struct span closed, expired;
	json_t *event;

	net_sysctl("ipv4/tcp_fin_timeout", "1");
	pair = pair_open();
	timed(closed, net_close(pair.client); tcp_wait_count(PORT, TCP_FIN_WAIT2, 1));
	event = tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	event_check(event, "tcp_state=FIN-WAIT-2 rport=%d", SERVER);
	event_check_ns(event, "open_ns", pair.opened, closed);
	/* the kernel takes it out of the table that /proc shows before it lets the port go */
	timed(expired, tcp_wait_count(PORT, TCP_FIN_WAIT2, 0);
	      event = tracer_expect(scene->tracer, "event=free port=%d", PORT));
	event_check(event, "end=expired holders=0 rport=%d pid=%d", SERVER, getpid());
	event_check_ns(event, "open_ns", pair.opened, closed);
	event_check_ns(event, "held_ns", pair.opened, expired);
	assert_true(event_number(event, "held_ns") > 700000000);
	net_close(pair.server);
	net_close(pair.listener);
}

static void an_rst_cuts_an_orphan(struct scene *scene)
{
	struct pair pair = pair_open();

	net_close(pair.client);
	tcp_wait_count(PORT, TCP_FIN_WAIT2, 1);
	tcp_reset(pair.server);
	tcp_wait_count(PORT, TCP_FIN_WAIT2, 0);
	tracer_expect(scene->tracer, "event=time_wait port=%d tcp_state=FIN-WAIT-2", PORT);
	tracer_expect(scene->tracer, "event=free port=%d end=cut holders=0", PORT);
	net_close(pair.listener);
}

static void data_cuts_an_orphan(struct scene *scene)
{
	struct pair pair = pair_open();

	net_close(pair.client);
	tcp_wait_count(PORT, TCP_FIN_WAIT2, 1);
	must(send(pair.server, "x", 1, MSG_NOSIGNAL));
	tcp_wait_count(PORT, TCP_FIN_WAIT2, 0);
	tracer_expect(scene->tracer, "event=free port=%d end=cut holders=0", PORT);
	net_close(pair.server);
	net_close(pair.listener);
}

/* A new connection from where the old one led to ends the old one's TIME_WAIT. */
static void a_syn_cuts_a_time_wait(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client = tcp_connect_from(NET_V4, 60609, SERVER);
	json_t *event;

	tcp_close_pair(client, tcp_accept(listener));
	net_close(listener);
	/* Its sequence numbers and timestamps must be beyond the old connection's. */
	net_age(1100);
	listener = tcp_listen(NET_V4, 60609);
	client = tcp_connect_from(NET_V4, SERVER, 60609);
	assert_int_equal(tcp_count(60609, TCP_TIME_WAIT), 0);
	tracer_expect(scene->tracer, "event=alloc port=60609 holders=2 reuse=shared");
	event = tracer_expect(scene->tracer, "event=free port=60609");
	event_check(event, "end=cut rport=%d holders=1", SERVER);
	assert_true(event_number(event, "held_ns") - event_number(event, "open_ns") >= 1100000000);
	tcp_reset(client);
	net_close(listener);
}

static int close_into_time_wait(int line, void *arg)
{
	int listener, client;

	(void)arg;
	net_unshare();
	net_range(PORT, PORT);
	listener = tcp_listen(NET_V4, SERVER);
	client = tcp_connect(NET_V4, SERVER);
	line_say(line, net_inode());
	tcp_close_pair(client, tcp_accept(listener));
	return 0;
}

static void the_end_of_a_namespace_cuts(struct scene *scene)
{
	struct actor actor;
	ino_t netns;

	actor_start(&actor, "short-lived", close_into_time_wait, NULL);
	netns = (unsigned int)line_hear(actor.line);
	/* Nothing was read yet since the test began. */
	tracer_scope(scene->tracer, netns);
	actor_join(&actor);
	tracer_expect(scene->tracer, "event=alloc port=%d pid=%d comm=short-lived", PORT,
		      actor.pid);
	tracer_expect(scene->tracer, "event=time_wait port=%d", PORT);
	tracer_expect(scene->tracer,
		      "event=free port=%d end=cut holders=0 pid=%d comm=short-lived netns=%lu",
		      PORT, actor.pid, (unsigned long)netns);
}

static void check_taken_over(struct scene *scene, int port, const char *alloc)
{
	json_t *event = tracer_expect(scene->tracer, "event=time_wait port=%d", port);
	long long aged = event_number(event, "open_ns") + 1000000000;

	event = tracer_expect(scene->tracer, "event=free port=%d", port);
	event_check(event, "end=reused rport=%d", SERVER);
	assert_true(event_number(event, "held_ns") > aged);
	tracer_expect(scene->tracer, "event=alloc port=%d %s", port, alloc);
}

/* tcp_tw_reuse: connect() may take a port out of TIME_WAIT after a second. */
static void connect_takes_over_a_time_wait(struct scene *scene)
{
	struct pair pair = pair_open();

	net_sysctl("ipv4/tcp_tw_reuse", "1");
	tcp_close_pair(pair.client, pair.server);
	net_age(1100);
	pair.client = tcp_connect(NET_V4, SERVER);
	assert_int_equal(net_port(pair.client), PORT);
	check_taken_over(scene, PORT,
			 "via=connect reuse=time_wait reuse_ns=null holders=1 rport=8080");
	tcp_reset(pair.client);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(pair.listener);
}

/* The bind shares the port with the TIME_WAIT, the connect then ends that. */
static void a_named_port_takes_over_a_time_wait(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client = tcp_connect_from(NET_V4, 60609, SERVER);

	net_sysctl("ipv4/tcp_tw_reuse", "1");
	tcp_close_pair(client, tcp_accept(listener));
	net_age(1100);
	client = tcp_connect_from(NET_V4, 60609, SERVER);
	tracer_expect(scene->tracer, "event=time_wait port=60609");
	tracer_expect(scene->tracer, "event=alloc via=fixed port=60609 holders=2 reuse=shared");
	tracer_expect(scene->tracer, "event=free port=60609 end=reused holders=1");
	tcp_reset(client);
	tracer_expect(scene->tracer, "event=free port=60609 end=close holders=0");
	net_close(listener);
}

static void time_waits_share_a_port(struct scene *scene)
{
	struct pair pair = pair_open();
	int listener = tcp_listen(NET_V4, SERVER + 1);
	int client = tcp_connect(NET_V4, SERVER + 1);

	assert_int_equal(net_port(client), PORT);
	tcp_close_pair(pair.client, pair.server);
	tcp_close_pair(client, tcp_accept(listener));
	tracer_expect(scene->tracer, "event=alloc port=%d holders=2", PORT);
	tracer_expect(scene->tracer, "event=time_wait port=%d rport=%d", PORT, SERVER);
	tracer_expect(scene->tracer, "event=time_wait port=%d rport=%d", PORT, SERVER + 1);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), 0);
	net_close(pair.listener);
	net_close(listener);
}

static void the_peer_refuses(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -ECONNREFUSED);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d rport=%d", PORT, SERVER);
	tracer_expect(scene->tracer,
		      "event=free end=close port=%d raddr=127.0.0.1 rport=%d holders=0", PORT,
		      SERVER);
	net_close(fd);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
	assert_int_equal(tracer_count(scene->tracer, "event=fail"), 0);
}

static void a_silent_peer_is_given_up(struct scene *scene)
{
	int listener = tcp_listen_deaf(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);
	struct span opened, closed;
	json_t *event;

	net_range(PORT, PORT);
	must(fcntl(fd, F_SETFL, O_NONBLOCK));
	timed(opened, assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EINPROGRESS));
	net_age(20);
	assert_int_equal(tcp_state(fd), TCP_SYN_SENT);
	tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	timed(closed, net_close(fd));
	event = tracer_expect(scene->tracer, "event=free port=%d", PORT);
	event_check(event, "end=close holders=0 rport=%d", SERVER);
	event_check_ns(event, "open_ns", opened, closed);
	net_close(listener);
}

/* The kernel frees the port when the RST comes, long before close(2), in softirq. */
static int reset_when_told(int line, void *arg)
{
	line_hear(line);
	tcp_reset(*(int *)arg);
	return 0;
}

static void the_peer_resets(struct scene *scene)
{
	struct pair pair = pair_open();
	struct actor actor;

	actor_start(&actor, "resetter", reset_when_told, &pair.server);
	net_close(pair.server);
	line_say(actor.line, 0);
	actor_join(&actor);
	tracer_expect(scene->tracer,
		      "event=free port=%d end=close holders=0 pid=%d tid=%d comm=live_test", PORT,
		      getpid(), gettid());
	assert_int_equal(tcp_state(pair.client), TCP_CLOSE);
	net_close(pair.client);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", PORT), 2);
	net_close(pair.listener);
}

static void bind_to_zero_and_close(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_range(PORT, PORT);
	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	net_close(fd);
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d", PORT);
	tracer_expect(scene->tracer, "event=free end=close port=%d raddr=null holders=0", PORT);
}

/* connect(AF_UNSPEC) gives up a port that the kernel chose; the next connect() takes one anew. */
static void disconnect_and_connect_again(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);
	struct span left, back;
	json_t *event;

	net_range(PORT, PORT);
	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	timed(left, net_disconnect(fd));
	timed(back, assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0));
	tracer_expect(scene->tracer, "event=alloc via=bind port=%d reuse=first", PORT);
	tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
	event = tracer_expect(scene->tracer, "event=alloc port=%d", PORT);
	event_check(event, "via=connect reuse=clean holders=1 rport=%d prev_pid=%d", SERVER,
		    getpid());
	event_check_ns(event, "reuse_ns", left, back);
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free end=close port=%d holders=0", PORT);
	net_close(listener);
}

static void a_named_port_survives_a_disconnect(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = tcp_connect_from(NET_V4, 60609, SERVER);

	net_disconnect(fd);
	assert_int_equal(net_port(fd), 60609);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "port=60609"), 1);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free end=close port=60609 holders=0");
	assert_int_equal(tracer_count(scene->tracer, "port=60609"), 2);
	net_close(listener);
}

/* One named port, two connections one after the other, two TIME_WAITs: still one hold. */
static void one_socket_leaves_two_time_waits(struct scene *scene)
{
	int one = tcp_listen(NET_V4, SERVER), two = tcp_listen(NET_V4, SERVER + 1);
	int fd = tcp_connect_from(NET_V4, 60609, SERVER), server = tcp_accept(one);

	must(shutdown(fd, SHUT_WR));
	net_close(server);
	tcp_wait_count(60609, TCP_TIME_WAIT, 1);
	net_disconnect(fd);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER + 1), 0);
	tcp_close_pair(fd, tcp_accept(two));
	assert_int_equal(tcp_count(60609, TCP_TIME_WAIT), 2);
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=60609"), 1);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=60609"), 0);
	tracer_expect(scene->tracer, "event=time_wait port=60609 rport=%d", SERVER);
	tracer_expect(scene->tracer, "event=time_wait port=60609 rport=%d", SERVER + 1);
	net_close(one);
	net_close(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(an_rst_frees_at_once),
		SCENE_TEST(a_close_leaves_a_time_wait),
		SCENE_TEST(a_named_port_stays_in_time_wait),
		SCENE_TEST(a_descriptor_outlives_its_connection),
		SCENE_TEST(a_passive_close_frees),
		SCENE_TEST(without_room_there_is_no_time_wait),
		SCENE_TEST(an_orphan_expires),
		SCENE_TEST(an_rst_cuts_an_orphan),
		SCENE_TEST(data_cuts_an_orphan),
		SCENE_TEST(a_syn_cuts_a_time_wait),
		SCENE_TEST(the_end_of_a_namespace_cuts),
		SCENE_TEST(connect_takes_over_a_time_wait),
		SCENE_TEST(a_named_port_takes_over_a_time_wait),
		SCENE_TEST(time_waits_share_a_port),
		SCENE_TEST(the_peer_refuses),
		SCENE_TEST(a_silent_peer_is_given_up),
		SCENE_TEST(the_peer_resets),
		SCENE_TEST(bind_to_zero_and_close),
		SCENE_TEST(disconnect_and_connect_again),
		SCENE_TEST(a_named_port_survives_a_disconnect),
		SCENE_TEST(one_socket_leaves_two_time_waits),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
