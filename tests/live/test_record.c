// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is recorded is what was shown, and what happened. One recording is made while
 * a tracer runs beside it; the tests hold what each command says of it against that
 * tracer and against what the workload knows of itself.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "recording.h"
#include "scene.h"
#include "stream.h"

#define DIR "/tmp/live_record"
#define OUT "/tmp/live_record_out"
#define SERVER 8080
#define OTHER_SERVER 9090
#define OLD_PORT 7000 /* by UDP, before anybody records */
#define PORT 60609
#define FULL_PORT 50000 /* the only one of the range, for refusals */
#define HASTY 12	/* connections of "hasty", each reset */
#define REFUSALS 3	/* of "greedy" */
#define NOT_A_PORT 61999
/*
 * Two tracers read the clock one after the other. Between them the host may stop the guest: what
 * is measured from there is of one event, and of that which ends what it began.
 */
#define JITTER_NS 50000000LL
#define STALL_NS 500000000LL
#define STALLED_MAX 6

#define READ(...) tracer_run(__VA_ARGS__, "-r", DIR)

/* ---- the workload ------------------------------------------------------------ */

static struct {
	bool made;
	ino_t netns;
	json_t *shown;		/* by the tracer beside */
	json_t *replay;		/* of the whole recording */
	pid_t hasty, greedy;	/* processes of the workload */
	uint64_t before_record; /* moments, CLOCK_REALTIME */
	uint64_t before, during, waiting, after, later, end;
} day;

struct held {
	int listener, client, server, udp;
};

static int be_hasty(int line, void *arg)
{
	(void)line;
	(void)arg;
	for (int i = 0; i < HASTY; i++)
		tcp_reset(tcp_connect(NET_V4, SERVER));
	return 0;
}

/* One port for all: the second connection to one place is refused. */
static int be_greedy(int line, void *arg)
{
	int first, fd;

	(void)line;
	(void)arg;
	net_range(FULL_PORT, FULL_PORT);
	first = tcp_connect(NET_V4, SERVER);
	for (int i = 0; i < REFUSALS; i++) {
		fd = net_socket(NET_V4, SOCK_STREAM);
		must_be(net_try_connect(fd, NET_V4, SERVER) == -EADDRNOTAVAIL);
		net_close(fd);
	}
	tcp_reset(first);
	net_range(32768, 60999);
	return 0;
}

static pid_t play(const char *comm, int (*what)(int line, void *arg))
{
	struct actor actor;
	pid_t pid;

	actor_start(&actor, comm, what, NULL);
	pid = actor.pid;
	actor_join(&actor);
	return pid;
}

/* PORT: a connection, its TIME_WAIT, and another that takes it out of there. */
static void hold_the_port(const struct held *held)
{
	int client, server;

	day.before = moment_apart();
	net_range(PORT, PORT);
	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(held->listener);
	day.during = moment_apart();
	tcp_close_pair(client, server);
	day.waiting = moment_apart();
	net_age(1100); /* younger than a second they are not reused */
	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(held->listener);
	day.later = moment_apart();
	tcp_reset(client);
	net_close(server);
	day.after = moment_apart();
	net_range(32768, 60999);
}

static void every_other_way(void)
{
	int listener = tcp_listen(NET_V6, OTHER_SERVER), fd, clients[2], servers[2];

	for (int i = 0; i < 2; i++) {
		clients[i] = tcp_connect(NET_V6, OTHER_SERVER);
		servers[i] = tcp_accept(listener);
	}
	net_close(listener); /* those that were accepted remain */
	fd = net_socket(NET_V4, SOCK_DGRAM);
	must_be(net_try_send(fd, NET_V4, SERVER) == 0);
	net_close(fd);
	fd = net_socket(NET_V4, SOCK_DGRAM);
	must_be(net_try_bind(fd, NET_V4, OLD_PORT) == -EADDRINUSE);
	net_close(fd);
	fd = net_socket(NET_V4, SOCK_STREAM);
	must_be(net_try_bind(fd, NET_V4, 0) == 0);
	net_close(fd);
	fd = net_socket(NET_V4, SOCK_STREAM);
	must_be(net_try_listen(fd) == 0);
	net_close(fd);
	/* not before the dump that finds them */
	net_age(300);
	for (int i = 0; i < 2; i++) {
		tcp_reset(clients[i]);
		net_close(servers[i]);
	}
}

