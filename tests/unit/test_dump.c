// SPDX-License-Identifier: BSD-2-Clause
/* Dumping sockets that the test makes in network namespaces of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/messages.h"
#include "user/live/dump.h"

#define ROWS_MAX 64

struct rows {
	struct sock_row rows[ROWS_MAX];
	unsigned int count;
	int netns_after; /* this many rows came before their namespace */
	int answer;	 /* what the callback returns */
};

static int keep(const struct sock_row *row, void *data)
{
	struct rows *rows = data;

	if (rows->count < ROWS_MAX)
		rows->rows[rows->count] = *row;
	rows->count++;
	return rows->answer;
}

/* ---- real sockets ---------------------------------------------------------- */

/* NULL: sockets can be dumped in a namespace of the test's own. */
static const char *reason;
static __u32 own_netns;

#define NEED_NAMESPACE()                                                                           \
	do {                                                                                       \
		if (reason) {                                                                      \
			print_message("skipped: %s\n", reason);                                    \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static __u32 this_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) ? 0 : (__u32)st.st_ino;
}

static int lo_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int err = ioctl(fd, SIOCSIFFLAGS, &request);

	close(fd);
	return err;
}

static int ignore(const struct sock_row *row, void *data)
{
	(void)row;
	(void)data;
	return 0;
}

static int enter_namespace(void **state)
{
	struct dump_options options = { .netns = 0 };
	struct dump_result result;

	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || lo_up() ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		reason = "no network namespace of its own (not root?)";
		return 0;
	}
	own_netns = this_netns();
	options.netns = own_netns;
	if (dump_all(&options, ignore, NULL, &result))
		reason = "no sock_diag";
	else if (result.missing)
		reason = "no tcp_diag or udp_diag";
	return 0;
}

static void dump(const struct dump_options *options, struct rows *rows, struct dump_result *result)
{
	rows->count = 0;
	rows->answer = 0;
	assert_int_equal(dump_all(options, keep, rows, result), 0);
	assert_true(rows->count <= ROWS_MAX);
	assert_int_equal(result->rows, rows->count);
	assert_int_equal(result->incomplete, 0);
	assert_int_equal(result->incomplete_error, 0);
	assert_int_equal(result->refused, 0);
	assert_int_equal(result->missing, 0);
}

static void dump_own(__u8 proto, struct rows *rows)
{
	struct dump_options options = { .proto = proto, .netns = own_netns };
	struct dump_result result;

	dump(&options, rows, &result);
	assert_int_equal(result.namespaces, 1);
}

/* The only row with that local port, proto and state. */
static const struct sock_row *only(const struct rows *rows, __u8 proto, __u16 port, int state)
{
	const struct sock_row *found = NULL;

	for (unsigned int i = 0; i < rows->count; i++) {
		const struct sock_row *row = &rows->rows[i];

		if (row->space.proto != proto || row->port != port || row->state != state)
			continue;
		assert_null(found);
		found = row;
	}
	assert_non_null(found);
	return found;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address loopback(int family, __u16 port)
{
	union address address = { .v6 = { .sin6_family = (sa_family_t)family,
					  .sin6_port = htons(port) } };

	if (family == AF_INET)
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		address.v6.sin6_addr = in6addr_loopback;
	return address;
}

static __u16 port_of(int fd)
{
	union address address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, &address.any, &len), 0);
	return ntohs(address.v4.sin_port); /* the same place in both */
}

static __u64 cookie_of(int fd)
{
	__u64 cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static __u32 inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (__u32)st.st_ino;
}

/* Bound to a port of the kernel's choice. */
static int bound(int family, int type)
{
	union address address = loopback(family, 0);
	int fd = socket(family, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &address.any, sizeof(address)), 0);
	return fd;
}

static int listener(int family)
{
	int fd = bound(family, SOCK_STREAM);

	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int connected(int family, int type, __u16 port)
{
	union address address = loopback(family, port);
	int fd = socket(family, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &address.any, sizeof(address)), 0);
	return fd;
}

static void assert_socket(const struct sock_row *row, int fd, int family)
{
	assert_int_equal(row->family, family);
	assert_int_equal(row->cookie, cookie_of(fd));
	assert_int_equal(row->inode, inode_of(fd));
	assert_int_equal(row->uid, getuid());
	assert_int_equal(row->space.netns, own_netns);
	assert_int_equal(row->space.vrf, 0);
	assert_false(row->has_tw);
}

