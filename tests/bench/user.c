// SPDX-License-Identifier: BSD-2-Clause
/*
 * What recording costs on the user's side, with the records of
 * tests/support/synthetic.h. One measurement a run, so that each has a process, and
 * a peak of memory, of its own; a line of tab-separated fields goes to stdout. Run by
 * tests/bench/user.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/synthetic.h"
#include "user/pipeline/pipeline.h"
#include "user/recording/recorder.h"

#define BATCH 4096		      /* records made at once, as if the ring had them */
#define TICK_NS 100000000ULL	      /* as often as porttrace looks at the ring */
#define OFFSET 1763596800000000000ULL /* begins at 2025-11-21T00:00:00Z: a day after boot */
#define SQLITE_BATCH 10000
#define SQLITE_PORT "40000" /* that is looked for */
#define REMOTES 1000000	    /* of record-remotes */

struct bench {
	struct synthetic *load;
	union block_row rows[BATCH];
	__u64 now, ticked; /* CLOCK_BOOTTIME of the load, ns */
	__u64 making;	   /* ns of CPU time that was spent on making records */
	bool remotes;	   /* each of REMOTES in its turn */
	__u32 remote;	   /* the next one */
	__u64 taken;	   /* records that the recorder was given */
	struct pipeline *pipeline;
	struct recorder *recorder;
};

static void fail(const char *what)
{
	fprintf(stderr, "user: %s\n", what);
	exit(1);
}

static __u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec;
}

/* ---- the load ------------------------------------------------------------------- */

/* A remote for each search, one after the other. */
static void set_remote(struct bench *bench, union block_row *row)
{
	if (row->head.kind != PT_REC_ALLOC && row->head.kind != PT_REC_FAIL)
		return;
	row->port.tuple.raddr[13] = (__u8)(bench->remote >> 16);
	row->port.tuple.raddr[14] = (__u8)(bench->remote >> 8);
	row->port.tuple.raddr[15] = (__u8)bench->remote;
	bench->remote = (bench->remote + 1) % REMOTES;
}

static unsigned int make_batch(struct bench *bench, __u64 left)
{
	unsigned int count = left < BATCH ? (unsigned int)left : BATCH;
	__u64 begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	for (unsigned int i = 0; i < count; i++) {
		synthetic_next(bench->load, &bench->rows[i]);
		if (bench->remotes)
			set_remote(bench, &bench->rows[i]);
	}
	bench->making += clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
	return count;
}

static __u64 boottime(void *data)
{
	return ((const struct bench *)data)->now;
}

static __u64 realtime(void *data)
{
	return ((const struct bench *)data)->now + OFFSET;
}

/* ---- recording ------------------------------------------------------------------ */

static void on_row(void *data, const struct pt_rec_head *row)
{
	struct bench *bench = data;

	bench->taken++;
	if (recorder_row(bench->recorder, row))
		fail("no memory");
}

static void keyframe(void *data, recorder_row_fn fn, void *fn_data)
{
	const struct bench *bench = data;

	if (bench->pipeline)
		pipeline_keyframe(bench->pipeline, fn, fn_data);
}

static const char *cgroup_path(void *data, __u64 id)
{
	static char path[64];

	(void)data;
	snprintf(path, sizeof(path), "/system.slice/service-%llu.service", id);
	return path;
}

static void on_notice(void *data, const char *text)
{
	(void)data;
	fail(text);
}

/* Not inlined: callgrind counts what happens within. */
__attribute__((noinline)) static void take_batch(struct bench *bench, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct pt_rec_head *head = &bench->rows[i].head;

		bench->now = head->ts;
		if (bench->pipeline)
			pipeline_record(bench->pipeline, head, head->size);
		else
			on_row(bench, head);
		if (!bench->recorder || bench->now - bench->ticked < TICK_NS)
			continue;
		bench->ticked = bench->now;
		if (recorder_tick(bench->recorder))
			fail("the recorder failed");
	}
}

static void begin_recording(struct bench *bench, const char *path)
{
	const struct recorder_options options = {
		.path = path,
		.keyframe = keyframe,
		.keyframe_data = bench,
		.cgroup_path = cgroup_path,
		.boottime = boottime,
		.realtime = realtime,
		.clock_data = bench,
		.notice = on_notice,
	};
	struct parse_reason why;

	make_batch(bench, 1);
	bench->now = bench->ticked = bench->rows[0].head.ts;
	if (recorder_new(&options, &bench->recorder, &why))
		fail(why.text);
	if (bench->pipeline)
		pipeline_set_tap(bench->pipeline, on_row, bench);
}

static void run_load(struct bench *bench, __u64 events)
{
	for (__u64 left = events; left;) {
		unsigned int count = make_batch(bench, left);

		take_batch(bench, count);
		left -= count;
	}
	if (bench->pipeline && pipeline_error(bench->pipeline))
		fail("a record was refused");
}

static void record(struct bench *bench, const char *path, __u64 events)
{
	begin_recording(bench, path);
	run_load(bench, events);
	if (recorder_close(bench->recorder, NULL))
		fail("the recorder failed");
}

/* ---- SQLite --------------------------------------------------------------------- */

static void run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		fail(sqlite3_errmsg(db));
}

static const struct pt_tuple *tuple_of(const union block_row *row)
{
	static const struct pt_tuple none;

	switch (row->head.kind) {
	case PT_REC_ALLOC:
	case PT_REC_FAIL:
		return &row->port.tuple;
	case PT_REC_TW_BEGIN:
		return &row->tuple.tuple;
	default:
		return &none;
	}
}

