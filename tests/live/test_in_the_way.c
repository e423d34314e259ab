// SPDX-License-Identifier: BSD-2-Clause
/* Who is in the way of a refusal: the connection that took a server's port, those that hold all. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "recording.h"
#include "scene.h"

#define DIR "/tmp/live_in_the_way"
#define OUT "/tmp/live_in_the_way.jsonl"
#define SERVER 8080
#define PORT 40000
#define WAITING 12 /* connections of "web" in TIME_WAIT */
#define OPEN 7	   /* of "mailer" */
#define TIME_WAIT_NS 60000000000LL
/* A dump tells ms, and its answer is read later. */
#define DUMP_NS 100000000LL

/* A connection; on a word from the test it is closed. */
static int take(int line, void *arg)
{
	int fd = tcp_connect(NET_V4, SERVER);

	(void)arg;
	line_say(line, 1);
	line_hear(line);
	net_close(fd);
	line_say(line, 1);
	line_hear(line);
	return 0;
}

/* Somebody connects from PORT, which is the only one there is. */
static struct actor taker_of(const char *comm)
{
	struct actor actor;

	net_range(PORT, PORT);
	actor_start(&actor, comm, take, NULL);
	line_hear(actor.line);
	net_range(32768, 60999);
	return actor;
}

static json_t *first_blocker(json_t *event)
{
	json_t *blockers = json_object_get(event, "blockers");

	assert_true(json_array_size(blockers) > 0);
	return json_array_get(blockers, 0);
}

/* How long a TIME_WAIT that began then has left as of the event. */
static void check_left(json_t *blocker, struct span began, struct span asked, long long slack)
{
	long long left = event_number(blocker, "tw_left_ns");

	assert_true(left >= TIME_WAIT_NS - (long long)(asked.after - began.before) - slack);
	assert_true(left <= TIME_WAIT_NS - (long long)(asked.before - began.after) + slack);
}

/* What a server that wants PORT hears. */
static struct span ask_for_port(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	struct span span;

	timed(span, assert_int_equal(net_try_bind(fd, NET_V4, PORT), -EADDRINUSE));
	net_close(fd);
	return span;
}

static void a_server_finds_its_port_taken(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), server;
	struct span taken, asked;
	struct actor taker;
	json_t *event;

	timed(taken, taker = taker_of("taker"));
	server = tcp_accept(listener);
	asked = ask_for_port();
	event = tracer_expect(scene->tracer, "event=fail errno=EADDRINUSE port=%d", PORT);
	event_check(event, "via=fixed pid=%d comm=live_test blockers_total=1", getpid());
	event_check(first_blocker(event),
		    "pid=%d comm=taker laddr=127.0.0.1 raddr=127.0.0.1 rport=%d state=open "
		    "tw_left_ns=null count=1",
		    taker.pid, SERVER);
	event_check_ns(first_blocker(event), "age_ns", taken, asked);
	line_say(taker.line, 1);
	line_hear(taker.line);
	line_say(taker.line, 1);
	actor_join(&taker);
	net_close(server);
	net_close(listener);
}

/* The peer closes while the client waits for that: there is no FIN_WAIT2 without an owner. */
static struct span close_into_time_wait(int client, int server)
{
	struct span span;
	char end;

	must(shutdown(client, SHUT_WR));
	must_be(must(read(server, &end, 1)) == 0);
	timed(span, {
		net_close(server);
		tcp_wait_count(PORT, TCP_TIME_WAIT, 1);
	});
	net_close(client);
	return span;
}

static void a_time_wait_has_time_left(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client, server;
	struct span began, asked;
	struct tracer *late;
	json_t *event;

	net_range(PORT, PORT);
	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(listener);
	began = close_into_time_wait(client, server);
	net_age(300);
	asked = ask_for_port();
	event = tracer_expect(scene->tracer, "event=fail errno=EADDRINUSE port=%d", PORT);
	event_check(first_blocker(event), "pid=%d rport=%d state=TIME-WAIT count=1", getpid(),
		    SERVER);
	check_left(first_blocker(event), began, asked, 0);
	/* who came later has it from a dump, where that tells it */
	late = tracer_begin(true, (const char *const[]){ "--json", NULL });
	tracer_scope(late, scene->netns);
	asked = ask_for_port();
	event = tracer_expect(late, "event=fail errno=EADDRINUSE port=%d", PORT);
	event_check(first_blocker(event), "pid=null age_ns=null state=TIME-WAIT");
	if (!json_is_null(json_object_get(event, "cookie")))
		check_left(first_blocker(event), began, asked, DUMP_NS);
	assert_int_equal(tracer_stop(late), STATUS_DONE);
	net_close(listener);
}

