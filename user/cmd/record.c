// SPDX-License-Identifier: BSD-2-Clause
/* porttrace record: all that the ledger takes, into a recording. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/base/format.h"
#include "user/cmd/child.h"
#include "user/cmd/flight.h"
#include "user/cmd/session.h"
#include "user/live/cgroup.h"
#include "user/live/netns.h"
#include "user/live/range.h"
#include "user/recording/recorder.h"

#define NETNS_MAX 4096 /* described in a segment */
/* Bytes of a namespace's reserved ports, and of all of them: longer lists are left out. */
#define RESERVED_MAX 1024
#define RESERVED_ALL_MAX 65536
#define PROGRESS_NS 1000000000ULL
#define ALIVE_NS 10000000000ULL /* at the latest then an idle recorder says that it is there */

struct described_netns {
	__u32 inode;
	__u64 cookie;
	__u16 low, high;
	unsigned int reserved;
	char *reserved_ports; /* NULL: there are none, or too many */
};

struct record {
	struct options *options;
	struct session session;
	struct recorder *recorder;
	struct child child;
	struct flight flight;
	int error;	    /* of the recorder: it ended the recording */
	__u64 events;	    /* that the ledger took */
	__u64 alive_events; /* of these, when it was looked at last */
	__u64 alive_at;	    /* the last row, CLOCK_BOOTTIME, ns */
	struct described_netns *netns;
	unsigned int netns_count;
	bool progress;
	size_t progress_len;
	__u64 progress_at; /* CLOCK_BOOTTIME, ns */
	__u64 progress_events;
};

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

/* ---- what a segment says of this host ------------------------------------------ */

/* As parse_ports() reads them; to be freed. NULL: none, too long, or no memory. */
static char *reserved_ports(const struct range *range)
{
	char text[RESERVED_MAX];
	char *end = format_ports(text, sizeof(text), &range->reserved, range->low, range->high);

	return end && end > text ? strndup(text, (size_t)(end - text)) : NULL;
}

/* The ranges change seldom, and the last dump has the newest ones. */
static void on_netns(void *data, const struct dump_netns *netns)
{
	struct record *record = data;
	struct described_netns *found = record->netns;
	struct described_netns *end = record->netns + record->netns_count;

	if (!netns->range)
		return;
	while (found < end && (found->inode != netns->inode || found->cookie != netns->cookie))
		found++;
	if (found == record->netns + NETNS_MAX)
		return;
	if (found == end)
		record->netns_count++;
	else
		free(found->reserved_ports);
	*found = (struct described_netns){ .inode = netns->inode,
					   .cookie = netns->cookie,
					   .low = netns->range->low,
					   .high = netns->range->high,
					   .reserved = netns->range->reserved_count,
					   .reserved_ports = reserved_ports(netns->range) };
}

static int on_netns_done(const struct dump_netns *netns, void *data)
{
	on_netns(data, netns);
	return 0;
}

static int ignore_row(const struct sock_row *row, void *data)
{
	(void)row;
	(void)data;
	return 0;
}

/* Before the first segment is begun, for its description: sockets are for later. */
static void learn_ranges(struct record *record)
{
	struct port_set none = { 0 };
	const struct dump_options options = { .ports = &none, .netns_done = on_netns_done };
	struct dump_result result = { 0 };

	dump_all(&options, ignore_row, record, &result);
}

struct naming {
	json_t *object;
	__u32 inode;
};

static void set_name(const char *name, __u32 inode, void *data)
{
	const struct naming *naming = data;

	if (inode == naming->inode)
		json_object_set_new(naming->object, "name", json_string(name));
}

/* room: bytes that are left for lists of reserved ports. */
static json_t *netns_json(const struct described_netns *netns, size_t *room)
{
	char cookie[FORMAT_U64_MAX + 1];
	json_t *object;

	snprintf(cookie, sizeof(cookie), "%llu", netns->cookie);
	object = json_pack("{s:I, s:s, s:i, s:i, s:i}", "netns", (json_int_t)netns->inode,
			   "netns_cookie", cookie, "low", netns->low, "high", netns->high,
			   "reserved", netns->reserved);
	if (netns->reserved_ports && strlen(netns->reserved_ports) <= *room) {
		json_object_set_new(object, "reserved_ports", json_string(netns->reserved_ports));
		*room -= strlen(netns->reserved_ports);
	}
	/* a name that is no UTF-8 is left out */
	netns_each_name(set_name, &(struct naming){ object, netns->inode });
	return object;
}

/* Members of the segment's JSON object. */
static char *describe(void *data)
{
	const struct record *record = data;
	json_t *list = json_array(), *object;
	size_t room = RESERVED_ALL_MAX;
	char *text;

	for (unsigned int i = 0; i < record->netns_count; i++)
		json_array_append_new(list, netns_json(&record->netns[i], &room));
	object = json_pack("{s:o}", "ranges", list);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		return NULL;
	/* without its braces */
	text[strlen(text) - 1] = '\0';
	memmove(text, text + 1, strlen(text));
	return text;
}

/* ---- the recorder --------------------------------------------------------------- */