/* Leaves no TIME_WAIT to the tests that follow. */
static void reset(int fd)
{
	struct linger at_once = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
}

static void check_tcp(int family, const char *address)
{
	int server = listener(family), client, accepted;
	struct rows rows;

	client = connected(family, SOCK_STREAM, port_of(server));
	accepted = accept(server, NULL, NULL);
	assert_true(accepted >= 0);
	dump_own(IPPROTO_TCP, &rows);
	assert_int_equal(rows.count, 3);
	assert_socket(only(&rows, IPPROTO_TCP, port_of(server), TCP_LISTEN), server, family);
	assert_socket(only(&rows, IPPROTO_TCP, port_of(server), TCP_ESTABLISHED), accepted, family);
	assert_socket(only(&rows, IPPROTO_TCP, port_of(client), TCP_ESTABLISHED), client, family);
	assert_address(only(&rows, IPPROTO_TCP, port_of(client), TCP_ESTABLISHED)->laddr, address);
	assert_int_equal(only(&rows, IPPROTO_TCP, port_of(client), TCP_ESTABLISHED)->rport,
			 port_of(server));
	assert_int_equal(only(&rows, IPPROTO_TCP, port_of(server), TCP_LISTEN)->rport, 0);
	dump_own(IPPROTO_UDP, &rows);
	assert_int_equal(rows.count, 0);
	reset(client);
	close(accepted);
	close(server);
}

static void test_tcp(void **state)
{
	(void)state;
	NEED_NAMESPACE();
	check_tcp(AF_INET, "::ffff:127.0.0.1");
	check_tcp(AF_INET6, "::1");
}

static void test_udp(void **state)
{
	int fds[3];
	struct rows rows;

	(void)state;
	NEED_NAMESPACE();
	fds[0] = bound(AF_INET, SOCK_DGRAM);
	fds[1] = bound(AF_INET6, SOCK_DGRAM);
	fds[2] = connected(AF_INET, SOCK_DGRAM, port_of(fds[0]));
	dump_own(0, &rows);
	assert_int_equal(rows.count, 3);
	assert_socket(only(&rows, IPPROTO_UDP, port_of(fds[0]), TCP_CLOSE), fds[0], AF_INET);
	assert_socket(only(&rows, IPPROTO_UDP, port_of(fds[1]), TCP_CLOSE), fds[1], AF_INET6);
	assert_socket(only(&rows, IPPROTO_UDP, port_of(fds[2]), TCP_ESTABLISHED), fds[2], AF_INET);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

static bool has_bound_idle(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 8);
}

static void test_bound_idle(void **state)
{
	struct dump_options options = { .proto = IPPROTO_TCP, .netns = own_netns };
	struct dump_result result;
	struct rows rows;
	int fd;

	(void)state;
	NEED_NAMESPACE();
	dump(&options, &rows, &result); /* none there that could tell */
	assert_int_equal(rows.count, 0);
	assert_int_equal(result.bound_idle_unseen, !has_bound_idle());
	fd = bound(AF_INET6, SOCK_STREAM);
	dump(&options, &rows, &result);
	assert_int_equal(result.bound_idle_unseen, !has_bound_idle());
	assert_int_equal(rows.count, has_bound_idle());
	if (rows.count)
		assert_socket(only(&rows, IPPROTO_TCP, port_of(fd), TCP_CLOSE), fd, AF_INET6);
	close(fd);
	options.proto = IPPROTO_UDP; /* it was not looked for */
	dump(&options, &rows, &result);
	assert_false(result.bound_idle_unseen);
}

/* Until the socket's peer said that it closes, too. */
static void close_and_wait(int client, int server)
{
	char byte;

	shutdown(client, SHUT_WR);
	assert_int_equal(read(server, &byte, 1), 0);
	close(server);
	assert_int_equal(read(client, &byte, 1), 0);
	close(client);
}

static void test_time_wait(void **state)
{
	int server, client;
	const struct sock_row *row;
	struct rows rows;
	__u64 cookie;
	__u16 port;

	(void)state;
	NEED_NAMESPACE();
	server = listener(AF_INET);
	client = connected(AF_INET, SOCK_STREAM, port_of(server));
	port = port_of(client);
	cookie = cookie_of(client);
	close_and_wait(client, accept(server, NULL, NULL));
	dump_own(IPPROTO_TCP, &rows);
	assert_int_equal(rows.count, 2);
	row = only(&rows, IPPROTO_TCP, port, TCP_TIME_WAIT);
	assert_true(row->has_tw);
	assert_in_range(row->tw_left_ms, 50000, 60000);
	assert_int_equal(row->rport, port_of(server));
	assert_int_equal(row->cookie, cookie);
	assert_int_equal(row->inode, 0);
	close(server);
}