/* Nobody knows when an orphan's FIN_WAIT2 ends. */
static void a_fin_wait2_has_not(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), server;
	struct actor taker = taker_of("taker");
	json_t *event;

	server = tcp_accept(listener);
	line_say(taker.line, 1);
	line_hear(taker.line);
	tracer_expect(scene->tracer, "event=time_wait port=%d tcp_state=FIN-WAIT-2", PORT);
	ask_for_port();
	event = tracer_expect(scene->tracer, "event=fail errno=EADDRINUSE port=%d", PORT);
	event_check(first_blocker(event), "pid=%d comm=taker state=TIME-WAIT tw_left_ns=null",
		    taker.pid);
	line_say(taker.line, 1);
	actor_join(&taker);
	net_close(server);
	net_close(listener);
}

/* ---- all of them ---------------------------------------------------------------- */

/* Connections of its own from every port that is left, until it is told to go on. */
static int hold_ports(int line, void *arg)
{
	int count = *(int *)arg, fds[WAITING];

	for (int i = 0; i < count; i++)
		fds[i] = tcp_connect(NET_V4, SERVER);
	line_say(line, 1);
	line_hear(line);
	for (int i = 0; i < count; i++)
		must(shutdown(fds[i], SHUT_WR));
	line_say(line, 1);
	line_hear(line);
	return 0;
}

struct crowd {
	struct actor web, mailer;
	int listener, bound, servers[WAITING + OPEN];
	struct span waiting; /* when TIME_WAITs began */
};

/* WAITING ports in TIME_WAIT, OPEN connections, and one that is bound. */
static void fill_the_range(struct crowd *crowd)
{
	int waiting = WAITING, open = OPEN;
	char end;

	net_sysctl("ipv4/tcp_tw_reuse", "0");
	net_range(PORT, PORT + WAITING + OPEN);
	crowd->listener = tcp_listen(NET_V4, SERVER);
	crowd->bound = net_socket(NET_V4, SOCK_STREAM);
	assert_int_equal(net_try_bind(crowd->bound, NET_V4, 0), 0);
	actor_start(&crowd->web, "web", hold_ports, &waiting);
	line_hear(crowd->web.line);
	for (int i = 0; i < WAITING; i++)
		crowd->servers[i] = tcp_accept(crowd->listener);
	line_say(crowd->web.line, 1);
	line_hear(crowd->web.line);
	crowd->waiting.before = net_boottime();
	for (int i = 0; i < WAITING; i++) {
		must_be(must(read(crowd->servers[i], &end, 1)) == 0);
		net_close(crowd->servers[i]);
	}
	/* it ends, and with it all that is not in TIME_WAIT yet */
	for (int port = PORT; port <= PORT + WAITING + OPEN; port++)
		if (tcp_count(port, TCP_FIN_WAIT2))
			tcp_wait_count(port, TCP_TIME_WAIT, 1);
	crowd->waiting.after = net_boottime();
	line_say(crowd->web.line, 1);
	actor_join(&crowd->web);
	actor_start(&crowd->mailer, "mailer", hold_ports, &open);
	line_hear(crowd->mailer.line);
	for (int i = 0; i < OPEN; i++)
		crowd->servers[i] = tcp_accept(crowd->listener);
}

static void empty_the_range(struct crowd *crowd)
{
	line_say(crowd->mailer.line, 1);
	line_hear(crowd->mailer.line);
	line_say(crowd->mailer.line, 1);
	actor_join(&crowd->mailer);
	for (int i = 0; i < OPEN; i++)
		net_close(crowd->servers[i]);
	net_close(crowd->bound);
	net_close(crowd->listener);
}

static void check_crowd(json_t *event, const struct crowd *crowd, struct span asked)
{
	json_t *blockers = json_object_get(event, "blockers");

	event_check(event, "via=connect port=0 raddr=127.0.0.1 rport=%d blockers_total=%d", SERVER,
		    WAITING + OPEN + 1);
	assert_int_equal(json_array_size(blockers), 3);
	event_check(json_array_get(blockers, 0),
		    "pid=%d comm=web count=%d state=TIME-WAIT laddr=null raddr=null rport=null",
		    crowd->web.pid, WAITING);
	check_left(json_array_get(blockers, 0), crowd->waiting, asked, 0);
	event_check(json_array_get(blockers, 1),
		    "pid=%d comm=mailer count=%d state=open tw_left_ns=null", crowd->mailer.pid,
		    OPEN);
	event_check(json_array_get(blockers, 2), "pid=%d comm=live_test count=1 state=open",
		    getpid());
	assert_true(event_number(json_array_get(blockers, 2), "age_ns") >
		    event_number(json_array_get(blockers, 1), "age_ns"));
}

