// SPDX-License-Identifier: BSD-2-Clause
#include "tests/soak/post.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/live/fail.h"

union passed {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void message_make(struct msghdr *message, struct iovec *data, union passed *passed)
{
	memset(passed, 0, sizeof(*passed));
	*message = (struct msghdr){
		.msg_iov = data,
		.msg_iovlen = 1,
		.msg_control = passed,
		.msg_controllen = sizeof(*passed),
	};
}

bool post_send(int post, const struct slot *slot)
{
	struct iovec data = { .iov_base = (void *)slot, .iov_len = sizeof(*slot) };
	struct msghdr message;
	union passed passed;

	message_make(&message, &data, &passed);
	passed.head = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	};
	memcpy(CMSG_DATA(&passed.head), &slot->fd, sizeof(slot->fd));
	if (sendmsg(post, &message, MSG_NOSIGNAL) >= 0)
		return true;
	must_be(errno == EAGAIN || errno == ETOOMANYREFS);
	return false;
}

void post_receive(int post, struct slot *slot)
{
	struct slot taken;
	struct iovec data = { .iov_base = &taken, .iov_len = sizeof(taken) };
	struct msghdr message;
	union passed passed;

	message_make(&message, &data, &passed);
	if (recvmsg(post, &message, MSG_CMSG_CLOEXEC) < 0) {
		must_be(errno == EAGAIN);
		return;
	}
	must_be(passed.head.cmsg_type == SCM_RIGHTS);
	*slot = taken;
	memcpy(&slot->fd, CMSG_DATA(&passed.head), sizeof(slot->fd));
}
