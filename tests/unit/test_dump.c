// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking sock_diag's messages apart, and dumping sockets that the test makes in
 * network namespaces of its own.
 */
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

#include "user/live/dump.h"

#define SEQ 7
#define ROWS_MAX 64

struct rows {
	struct dump_row rows[ROWS_MAX];
	unsigned int count;
	int answer; /* what the callback returns */
};

static int keep(const struct dump_row *row, void *data)
{
	struct rows *rows = data;

	if (rows->count < ROWS_MAX)
		rows->rows[rows->count] = *row;
	rows->count++;
	return rows->answer;
}

/* ---- messages -------------------------------------------------------------- */

static int keep_parsed(struct dump_row *row, void *data)
{
	return keep(row, data);
}

struct message {
	char bytes[2048];
	size_t len;
};

static void append(struct message *message, const void *bytes, size_t len)
{
	size_t padded = NLMSG_ALIGN(len);

	assert_true(message->len + padded <= sizeof(message->bytes));
	memcpy(message->bytes + message->len, bytes, len);
	memset(message->bytes + message->len + len, 0, padded - len);
	message->len += padded;
}

static void append_head(struct message *message, __u16 type, __u16 flags, size_t payload)
{
	struct nlmsghdr head = { .nlmsg_len = (__u32)(sizeof(head) + payload),
				 .nlmsg_type = type,
				 .nlmsg_flags = flags,
				 .nlmsg_seq = SEQ };

	append(message, &head, sizeof(head));
}

static void append_end(struct message *message, __u16 type, int error)
{
	append_head(message, type, NLM_F_MULTI, sizeof(error));
	append(message, &error, sizeof(error));
}

static void append_attribute(struct message *message, __u16 type, const void *bytes, size_t len)
{
	struct nlattr head = { .nla_len = (__u16)(sizeof(head) + len), .nla_type = type };

	append(message, &head, sizeof(head));
	append(message, bytes, len);
}

static struct inet_diag_msg example(__u8 family, __u8 state)
{
	struct inet_diag_msg msg = {
		.idiag_family = family,
		.idiag_state = state,
		.id = { .idiag_sport = htons(40000),
			.idiag_dport = htons(443),
			.idiag_if = 3,
			.idiag_cookie = { 0x11111111, 0x22222222 } },
		.idiag_uid = 1000,
		.idiag_inode = 123456,
	};

	inet_pton(AF_INET, "10.0.0.5", msg.id.idiag_src);
	inet_pton(AF_INET, "10.96.4.7", msg.id.idiag_dst);
	if (family == AF_INET6)
		inet_pton(AF_INET6, "2001:db8::5", msg.id.idiag_src);
	return msg;
}

static void append_row(struct message *message, const struct inet_diag_msg *msg, __u16 flags)
{
	append_head(message, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI | flags, sizeof(*msg));
	append(message, msg, sizeof(*msg));
}

static struct dump_answer new_answer(__u8 family, __u8 proto, struct rows *rows)
{
	return (struct dump_answer){
		.seq = SEQ, .family = family, .proto = proto, .row = keep_parsed, .data = rows
	};
}

/* From a copy of just that size: the sanitizer sees who reads past it. */
static int feed_bytes(struct dump_answer *answer, const void *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	err = dump_answer_feed(answer, copy, len);
	free(copy);
	return err;
}

static int feed(struct dump_answer *answer, const struct message *message)
{
	return feed_bytes(answer, message->bytes, message->len);
}

static void assert_address(const __u8 addr[16], const char *text)
{
	char buf[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(AF_INET6, addr, buf, sizeof(buf)));
	assert_string_equal(buf, text);
}

