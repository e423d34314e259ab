// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "user/recording/recorder_private.h"

#define SEGMENT_SIZE (64ULL << 20)
#define SEGMENTS_OF_MAX_SIZE 8
#define SEGMENTS_OF_MAX_AGE 16
#define SEGMENT_AGE_MIN (60 * SECOND)
#define SEGMENTS_OF_KEEP 8
#define MEMORY (16ULL << 20)
/* Whoever calls recorder_tick() four times a second has it on its way within one. */
#define FLUSH_AFTER (SECOND * 7 / 10)

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

void recorder_tell(const struct recorder *recorder, const char *format, ...)
{
	struct problems to = { recorder->options.notice, recorder->options.notice_data };
	char text[PARSE_REASON_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	problems_tell(&to, recorder->path, "%s", text);
}

static int refuse(struct parse_reason *why, int err, const char *path, const char *what)
{
	char quoted[PARSE_QUOTE_LEN];

	return parse_refuse(why, err, "%s: %s", parse_quote(path, strlen(path), quoted), what);
}

/* ---- who records --------------------------------------------------------------- */

static void read_boot_id(char id[BOOT_LEN])
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, id, BOOT_LEN - 1);

	id[n > 0 ? n : 0] = '\0';
	id[strcspn(id, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

static int introduce(struct recorder *recorder)
{
	__u8 random[(DOCUMENT_RUN_LEN - 1) / 2];
	struct utsname name;
	__u64 base;

	if (getrandom(random, sizeof(random), 0) != sizeof(random) ||
	    getrandom(&base, sizeof(base), 0) != sizeof(base))
		return -EIO;
	recorder->block = block_writer_new(base | 1);
	if (!recorder->block)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(recorder->run + 2 * i, 3, "%02x", random[i]);
	uname(&name);
	snprintf(recorder->host, sizeof(recorder->host), "%s", name.nodename);
	snprintf(recorder->kernel, sizeof(recorder->kernel), "%s", name.release);
	read_boot_id(recorder->boot);
	return 0;
}

/* ---- where --------------------------------------------------------------------- */

static int refuse_busy(const struct recorder *recorder, __u64 pid, struct parse_reason *why)
{
	char text[80] = "another recorder has it";

	if (pid)
		snprintf(text, sizeof(text), "another recorder has it: pid %llu", pid);
	return refuse(why, -EBUSY, recorder->path, text);
}

static int open_lock(struct recorder *recorder, struct parse_reason *why)
{
	struct files_holder holder = { .pid = (__u64)getpid() };
	int err;

	recorder->lock_fd = openat(recorder->dirfd, FILES_LOCK,
				   O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
	if (recorder->lock_fd < 0)
		return refuse(why, -errno, recorder->path, strerror(errno));
	err = files_lock(recorder->lock_fd);
	if (err == -EBUSY) {
		files_lock_read(recorder->lock_fd, &holder);
		return refuse_busy(recorder, holder.pid, why);
	}
	memcpy(holder.run, recorder->run, sizeof(holder.run));
	if (!err)
		err = files_lock_tell(recorder->lock_fd, &holder);
	return err ? refuse(why, err, recorder->path, strerror(-err)) : 0;
}

static int open_directory(struct recorder *recorder, struct parse_reason *why)
{
	const char *path = recorder->path;
	int err;

	if (mkdir(path, 0750) && errno != EEXIST)
		return refuse(why, -errno, path, strerror(errno));
	recorder->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (recorder->dirfd < 0)
		return refuse(why, -errno, path, strerror(errno));
	err = open_lock(recorder, why);
	if (err)
		return err;
	/* a flight recorder would find out when it is too late */
	if (faccessat(recorder->dirfd, ".", W_OK | X_OK, AT_EACCESS))
		return refuse(why, -errno, path, strerror(errno));
	err = retention_load(&recorder->retention, recorder->dirfd, recorder->boot);
	return err ? refuse(why, err, path, strerror(-err)) : 0;
}

/* A file that is there is replaced if it is a recording. */
static int check_file(const struct recorder *recorder, struct parse_reason *why)
{
	struct stat st;
	char magic[4];

	if (fstat(recorder->lock_fd, &st))
		return refuse(why, -errno, recorder->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(why, -EEXIST, recorder->path, "it is not a regular file");
	if (st.st_size && (pread(recorder->lock_fd, magic, 4, 0) != 4 || memcmp(magic, "PTRB", 4)))
		return refuse(why, -EEXIST, recorder->path,
			      "it is no recording, and not overwritten");
	return 0;
}

static int open_file(struct recorder *recorder, struct parse_reason *why)
{
	const char *path = recorder->path;
	int err;

	recorder->lock_fd = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	if (recorder->lock_fd < 0)
		return refuse(why, -errno, path, strerror(errno));
	err = check_file(recorder, why);
	if (err)
		return err;
	err = files_lock(recorder->lock_fd);
	if (err == -EBUSY)
		return refuse_busy(recorder, 0, why);
	if (!err && ftruncate(recorder->lock_fd, 0))
		err = -errno;
	return err ? refuse(why, err, path, strerror(-err)) : 0;
}

/* ---- open and close ------------------------------------------------------------ */

static void set_defaults(struct recorder_options *options)
{
	if (options->single)
		options->max_size = options->max_age_ns = options->keep = 0;
	if (!options->segment_size) {
		options->segment_size = SEGMENT_SIZE;
		if (options->max_size &&
		    options->max_size / SEGMENTS_OF_MAX_SIZE < options->segment_size)
			options->segment_size = options->max_size / SEGMENTS_OF_MAX_SIZE;
	}
	if (!options->memory)
		options->memory = MEMORY;
}

static struct recorder *make(const struct recorder_options *options)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));

	if (!recorder)
		return NULL;
	recorder->options = *options;
	set_defaults(&recorder->options);
	recorder->keeping = recorder->options.keep;
	recorder->dirfd = recorder->lock_fd = recorder->segment.fd = -1;
	recorder->clock.boottime = options->boottime;
	recorder->clock.realtime = options->realtime;
	recorder->clock.data = options->clock_data;
	recorder->path = strdup(options->path);
	recorder->syncer = syncer_new();
	return recorder;
}

/* Waits for what is to be synced; returns its first error. */
static int destroy(struct recorder *recorder)
{
	int err = 0;

	if (recorder->in_memory)
		close(recorder->segment.fd);
	else if (recorder->dirfd >= 0 && recorder->segment.fd >= 0)
		syncer_ask(recorder->syncer, recorder->segment.fd, true);
	if (recorder->dirfd >= 0)
		syncer_ask(recorder->syncer, recorder->dirfd, true);
	else if (recorder->lock_fd >= 0)
		syncer_ask(recorder->syncer, recorder->lock_fd, false);
	if (recorder->syncer)
		err = syncer_close(recorder->syncer);
	if (recorder->lock_fd >= 0)
		close(recorder->lock_fd);
	footer_free(&recorder->segment.index);
	backlog_free(&recorder->backlog);
	kept_free(&recorder->kept);
	retention_free(&recorder->retention);
	block_writer_free(recorder->block);
	free(recorder->path);
	free(recorder);
	return err;
}

static void apply_bounds(struct recorder *recorder)
{
	struct problems problems = { recorder->options.notice, recorder->options.notice_data };
	struct retention_bounds bounds = {
		.max_size = recorder->options.max_size,
		.max_age_ns = recorder->options.max_age_ns,
		.current = recorder->in_memory ? 0 : recorder->segment.index.size,
		.boot = clock_boottime(&recorder->clock),
	};

	bounds.wall = bounds.boot + recorder->clock.offset;
	if (recorder->dirfd >= 0)
		retention_apply(&recorder->retention, recorder->dirfd, &bounds, &problems);
}

static int start(struct recorder *recorder, struct parse_reason *why)
{
	int err = introduce(recorder);

	if (!err)
		err = recorder->options.single ? open_file(recorder, why)
					       : open_directory(recorder, why);
	else
		refuse(why, err, recorder->path,
		       err == -ENOMEM ? strerror(ENOMEM) : "no random numbers");
	if (err)
		return err;
	err = recorder_begin_segment(recorder);
	if (err)
		return refuse(why, err, recorder->path, strerror(-err));
	apply_bounds(recorder);
	return 0;
}

int recorder_new(const struct recorder_options *options, struct recorder **out,
		 struct parse_reason *why)
{
	struct recorder *recorder = make(options);
	int err = -ENOMEM;

	if (recorder && recorder->path && recorder->syncer)
		err = start(recorder, why);
	else
		refuse(why, err, options->path, strerror(ENOMEM));
	if (!err)
		*out = recorder;
	else if (recorder)
		destroy(recorder);
	return err;
}

/* Everything, and the footer; without room for that one no row is lost. */
static int write_all(struct recorder *recorder)
{
	__u64 end;
	int err;

	if (recorder->error)
		return recorder->error;
	err = recorder_output(recorder);
	if (!err && recorder->full)
		err = recorder_retry(recorder);
	if (!err)
		err = recorder->error;
	if (!err && recorder->full)
		err = -ENOSPC;
	if (err)
		return err;
	if (recorder->in_memory || recorder->due)
		err = recorder_dump_all(recorder);
	if (err || recorder->segment.fd < 0)
		return err;
	err = recorder_end_segment(recorder, &recorder->segment, &end);
	return segment_disk_is_full(err) ? 0 : err;
}

int recorder_finish(struct recorder *recorder)
{
	if (!recorder->finished)
		recorder->finish_error = write_all(recorder);
	recorder->finished = true;
	return recorder->finish_error;
}

int recorder_close(struct recorder *recorder, __u64 *dropped)
{
	int err = recorder_finish(recorder), sync;
	struct recorder_counts counts = recorder->counts;

	sync = destroy(recorder);
	if (dropped)
		*dropped = counts.rows - counts.written - counts.forgotten;
	return err ? err : sync;
}

/* ---- rows ---------------------------------------------------------------------- */

int recorder_row(struct recorder *recorder, const struct pt_rec_head *row)
{
	int err;

	if (recorder->error) {
		recorder->counts.rows++;
		recorder->counts.dropped++;
		return 0;
	}
	err = block_writer_add(recorder->block, row);
	/* it is full still if it could not become a block */
	if (err)
		return err == -E2BIG ? -ENOMEM : err;
	recorder->counts.rows++;
	if (!recorder->dirty) {
		recorder->dirty = true;
		recorder->dirty_since = clock_boottime(&recorder->clock);
	}
	if (block_writer_rows(recorder->block) == FORMAT_ROWS_MAX)
		err = recorder_output(recorder);
	return err;
}

/* A keyframe may be larger than a segment should be: it is not to be most of what is written. */
static bool is_full(const struct recorder *recorder)
{
	__u64 size = recorder->segment.index.size, events = size - recorder->first_size;
	__u64 keep = recorder->options.keep, want = recorder->options.segment_size;

	if (recorder->in_memory)
		want = keep / SEGMENTS_OF_KEEP;
	if (size >= want && events >= recorder->first_size)
		return true;
	/* two are to fit, so that there is something of before when one begins */
	return recorder->in_memory && size >= keep / 2 && events >= want;
}

static bool is_rotation_due(const struct recorder *recorder, __u64 now)
{
	const struct recorder_options *options = &recorder->options;
	const struct footer *index = &recorder->segment.index;
	__u64 age = options->max_age_ns / SEGMENTS_OF_MAX_AGE;

	if (!index->rows)
		return false;
	if (index->count >= FOOTER_BLOCKS_WANTED)
		return true;
	if (is_full(recorder))
		return true;
	if (recorder->in_memory)
		return false; /* age does not bound memory */
	if (age < SEGMENT_AGE_MIN)
		age = SEGMENT_AGE_MIN;
	return options->max_age_ns && now - recorder->began >= age;
}

int recorder_rotate(struct recorder *recorder)
{
	int err = recorder_output(recorder);

	if (err || recorder->error || recorder->full)
		return err;
	err = recorder_begin_segment(recorder);
	if (!segment_disk_is_full(err))
		return err;
	recorder->rotation_failed = true;
	recorder_disk_full(recorder);
	return 0;
}

static void ask_sync(struct recorder *recorder)
{
	if (!recorder->in_memory)
		syncer_ask(recorder->syncer, recorder->segment.fd, false);
}

/* What is dirty for long enough goes to the file and to the disk. */
static int flush(struct recorder *recorder, __u64 now)
{
	int err;

	if (!recorder->dirty || now - recorder->dirty_since < FLUSH_AFTER)
		return 0;
	err = recorder_output(recorder);
	if (err)
		return err;
	recorder->dirty = false;
	ask_sync(recorder);
	return 0;
}

int recorder_tick(struct recorder *recorder)
{
	__u64 now = clock_boottime(&recorder->clock);
	int err = recorder->error ? recorder->error : syncer_error(recorder->syncer);

	if (!err)
		err = flush(recorder, now);
	if (!err && recorder->full && now >= recorder->retry_at) {
		err = recorder_retry(recorder);
		ask_sync(recorder);
	}
	if (!err && recorder->options.keep)
		err = recorder_dump_tick(recorder, now);
	if (!err && !recorder->full && is_rotation_due(recorder, now))
		err = recorder_rotate(recorder);
	if (!err)
		apply_bounds(recorder);
	if (!recorder->error)
		recorder->error = err;
	return recorder->error;
}

struct recorder_counts recorder_counts(const struct recorder *recorder)
{
	struct recorder_counts counts = recorder->counts;
	const struct retention *retention = &recorder->retention;

	counts.kept = recorder_kept_bytes(recorder);
	counts.in_memory = recorder->in_memory;
	counts.bytes = retention->size;
	counts.segments = retention->count - retention->first;
	if (!recorder->in_memory && recorder->segment.fd >= 0) {
		counts.bytes += segment_end(&recorder->segment);
		counts.segments++;
	}
	if (recorder->dirfd < 0)
		counts.segments = recorder->segments;
	counts.disk_full = recorder->full || recorder->dump_waits;
	return counts;
}