static void end_progress(struct record *record)
{
	if (record->progress_len)
		fputc('\n', stderr);
	record->progress_len = 0;
}

static void on_notice(void *data, const char *text)
{
	end_progress(data);
	complain("%s", text);
}

#define SIZE_LEN 32

static const char *format_bytes(__u64 bytes, char text[SIZE_LEN])
{
	if (bytes < 1 << 20)
		snprintf(text, SIZE_LEN, "%.1f KiB", (double)bytes / (1 << 10));
	else
		snprintf(text, SIZE_LEN, "%.1f MiB", (double)bytes / (1 << 20));
	return text;
}

static void on_dumped(void *data, const struct recorder_dumped *dumped)
{
	struct record *record = data;
	char size[SIZE_LEN], first[FORMAT_DATETIME_MAX + 1], last[FORMAT_DATETIME_MAX + 1];
	struct format_time cache = { 0 };

	if (record->options->quiet)
		return;
	end_progress(record);
	if (!dumped->segments) {
		complain("%s: nothing new in memory", record->flight.why);
		return;
	}
	*format_datetime(&cache, first, dumped->first_wall) = '\0';
	*format_datetime(&cache, last, dumped->last_wall) = '\0';
	complain("%s: %llu events from %s to %s, %s, written to %s%s", record->flight.why,
		 dumped->rows, first, last, format_bytes(dumped->bytes, size),
		 record->options->write,
		 record->flight.then ? ", as is what comes within 60s" : "");
	if (dumped->dropped)
		complain("%llu events before these are lost: the disk was full", dumped->dropped);
}

static void keep_row(struct record *record, const struct pt_rec_head *row)
{
	int err = recorder_row(record->recorder, row);

	if (err && !record->error)
		record->error = err;
}

static void on_row(void *data, const struct pt_rec_head *row)
{
	struct record *record = data;

	record->events++;
	keep_row(record, row);
}

/* That nothing happened until now: else nobody could tell it from not knowing. */
static void tell_alive(struct record *record, __u64 now)
{
	const struct pt_rec_journal row = { .head = { .kind = PT_JR_ALIVE,
						      .version = PT_ABI_VERSION,
						      .size = sizeof(row),
						      .ts = now } };

	keep_row(record, &row.head);
	record->alive_at = now;
}

static void keyframe(void *data, recorder_row_fn fn, void *fn_data)
{
	const struct record *record = data;

	pipeline_keyframe(record->session.pipeline, fn, fn_data);
}

/* A directory, which is bounded, unless a file is there or the name is that of one. */
static bool is_single(const char *path)
{
	const char *suffix = strrchr(path, '.');
	struct stat st;

	if (!stat(path, &st))
		return !S_ISDIR(st.st_mode);
	return suffix && !strcmp(suffix, ".ptr");
}

static enum exit_status open_recorder(struct record *record)
{
	const struct options *options = record->options;
	bool single = is_single(options->write);
	struct recorder_options with = {
		.path = options->write,
		.single = single,
		.max_size = single ? 0 : options->max_size,
		.max_age_ns = single ? 0 : options->max_age_ns,
		.keep = options->memory,
		.keyframe = keyframe,
		.keyframe_data = record,
		.describe = describe,
		.describe_data = record,
		.cgroup_path = cgroup_path,
		.cgroup_data = record->session.cgroups,
		.notice = on_notice,
		.dumped = on_dumped,
		.notice_data = record,
	};
	struct parse_reason why;

	if (single && options->memory) {
		complain("--memory: %s is a file; what is kept in memory goes to a directory",
			 options->write);
		return STATUS_USAGE;
	}
	record->netns = calloc(NETNS_MAX, sizeof(*record->netns));
	if (!record->netns) {
		complain("cannot start: %s", strerror(ENOMEM));
		return STATUS_ERROR;
	}
	learn_ranges(record);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk */
	if (!recorder_new(&with, &record->recorder, &why))
		return STATUS_DONE;
	complain("%s", why.text);
	return STATUS_ERROR;
}

static enum exit_status set_up(struct record *record)
{
	struct session *session = &record->session;
	enum exit_status status = session_begin(session, record->options);

	if (status == STATUS_DONE)
		status = session_load(session);
	if (record->flight.on == DUMP_ON_EXHAUSTION)
		session_observe(session, flight_event, &record->flight);
	if (status == STATUS_DONE)
		status = session_attach(session, NULL);
	if (status == STATUS_DONE)
		status = open_recorder(record);
	if (status != STATUS_DONE)
		return status;
	pipeline_set_tap(session->pipeline, on_row, record);
	upkeep_add_netns(session->upkeep, on_netns, record);
	return session_start(session);
}

static enum exit_status start_child(struct record *record)
{
	char *const *argv = record->options->child;
	char quoted[PARSE_QUOTE_LEN];
	int err;

	if (!argv)
		return STATUS_DONE;
	err = child_start(&record->child, argv);
	if (!err)
		return STATUS_DONE;
	complain("%s cannot run: %s", parse_quote(argv[0], strlen(argv[0]), quoted),
		 strerror(-err));
	return STATUS_ERROR;
}