static struct held hold_before(void)
{
	struct held held = { .listener = tcp_listen(NET_V4, SERVER) };

	held.client = tcp_connect(NET_V4, SERVER);
	held.server = tcp_accept(held.listener);
	held.udp = net_socket(NET_V4, SOCK_DGRAM);
	must_be(net_try_bind(held.udp, NET_V4, OLD_PORT) == 0);
	return held;
}

static void let_go(const struct held *held)
{
	tcp_reset(held->client);
	net_close(held->server);
	net_close(held->udp);
	net_close(held->listener);
}

static json_t *events_of(struct tracer *tracer, ino_t netns)
{
	json_t *events = json_array();

	tracer_scope_all(tracer);
	for (int left = tracer_count(tracer, "netns=%lu", netns); left; left--)
		json_array_append(events, tracer_expect(tracer, "netns=%lu", netns));
	return events;
}

/* Once, by the first test that wants it; the others are in namespaces of their own. */
static void make_the_day(void)
{
	struct tracer *recorder, *tracer;
	struct held held;

	if (day.made)
		return;
	day.netns = net_inode();
	net_sysctl("ipv4/tcp_tw_reuse", "1");
	recording_remove(DIR);
	held = hold_before();
	day.before_record = net_realtime();
	recorder = recording_begin(DIR);
	tracer = tracer_whole();
	hold_the_port(&held);
	day.hasty = play("hasty", be_hasty);
	day.greedy = play("greedy", be_greedy);
	every_other_way();
	let_go(&held);
	tracer_sync(tracer);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	day.end = net_realtime();
	recording_end(recorder);
	day.shown = events_of(tracer, day.netns);
	tracer_free(tracer);
	day.replay = recording_events(DIR, day.netns);
	day.made = true;
}

/* ---- what was shown ---------------------------------------------------------- */

/* What two tracers measure each for itself. */
static const char *const measured[] = { "ts",	   "search_ns", "reuse_ns",
					"open_ns", "held_ns",	"age_ns" };

static bool is_measured(const char *key)
{
	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++)
		if (!strcmp(measured[i], key))
			return true;
	return !strcmp(key, "tw_left_ns");
}

static long long number_of(const json_t *value)
{
	return json_is_string(value) ? stream_time(json_string_value(value))
				     : json_integer_value(value);
}

static int stalled; /* values that a stop lies between */

static bool is_near(const char *key, const json_t *a, const json_t *b)
{
	long long apart;

	if (json_is_null(a) || json_is_null(b))
		return json_is_null(a) && json_is_null(b);
	if (!strcmp(key, "search_ns"))
		return number_of(a) > 0 && number_of(b) > 0;
	apart = llabs(number_of(a) - number_of(b));
	stalled += apart > JITTER_NS;
	return apart <= STALL_NS && stalled <= STALLED_MAX;
}

static void check_same(json_t *shown, json_t *replayed);

static void check_same_field(const char *key, json_t *shown, json_t *replayed)
{
	json_t *blocker;
	size_t i;

	if (!replayed)
		live_fail("the replay has no '%s'", key);
	if (!strcmp(key, "ts"))
		return; /* check_same_event() */
	if (is_measured(key)) {
		if (!is_near(key, shown, replayed))
			live_fail("'%s' differs by more than two clocks may", key);
	} else if (!strcmp(key, "blockers") && json_is_array(shown)) {
		assert_int_equal(json_array_size(shown), json_array_size(replayed));
		json_array_foreach(shown, i, blocker)
			check_same(blocker, json_array_get(replayed, i));
	} else if (!json_equal(shown, replayed)) {
		live_fail("'%s' differs", key);
	}
}

static void check_same(json_t *shown, json_t *replayed)
{
	const char *key;
	json_t *value;

	assert_int_equal(json_object_size(shown), json_object_size(replayed));
	json_object_foreach(shown, key, value)
		check_same_field(key, value, json_object_get(replayed, key));
}

/* When a tracer began to know of a hold of before is its own matter. */
static void check_same_event(json_t *shown, json_t *replayed)
{
	check_same(shown, replayed);
	if (!event_fits(shown, "via=snapshot") &&
	    !is_near("ts", json_object_get(shown, "ts"), json_object_get(replayed, "ts")))
		live_fail("'ts' differs by more than two clocks may");
}