static void test_row(void **state)
{
	struct inet_diag_msg msg = example(AF_INET, TCP_ESTABLISHED);
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	struct message message = { .len = 0 };

	(void)state;
	append_row(&message, &msg, 0);
	assert_int_equal(feed(&answer, &message), 0);
	assert_false(answer.done);
	assert_int_equal(rows.count, 1);
	assert_int_equal(rows.rows[0].space.proto, IPPROTO_TCP);
	assert_int_equal(rows.rows[0].family, AF_INET);
	assert_int_equal(rows.rows[0].state, TCP_ESTABLISHED);
	assert_int_equal(rows.rows[0].port, 40000);
	assert_int_equal(rows.rows[0].rport, 443);
	assert_address(rows.rows[0].laddr, "::ffff:10.0.0.5");
	assert_address(rows.rows[0].raddr, "::ffff:10.96.4.7");
	assert_int_equal(rows.rows[0].ifindex, 3);
	assert_int_equal(rows.rows[0].cookie, 0x2222222211111111);
	assert_int_equal(rows.rows[0].inode, 123456);
	assert_int_equal(rows.rows[0].uid, 1000);
	assert_false(rows.rows[0].has_tw);

	message.len = 0;
	append_end(&message, NLMSG_DONE, 0);
	assert_int_equal(feed(&answer, &message), 0);
	assert_true(answer.done);
	assert_false(answer.torn);
	assert_int_equal(answer.error, 0);
}

static void test_ipv6_and_time_wait(void **state)
{
	struct inet_diag_msg msg = example(AF_INET6, TCP_TIME_WAIT);
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET6, IPPROTO_TCP, &rows);
	struct message message = { .len = 0 };

	(void)state;
	msg.idiag_timer = 3;
	msg.idiag_expires = 59000;
	append_row(&message, &msg, 0);
	msg.idiag_timer = 2; /* keepalive */
	append_row(&message, &msg, 0);
	msg.id.idiag_sport = 0; /* holds nothing */
	append_row(&message, &msg, 0);
	append_end(&message, NLMSG_DONE, 0);
	msg.id.idiag_sport = 1; /* behind the end */
	append_row(&message, &msg, 0);
	assert_int_equal(feed(&answer, &message), 0);
	assert_int_equal(rows.count, 2);
	assert_address(rows.rows[0].laddr, "2001:db8::5");
	assert_true(rows.rows[0].has_tw);
	assert_int_equal(rows.rows[0].tw_left_ms, 59000);
	assert_false(rows.rows[1].has_tw);
	assert_int_equal(rows.rows[1].tw_left_ms, 0);
}

static void test_request_sockets_are_left_out(void **state)
{
	struct inet_diag_msg msg = example(AF_INET, TCP_SYN_RECV);
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	struct message message = { .len = 0 };
	__u32 mark = 5;
	__u8 shutdown = 0;

	(void)state;
	append_head(&message, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, sizeof(msg) + 8);
	append(&message, &msg, sizeof(msg));
	append_attribute(&message, INET_DIAG_MARK, &mark, sizeof(mark));
	assert_int_equal(feed(&answer, &message), 0);
	assert_int_equal(rows.count, 0);

	message.len = 0;
	append_head(&message, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, sizeof(msg) + 16);
	append(&message, &msg, sizeof(msg));
	append_attribute(&message, INET_DIAG_MARK, &mark, sizeof(mark));
	append_attribute(&message, INET_DIAG_SHUTDOWN, &shutdown, sizeof(shutdown));
	assert_int_equal(feed(&answer, &message), 0);
	assert_int_equal(rows.count, 1);
}

static void test_kernel_errors(void **state)
{
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	struct message message = { .len = 0 };

	(void)state;
	append_end(&message, NLMSG_ERROR, -ENOENT);
	assert_int_equal(feed(&answer, &message), 0);
	assert_true(answer.done);
	assert_int_equal(answer.error, -ENOENT);

	answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	message.len = 0;
	append_end(&message, NLMSG_DONE, -EINVAL);
	assert_int_equal(feed(&answer, &message), 0);
	assert_true(answer.done);
	assert_int_equal(answer.error, -EINVAL);
}

