// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/compare.h"
#include "user/recording/files.h"
#include "user/recording/reader_private.h"
#include "user/recording/scan.h"

/* More than any recorder leaves: beyond it, a file wants our memory. */
#define SEGMENTS_MAX (1U << 20)
#define TEXT_MAX (256U << 20)

/* While a directory's files are looked at. */
struct looking {
	struct reader *reader;
	const char *name;
	/* Of a file that was left out: what to refuse the whole with, if nothing else is there. */
	int refused;
	struct parse_reason *why;
};

static int refuse(struct parse_reason *why, int err, const char *path, const char *what)
{
	char quoted[PARSE_QUOTE_LEN];

	return parse_refuse(why, err, "%s: %s", parse_quote(path, strlen(path), quoted), what);
}

/* ---- one segment ---------------------------------------------------------------- */

static struct reader_segment describe(const struct scan_segment *from, const char *file)
{
	struct reader_segment segment = {
		.file = file,
		.offset = from->offset,
		.size = from->size,
		.complete = from->complete,
		.is_current = from->growing,
		.index = from->document.index,
		.dropped = from->document.dropped,
		.first_ts = from->first_ts,
		.last_ts = from->last_ts,
		.first_wall = from->first_wall,
		.last_wall = from->last_wall,
		.end_wall = from->end_wall,
		.boot = from->document.boot,
		.host = from->document.host,
		.kernel = from->document.kernel,
		.version = from->document.version,
		.about = from->document.about,
	};

	memcpy(segment.run, from->document.run, sizeof(segment.run));
	return segment;
}

static int take_segment(void *data, struct scan_segment *segment)
{
	const struct looking *looking = data;
	struct reader *reader = looking->reader;
	struct segment *segments;

	reader->text += strlen(segment->document.about);
	if (reader->count == SEGMENTS_MAX || reader->text > TEXT_MAX)
		return -EFBIG;
	/* room is doubled at each power of two */
	if (!(reader->count & (reader->count - 1))) {
		size_t room = reader->count ? reader->count * 2UL : 1UL;

		segments = realloc(reader->segments, room * sizeof(*segments));
		if (!segments)
			return -ENOMEM;
		reader->segments = segments;
	}
	reader->segments[reader->count++] = (struct segment){
		.public = describe(segment, looking->name),
		.document = segment->document,
		.name = looking->name,
	};
	return 0;
}

/* ---- one file ------------------------------------------------------------------- */

static int scan_one(struct looking *looking, struct block_file *file, bool locked,
		    const struct files_holder *holder)
{
	struct scan scan = {
		.file = file,
		.name = looking->name,
		.problems = looking->reader->problems,
		.locked = locked,
		.found = take_segment,
		.data = looking,
	};
	int err;

	memcpy(scan.run, holder->run, sizeof(scan.run));
	err = scan_file(&scan);
	if (err == -EBADMSG)
		return refuse(looking->why, err, looking->name, "it is no porttrace recording");
	if (err == -EPROTO) {
		char quoted[PARSE_QUOTE_LEN];

		return parse_refuse(
			looking->why, err,
			"%s: recorded by format version %u, this porttrace reads up to %d",
			parse_quote(looking->name, strlen(looking->name), quoted),
			scan_version(file, 0), FORMAT_VERSION);
	}
	return err ? refuse(looking->why, err, looking->name, strerror(-err)) : 0;
}

/* The others are read all the same: what is not to be read is told. */
static int leave_out(struct looking *looking, int err)
{
	const struct problems *problems = &looking->reader->problems;

	if (problems->tell)
		problems->tell(problems->data, looking->why->text);
	looking->refused = err;
	return 0;
}

static int look_at(struct looking *looking, const struct files_holder *holder, bool locked)
{
	struct block_file file = { 0 };
	int err;

	file.fd = files_open(looking->reader->dirfd, looking->name, &file.size);
	if (file.fd == -ENOENT)
		return 0; /* the recorder deleted it meanwhile */
	if (file.fd < 0) {
		refuse(looking->why, file.fd, looking->name,
		       file.fd == -EBADMSG ? "it is not a regular file" : strerror(-file.fd));
		return leave_out(looking, file.fd);
	}
	err = scan_one(looking, &file, locked, holder);
	block_file_free(&file);
	close(file.fd);
	return err == -EBADMSG || err == -EPROTO ? leave_out(looking, err) : err;
}

static int look_at_directory(struct looking *looking)
{
	struct reader *reader = looking->reader;
	struct files_holder holder;
	bool locked = files_dir_is_locked(reader->dirfd, &holder);
	struct files files;
	int err = files_list(reader->dirfd, &files);

	if (err)
		return refuse(looking->why, err, reader->path, strerror(-err));
	reader->names = files.names;
	reader->names_count = files.count;
	for (size_t i = 0; i < files.count && !err; i++) {
		looking->name = files.names[i];
		err = look_at(looking, &holder, locked);
	}
	return err;
}