/* The peer's ACK of a FIN can be delayed. */
static void wait_for_state(int fd, int wanted)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	for (int i = 0; i < 5000 && info.tcpi_state != wanted; i++) {
		usleep(1000);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	}
	assert_int_equal(info.tcpi_state, wanted);
}

/* An orphan's FIN_WAIT2: the peer does not close. */
static void test_fin_wait2(void **state)
{
	int server, client, accepted;
	const struct sock_row *row;
	struct rows rows;
	__u16 port;

	(void)state;
	NEED_NAMESPACE();
	server = listener(AF_INET6);
	client = connected(AF_INET6, SOCK_STREAM, port_of(server));
	port = port_of(client);
	accepted = accept(server, NULL, NULL);
	shutdown(client, SHUT_WR);
	wait_for_state(client, TCP_FIN_WAIT2);
	close(client);
	dump_own(IPPROTO_TCP, &rows);
	row = only(&rows, IPPROTO_TCP, port, TCP_FIN_WAIT2);
	assert_true(row->has_tw);
	assert_in_range(row->tw_left_ms, 1, 60000);
	only(&rows, IPPROTO_TCP, port_of(accepted), TCP_CLOSE_WAIT);
	close(accepted);
	close(server);
}

/* The kernel waits for data before it believes in the connection. */
static void test_request_socket(void **state)
{
	int server, client, seconds = 30;
	struct rows rows;

	(void)state;
	NEED_NAMESPACE();
	server = listener(AF_INET);
	assert_int_equal(
		setsockopt(server, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	client = connected(AF_INET, SOCK_STREAM, port_of(server));
	dump_own(IPPROTO_TCP, &rows);
	assert_int_equal(rows.count, 2);
	only(&rows, IPPROTO_TCP, port_of(server), TCP_LISTEN);
	only(&rows, IPPROTO_TCP, port_of(client), TCP_ESTABLISHED);
	close(server);
	reset(client);
}

static void test_port_filter(void **state)
{
	struct port_set ports = { { 0 } };
	struct dump_options options = { .netns = own_netns, .ports = &ports };
	struct dump_result result;
	struct rows rows;
	int fds[3];

	(void)state;
	NEED_NAMESPACE();
	for (size_t i = 0; i < 3; i++)
		fds[i] = bound(AF_INET, SOCK_DGRAM);
	port_set_add(&ports, port_of(fds[1]));
	dump(&options, &rows, &result);
	assert_int_equal(rows.count, 1);
	assert_int_equal(rows.rows[0].port, port_of(fds[1]));
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

static void test_callback_ends_it(void **state)
{
	struct dump_options options = { .netns = own_netns };
	struct rows rows = { .answer = -EXFULL };
	struct dump_result result;
	int a, b;

	(void)state;
	NEED_NAMESPACE();
	a = bound(AF_INET, SOCK_DGRAM);
	b = bound(AF_INET, SOCK_DGRAM);
	assert_int_equal(dump_all(&options, keep, &rows, &result), -EXFULL);
	assert_int_equal(rows.count, 1);
	assert_int_equal(this_netns(), own_netns);
	close(a);
	close(b);
}

static int keep_netns(const struct dump_netns *netns, void *data)
{
	struct rows *rows = data;

	assert_int_equal(netns->inode, own_netns);
	assert_true(netns->whole);
	assert_non_null(netns->range);
	assert_int_equal(netns->range->low, 41000);
	assert_int_equal(netns->range->high, 41999);
	rows->netns_after = rows->count;
	return rows->answer;
}

/* Of the namespace itself, though the thread is back in its own: see the sysctl. */
static void test_namespace_is_told(void **state)
{
	struct dump_options options = { .netns = own_netns, .netns_done = keep_netns };
	struct rows rows = { .count = 0, .netns_after = -1 };
	int fd = bound(AF_INET, SOCK_DGRAM);
	struct dump_result result;
	FILE *file;

	(void)state;
	NEED_NAMESPACE();
	file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
	assert_non_null(file);
	assert_true(fputs("41000 41999", file) >= 0);
	assert_int_equal(fclose(file), 0);
	dump(&options, &rows, &result);
	assert_int_equal(rows.netns_after, rows.count);
	assert_true(rows.count > 0);
	options.only_netns = true;
	rows.netns_after = -1;
	dump(&options, &rows, &result);
	assert_int_equal(rows.netns_after, 0);
	rows.answer = -ECANCELED;
	rows.count = 0;
	options.proto = IPPROTO_TCP; /* no rows: the answer is the namespace's */
	assert_int_equal(dump_all(&options, keep, &rows, &result), -ECANCELED);
	close(fd);
}

static int count_up(const struct sock_row *row, void *data)
{
	(void)row;
	++*(unsigned int *)data;
	return 0;
}

/* More than fit into one of the kernel's messages. */
static void test_many(void **state)
{
	struct dump_options options = { .proto = IPPROTO_UDP, .netns = own_netns };
	static int fds[900];
	struct dump_result result;
	unsigned int count = 0;

	(void)state;
	NEED_NAMESPACE();
	for (size_t i = 0; i < 900; i++)
		fds[i] = bound(AF_INET, SOCK_DGRAM);
	assert_int_equal(dump_all(&options, count_up, &count, &result), 0);
	assert_int_equal(count, 900);
	for (size_t i = 0; i < 900; i++)
		close(fds[i]);
}

/* ---- several namespaces ---------------------------------------------------- */

/* A thread, or a mount, in a namespace of its own, with one listener. */
struct elsewhere {
	pthread_t thread;
	pthread_barrier_t barrier;
	__u32 netns;
	__u64 netns_cookie; /* 0: the kernel has none */
	int fd;
	__u16 port;
};

static void move_away(struct elsewhere *elsewhere)
{
	socklen_t len = sizeof(elsewhere->netns_cookie);

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(lo_up(), 0);
	elsewhere->netns = this_netns();
	elsewhere->fd = listener(AF_INET);
	elsewhere->port = port_of(elsewhere->fd);
	elsewhere->netns_cookie = 0;
	getsockopt(elsewhere->fd, SOL_SOCKET, 71, &elsewhere->netns_cookie, &len);
}

static void *live_elsewhere(void *data)
{
	struct elsewhere *elsewhere = data;

	move_away(elsewhere);
	pthread_barrier_wait(&elsewhere->barrier);
	pthread_barrier_wait(&elsewhere->barrier);
	close(elsewhere->fd);
	return NULL;
}

static void check_elsewhere(const struct elsewhere *elsewhere)
{
	struct dump_options options = { .netns = 0 };
	struct dump_result result;
	struct rows rows;
	const struct sock_row *row;

	assert_int_not_equal(elsewhere->netns, own_netns);
	assert_int_equal(dump_all(&options, ignore, NULL, &result), 0);
	assert_true(result.namespaces >= 2);
	assert_int_equal(this_netns(), own_netns);
	options.netns = elsewhere->netns;
	dump(&options, &rows, &result);
	assert_int_equal(result.namespaces, 1);
	assert_int_equal(rows.count, 1);
	row = only(&rows, IPPROTO_TCP, elsewhere->port, TCP_LISTEN);
	assert_int_equal(row->space.netns, elsewhere->netns);
	assert_int_equal(row->space.netns_cookie, elsewhere->netns_cookie);
	assert_int_equal(row->inode, inode_of(elsewhere->fd));
}

static void test_namespace_of_a_thread(void **state)
{
	struct elsewhere elsewhere;

	(void)state;
	NEED_NAMESPACE();
	pthread_barrier_init(&elsewhere.barrier, NULL, 2);
	assert_int_equal(pthread_create(&elsewhere.thread, NULL, live_elsewhere, &elsewhere), 0);
	pthread_barrier_wait(&elsewhere.barrier);
	check_elsewhere(&elsewhere);
	pthread_barrier_wait(&elsewhere.barrier);
	pthread_join(elsewhere.thread, NULL);
	pthread_barrier_destroy(&elsewhere.barrier);
}

static void test_namespace_of_a_mount(void **state)
{
	char path[] = "/tmp/a name XXXXXX";
	struct elsewhere elsewhere;
	int own, file;

	(void)state;
	NEED_NAMESPACE();
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	file = mkstemp(path);
	assert_true(own >= 0 && file >= 0);
	close(file);
	move_away(&elsewhere);
	assert_int_equal(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL), 0);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
	check_elsewhere(&elsewhere);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	unlink(path);
	close(elsewhere.fd);
}

/* Without privileges: the own namespace, and a word on the others. */
static int unprivileged(void)
{
	struct dump_options options = { .netns = 0 };
	struct rows rows = { .count = 0 };
	struct dump_result result;

	if (setuid(65534))
		return 2;
	if (dump_all(&options, keep, &rows, &result))
		return 3;
	if (result.namespaces != 1 || !(result.unreadable + result.refused))
		return 4;
	for (unsigned int i = 0; i < rows.count && i < ROWS_MAX; i++)
		if (rows.rows[i].space.netns != own_netns)
			return 5;
	return rows.count ? 0 : 6;
}

static void test_unprivileged(void **state)
{
	int fd, status;
	pid_t pid;

	(void)state;
	NEED_NAMESPACE();
	fd = bound(AF_INET, SOCK_DGRAM);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(unprivileged());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
}

/* ---- VRF ------------------------------------------------------------------- */

/* Asks for a device. Returns the kernel's answer, 0 or a negative errno. */
static int add_device(const char *name, const char *kind, __u16 data_type, __u32 data, __u32 master)
{
	struct message body = { .len = 0 }, info = { .len = 0 }, all = { .len = 0 };
	struct message nested = { .len = 0 };
	struct ifinfomsg head = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nlmsghdr answer[64];
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), error;

	append_attribute(&info, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	if (data_type) {
		append_attribute(&nested, data_type, &data, sizeof(data));
		append_attribute(&info, IFLA_INFO_DATA, nested.bytes, nested.len);
	}
	append_attribute(&body, IFLA_IFNAME, name, strlen(name) + 1);
	if (master)
		append_attribute(&body, IFLA_MASTER, &master, sizeof(master));
	append_attribute(&body, IFLA_LINKINFO, info.bytes, info.len);
	append_head(&all, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
		    sizeof(head) + body.len);
	append(&all, &head, sizeof(head));
	append(&all, body.bytes, body.len);
	assert_int_equal(send(fd, all.bytes, all.len, 0), all.len);
	assert_true(recv(fd, answer, sizeof(answer), 0) > 0);
	close(fd);
	assert_int_equal(answer[0].nlmsg_type, NLMSG_ERROR);
	memcpy(&error, answer + 1, sizeof(error));
	return error;
}

static void set_l3mdev_accept(const char *value)
{
	int fd = open("/proc/sys/net/ipv4/tcp_l3mdev_accept", O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, 1), 1);
	close(fd);
}

static int listener_on(const char *device)
{
	union address any = { .v4 = { .sin_family = AF_INET } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device)), 0);
	assert_int_equal(bind(fd, &any.any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_vrf(void **state)
{
	static const char *const devices[] = { "red", "member", "alone" };
	__u32 vrf, wanted[3];
	int fds[3];
	struct rows rows;

	(void)state;
	NEED_NAMESPACE();
	if (add_device("red", "vrf", IFLA_VRF_TABLE, 10, 0) ||
	    add_device("member", "dummy", 0, 0, if_nametoindex("red")) ||
	    add_device("alone", "dummy", 0, 0, 0)) {
		print_message("skipped: this kernel has no VRF or dummy devices\n");
		skip();
	}
	vrf = if_nametoindex("red");
	wanted[0] = wanted[1] = vrf;
	wanted[2] = 0;
	for (size_t i = 0; i < 3; i++)
		fds[i] = listener_on(devices[i]);
	dump_own(IPPROTO_TCP, &rows);
	for (size_t i = 0; i < 3; i++) {
		const struct sock_row *row = only(&rows, IPPROTO_TCP, port_of(fds[i]), TCP_LISTEN);

		assert_int_equal(row->ifindex, if_nametoindex(devices[i]));
		assert_int_equal(row->space.vrf, wanted[i]);
	}
	set_l3mdev_accept("1");
	dump_own(IPPROTO_TCP, &rows);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(only(&rows, IPPROTO_TCP, port_of(fds[i]), TCP_LISTEN)->space.vrf,
				 0);
		close(fds[i]);
	}
	set_l3mdev_accept("0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_bound_idle),
		cmocka_unit_test(test_request_socket),
		cmocka_unit_test(test_port_filter),
		cmocka_unit_test(test_callback_ends_it),
		cmocka_unit_test(test_namespace_is_told),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_namespace_of_a_thread),
		cmocka_unit_test(test_namespace_of_a_mount),
		cmocka_unit_test(test_unprivileged),
		cmocka_unit_test(test_vrf),
		/* last: these leave TIME_WAITs */
		cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_fin_wait2),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
