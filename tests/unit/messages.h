/* SPDX-License-Identifier: BSD-2-Clause */
/* Netlink messages, made piece by piece; after cmocka.h. */
#ifndef TESTS_UNIT_MESSAGES_H
#define TESTS_UNIT_MESSAGES_H

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <string.h>

#define SEQ 7

struct message {
	char bytes[2048];
	size_t len;
};

static inline void append(struct message *message, const void *bytes, size_t len)
{
	size_t padded = NLMSG_ALIGN(len);

	assert_true(message->len + padded <= sizeof(message->bytes));
	memcpy(message->bytes + message->len, bytes, len);
	memset(message->bytes + message->len + len, 0, padded - len);
	message->len += padded;
}

static inline void append_head(struct message *message, __u16 type, __u16 flags, size_t payload)
{
	struct nlmsghdr head = { .nlmsg_len = (__u32)(sizeof(head) + payload),
				 .nlmsg_type = type,
				 .nlmsg_flags = flags,
				 .nlmsg_seq = SEQ };

	append(message, &head, sizeof(head));
}

static inline void append_end(struct message *message, __u16 type, int error)
{
	append_head(message, type, NLM_F_MULTI, sizeof(error));
	append(message, &error, sizeof(error));
}

static inline void append_attribute(struct message *message, __u16 type, const void *bytes,
				    size_t len)
{
	struct nlattr head = { .nla_len = (__u16)(sizeof(head) + len), .nla_type = type };

	append(message, &head, sizeof(head));
	append(message, bytes, len);
}

static inline void assert_address(const __u8 addr[16], const char *text)
{
	char buf[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(AF_INET6, addr, buf, sizeof(buf)));
	assert_string_equal(buf, text);
}

#endif /* TESTS_UNIT_MESSAGES_H */
