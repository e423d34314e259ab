// SPDX-License-Identifier: BSD-2-Clause
/* Multipath TCP: its subflows are TCP sockets, some of them opened by a kernel worker. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/mptcp.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "netlink.h"
#include "scene.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define SERVER 8080
#define PORT 40000
#define SECOND "127.0.0.2"

static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
}

static void needs_mptcp(void)
{
	int fd = try_socket();

	if (fd < 0) {
		scene_skip("this kernel has no MPTCP: %s", strerror(errno));
	}
	net_close(fd);
	net_sysctl("mptcp/enabled", "1");
	/* a subflow that closes first leaves no TIME_WAIT: who does is not the test's choice */
	net_sysctl("ipv4/tcp_max_tw_buckets", "0");
}

static int mptcp_listen(int port)
{
	int fd = must(try_socket());

	net_set(fd, SO_REUSEADDR);
	assert_int_equal(net_try_bind(fd, NET_V4, port), 0);
	assert_int_equal(net_try_listen(fd), 0);
	return fd;
}

static int mptcp_connect(void)
{
	int fd = must(try_socket());

	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	return fd;
}

/* A byte each way: then both ends know that the other speaks MPTCP. */
static void talk(int client, int server)
{
	char byte;

	must_be(must(write(client, "x", 1)) == 1);
	must_be(must(read(server, &byte, 1)) == 1);
	must_be(must(write(server, "x", 1)) == 1);
	must_be(must(read(client, &byte, 1)) == 1);
}

/* That each hold of PORT began and ended once. */
static void check_lives(struct scene *scene, int lives)
{
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), lives);
}

static void a_first_subflow_is_the_process_s(struct scene *scene)
{
	int listener, client, server;

	needs_mptcp();
	listener = mptcp_listen(SERVER);
	net_range(PORT, PORT);
	client = mptcp_connect();
	server = tcp_accept(listener);
	talk(client, server);
	tracer_expect(scene->tracer,
		      "event=alloc via=fixed proto=tcp port=%d holders=1 pid=%d comm=live_test",
		      SERVER, getpid());
	tracer_expect(scene->tracer,
		      "event=alloc via=connect proto=tcp port=%d raddr=127.0.0.1 rport=%d "
		      "holders=1 pid=%d tid=%d comm=live_test kernel=false",
		      PORT, SERVER, getpid(), gettid());
	net_close(client);
	net_close(server);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 pid=%d", PORT,
		      getpid());
	net_close(listener);
	tracer_expect(scene->tracer, "event=free port=%d", SERVER);
	check_lives(scene, 1);
}

static void a_listener_that_named_no_port(struct scene *scene)
{
	int fd, port;

	needs_mptcp();
	fd = mptcp_listen(0);
	port = net_port(fd);
	tracer_expect(scene->tracer, "event=alloc via=bind proto=tcp port=%d holders=1 pid=%d",
		      port, getpid());
	net_close(fd);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0", port);
	fd = must(try_socket());
	assert_int_equal(net_try_listen(fd), 0);
	port = net_port(fd);
	tracer_expect(scene->tracer, "event=alloc via=listen proto=tcp port=%d pid=%d", port,
		      getpid());
	net_close(fd);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0", port);
}

/* The other end speaks TCP only. */
static void a_fallback_is_a_connection_like_any(struct scene *scene)
{
	int listener, client, server;

	needs_mptcp();
	listener = tcp_listen(NET_V4, SERVER);
	net_range(PORT, PORT);
	client = mptcp_connect();
	server = tcp_accept(listener);
	talk(client, server);
	net_close(server);
	net_close(client);
	tracer_expect(scene->tracer, "event=alloc via=connect proto=tcp port=%d pid=%d holders=1",
		      PORT, getpid());
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0 rport=%d",
		      PORT, SERVER);
	net_close(listener);
	check_lives(scene, 1);
}

static void a_refused_mptcp_connect(struct scene *scene)
{
	int listener, client, refused;

	needs_mptcp();
	listener = mptcp_listen(SERVER);
	net_range(PORT, PORT);
	client = mptcp_connect();
	refused = must(try_socket());
	assert_int_equal(net_try_connect(refused, NET_V4, SERVER), -EADDRNOTAVAIL);
	tracer_expect(scene->tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=0 pid=%d",
		      getpid());
	net_close(refused);
	net_close(client);
	net_close(tcp_accept(listener));
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	net_close(listener);
	check_lives(scene, 1);
}

/* ---- the path manager -------------------------------------------------------------- */

static void pm_begin(struct netlink_request *request, int family, int command)
{
	struct genlmsghdr header = { .cmd = command, .version = MPTCP_PM_VER };

	netlink_begin(request, family, 0, &header, sizeof(header));
}

static int pm_family(void)
{
	struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	struct netlink_request request;
	int family;

	netlink_begin(&request, GENL_ID_CTRL, 0, &header, sizeof(header));
	netlink_put(&request, CTRL_ATTR_FAMILY_NAME, MPTCP_PM_NAME, sizeof(MPTCP_PM_NAME));
	family = netlink_ask_u16(NETLINK_GENERIC, &request, sizeof(header), CTRL_ATTR_FAMILY_ID);
	must_be(family > 0);
	return family;
}