static void bind_record(sqlite3_stmt *insert, const union block_row *row)
{
	const struct pt_tuple *tuple = tuple_of(row);
	const struct pt_rec_head *head = &row->head;

	sqlite3_clear_bindings(insert);
	sqlite3_bind_int64(insert, 1, (sqlite3_int64)head->ts);
	sqlite3_bind_int(insert, 2, head->kind);
	sqlite3_bind_int(insert, 3, head->proto);
	sqlite3_bind_int(insert, 4, head->port);
	sqlite3_bind_int64(insert, 5, head->netns);
	sqlite3_bind_int64(insert, 6, (sqlite3_int64)head->sock);
	if (tuple->rport) {
		sqlite3_bind_blob(insert, 7, tuple->raddr + 12, 4, SQLITE_STATIC);
		sqlite3_bind_int(insert, 8, tuple->rport);
	}
	if (head->kind != PT_REC_ALLOC && head->kind != PT_REC_FAIL)
		return;
	sqlite3_bind_int64(insert, 9, row->port.task.pid);
	sqlite3_bind_text(insert, 10, row->port.task.comm, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 11, (sqlite3_int64)row->port.search_ns);
}

static void insert_events(struct bench *bench, sqlite3 *db, __u64 events)
{
	sqlite3_stmt *insert;

	if (sqlite3_prepare_v2(db, "INSERT INTO events VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1,
			       &insert, NULL))
		fail(sqlite3_errmsg(db));
	for (__u64 i = 0; i < events; i++) {
		if (i % BATCH == 0)
			make_batch(bench, events - i);
		if (i % SQLITE_BATCH == 0)
			run_sql(db, i ? "COMMIT; BEGIN" : "BEGIN");
		bind_record(insert, &bench->rows[i % BATCH]);
		if (sqlite3_step(insert) != SQLITE_DONE)
			fail(sqlite3_errmsg(db));
		sqlite3_reset(insert);
	}
	run_sql(db, "COMMIT");
	sqlite3_finalize(insert);
}

static sqlite3 *open_database(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db))
		fail(path);
	run_sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
	return db;
}

static void fill_database(struct bench *bench, const char *path, __u64 events)
{
	sqlite3 *db = open_database(path);

	run_sql(db, "CREATE TABLE events(ts INT, kind INT, proto INT, port INT, netns INT, "
		    "sock INT, raddr BLOB, rport INT, pid INT, comm TEXT, search_ns INT)");
	insert_events(bench, db, events);
	bench->taken = events;
	/* the write-ahead log goes into the database */
	sqlite3_close(db);
}

static void run_on_database(const char *path, const char *sql)
{
	sqlite3 *db = open_database(path);

	run_sql(db, sql);
	sqlite3_close(db);
}

/* ---- what it took --------------------------------------------------------------- */

static __u64 ns_of(struct timeval time)
{
	return (__u64)time.tv_sec * 1000000000 + (__u64)time.tv_usec * 1000;
}

static void print_costs(const struct bench *bench, int who, __u64 begun)
{
	struct rusage usage;
	double cpu, wall;

	getrusage(who, &usage);
	cpu = (double)(ns_of(usage.ru_utime) + ns_of(usage.ru_stime) - bench->making) / 1e9;
	wall = (double)(clock_ns(CLOCK_MONOTONIC) - begun - bench->making) / 1e9;
	printf("%llu\t%.4f\t%.4f\t%.1f\n", bench->taken, cpu, wall, (double)usage.ru_maxrss / 1024);
}

/* A command whose output nobody reads. */
static int run_command(char **argv)
{
	int status, null;
	pid_t pid = fork();

	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		if (null >= 0 && dup2(null, STDOUT_FILENO) >= 0)
			execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		fail("the command died");
	return WEXITSTATUS(status);
}

static void usage(void)
{
	fputs("Usage: user ledger '' EVENTS\n"
	      "       user record|record-rows|record-remotes DIR EVENTS\n"
	      "       user insert FILE EVENTS | index FILE | search FILE\n"
	      "       user run COMMAND...\n"
	      "Prints events, CPU time and wall time in seconds (without what making the events\n"
	      "took), and the peak of memory in MiB.\n",
	      stderr);
	exit(2);
}

static void measure(struct bench *bench, const char *what, const char *path, __u64 events)
{
	static const struct filter all;

	bench->remotes = !strcmp(what, "record-remotes");
	if (!strcmp(what, "ledger") || !strcmp(what, "record") || bench->remotes)
		bench->pipeline = pipeline_new(&(struct pipeline_options){ .filter = &all });
	if (!strcmp(what, "ledger")) {
		run_load(bench, events);
		bench->taken = events;
	} else if (!strcmp(what, "record") || bench->remotes) {
		record(bench, path, events);
	} else if (!strcmp(what, "record-rows")) {
		record(bench, path, events);
	} else if (!strcmp(what, "insert")) {
		fill_database(bench, path, events);
	} else if (!strcmp(what, "index")) {
		run_on_database(path, "CREATE INDEX events_port ON events(port, ts)");
	} else if (!strcmp(what, "search")) {
		run_on_database(path,
				"SELECT * FROM events WHERE port = " SQLITE_PORT " ORDER BY ts");
	} else {
		usage();
	}
}

int main(int argc, char **argv)
{
	static struct bench bench;
	__u64 begun = clock_ns(CLOCK_MONOTONIC);
	int status = 0;

	if (argc < 3)
		usage();
	if (!strcmp(argv[1], "run")) {
		status = run_command(argv + 2);
		print_costs(&bench, RUSAGE_CHILDREN, begun);
		return status;
	}
	bench.load = synthetic_new(1);
	if (!bench.load)
		fail("no memory");
	measure(&bench, argv[1], argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) : 0);
	print_costs(&bench, RUSAGE_SELF, begun);
	pipeline_free(bench.pipeline);
	synthetic_free(bench.load);
	return 0;
}
