// SPDX-License-Identifier: BSD-2-Clause
/* Recorders that are killed at any moment: what is older than a second is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/recordings.h"

#define MARKS (1U << 20)
#define ROWS_A_TICK 40

/* What the child tells while it lives: row numbers below `rows` were taken at ts or before. */
struct mark {
	__u64 ts, rows;
};

struct shared {
	_Atomic __u64 ticked; /* CLOCK_BOOTTIME of the last recorder_tick() that returned */
	_Atomic unsigned int count;
	struct mark marks[MARKS];
};

static __u64 real_boottime(void *data)
{
	struct timespec now;

	(void)data;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (__u64)now.tv_sec * SEC + (__u64)now.tv_nsec;
}

/* With a clock of its own: time passes as fast as it works, however busy the machine is. */
static void work(struct rig *rig, struct shared *shared, bool real)
{
	if (recorder_new(&rig->options, &rig->recorder, &rig->why))
		_exit(1);
	for (__u64 n = 0; shared->count < MARKS;) {
		__u64 now;

		if (real) {
			usleep(1000);
		} else {
			rig->boot += SEC / 50;
			rig->wall += SEC / 50;
		}
		now = rig->options.boottime(rig);
		for (int i = 0; i < ROWS_A_TICK; i++) {
			union row row = rig_row(n++);

			row.head.ts = now;
			if (recorder_row(rig->recorder, &row.head))
				_exit(1);
		}
		shared->marks[shared->count] = (struct mark){ now, n };
		shared->count++;
		if (recorder_tick(rig->recorder))
			_exit(1);
		shared->ticked = now;
	}
	pause();
}

static void run_and_kill(struct rig *rig, struct shared *shared, bool real, useconds_t after)
{
	int status;
	pid_t pid;

	shared->ticked = 0;
	shared->count = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		work(rig, shared, real);
	usleep(after);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* How many rows must be there: all that were taken a second before it was last alive. */
static __u64 rows_due(const struct shared *shared)
{
	__u64 rows = 0;

	for (unsigned int i = 0; i < shared->count; i++)
		if (shared->marks[i].ts + SEC <= shared->ticked)
			rows = shared->marks[i].rows;
	return rows;
}

/* The last run, if it is not the one before; returns its first segment. */
static unsigned int first_of_last_run(const struct seen *seen)
{
	unsigned int i = reader_segments(seen->reader) - 1;
	const char *run = reader_segment(seen->reader, i)->run;

	while (i && !strcmp(reader_segment(seen->reader, i - 1)->run, run))
		i--;
	return i;
}

static void check_run(const struct rig *rig, const struct shared *shared, char run[33])
{
	struct seen seen;
	__u64 due = rows_due(shared);
	unsigned int first;

	if (seen_try(&seen, rig->path) == -ENOENT && !due)
		return;
	assert_non_null(seen.reader);
	first = first_of_last_run(&seen);
	if (!strcmp(reader_segment(seen.reader, first)->run, run)) {
		/* killed before its first segment was there */
		assert_int_equal(due, 0);
		seen_close(&seen);
		return;
	}
	strcpy(run, reader_segment(seen.reader, first)->run);
	for (unsigned int i = first; i < reader_segments(seen.reader); i++) {
		assert_int_equal(reader_segment(seen.reader, i)->contiguous, i > first);
		seen_read(&seen, i, true, NULL, ~0ULL);
	}
	assert_int_equal(seen.gaps, 0);
	/* leaves the keyframes out */
	for (size_t i = 0, rows = 0; i < seen.count; i++) {
		if (seen.rows[i].head.kind >= PT_JR_STATE)
			continue;
		assert_int_equal(seen.rows[i].head.sock, ++rows);
		due -= due > 0;
	}
	assert_int_equal(due, 0);
	seen_close(&seen);
}

static void kill_often(bool real, unsigned int times, useconds_t least, useconds_t most)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char run[33] = "";
	unsigned int with_rows = 0;
	struct rig rig;

	assert_true(shared != MAP_FAILED);
	rig_begin(&rig);
	rig.options.segment_size = 20000;
	if (real)
		rig.options.boottime = rig.options.realtime = real_boottime;
	srand(1);
	for (unsigned int i = 0; i < times; i++) {
		/* a run of its own time, so that the last one sorts last */
		rig.boot += 1000000 * SEC;
		rig.wall += 1000000 * SEC;
		run_and_kill(&rig, shared, real, least + (useconds_t)rand() % (most - least));
		with_rows += rows_due(shared) > 0;
		check_run(&rig, shared, run);
		/* the files are in the way of speed */
		if (i % 10 == 9)
			rig_remove(rig.path);
	}
	/* else nothing was tested */
	assert_true(with_rows > times / 2);
	rig_end(&rig);
	munmap(shared, sizeof(*shared));
}

static void test_killed_at_any_moment(void **state)
{
	(void)state;
	kill_often(false, 100, 1000, 100000);
}

static void test_killed_by_the_real_clock(void **state)
{
	(void)state;
	kill_often(true, 5, 1500000, 2500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_any_moment),
		cmocka_unit_test(test_killed_by_the_real_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