static void test_torn(void **state)
{
	struct inet_diag_msg msg = example(AF_INET, TCP_LISTEN);
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	struct message message = { .len = 0 };

	(void)state;
	append_head(&message, NLMSG_NOOP, 0, 0);
	append_row(&message, &msg, NLM_F_DUMP_INTR);
	assert_int_equal(feed(&answer, &message), 0);
	assert_true(answer.torn);
	assert_int_equal(rows.count, 1);

	answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	message.len = 0;
	append_head(&message, NLMSG_OVERRUN, 0, 0);
	append_row(&message, &msg, 0);
	assert_int_equal(feed(&answer, &message), 0);
	assert_true(answer.torn);
	assert_int_equal(rows.count, 2);
}

static void test_what_is_not_ours(void **state)
{
	struct inet_diag_msg msg = example(AF_INET, TCP_LISTEN);
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	struct message message = { .len = 0 };

	(void)state;
	append_row(&message, &msg, 0);
	answer.seq = SEQ + 1; /* an earlier dump's rows */
	assert_int_equal(feed(&answer, &message), 0);
	assert_int_equal(rows.count, 0);

	answer = new_answer(AF_INET6, IPPROTO_TCP, &rows);
	assert_int_equal(feed(&answer, &message), -EBADMSG);
	assert_int_equal(rows.count, 0);

	answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	rows.answer = -EXFULL; /* the callback ends it */
	assert_int_equal(feed(&answer, &message), -EXFULL);
}

static void expect_bad(const void *bytes, size_t len)
{
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);

	assert_int_equal(feed_bytes(&answer, bytes, len), -EBADMSG);
	assert_int_equal(rows.count, 0);
	assert_false(answer.done);
}

static void test_malformed(void **state)
{
	static const __u32 lengths[] = { 0,	     1,		 15,	     89,	1000,
					 0x7fffffff, 0x80000000, 0xfffffffd, 0xffffffff };
	struct inet_diag_msg msg = example(AF_INET, TCP_LISTEN);
	struct message message = { .len = 0 };

	(void)state;
	append_row(&message, &msg, 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		memcpy(message.bytes, &lengths[i], sizeof(lengths[i]));
		expect_bad(message.bytes, message.len);
	}
	message.len = 0;
	append_head(&message, SOCK_DIAG_BY_FAMILY, 0, sizeof(msg) - 4); /* short */
	append(&message, &msg, sizeof(msg) - 4);
	expect_bad(message.bytes, message.len);
	message.len = 0;
	append_head(&message, NLMSG_DONE, 0, 0); /* no error code */
	expect_bad(message.bytes, message.len);
	message.len = 0;
	append_end(&message, NLMSG_ERROR, 5); /* not an errno */
	expect_bad(message.bytes, message.len);
	message.len = 0;
	append_end(&message, NLMSG_ERROR, INT32_MIN);
	expect_bad(message.bytes, message.len);
	message.len = 0;
	append_end(&message, 4711, 0); /* nobody knows that type */
	expect_bad(message.bytes, message.len);
}