static int by_port(const void *one, const void *other)
{
	json_t *a = *(json_t *const *)one, *b = *(json_t *const *)other;
	int order = strcmp(event_text(a, "proto"), event_text(b, "proto"));

	if (!order)
		order = (int)(event_number(a, "port") - event_number(b, "port"));
	/* as they came */
	return order ? order : (int)(event_number(a, "nr") - event_number(b, "nr"));
}

/* Ports after each other, the events of each as they came. */
static json_t **sorted(json_t *events)
{
	size_t count = json_array_size(events);
	json_t **list = calloc(count, sizeof(*list));

	must_be(list);
	for (size_t i = 0; i < count; i++) {
		list[i] = json_array_get(events, i);
		json_object_set_new(list[i], "nr", json_integer((json_int_t)i));
	}
	qsort(list, count, sizeof(*list), by_port);
	for (size_t i = 0; i < count; i++)
		json_object_del(list[i], "nr");
	return list;
}

static void a_replay_has_what_was_shown(struct scene *scene)
{
	json_t **shown, **replayed;

	(void)scene;
	make_the_day();
	assert_int_equal(json_array_size(day.replay), json_array_size(day.shown));
	shown = sorted(day.shown);
	replayed = sorted(day.replay);
	for (size_t i = 0; i < json_array_size(day.shown); i++) {
		print_message("%s %lld %s\n", event_text(shown[i], "proto"),
			      event_number(shown[i], "port"), event_text(shown[i], "event"));
		check_same_event(shown[i], replayed[i]);
	}
	free(shown);
	free(replayed);
}

/* The ways that the workload took are all in it. */
static void a_replay_has_what_happened(struct scene *scene)
{
	static const struct {
		const char *pattern;
		int count;
	} facts[] = {
		{ "event=alloc via=snapshot", 3 },
		{ "event=alloc via=accept", 2 },
		{ "event=alloc via=autobind", 1 },
		{ "event=alloc via=bind", 1 },
		{ "event=alloc via=listen", 1 },
		{ "event=alloc via=connect comm=hasty", HASTY },
		{ "event=free end=close comm=hasty", HASTY },
		{ "event=fail errno=EADDRNOTAVAIL comm=greedy rport=8080", REFUSALS },
		{ "event=fail errno=EADDRINUSE port=7000 proto=udp", 1 },
		{ "event=time_wait port=60609", 1 },
		{ "event=free port=60609 end=reused", 1 },
		{ "event=alloc port=60609 reuse=time_wait", 1 },
		{ "event=lost", 0 },
	};
	struct tracer *replay;

	(void)scene;
	make_the_day();
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		print_message("%s\n", facts[i].pattern);
		assert_int_equal(events_count(day.replay, "%s", facts[i].pattern), facts[i].count);
	}
	/* and the form of each line, and that holds add up */
	replay = tracer_spawn(&(struct tracer_setup){
		.args = (const char *const[]){ "-r", DIR, "--json", NULL } });
	assert_int_equal(tracer_exit(replay), STATUS_DONE);
	tracer_check_stream(replay);
	assert_true(tracer_ended(replay));
}

/* ---- filters ----------------------------------------------------------------- */

struct want {
	const char *event, *comm;
	long long port, since, until;
};

static bool is_wanted(json_t *event, const struct want *want)
{
	long long ts = stream_time(event_text(event, "ts"));

	return (!want->event || !strcmp(event_text(event, "event"), want->event)) &&
	       (!want->comm || event_fits(event, want->comm)) &&
	       (!want->port || event_number(event, "port") == want->port) &&
	       (!want->since || ts >= want->since) && (!want->until || ts <= want->until);
}

/* Bit for bit what the whole replay has of them. */
static void check_filtered(const struct want *want, json_t *events)
{
	json_t *event;
	size_t i, found = 0;

	json_array_foreach(day.replay, i, event)
	{
		if (!is_wanted(event, want))
			continue;
		assert_true(found < json_array_size(events));
		assert_true(json_equal(event, json_array_get(events, found)));
		found++;
	}
	assert_true(found > 0);
	assert_int_equal(json_array_size(events), found);
	json_decref(events);
}

