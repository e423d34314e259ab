/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffered output of lines to a file descriptor. Whole lines are written, so
 * that a reader or a crash sees no half of one, except when the disk or the
 * reader itself cuts one.
 *
 * The first error is kept (negative errno). After it, everything is dropped and
 * every call returns it: check out_flush() and out_close(), not each append.
 */
#ifndef PORTTRACE_BASE_OUT_H
#define PORTTRACE_BASE_OUT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* out_reserve() of no more than this always succeeds. */
#define OUT_RESERVE_MAX 4096

/* Private to out.{c,h}. */
struct out {
	int fd;
	bool own_fd;
	bool cut; /* the last byte written is not a line's end */
	int error;
	char *buf;
	size_t size;
	size_t len;  /* bytes in buf */
	size_t line; /* of these, in complete lines */
	__u64 written;
};

/*
 * Output to fd, which stays the caller's.
 * Returns 0 or -ENOMEM. The caller calls out_close().
 */
int out_init(struct out *out, int fd);

/*
 * Output to the file at path, created or emptied; "-" is standard output.
 * Returns 0 or a negative errno. The caller calls out_close().
 */
int out_open(struct out *out, const char *path);

/*
 * Writes everything, an unfinished line too, and frees the buffer; closes the
 * file if out_open() opened it. out_written() and out_cut() stay usable.
 * Returns 0 or the first error.
 */
int out_close(struct out *out);

/*
 * What was appended and not written, and forgets it: text for the caller's own use.
 * *len is its length; it lasts until the next append. NULL after an error.
 */
const char *out_take(struct out *out, size_t *len);

/* Bytes of the line that has not ended yet. */
static inline size_t out_line_len(const struct out *out)
{
	return out->len - out->line;
}

/* That line from its byte on that is given; it lasts until the next append. NULL after an error. */
static inline const char *out_line_from(const struct out *out, size_t from)
{
	return out->error ? NULL : out->buf + out->line + from;
}

/* Writes all complete lines. Returns 0 or the first error. */
int out_flush(struct out *out);

/* Ends the line; flushes if much has gathered. Returns 0 or the first error. */
int out_end_line(struct out *out);

/* Bytes that reached the file, and whether they end amid a line. */
static inline __u64 out_written(const struct out *out)
{
	return out->written;
}

static inline bool out_cut(const struct out *out)
{
	return out->cut;
}

/* Of out_reserve(). */
char *out_make_room(struct out *out, size_t len);

/*
 * Room for len bytes, to be filled and handed to out_commit().
 * NULL if len is over OUT_RESERVE_MAX and memory ran out.
 */
static inline char *out_reserve(struct out *out, size_t len)
{
	if (out->size - out->len >= len)
		return out->buf + out->len;
	return out_make_room(out, len);
}

/* end: behind the last byte that was filled in what out_reserve() gave. */
static inline void out_commit(struct out *out, const char *end)
{
	out->len = (size_t)(end - out->buf);
}

static inline void out_bytes(struct out *out, const char *bytes, size_t len)
{
	char *p = out_reserve(out, len);

	if (!p)
		return;
	memcpy(p, bytes, len);
	out_commit(out, p + len);
}

static inline void out_str(struct out *out, const char *text)
{
	out_bytes(out, text, strlen(text));
}

static inline void out_char(struct out *out, char c)
{
	char *p = out_reserve(out, 1);

	*p = c;
	out_commit(out, p + 1);
}

void out_u64(struct out *out, __u64 value);

/* count times c. */
void out_fill(struct out *out, char c, size_t count);

/* Through escape_json(). */
void out_json(struct out *out, const char *text, size_t len);

/* printf-like and slow, cut at OUT_FORMAT_MAX: for what is written once. */
#define OUT_FORMAT_MAX 512
void out_format(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* PORTTRACE_BASE_OUT_H */
