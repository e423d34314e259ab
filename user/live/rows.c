// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/rows.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROWS_AT_ONCE 192 /* the kernel gives at most its buffer of 32 KiB */

static bool is_sound(const struct pt_row *row)
{
	const struct pt_rec_head *head = &row->head;

	if (head->version != PT_ABI_VERSION || head->size != sizeof(*row))
		return false;
	if (head->kind != PT_ROW_SOCK && head->kind != PT_ROW_TW)
		return false;
	if (head->proto != IPPROTO_TCP && head->proto != IPPROTO_UDP)
		return false;
	return (head->family == AF_INET || head->family == AF_INET6) && head->port;
}

static struct sock_row row_of(const struct pt_row *from)
{
	struct sock_row row = {
		.space = { .netns_cookie = from->head.netns_cookie,
			   .netns = from->head.netns,
			   .vrf = from->head.vrf,
			   .proto = from->head.proto },
		.family = from->head.family,
		.state = from->state,
		.port = from->head.port,
		.rport = from->tuple.rport,
		.ifindex = from->tuple.ifindex,
		.cookie = from->head.sock,
		.tw = from->tw,
		.bucket = from->bucket,
		.has_tw = from->head.kind == PT_ROW_TW,
	};

	memcpy(row.laddr, from->tuple.laddr, sizeof(row.laddr));
	memcpy(row.raddr, from->tuple.raddr, sizeof(row.raddr));
	return row;
}

/* Which of its threads obtained the port is not known: they have the process's name. */
static struct pt_owner owner_of(const struct pt_task *task)
{
	struct pt_owner owner = { .known = true,
				  .pid = task->pid,
				  .tid = task->pid,
				  .uid = task->uid,
				  .start = task->start,
				  .cgroup = task->cgroup };

	memcpy(owner.comm, task->comm, PT_COMM_LEN - 1);
	memcpy(owner.thread, task->comm, PT_COMM_LEN - 1);
	return owner;
}

static int deliver(const struct pt_row *from, rows_fn fn, void *data)
{
	struct sock_row row;
	struct pt_owner owner;

	if (!is_sound(from))
		return -EBADMSG;
	row = row_of(from);
	owner = owner_of(&from->task);
	return fn(&row, from->task.pid ? &owner : NULL, data);
}

int rows_read(int fd, rows_fn fn, void *data)
{
	struct pt_row rows[ROWS_AT_ONCE];
	size_t have = 0, done;
	ssize_t len;
	int err = 0;

	while (!err) {
		len = read(fd, (char *)rows + have, sizeof(rows) - have);
		if (len < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (!len)
			return have ? -EBADMSG : 0;
		have += len > 0 ? (size_t)len : 0;
		for (done = 0; !err && have - done * sizeof(*rows) >= sizeof(*rows); done++)
			err = deliver(&rows[done], fn, data);
		have -= done * sizeof(*rows);
		memmove(rows, rows + done, have);
	}
	return err;
}