static void filters_show_a_part_of_it(struct scene *scene)
{
	char since[MOMENT_LEN], until[MOMENT_LEN];

	(void)scene;
	make_the_day();
	moment(day.during, since);
	moment(day.later, until);
	check_filtered(&(struct want){ .port = PORT },
		       recording_events(DIR, day.netns, "--port", "60609"));
	check_filtered(&(struct want){ .event = "fail" },
		       recording_events(DIR, day.netns, "--event", "fail"));
	check_filtered(&(struct want){ .comm = "comm=hasty" },
		       recording_events(DIR, day.netns, "--comm", "hast?"));
	check_filtered(&(struct want){ .since = (long long)day.during },
		       recording_events(DIR, day.netns, "--since", since));
	check_filtered(&(struct want){ .until = (long long)day.later },
		       recording_events(DIR, day.netns, "--until", until));
	check_filtered(
		&(struct want){ .since = (long long)day.during, .until = (long long)day.later },
		recording_events(DIR, day.netns, "--since", since, "--until", until));
}

static void netns_by_its_number(struct scene *scene)
{
	json_t *events;
	char netns[32];

	(void)scene;
	make_the_day();
	snprintf(netns, sizeof(netns), "%lu", (unsigned long)day.netns);
	events = recording_events(DIR, 0, "--netns", netns);
	assert_true(json_equal(events, day.replay));
	json_decref(events);
}

/* ---- who, ls ----------------------------------------------------------------- */

#define WHO(port, wall) READ("who", port, "--at", moment(wall, (char[MOMENT_LEN]){ 0 }), "--json")

/* The objects that who says of that moment: holders, and last the moment itself. */
static json_t *who(const char *port, uint64_t wall)
{
	struct tracer *tracer = WHO(port, wall);
	json_t *lines;

	if (tracer_exit(tracer) != STATUS_DONE)
		live_fail("who ended with %d: %s", tracer_exit(tracer), tracer_stderr(tracer));
	lines = lines_of(tracer_stdout(tracer));
	tracer_free(tracer);
	return lines;
}

static void check_who(uint64_t wall, const char *state)
{
	json_t *lines = who("60609", wall);

	assert_int_equal(json_array_size(lines), 2);
	event_check(json_array_get(lines, 0),
		    "event=hold proto=tcp port=60609 laddr=127.0.0.1 raddr=127.0.0.1 rport=8080 "
		    "state=%s pid=%d comm=live_test netns=%lu",
		    state, getpid(), (unsigned long)day.netns);
	event_check(json_array_get(lines, 1),
		    "event=moment port=60609 holders=1 certain=true free_since=null");
	json_decref(lines);
}

static void who_held_it(struct scene *scene)
{
	(void)scene;
	make_the_day();
	check_who(day.during, "OPEN");
	check_who(day.waiting, "TIME-WAIT");
	check_who(day.later, "OPEN");
}

static void who_says_nobody(struct scene *scene)
{
	json_t *lines, *freed;

	(void)scene;
	make_the_day();
	lines = who("60609", day.before);
	assert_int_equal(json_array_size(lines), 1);
	event_check(json_array_get(lines, 0), "holders=0 certain=true free_since=null");
	json_decref(lines);
	lines = who("60609", day.after);
	assert_int_equal(json_array_size(lines), 1);
	event_check(json_array_get(lines, 0), "holders=0 certain=true");
	freed = events_one(day.replay, "event=free port=60609 end=close");
	assert_string_equal(event_text(json_array_get(lines, 0), "free_since"),
			    event_text(freed, "ts"));
	json_decref(lines);
}

static void who_in_words(struct scene *scene)
{
	char at[MOMENT_LEN], name[64];
	struct tracer *tracer;

	(void)scene;
	make_the_day();
	tracer = READ("who", "60609", "--at", moment(day.waiting, at));
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_non_null(strstr(tracer_stdout(tracer), "TIME-WAIT"));
	assert_non_null(strstr(tracer_stdout(tracer), ": held by 1 socket.\n"));
	tracer = READ("who", "60609", "--at", moment(day.after, at));
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_non_null(strstr(tracer_stdout(tracer), ": held by nobody since "));
	snprintf(name, sizeof(name), "when %d live_test let it go (tcp).\n", getpid());
	assert_non_null(strstr(tracer_stdout(tracer), name));
	tracer = READ("who", "60609", "--at", moment(day.before, at));
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_non_null(strstr(tracer_stdout(tracer),
			       ": held by nobody; nobody was seen to hold it before.\n"));
}

