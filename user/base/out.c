// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/escape.h"
#include "user/base/format.h"

#define OUT_SIZE (64 * 1024)
/* A write() costs about as much as 50 lines; more do not make it cheaper. */
#define OUT_FLUSH_AT (32 * 1024)

_Static_assert(OUT_SIZE - OUT_FLUSH_AT > OUT_RESERVE_MAX, "room behind a full batch");

int out_init(struct out *out, int fd)
{
	char *buf = malloc(OUT_SIZE);

	if (!buf)
		return -ENOMEM;
	*out = (struct out){ .fd = fd, .buf = buf, .size = OUT_SIZE };
	return 0;
}

int out_open(struct out *out, const char *path)
{
	int err, fd;

	if (!strcmp(path, "-"))
		return out_init(out, STDOUT_FILENO);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	err = out_init(out, fd);
	if (err) {
		close(fd);
		return err;
	}
	out->own_fd = true;
	return 0;
}

/* Waits until fd takes bytes. A signal is no reason to lose lines. */
static int wait_writable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Returns how many of the first len bytes of the buffer were written. */
static size_t write_all(struct out *out, size_t len)
{
	size_t done = 0;

	while (done < len && !out->error) {
		ssize_t n = write(out->fd, out->buf + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			out->error = -EIO;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			out->error = wait_writable(out->fd);
		else if (errno != EINTR)
			out->error = -errno;
	}
	return done;
}

static int write_out(struct out *out, size_t len)
{
	size_t done = write_all(out, len);

	if (done)
		out->cut = out->buf[done - 1] != '\n';
	out->written += done;
	if (out->error) {
		out->len = 0;
		out->line = 0;
		return out->error;
	}
	memmove(out->buf, out->buf + len, out->len - len);
	out->len -= len;
	out->line -= out->line < len ? out->line : len;
	return 0;
}

int out_flush(struct out *out)
{
	return write_out(out, out->line);
}

int out_close(struct out *out)
{
	write_out(out, out->len);
	if (out->own_fd && close(out->fd) && !out->error)
		out->error = -errno;
	free(out->buf);
	out->buf = NULL;
	out->size = 0;
	out->own_fd = false;
	return out->error;
}

const char *out_take(struct out *out, size_t *len)
{
	*len = out->len;
	out->len = 0;
	out->line = 0;
	return out->error ? NULL : out->buf;
}

int out_end_line(struct out *out)
{
	out_char(out, '\n');
	out->line = out->len;
	/* After an error the flush is what drops the line. */
	if (out->line >= OUT_FLUSH_AT || out->error)
		return out_flush(out);
	return 0;
}

static int out_grow(struct out *out, size_t need)
{
	size_t size = out->size;
	char *buf;

	while (size < need)
		size *= 2;
	buf = realloc(out->buf, size);
	if (!buf)
		return -ENOMEM;
	out->buf = buf;
	out->size = size;
	return 0;
}

char *out_make_room(struct out *out, size_t len)
{
	int err;

	out_flush(out);
	if (out->size - out->len >= len)
		return out->buf + out->len;
	/* A line longer than the buffer. */
	err = out_grow(out, out->len + len);
	if (!err)
		return out->buf + out->len;
	if (!out->error)
		out->error = err;
	out->len = 0;
	out->line = 0;
	return len <= out->size ? out->buf : NULL;
}

void out_u64(struct out *out, __u64 value)
{
	out_commit(out, format_u64(out_reserve(out, FORMAT_U64_MAX), value));
}

void out_fill(struct out *out, char c, size_t count)
{
	char *p = out_reserve(out, count);

	if (!p)
		return;
	memset(p, c, count);
	out_commit(out, p + count);
}

void out_json(struct out *out, const char *text, size_t len)
{
	char *p = out_reserve(out, len * ESCAPE_EXPAND);

	if (p)
		out_commit(out, p + escape_json(p, text, len));
}

void out_format(struct out *out, const char *format, ...)
{
	char text[OUT_FORMAT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	out_str(out, text);
}