/* A link: ifinfomsg, then IFLA_MASTER and IFLA_LINKINFO. */
static void append_link(struct message *message, __u32 master, const char *kind)
{
	struct message info = { .len = 0 }, attributes = { .len = 0 };
	struct ifinfomsg body = { .ifi_index = 3 };

	append_attribute(&attributes, IFLA_MASTER, &master, sizeof(master));
	append_attribute(&info, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	append_attribute(&attributes, IFLA_LINKINFO | NLA_F_NESTED, info.bytes, info.len);
	append_head(message, RTM_NEWLINK, 0, sizeof(body) + attributes.len);
	append(message, &body, sizeof(body));
	append(message, attributes.bytes, attributes.len);
}

static void test_link(void **state)
{
	struct dump_link link = { .master = 99 };
	struct message message = { .len = 0 };

	(void)state;
	append_link(&message, 12, "veth");
	assert_int_equal(dump_link_parse(message.bytes, message.len, SEQ + 1, &link), -EBADMSG);
	assert_int_equal(link.master, 99);
	assert_int_equal(dump_link_parse(message.bytes, message.len, SEQ, &link), 0);
	assert_int_equal(link.master, 12);
	assert_false(link.vrf);

	message.len = 0;
	append_link(&message, 0, "vrf");
	assert_int_equal(dump_link_parse(message.bytes, message.len, SEQ, &link), 0);
	assert_int_equal(link.master, 0);
	assert_true(link.vrf);

	message.len = 0;
	append_end(&message, NLMSG_ERROR, -ENODEV);
	assert_int_equal(dump_link_parse(message.bytes, message.len, SEQ, &link), -ENODEV);
	assert_true(link.vrf);
}

static void parse_damaged(const char *bytes, size_t len)
{
	struct rows rows = { .count = 0 };
	struct dump_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	struct dump_link link;
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	dump_answer_feed(&answer, copy, len);
	dump_link_parse(copy, len, SEQ, &link);
	free(copy);
}

/* Cut short, with a header that knows of the cut (if there is one left). */
static void parse_shortened(const struct message *message, size_t len)
{
	struct message cut = *message;
	struct nlmsghdr head;

	parse_damaged(cut.bytes, len);
	memcpy(&head, cut.bytes, sizeof(head));
	head.nlmsg_len = (__u32)len;
	memcpy(cut.bytes, &head, sizeof(head));
	parse_damaged(cut.bytes, len);
}

/* The last attribute has one byte, and no padding behind it. */
static void test_unpadded(void **state)
{
	struct message message = { .len = 0 };
	struct ifinfomsg body = { .ifi_index = 3 };
	__u8 byte = 1;

	(void)state;
	append_head(&message, RTM_NEWLINK, 0, sizeof(body) + NLA_HDRLEN + 1);
	append(&message, &body, sizeof(body));
	append_attribute(&message, IFLA_OPERSTATE, &byte, sizeof(byte));
	parse_damaged(message.bytes, message.len - 3);
}

/* Every beginning of good messages, and every byte of them replaced. */
static void test_damaged(void **state)
{
	static const char values[] = { 0, 1, 3, 4, 15, 17, 0x7f, (char)0x80, (char)0xff };
	struct inet_diag_msg msg = example(AF_INET, TCP_SYN_RECV);
	struct message messages[2] = { { .len = 0 }, { .len = 0 } };
	__u8 shutdown = 0;

	(void)state;
	append_head(&messages[0], SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, sizeof(msg) + 8);
	append(&messages[0], &msg, sizeof(msg));
	append_attribute(&messages[0], INET_DIAG_SHUTDOWN, &shutdown, sizeof(shutdown));
	append_end(&messages[0], NLMSG_DONE, 0);
	append_link(&messages[1], 12, "vrf");
	for (size_t i = 0; i < 2; i++) {
		struct message *message = &messages[i];

		for (size_t len = 0; len <= message->len; len++)
			parse_shortened(message, len);
		for (size_t at = 0; at < message->len; at++) {
			char good = message->bytes[at];

			for (size_t j = 0; j < sizeof(values); j++) {
				message->bytes[at] = values[j];
				parse_damaged(message->bytes, message->len);
			}
			message->bytes[at] = good;
		}
	}
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

static int ignore(const struct dump_row *row, void *data)
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
static const struct dump_row *only(const struct rows *rows, __u8 proto, __u16 port, int state)
{
	const struct dump_row *found = NULL;

	for (unsigned int i = 0; i < rows->count; i++) {
		const struct dump_row *row = &rows->rows[i];

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

static void assert_socket(const struct dump_row *row, int fd, int family)
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
	const struct dump_row *row;
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
	const struct dump_row *row;
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

static int count_up(const struct dump_row *row, void *data)
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
	const struct dump_row *row;

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
		const struct dump_row *row = only(&rows, IPPROTO_TCP, port_of(fds[i]), TCP_LISTEN);

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
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_ipv6_and_time_wait),
		cmocka_unit_test(test_request_sockets_are_left_out),
		cmocka_unit_test(test_kernel_errors),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_what_is_not_ours),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_unpadded),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_bound_idle),
		cmocka_unit_test(test_request_socket),
		cmocka_unit_test(test_port_filter),
		cmocka_unit_test(test_callback_ends_it),
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