/* A hold of before the recording is known from its beginning on. */
static void who_of_before(struct scene *scene)
{
	json_t *lines;

	(void)scene;
	make_the_day();
	lines = who("7000", day.before);
	assert_int_equal(json_array_size(lines), 2);
	event_check(json_array_get(lines, 0), "event=hold proto=udp port=7000 pid=%d", getpid());
	json_decref(lines);
}

static void who_does_not_know(struct scene *scene)
{
	struct tracer *tracer;

	(void)scene;
	make_the_day();
	tracer = WHO("60609", day.before_record);
	assert_int_equal(tracer_exit(tracer), STATUS_NOT_KNOWN);
	assert_string_equal(tracer_stdout(tracer), "");
	assert_non_null(strstr(tracer_stderr(tracer), "not known: the recording begins at "));
	tracer = WHO("60609", day.end + 10000000000ULL);
	assert_int_equal(tracer_exit(tracer), STATUS_NOT_KNOWN);
	assert_string_equal(tracer_stdout(tracer), "");
	assert_non_null(strstr(tracer_stderr(tracer), "not known: the recording ends at "));
}

static void ls_at_a_moment(struct scene *scene)
{
	struct tracer *tracer;
	char at[MOMENT_LEN];
	json_t *holders;

	(void)scene;
	make_the_day();
	tracer = READ("ls", "--json", "--at", moment(day.waiting, at));
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	holders = lines_of(tracer_stdout(tracer));
	events_one(holders, "port=60609 state=TIME-WAIT netns=%lu", (unsigned long)day.netns);
	events_one(holders, "port=7000 proto=udp pid=%d netns=%lu", getpid(),
		   (unsigned long)day.netns);
	/* listener, old client, UDP, TIME_WAIT */
	assert_int_equal(events_count(holders, "event=hold netns=%lu", (unsigned long)day.netns),
			 4);
	/* how full its range was: the recording knows which that is */
	events_one(holders, "event=range netns=%lu whole=true tcp_time_wait=1",
		   (unsigned long)day.netns);
	json_decref(holders);
}

static void ls_headroom_at_a_moment(struct scene *scene)
{
	struct tracer *tracer;
	char at[MOMENT_LEN];
	json_t *rows;

	(void)scene;
	make_the_day();
	tracer = READ("ls", "--headroom", "--json", "--at", moment(day.waiting, at));
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	rows = lines_of(tracer_stdout(tracer));
	events_one(rows, "event=headroom proto=tcp rport=8080 held_time_wait=1 netns=%lu",
		   (unsigned long)day.netns);
	json_decref(rows);
}

/* ---- history, report --------------------------------------------------------- */

static void check_history(json_t *rows)
{
	json_t *first = events_one(rows, "event=hold end=reused"),
	       *second = events_one(rows, "event=hold end=close");
	json_t *alloc = events_one(day.replay, "event=alloc port=60609 reuse=time_wait");

	assert_int_equal(json_array_size(rows), 2);
	event_check(first, "port=60609 pid=%d comm=live_test via=connect rport=8080", getpid());
	event_check(second, "port=60609 pid=%d via=connect still_held=false", getpid());
	assert_string_equal(event_text(second, "begin"), event_text(alloc, "ts"));
	assert_true(event_number(first, "held_ns") > 1100000000);
	assert_true(event_number(first, "open_ns") < event_number(first, "held_ns"));
}

static void history_has_both_holds(struct scene *scene)
{
	struct tracer *tracer;
	json_t *rows;

	(void)scene;
	make_the_day();
	tracer = READ("history", "60609", "--json");
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	rows = lines_of(tracer_stdout(tracer));
	check_history(rows);
	json_decref(rows);
	tracer = READ("history", "60609");
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_int_equal(tracer_lines(tracer_stdout(tracer)), 3);
	tracer = READ("history", "61999");
	assert_int_equal(tracer_exit(tracer), STATUS_NOT_KNOWN);
}

static json_t *row_of(json_t *report, const char *pattern)
{
	return events_one(json_object_get(report, "rows"), "%s", pattern);
}