/* ---- the loop ------------------------------------------------------------------ */

static size_t format_progress(char line[128], const struct recorder_counts *counts, __u64 events,
			      __u64 rate, __u64 lost)
{
	char size[SIZE_LEN];

	format_bytes(counts->in_memory ? counts->kept : counts->bytes, size);
	return (size_t)snprintf(line, 128, "%llu events, %llu/s, %s%s, %llu lost%s", events, rate,
				size, counts->in_memory ? " in memory" : "", lost,
				counts->disk_full ? ", disk full" : "");
}

/* One line that is written over once a second. */
static void show_progress(struct record *record)
{
	struct recorder_counts counts;
	__u64 now = now_ns(), passed = now - record->progress_at;
	char line[128];
	size_t len;

	if (!record->progress || passed < PROGRESS_NS)
		return;
	counts = recorder_counts(record->recorder);
	len = format_progress(line, &counts, record->events,
			      (record->events - record->progress_events) * 1000000000ULL / passed,
			      pipeline_counts(record->session.pipeline).lost);
	fprintf(stderr, "\r%s%*s", line,
		(int)(record->progress_len > len ? record->progress_len - len : 0), "");
	record->progress_len = len;
	record->progress_at = now;
	record->progress_events = record->events;
}

static int look(void *data)
{
	struct record *record = data;
	__u64 now = now_ns();
	int err;

	if (record->events != record->alive_events)
		record->alive_at = now;
	record->alive_events = record->events;
	if (now - record->alive_at >= ALIVE_NS)
		tell_alive(record, now);
	err = record->error ?: recorder_tick(record->recorder);
	if (record->flight.asked)
		end_progress(record);
	if (!err)
		err = flight_look(&record->flight, record->session.watch, record->recorder);
	if (err && !record->error)
		record->error = err;
	show_progress(record);
	return record->error ? 1 : 0;
}

/* With a command it is the command that ends it; a terminal's Ctrl-C reaches it anyway. */
static bool on_signal(void *data, int number)
{
	struct record *record = data;

	if (number == SIGUSR2) {
		flight_signal(&record->flight);
		return false;
	}
	if (!record->options->child)
		return number != SIGCHLD;
	if (number == SIGTERM || number == SIGHUP)
		child_signal(&record->child, number);
	return child_has_ended(&record->child);
}

/* ---- the end -------------------------------------------------------------------- */

static void summarize(struct record *record, const struct recorder_counts *counts)
{
	__u64 lost = pipeline_counts(record->session.pipeline).lost;
	char size[SIZE_LEN];

	end_progress(record);
	if (!record->options->quiet)
		fprintf(stderr, "%llu events recorded, %llu lost; %s: %llu segment%s, %s\n",
			record->events - counts->dropped - counts->forgotten, lost,
			record->options->write, counts->segments, counts->segments == 1 ? "" : "s",
			format_bytes(counts->bytes, size));
}

static enum exit_status explain_recorder(const struct record *record, int err, __u64 dropped)
{
	complain("%s: %s; %llu events are not in the recording", record->options->write,
		 strerror(-err), dropped);
	return STATUS_ERROR;
}

static enum exit_status finish(struct record *record, int run_error)
{
	int err = session_stop(&record->session, run_error), closed;
	struct recorder_counts counts;
	enum exit_status status;
	__u64 dropped = 0;

	if (!record->error)
		record->error = recorder_tick(record->recorder);
	flight_end(&record->flight);
	recorder_finish(record->recorder);
	counts = recorder_counts(record->recorder);
	closed = recorder_close(record->recorder, &dropped);
	record->recorder = NULL;
	if (record->error)
		closed = record->error;
	summarize(record, &counts);
	status = session_conclude(&record->session, err);
	return closed ? explain_recorder(record, closed, dropped) : status;
}

/* The command's status is ours, unless we failed. */
static enum exit_status pass_on(const struct record *record, enum exit_status status)
{
	if (!record->options->child)
		return status;
	return status == STATUS_DONE ? (enum exit_status)record->child.status
				     : (enum exit_status)CHILD_TRACER_FAILED;
}

enum exit_status command_record(struct options *options)
{
	struct record record = {
		.options = options,
		.child = { .status = CHILD_TRACER_FAILED },
		.flight = { .on = options->dump_on },
		/* a command has the terminal for itself */
		.progress = !options->quiet && !options->child && !options->watch &&
			    isatty(STDERR_FILENO),
	};
	const struct session_hooks hooks = { look, on_signal, &record };
	enum exit_status status = set_up(&record), started = STATUS_ERROR;

	if (status == STATUS_DONE) {
		introduce(options, &record.session.found);
		started = start_child(&record);
		status = finish(&record,
				started == STATUS_DONE ? session_run(&record.session, &hooks) : 0);
	}
	if (record.recorder)
		recorder_close(record.recorder, NULL);
	session_end(&record.session);
	for (unsigned int i = 0; i < record.netns_count; i++)
		free(record.netns[i].reserved_ports);
	free(record.netns);
	return pass_on(&record, status);
}
