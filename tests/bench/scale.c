// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an event costs on the user's side, by how much there is to know: holds,
 * processes, namespaces, destinations. One measurement a run, and a line of
 * tab-separated fields. In a guest that counts instructions a nanosecond is one.
 * Run by tests/bench/scale.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/synthetic.h"
#include "user/base/parse.h"
#include "user/pipeline/pipeline.h"
#include "user/stats/report.h"

#define BATCH 4096 /* records made at once, as if the ring had them */
#define FIRST_PORT 32768
#define PORTS 28232 /* the kernel's default range */
#define NS_A_RECORD 5000
#define NUMBER_MAX 100000000

struct world {
	__u64 holds, processes, namespaces, destinations;
	__u64 *socks; /* of each hold; 0: not held */
	__u64 random, ts, last_sock;
};

/* Where events end, besides in the real sinks: nowhere, or in a report. */
struct end {
	struct sink sink;
	struct report *report;
};

struct bench {
	struct world world;
	union block_row rows[BATCH];
	struct pipeline *pipeline;
	__u64 taking; /* ns of CPU time */
};

static void fail(const char *what)
{
	fprintf(stderr, "scale: %s\n", what);
	exit(1);
}

static __u64 cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec;
}

static double resident_mib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages;

	if (!file || fscanf(file, "%*d %ld", &pages) != 1)
		fail("/proc/self/statm");
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* ---- the world ------------------------------------------------------------------ */

static struct pt_rec_head head_of(struct world *world, __u64 hold)
{
	__u64 netns = hold % world->namespaces;

	world->ts += NS_A_RECORD;
	return (struct pt_rec_head){
		.version = PT_ABI_VERSION,
		.ts = world->ts,
		.sock = world->socks[hold],
		.netns_cookie = 1 + netns,
		.netns = (__u32)(4026531840 + netns),
		.port = (__u16)(FIRST_PORT + hold / world->namespaces % PORTS),
		.proto = IPPROTO_TCP,
		.family = AF_INET,
	};
}

static struct pt_tuple tuple_of(__u64 destination)
{
	struct pt_tuple tuple = { .laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
				  .raddr = { [10] = 0xff, 0xff, 10 } };

	tuple.raddr[13] = (__u8)(destination >> 16);
	tuple.raddr[14] = (__u8)(destination >> 8);
	tuple.raddr[15] = (__u8)destination;
	tuple.rport = 443;
	return tuple;
}

static struct pt_task task_of(__u64 process)
{
	struct pt_task task = { .pid = (__u32)(1000 + process),
				.tid = (__u32)(1000 + process),
				.start = 1000000000 + process,
				.cgroup = 4000 + process / 4 };

	snprintf(task.comm, sizeof(task.comm), "service-%llu", process % 1000);
	memcpy(task.thread, task.comm, sizeof(task.thread));
	return task;
}

static void allocate(struct world *world, __u64 hold, union block_row *row)
{
	__u64 destination = synthetic_random(&world->random) % world->destinations;
	__u64 process = synthetic_random(&world->random) % world->processes;

	world->socks[hold] = ++world->last_sock;
	row->port = (struct pt_rec_port){ .head = head_of(world, hold),
					  .tuple = tuple_of(destination),
					  .task = task_of(process),
					  .search_ns = 1500,
					  .via = PT_VIA_CONNECT };
	row->head.kind = PT_REC_ALLOC;
	row->head.size = sizeof(row->port);
	row->head.flags = PT_F_SEARCHED;
}

static void release(struct world *world, __u64 hold, union block_row *row)
{
	row->head = head_of(world, hold);
	row->head.kind = PT_REC_RELEASE;
	row->head.size = sizeof(row->head);
	row->head.vrf = PT_VRF_UNKNOWN;
	world->socks[hold] = 0;
}

/* Some hold ends, and begins anew: as many as before, and one less in between. */
static void churn(struct world *world, union block_row *row)
{
	static __u64 ended;

	if (ended) {
		allocate(world, ended - 1, row);
		ended = 0;
		return;
	}
	ended = 1 + synthetic_random(&world->random) % world->holds;
	release(world, ended - 1, row);
}

/* ---- where events end ----------------------------------------------------------- */