static json_t *report_by(const char *by)
{
	struct tracer *tracer;
	json_t *lines, *report;
	char netns[32];

	snprintf(netns, sizeof(netns), "%lu", (unsigned long)day.netns);
	tracer = READ("report", "--json", "--by", by, "--top", "0", "--netns", netns);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	lines = lines_of(tracer_stdout(tracer));
	assert_int_equal(json_array_size(lines), 1);
	report = json_incref(json_array_get(lines, 0));
	json_decref(lines);
	tracer_free(tracer);
	return report;
}

static void a_report_counts_what_happened(struct scene *scene)
{
	json_t *report, *all;

	(void)scene;
	make_the_day();
	report = report_by("process");
	event_check(row_of(report, "comm=hasty"), "pid=%d allocs=%d frees=%d fails=0 held_now=0",
		    day.hasty, HASTY, HASTY);
	event_check(row_of(report, "comm=greedy"), "pid=%d allocs=1 frees=1 fails=%d held_max=1",
		    day.greedy, REFUSALS);
	all = json_object_get(report, "all");
	event_check(all, "fails=%d allocs=%d held_now=0", REFUSALS + 1,
		    events_count(day.replay, "event=alloc") -
			    events_count(day.replay, "event=alloc via=snapshot") -
			    events_count(day.replay, "event=alloc via=accept"));
	json_decref(report);
	report = report_by("port");
	event_check(row_of(report, "port=60609 proto=tcp"), "allocs=2 frees=2 held_max=1");
	json_decref(report);
	report = report_by("remote");
	event_check(row_of(report, "rport=8080 fails=3"), "raddr=127.0.0.1 allocs=%d", HASTY + 3);
	json_decref(report);
}

/* ---- export ------------------------------------------------------------------ */

static char *exported(const char *format)
{
	struct tracer *tracer;
	char netns[32], *text;
	FILE *file;

	snprintf(netns, sizeof(netns), "%lu", (unsigned long)day.netns);
	unlink(OUT);
	tracer = READ("export", "--format", format, "-w", OUT, "--netns", netns);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_string_equal(tracer_stdout(tracer), "");
	tracer_free(tracer);
	text = calloc(1, 1 << 20);
	file = fopen(OUT, "re");
	must_be(text && file);
	must_be(fread(text, 1, (1 << 20) - 1, file) > 0);
	fclose(file);
	return text;
}

static void exports_as_lines(struct scene *scene)
{
	json_t *lines;
	char *text;

	(void)scene;
	make_the_day();
	text = exported("jsonl");
	lines = lines_of(text);
	assert_true(json_equal(lines, day.replay));
	json_decref(lines);
	free(text);
	text = exported("csv");
	assert_int_equal(strncmp(text, "ts,event,proto,family,port,", 27), 0);
	assert_int_equal(tracer_lines(text), 1 + json_array_size(day.replay));
	free(text);
	unlink(OUT);
}

static long long ask(sqlite3 *db, const char *question)
{
	sqlite3_stmt *statement;
	long long answer;

	if (sqlite3_prepare_v2(db, question, -1, &statement, NULL))
		live_fail("%s: %s", question, sqlite3_errmsg(db));
	must_be(sqlite3_step(statement) == SQLITE_ROW);
	answer = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return answer;
}

static void exports_as_a_database(struct scene *scene)
{
	char question[256];
	sqlite3 *db;

	(void)scene;
	make_the_day();
	free(exported("sqlite"));
	must_be(!sqlite3_open_v2(OUT, &db, SQLITE_OPEN_READONLY, NULL));
	assert_int_equal(ask(db, "SELECT count(*) FROM events"), json_array_size(day.replay));
	assert_int_equal(ask(db, "SELECT count(*) FROM holds"),
			 events_count(day.replay, "event=alloc"));
	assert_int_equal(ask(db, "SELECT count(*) FROM holds WHERE comm='hasty' AND "
				 "end_reason='close' AND held_ns > 0"),
			 HASTY);
	assert_int_equal(ask(db, "SELECT count(*) FROM events WHERE errno='EADDRNOTAVAIL'"),
			 REFUSALS);
	/* who had it in TIME_WAIT, as docs/export.md asks */
	snprintf(question, sizeof(question),
		 "SELECT pid FROM holds WHERE port = 60609 AND begin <= %llu AND closed <= %llu "
		 "AND end > %llu",
		 (unsigned long long)day.waiting, (unsigned long long)day.waiting,
		 (unsigned long long)day.waiting);
	assert_int_equal(ask(db, question), getpid());
	sqlite3_close(db);
	unlink(OUT);
}