static void pm_try(struct netlink_request *request)
{
	must((errno = -netlink_try(NETLINK_GENERIC, request)) ? -1 : 0);
}

/* Two subflows beyond the first, at either end. */
static void pm_allow(int family)
{
	struct netlink_request request;
	uint32_t limit = 2;

	pm_begin(&request, family, MPTCP_PM_CMD_SET_LIMITS);
	netlink_put(&request, MPTCP_PM_ATTR_RCV_ADD_ADDRS, &limit, sizeof(limit));
	netlink_put(&request, MPTCP_PM_ATTR_SUBFLOWS, &limit, sizeof(limit));
	pm_try(&request);
}

static void pm_add(int family, const char *addr, uint16_t port, uint32_t flags)
{
	struct netlink_request request;
	uint16_t inet = AF_INET;
	struct in_addr in4;
	size_t nest;

	must_be(inet_pton(AF_INET, addr, &in4) == 1);
	pm_begin(&request, family, MPTCP_PM_CMD_ADD_ADDR);
	nest = netlink_nest(&request, MPTCP_PM_ATTR_ADDR);
	netlink_put(&request, MPTCP_PM_ADDR_ATTR_FAMILY, &inet, sizeof(inet));
	netlink_put(&request, MPTCP_PM_ADDR_ATTR_ADDR4, &in4, sizeof(in4));
	if (port)
		netlink_put(&request, MPTCP_PM_ADDR_ATTR_PORT, &port, sizeof(port));
	netlink_put(&request, MPTCP_PM_ADDR_ATTR_FLAGS, &flags, sizeof(flags));
	netlink_nest_end(&request, nest);
	pm_try(&request);
}

/*
 * The second subflow is a worker's work, which binds it to its address first. But
 * the port is the process's: no owner is no lie, the worker would be one.
 */
static void a_further_subflow_is_no_worker_s(struct scene *scene)
{
	int listener, client, server, family, client_port, back;
	json_t *event;

	needs_mptcp();
	family = pm_family();
	pm_allow(family);
	pm_add(family, SECOND, 0, MPTCP_PM_ADDR_FLAG_SUBFLOW);
	listener = mptcp_listen(SERVER);
	client = mptcp_connect();
	client_port = net_port(client);
	server = tcp_accept(listener);
	talk(client, server);
	event = tracer_expect(scene->tracer, "event=alloc proto=tcp laddr=" SECOND);
	event_check(event, "via=bind ephemeral=true holders=1 rport=null");
	if (!json_is_null(json_object_get(event, "pid")))
		event_check(event, "pid=%d comm=live_test kernel=false", getpid());
	net_close(client);
	net_close(server);
	tracer_expect(scene->tracer,
		      "event=free proto=tcp laddr=" SECOND
		      " end=close holders=0 raddr=127.0.0.1 rport=%d",
		      SERVER);
	net_close(listener);
	tracer_sync(scene->tracer);
	/* The server's end has that address, too: it may try one back, which nobody accepts. */
	back = tracer_count(scene->tracer, "event=free proto=tcp laddr=" SECOND " rport=%d",
			    client_port);
	assert_in_range(back, 0, 1);
	/* the listener, two subflows */
	assert_int_equal(tracer_count(scene->tracer, "event=alloc proto=tcp"), 3 + back);
	assert_int_equal(tracer_count(scene->tracer, "event=free proto=tcp"), 3 + back);
}

/* What the spec promises of it. */
static void a_further_subflow_is_the_connection_s_owner_s(struct scene *scene)
{
	int listener, client, server, family;

	needs_mptcp();
	family = pm_family();
	pm_allow(family);
	pm_add(family, SECOND, 0, MPTCP_PM_ADDR_FLAG_SUBFLOW);
	listener = mptcp_listen(SERVER);
	client = mptcp_connect();
	server = tcp_accept(listener);
	talk(client, server);
	tracer_expect(scene->tracer, "event=alloc proto=tcp laddr=" SECOND " pid=%d comm=live_test",
		      getpid());
	net_close(client);
	net_close(server);
	net_close(listener);
}

/* A port that the server offers for joining: a listener that the kernel owns. */
static void a_listener_of_the_kernel(struct scene *scene)
{
	int family;

	needs_mptcp();
	family = pm_family();
	pm_allow(family);
	pm_add(family, SECOND, PORT, MPTCP_PM_ADDR_FLAG_SIGNAL);
	tracer_expect(scene->tracer,
		      "event=alloc via=fixed proto=tcp port=%d laddr=" SECOND
		      " holders=1 pid=%d kernel=false",
		      PORT, getpid());
	{
		struct netlink_request request;

		pm_begin(&request, family, MPTCP_PM_CMD_FLUSH_ADDRS);
		pm_try(&request);
	}
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_first_subflow_is_the_process_s),
		SCENE_TEST(a_listener_that_named_no_port),
		SCENE_TEST(a_fallback_is_a_connection_like_any),
		SCENE_TEST(a_refused_mptcp_connect),
		SCENE_TEST(a_further_subflow_is_no_worker_s),
		SCENE_TEST(a_further_subflow_is_the_connection_s_owner_s),
		SCENE_TEST(a_listener_of_the_kernel),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