/* A file may have been taken out of a directory, or be in one that is being recorded to. */
static bool file_is_locked(const struct reader *reader, int fd, struct files_holder *holder)
{
	char *copy;
	bool locked;
	int dirfd;

	*holder = (struct files_holder){ 0 };
	if (files_is_locked(fd))
		return true;
	copy = strdup(reader->path);
	dirfd = copy ? open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	locked = dirfd >= 0 && files_dir_is_locked(dirfd, holder) && holder->run[0];
	if (dirfd >= 0)
		close(dirfd);
	free(copy);
	return locked;
}

static int look_at_file(struct looking *looking)
{
	struct reader *reader = looking->reader;
	struct block_file file = { 0 };
	struct files_holder holder;
	bool locked;
	int err;

	looking->name = reader->path;
	file.fd = files_open(AT_FDCWD, reader->path, &file.size);
	if (file.fd < 0)
		return refuse(looking->why, file.fd, reader->path,
			      file.fd == -EBADMSG ? "it is neither a directory nor a regular file"
						  : strerror(-file.fd));
	locked = file_is_locked(reader, file.fd, &holder);
	err = scan_one(looking, &file, locked, &holder);
	block_file_free(&file);
	close(file.fd);
	return err;
}

/* ---- all of them ---------------------------------------------------------------- */

static int by_run(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	int order = strcmp(x->document.boot, y->document.boot);

	if (!order)
		order = strcmp(x->document.run, y->document.run);
	return order ? order : compare_u64(x->document.index, y->document.index);
}

/* A run goes on in one boot, and by its own count: a clock that is set does not disorder it. */
static int by_time(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	int order = compare_u64(x->boot_wall, y->boot_wall);

	if (!order)
		order = strcmp(x->document.boot, y->document.boot);
	if (!order)
		order = compare_u64(x->run_ts, y->run_ts);
	if (!order)
		order = strcmp(x->document.run, y->document.run);
	if (!order)
		order = compare_u64(x->document.index, y->document.index);
	return order ? order : compare_u64(x->public.offset, y->public.offset);
}

/*
 * Boots follow each other by CLOCK_REALTIME: the latest that one knew, since many a
 * host begins with a clock that is far behind. Runs of a boot by CLOCK_BOOTTIME.
 */
static void set_keys(struct segment *segments, unsigned int count)
{
	unsigned int boot = 0, run = 0;

	for (unsigned int i = 0; i < count; i++) {
		bool same_boot = !strcmp(segments[i].document.boot, segments[boot].document.boot);

		if (!same_boot)
			boot = i;
		if (!same_boot || strcmp(segments[i].document.run, segments[run].document.run))
			run = i;
		segments[i].run_ts = segments[run].public.first_ts;
		if (segments[i].public.first_wall > segments[boot].boot_wall)
			segments[boot].boot_wall = segments[i].public.first_wall;
	}
	for (unsigned int i = 1; i < count; i++)
		if (!strcmp(segments[i].document.boot, segments[i - 1].document.boot))
			segments[i].boot_wall = segments[i - 1].boot_wall;
}

static void set_order(struct reader *reader)
{
	struct segment *segments = reader->segments;

	if (!reader->count)
		return;
	qsort(segments, reader->count, sizeof(*segments), by_run);
	set_keys(segments, reader->count);
	qsort(segments, reader->count, sizeof(*segments), by_time);
	for (unsigned int i = 1; i < reader->count; i++) {
		struct segment *before = &segments[i - 1], *segment = &segments[i];

		if (strcmp(before->document.run, segment->document.run))
			continue;
		/* only the last of a run is written */
		before->public.is_current = false;
		/* its footer was written when there was room again */
		if (segment->public.dropped)
			before->public.end_wall = before->public.last_wall;
		segment->public.contiguous = segment->document.continues &&
					     before->public.complete &&
					     segment->document.index == before->document.index + 1;
	}
}

int reader_find_segments(struct reader *reader, struct parse_reason *why)
{
	struct looking looking = { .reader = reader, .why = why };
	int fd = open(reader->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0 && errno != ENOTDIR)
		return refuse(why, -errno, reader->path, strerror(errno));
	if (fd >= 0)
		reader->dirfd = fd;
	err = fd < 0 ? look_at_file(&looking) : look_at_directory(&looking);
	if (err)
		return err;
	/* why has the reason of the last file that was left out */
	if (!reader->count && looking.refused)
		return looking.refused;
	if (!reader->count)
		return refuse(why, -ENOENT, reader->path, "there is no recording in it");
	set_order(reader);
	return 0;
}