/* ---- record ------------------------------------------------------------------ */

#define COMMAND_DIR "/tmp/live_record_command"
#define COMMAND(...) tracer_run("record", "-w", COMMAND_DIR, "--", __VA_ARGS__)

static void the_command_s_status(struct scene *scene)
{
	json_t *events;

	(void)scene;
	recording_remove(COMMAND_DIR);
	assert_int_equal(tracer_exit(COMMAND("/bin/sh", "-c", "exit 7")), 7);
	assert_int_equal(tracer_exit(COMMAND("/bin/sh", "-c", "kill -9 $$")), 128 + SIGKILL);
	assert_int_equal(tracer_exit(COMMAND("/bin/true")), 0);
	assert_int_equal(tracer_exit(COMMAND("/tmp")), 126);
	assert_int_equal(tracer_exit(COMMAND("/nonexistent")), 127);
	/* five runs, and a recording of all */
	events = recording_events(COMMAND_DIR, 0);
	json_decref(events);
	recording_remove(COMMAND_DIR);
}

static void what_a_command_does_is_recorded(struct scene *scene)
{
	static const char script[] = "nc 127.0.0.1 9; exit 3";
	json_t *events;

	recording_remove(COMMAND_DIR);
	assert_int_equal(tracer_exit(COMMAND("/bin/sh", "-c", script)), 3);
	events = recording_events(COMMAND_DIR, scene->netns);
	events_one(events, "event=alloc via=connect comm=nc rport=9");
	json_decref(events);
	recording_remove(COMMAND_DIR);
}

static void sigterm_goes_to_the_command(struct scene *scene)
{
	static const char script[] = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done";
	struct tracer *recorder = tracer_spawn(&(struct tracer_setup){
		.args = (const char *const[]){ "record", "-w", COMMAND_DIR, "--", "/bin/sh", "-c",
					       script, NULL },
		.text = true });

	(void)scene;
	tracer_ready(recorder);
	tracer_wait_stdout(recorder, "up\n");
	tracer_signal(recorder, SIGTERM);
	assert_int_equal(tracer_exit(recorder), 9);
	recording_remove(COMMAND_DIR);
}

static void one_recorder_at_a_time(struct scene *scene)
{
	struct tracer *first = recording_begin(COMMAND_DIR), *second;
	char who[64];

	(void)scene;
	second = tracer_run("record", "-w", COMMAND_DIR);
	assert_int_equal(tracer_exit(second), STATUS_ERROR);
	snprintf(who, sizeof(who), "another recorder has it: pid %d\n", tracer_pid(first));
	assert_non_null(strstr(tracer_stderr(second), who));
	recording_end(first);
	recording_remove(COMMAND_DIR);
}

static void the_day_ends(struct scene *scene)
{
	(void)scene;
	json_decref(day.shown);
	json_decref(day.replay);
	recording_remove(DIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_replay_has_what_was_shown),
		SCENE_TEST(a_replay_has_what_happened),
		SCENE_TEST(filters_show_a_part_of_it),
		SCENE_TEST(netns_by_its_number),
		SCENE_TEST(who_held_it),
		SCENE_TEST(who_says_nobody),
		SCENE_TEST(who_in_words),
		SCENE_TEST(who_of_before),
		SCENE_TEST(who_does_not_know),
		SCENE_TEST(ls_at_a_moment),
		SCENE_TEST(ls_headroom_at_a_moment),
		SCENE_TEST(history_has_both_holds),
		SCENE_TEST(a_report_counts_what_happened),
		SCENE_TEST(exports_as_lines),
		SCENE_TEST(exports_as_a_database),
		SCENE_TEST(the_command_s_status),
		SCENE_TEST(what_a_command_does_is_recorded),
		SCENE_TEST(sigterm_goes_to_the_command),
		SCENE_TEST(one_recorder_at_a_time),
		SCENE_TEST(the_day_ends),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
