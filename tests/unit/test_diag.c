// SPDX-License-Identifier: BSD-2-Clause
/* Taking the kernel's messages apart, the whole ones and the damaged ones. */
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
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "tests/unit/messages.h"
#include "user/live/diag.h"

#define ROWS_MAX 64

struct rows {
	struct sock_row rows[ROWS_MAX];
	unsigned int count;
	int answer; /* what the callback returns */
};

static int keep(struct sock_row *row, void *data)
{
	struct rows *rows = data;

	if (rows->count < ROWS_MAX)
		rows->rows[rows->count] = *row;
	rows->count++;
	return rows->answer;
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

static struct diag_answer new_answer(__u8 family, __u8 proto, struct rows *rows)
{
	return (struct diag_answer){
		.seq = SEQ, .family = family, .proto = proto, .row = keep, .data = rows
	};
}

/* From a copy of just that size: the sanitizer sees who reads past it. */
static int feed_bytes(struct diag_answer *answer, const void *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	err = diag_answer_feed(answer, copy, len);
	free(copy);
	return err;
}

static int feed(struct diag_answer *answer, const struct message *message)
{
	return feed_bytes(answer, message->bytes, message->len);
}

static void test_row(void **state)
{
	struct inet_diag_msg msg = example(AF_INET, TCP_ESTABLISHED);
	struct rows rows = { .count = 0 };
	struct diag_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
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
	struct diag_answer answer = new_answer(AF_INET6, IPPROTO_TCP, &rows);
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
	struct diag_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
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
	struct diag_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
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
	struct diag_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
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
	struct diag_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
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
	struct diag_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);

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
	struct diag_link link = { .master = 99 };
	struct message message = { .len = 0 };

	(void)state;
	append_link(&message, 12, "veth");
	assert_int_equal(diag_link_parse(message.bytes, message.len, SEQ + 1, &link), -EBADMSG);
	assert_int_equal(link.master, 99);
	assert_int_equal(diag_link_parse(message.bytes, message.len, SEQ, &link), 0);
	assert_int_equal(link.master, 12);
	assert_false(link.vrf);

	message.len = 0;
	append_link(&message, 0, "vrf");
	assert_int_equal(diag_link_parse(message.bytes, message.len, SEQ, &link), 0);
	assert_int_equal(link.master, 0);
	assert_true(link.vrf);

	message.len = 0;
	append_end(&message, NLMSG_ERROR, -ENODEV);
	assert_int_equal(diag_link_parse(message.bytes, message.len, SEQ, &link), -ENODEV);
	assert_true(link.vrf);
}

static void parse_damaged(const char *bytes, size_t len)
{
	struct rows rows = { .count = 0 };
	struct diag_answer answer = new_answer(AF_INET, IPPROTO_TCP, &rows);
	struct diag_link link;
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	diag_answer_feed(&answer, copy, len);
	diag_link_parse(copy, len, SEQ, &link);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