static char *text_of(const char *path)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "re");

	must_be(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* Of the recording: the same facts, in words, and the same bytes by whichever way. */
static void check_recording(const struct crowd *crowd, ino_t netns, struct span asked)
{
	json_t *events = recording_events(DIR, netns);
	struct tracer *table, *lines;
	char words[160];

	check_crowd(events_one(events, "event=fail via=connect"), crowd, asked);
	json_decref(events);
	table = tracer_run("trace", "-q", "-r", DIR, "--event", "fail");
	assert_int_equal(tracer_exit(table), STATUS_DONE);
	snprintf(words, sizeof(words),
		 "  %d ports to 127.0.0.1:%d held by %d web (%d, all in TIME-WAIT, next due in ",
		 WAITING + OPEN + 1, SERVER, crowd->web.pid, WAITING);
	assert_non_null(strstr(tracer_stdout(table), words));
	snprintf(words, sizeof(words), "), %d mailer (%d, open, oldest ", crowd->mailer.pid, OPEN);
	assert_non_null(strstr(tracer_stdout(table), words));
	snprintf(words, sizeof(words),
		 "  taken by an outgoing connection of %d mailer to 127.0.0.1:%d (open, ",
		 crowd->mailer.pid, SERVER);
	assert_non_null(strstr(tracer_stdout(table), words));

	lines = tracer_run("trace", "-q", "-r", DIR, "--json");
	assert_int_equal(tracer_exit(lines), STATUS_DONE);
	assert_int_equal(
		tracer_exit(tracer_run("export", "-r", DIR, "--format", "jsonl", "-w", OUT)),
		STATUS_DONE);
	/* behind it there is the summary */
	assert_memory_equal(tracer_stdout(lines), text_of(OUT), strlen(text_of(OUT)));
	unlink(OUT);
}

/* And who held a port then, with what its TIME_WAIT had left. */
static void check_who(int port, uint64_t wall)
{
	char text[MOMENT_LEN], number[8];
	struct tracer *who;
	json_t *lines;

	snprintf(number, sizeof(number), "%d", port);
	who = tracer_run("who", number, "-r", DIR, "--json", "--at", moment(wall, text));
	assert_int_equal(tracer_exit(who), STATUS_DONE);
	lines = lines_of(tracer_stdout(who));
	event_check(json_array_get(lines, 0), "event=hold comm=web state=TIME-WAIT");
	assert_in_range(event_number(json_array_get(lines, 0), "tw_left_ns"), 1, TIME_WAIT_NS);
	json_decref(lines);
}

static int port_of(json_t *events, const char *comm)
{
	json_t *event;
	size_t i;

	json_array_foreach(events, i, event) if (event_fits(event, "event=alloc") &&
						 !strcmp(event_text(event, "comm"),
							 comm)) return (int)event_number(event,
											 "port");
	live_fail("%s has no port", comm);
}

static void a_full_range(struct scene *scene)
{
	struct tracer *recorder = recording_begin(DIR);
	struct crowd crowd;
	struct span asked;
	uint64_t wall;
	json_t *events;
	int fd, port;

	fill_the_range(&crowd);
	fd = net_socket(NET_V4, SOCK_STREAM);
	timed(asked, assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL));
	net_close(fd);
	check_crowd(tracer_expect(scene->tracer, "event=fail via=connect"), &crowd, asked);
	/* and a server wants one of them by number */
	events = recording_wait(DIR, scene->netns, "event=fail via=connect");
	fd = net_socket(NET_V4, SOCK_STREAM);
	assert_int_equal(net_try_bind(fd, NET_V4, port_of(events, "mailer")), -EADDRINUSE);
	net_close(fd);
	port = port_of(events, "web");
	json_decref(events);
	tracer_expect(scene->tracer, "event=fail via=fixed errno=EADDRINUSE");
	wall = moment_apart();
	empty_the_range(&crowd);
	recording_end(recorder);
	check_who(port, wall);
	check_recording(&crowd, scene->netns, asked);
	recording_remove(DIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_server_finds_its_port_taken),
		SCENE_TEST(a_time_wait_has_time_left),
		SCENE_TEST(a_fin_wait2_has_not),
		SCENE_TEST(a_full_range),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