static int end_event(struct sink *sink, const struct pt_event *ev)
{
	struct end *end = (struct end *)sink;

	return end->report ? report_event(end->report, ev) : 0;
}

static int end_flush(struct sink *sink)
{
	(void)sink;
	return 0;
}

static struct sink *end_new(const char *name)
{
	static const struct sink_ops ops = { .event = end_event, .flush = end_flush };
	static struct end end = { .sink.ops = &ops };
	int by = report_by_from_name(name);

	if (strcmp(name, "totals") && by < 0)
		fail("no sink of that name");
	if (by >= 0)
		end.report = report_new(
			&(struct report_options){ .by = (enum report_by)by, .until = ~0ULL });
	return &end.sink;
}

static struct sink *sink_make(const char *name)
{
	static const struct {
		const char *name;
		int (*make)(struct out *out, const struct sink_context *ctx, struct sink **sink);
	} sinks[] = { { "table", sink_table_new },
		      { "json", sink_json_new },
		      { "csv", sink_csv_new } };
	static struct sink_context context;
	static struct out out;
	struct sink *sink;

	if (!strcmp(name, "none"))
		return NULL;
	for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++) {
		if (strcmp(name, sinks[i].name))
			continue;
		if (out_open(&out, "/dev/null") || sinks[i].make(&out, &context, &sink))
			fail("no sink");
		return sink;
	}
	return end_new(name);
}

/* ---- measuring ------------------------------------------------------------------ */

/* Not inlined: callgrind counts what happens within. */
__attribute__((noinline)) static void take_batch(struct bench *bench, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		pipeline_record(bench->pipeline, &bench->rows[i], bench->rows[i].head.size);
}

static void fill(struct bench *bench)
{
	for (__u64 hold = 0; hold < bench->world.holds; hold++) {
		allocate(&bench->world, hold, &bench->rows[0]);
		pipeline_record(bench->pipeline, &bench->rows[0], bench->rows[0].head.size);
	}
}

static void run(struct bench *bench, __u64 events)
{
	for (__u64 left = events; left;) {
		unsigned int count = left < BATCH ? (unsigned int)left : BATCH;
		__u64 begin;

		for (unsigned int i = 0; i < count; i++)
			churn(&bench->world, &bench->rows[i]);
		begin = cpu_ns();
		take_batch(bench, count);
		bench->taking += cpu_ns() - begin;
		left -= count;
	}
	if (pipeline_error(bench->pipeline))
		fail("a record was refused");
}

static __u64 number_of(const char *text)
{
	struct parse_reason why;
	__u64 value;

	if (parse_u64(text, 1, NUMBER_MAX, &value, &why))
		fail(why.text);
	return value;
}

int main(int argc, char **argv)
{
	static const struct filter all;
	static struct bench bench;
	struct world *world = &bench.world;
	double before;
	__u64 events;

	if (argc != 7) {
		fputs("Usage: scale none|totals|table|json|csv|port|process|remote HOLDS\n"
		      "             PROCESSES NAMESPACES DESTINATIONS EVENTS\n"
		      "Prints these, ns of CPU time an event, and how much memory has grown in "
		      "MiB.\n",
		      stderr);
		return 2;
	}
	*world = (struct world){ .holds = number_of(argv[2]),
				 .processes = number_of(argv[3]),
				 .namespaces = number_of(argv[4]),
				 .destinations = number_of(argv[5]),
				 .random = 1,
				 .ts = 86400ULL * 1000000000 };
	events = number_of(argv[6]);
	world->socks = malloc(world->holds * sizeof(*world->socks));
	if (!world->socks)
		fail("no memory");
	memset(world->socks, 1, world->holds * sizeof(*world->socks));
	before = resident_mib();
	bench.pipeline = pipeline_new(&(struct pipeline_options){
		.filter = &all, .sink = sink_make(argv[1]), .totals = true });
	if (!bench.pipeline)
		fail("no memory");
	fill(&bench);
	run(&bench, events);
	printf("%s\t%s\t%s\t%s\t%s\t%.0f\t%.1f\n", argv[1], argv[2], argv[3], argv[4], argv[5],
	       (double)bench.taking / (double)events, resident_mib() - before);
	return 0;
}
