// SPDX-License-Identifier: BSD-2-Clause
/* porttrace ls: what holds a port now, told without tracing. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 60609
#define NOBODY 65534
#define ARGS_MAX 12

/* `ls ARGS` of this test's namespace, as text, ended with status 0. */
static struct tracer *listed(uid_t uid, const char *const *args)
{
	const char *all[ARGS_MAX] = { "ls" };
	struct tracer *tracer;

	for (int i = 0; args[i]; i++) {
		must_be(i + 2 < ARGS_MAX);
		all[i + 1] = args[i];
	}
	tracer = tracer_spawn(&(struct tracer_setup){ .args = all, .text = true, .uid = uid });
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	return tracer;
}

#define LS(...) listed(0, (const char *const[]){ "-N", "/proc/self/ns/net", ##__VA_ARGS__, NULL })
#define LS_ALL(...) listed(0, (const char *const[]){ __VA_ARGS__, NULL })
#define LS_AS(uid, ...) listed(uid, (const char *const[]){ __VA_ARGS__, NULL })

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("there is no '%s' in:\n%s", part, text);
}

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *say(const char *format, ...)
{
	static char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

/* The array of all lines of a listing that is JSON; the caller's. */
static json_t *objects(struct tracer *tracer)
{
	char *text = strdup(tracer_stdout(tracer)), *rest = text, *line;
	json_t *all = json_array();

	must_be(text && all);
	while ((line = strsep(&rest, "\n")) && *line) {
		json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		if (!object)
			fail_msg("no JSON: %s", line);
		json_array_append_new(all, object);
	}
	free(text);
	return all;
}

/* The holders of port in that state (NULL: any); the first into *first. */
static int holders(json_t *all, int port, const char *state, json_t **first)
{
	json_t *object;
	int count = 0;
	size_t i;

	json_array_foreach(all, i, object)
	{
		if (strcmp(event_text(object, "event"), "hold") ||
		    event_number(object, "port") != port ||
		    (state && strcmp(event_text(object, "state"), state)))
			continue;
		if (!count++ && first)
			*first = object;
	}
	return count;
}

/* The one holder of port, which must be the only one. */
static json_t *only(json_t *all, int port, const char *state)
{
	json_t *object = NULL;
	int count = holders(all, port, state, &object);

	if (count != 1)
		fail_msg("%d holders of port %d", count, port);
	return object;
}

static json_t *last(json_t *all)
{
	return json_array_get(all, json_array_size(all) - 1);
}

/* The first object that is such an event. */
static json_t *of_event(json_t *all, const char *event)
{
	json_t *object;
	size_t i;

	json_array_foreach(all, i,
			   object) if (!strcmp(event_text(object, "event"), event)) return object;
	fail_msg("no object is a %s", event);
	return NULL;
}

static void a_time_wait_with_its_time_left(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), client = tcp_connect(NET_V4, SERVER);
	int port = net_port(client);
	json_t *all, *row;

	scene_needs_sock_diag();
	tcp_close_pair(client, tcp_accept(listener));
	all = objects(LS("--json"));
	row = only(all, port, "TIME-WAIT");
	event_check(row,
		    "proto=tcp family=ipv4 laddr=127.0.0.1 raddr=127.0.0.1 rport=%d pid=null "
		    "comm=null uid=null processes=0 accepted=false age_ns=null netns=%lu",
		    SERVER, scene->netns);
	assert_in_range(event_number(row, "tw_left_ns"), 20000000000, 60000000000);
	json_decref(all);
	assert_contains(tracer_stdout(LS("-P", say("%d", port))),
			"tcp: only 1 in TIME-WAIT (the last for ");
	net_close(listener);
}

static void a_listener_with_two_connections(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER);
	int clients[] = { tcp_connect(NET_V4, SERVER), tcp_connect(NET_V4, SERVER) };
	int servers[] = { tcp_accept(listener), tcp_accept(listener) };
	json_t *all;

	(void)scene;
	scene_needs_sock_diag();
	all = objects(LS("--json"));
	event_check(only(all, SERVER, NULL),
		    "state=LISTEN connections=2 pid=%d comm=live_test raddr=null rport=null "
		    "tw_left_ns=null accepted=false",
		    getpid());
	event_check(only(all, net_port(clients[0]), NULL), "state=ESTAB rport=%d connections=null",
		    SERVER);
	json_decref(all);
	all = objects(LS("--json", "-v", "-P", "8080"));
	assert_int_equal(holders(all, SERVER, "ESTAB", NULL), 2);
	assert_int_equal(holders(all, SERVER, "LISTEN", NULL), 1);
	json_decref(all);
	/* who asks for a remote gets what is connected to it */
	all = objects(LS("--json", "-D", say("%d", net_port(clients[1]))));
	event_check(only(all, SERVER, NULL), "state=ESTAB accepted=true rport=%d",
		    net_port(clients[1]));
	json_decref(all);
	assert_contains(tracer_stdout(LS("-P", "8080")),
			"tcp: held by 1 socket of 1 process, 2 accepted connections; udp: ");
	for (int i = 0; i < 2; i++) {
		tcp_reset(clients[i]);
		net_close(servers[i]);
	}
	net_close(listener);
}

/* Before 6.8 by the iterator, so as root; who may not load it is told that it is not seen. */
static void a_bound_idle_socket(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	struct tracer *text;
	json_t *all;

	scene_needs_sock_diag();
	(void)scene;
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	all = objects(LS("--json"));
	text = LS("-P", say("%d", PORT));
	event_check(only(all, PORT, NULL), "state=BOUND rport=null pid=%d", getpid());
	assert_contains(tracer_stdout(text), "tcp: held by 1 socket of 1 process");
	assert_string_equal(tracer_stderr(text), "");
	json_decref(all);
	net_close(fd);
}

static void udp_and_ipv6(struct scene *scene)
{
	int idle = net_socket(NET_V4, SOCK_DGRAM), busy = net_socket(NET_V6, SOCK_DGRAM);
	int listener = tcp_listen(NET_V6, SERVER);
	json_t *all;

	scene_needs_sock_diag();
	(void)scene;
	assert_int_equal(net_try_bind(idle, NET_V4, PORT), 0);
	assert_int_equal(net_try_connect(busy, NET_V6, 53), 0);
	all = objects(LS("--json"));
	event_check(only(all, PORT, NULL),
		    "proto=udp family=ipv4 state=UNCONN laddr=127.0.0.1 raddr=null vrf=null");
	event_check(only(all, net_port(busy), NULL),
		    "proto=udp family=ipv6 state=ESTAB laddr=::1 raddr=::1 rport=53");
	event_check(only(all, SERVER, NULL), "proto=tcp family=ipv6 state=LISTEN laddr=::1");
	json_decref(all);
	all = objects(LS("--json", "-6", "--proto", "tcp"));
	only(all, SERVER, NULL);
	assert_int_equal(holders(all, PORT, NULL, NULL), 0);
	event_check(of_event(all, "range"), "udp_held=null udp_free=null");
	json_decref(all);
	assert_contains(tracer_stdout(LS("-P", "8080")), "tcp6   [::1]:8080  -       LISTEN");
	net_close(idle);
	net_close(busy);
	net_close(listener);
}

static int hold_elsewhere(int line, void *arg)
{
	int fd;

	(void)arg;
	net_unshare();
	fd = net_socket(NET_V4, SOCK_DGRAM);
	must_be(net_try_bind(fd, NET_V4, PORT) == 0);
	line_say(line, (int)net_inode());
	line_hear(line);
	return 0;
}

/* Gives a process's network namespace a name, as `ip netns` does. */
static void name_netns(pid_t pid, const char *path)
{
	char from[64];

	mkdir("/run/netns", 0755);
	close(must(open(path, O_CREAT | O_CLOEXEC, 0644)));
	snprintf(from, sizeof(from), "/proc/%d/ns/net", pid);
	must(mount(from, path, NULL, MS_BIND, NULL));
}

static void a_second_namespace(struct scene *scene)
{
	struct actor actor;
	struct tracer *text;
	unsigned int other;
	int fd;

	scene_needs_sock_diag();
	actor_start(&actor, "elsewhere", hold_elsewhere, NULL);
	other = (unsigned int)line_hear(actor.line);
	name_netns(actor.pid, "/run/netns/blue");
	fd = net_socket(NET_V4, SOCK_DGRAM);
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	text = LS_ALL("--proto", "udp");
	assert_contains(tracer_stdout(text), "COMM       NETNS\n");
	assert_contains(tracer_stdout(text), say("elsewhere  %u\n", other));
	assert_contains(tracer_stdout(text), say("live_test  %lu\n", scene->netns));
	assert_contains(tracer_stdout(text),
			say("netns %u (blue): range 32768-60999; udp 1 held", other));
	assert_contains(tracer_stdout(text), say("netns %lu: range ", scene->netns));
	text = LS_ALL("-N", "blue");
	assert_contains(tracer_stdout(text), "elsewhere\n");
	assert_null(strstr(tracer_stdout(text), "live_test"));
	assert_null(strstr(tracer_stdout(text), "NETNS"));
	line_say(actor.line, 0);
	actor_join(&actor);
	must(umount2("/run/netns/blue", MNT_DETACH));
	unlink("/run/netns/blue");
	net_close(fd);
}

static void a_port_that_nobody_holds(struct scene *scene)
{
	struct tracer *text = LS("-P", "60609", "--proto", "udp"),
		      *several = LS("-P", "60609,60610");
	json_t *all;

	scene_needs_sock_diag();
	assert_string_equal(tracer_stdout(text),
			    say("Port 60609: dynamic (IANA 49152-65535), inside the range "
				"32768-60999, not reserved; udp: held by nobody (netns %lu).\n",
				scene->netns));
	assert_int_equal(tracer_lines(tracer_stdout(text)), 1);
	assert_string_equal(tracer_stderr(text), "");
	assert_string_equal(tracer_stdout(several), "No holder found.\n");
	assert_string_equal(tracer_stdout(LS("-P", "60609", "-q")), "");
	all = objects(LS("-P", "60609", "--json"));
	assert_int_equal(json_array_size(all), 2);
	event_check(last(all), "event=summary sockets=0 shown=0 netns=1 unowned=0");
	json_decref(all);
}

static void how_full_the_range_is(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, 60003), udp = net_socket(NET_V4, SOCK_DGRAM);
	int client, server;
	json_t *all;

	scene_needs_sock_diag();
	net_range(60000, 60009);
	net_sysctl("ipv4/ip_local_reserved_ports", "60008-60100");
	client = tcp_connect(NET_V4, 60003);
	server = tcp_accept(listener);
	tcp_close_pair(client, server);
	assert_int_equal(net_try_bind(udp, NET_V4, 60005), 0);
	all = objects(LS("--json"));
	event_check(of_event(all, "range"),
		    "netns=%lu netns_name=null low=60000 high=60009 reserved=2 tcp_held=1 "
		    "tcp_time_wait=1 tcp_free=6 udp_held=1 udp_free=7",
		    scene->netns);
	json_decref(all);
	assert_contains(
		tracer_stdout(LS("-4")),
		": range 60000-60009, 2 reserved; tcp 1 held, 1 in TIME-WAIT, 6 free (25.0% "
		"taken); udp 1 held, 7 free (12.5% taken)\n");
	net_close(listener);
	net_close(udp);
}

/* Has what its parent had open. */
static int inherit(int line, void *arg)
{
	(void)arg;
	line_say(line, 0);
	line_hear(line);
	return 0;
}

static void several_processes_with_one_socket(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	struct tracer *text;
	struct actor actor;

	scene_needs_sock_diag();
	(void)scene;
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	actor_start(&actor, "\x1b[31m\nchild", inherit, NULL);
	line_hear(actor.line);
	text = LS();
	assert_contains(tracer_stdout(text), say("%d  live_test +1\n", getpid()));
	/* each of them holds it */
	text = LS("-p", say("%d", actor.pid));
	assert_contains(tracer_stdout(text), say("%d  \\x1b[31m\\x0achild +1\n", actor.pid));
	assert_null(strchr(tracer_stdout(text), '\x1b'));
	assert_contains(tracer_stdout(LS("--comm", "live_*")), "live_test +1\n");
	assert_contains(tracer_stdout(LS("--comm", "nosuch")), "No holder found.\n");
	line_say(actor.line, 0);
	actor_join(&actor);
	net_close(fd);
}

static void check_unprivileged(struct tracer *text)
{
	assert_contains(tracer_stdout(text),
			"udp4   127.0.0.1:60609  -       UNCONN     -      -    0    ?  ?\n");
	assert_contains(tracer_stderr(text), "only 1 network namespace could be looked at");
	assert_contains(tracer_stderr(text), "1 socket is without a known process");
	assert_contains(tracer_stderr(text), "CAP_SYS_PTRACE");
}

static void an_unprivileged_user(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	struct tracer *text;

	scene_needs_sock_diag();
	(void)scene;
	assert_int_equal(net_try_bind(fd, NET_V4, PORT), 0);
	check_unprivileged(LS_AS(NOBODY, "--proto", "udp"));
	/* where /proc shows nothing of others, that is no proof */
	must(mount("none", "/proc", NULL, MS_REMOUNT, "hidepid=2"));
	text = LS_AS(NOBODY, "--proto", "udp");
	must(mount("none", "/proc", NULL, MS_REMOUNT, "hidepid=0"));
	check_unprivileged(text);
	assert_contains(tracer_stderr(text), "other users' are hidden");
	/* the socket tells its user all the same */
	assert_contains(tracer_stdout(LS_AS(NOBODY, "-u", "0", "-P", "60609")), "127.0.0.1:60609");
	net_close(fd);
}

static void check_output_error(struct tracer *tracer, const char *what)
{
	assert_int_equal(tracer_exit(tracer), STATUS_ERROR);
	assert_contains(tracer_stderr(tracer), what);
	assert_int_equal(tracer_lines(tracer_stderr(tracer)), 1);
}

static void an_output_that_fails(struct scene *scene)
{
	int out[2];

	(void)scene;
	must(pipe2(out, O_CLOEXEC));
	close(out[0]);
	check_output_error(
		tracer_spawn(&(struct tracer_setup){
			.args = (const char *const[]){ "ls", NULL }, .text = true, .out = out[1] }),
		"porttrace: standard output: its reader closed it");
	close(out[1]);
	check_output_error(tracer_run("ls", "-o", "/dev/full"),
			   "porttrace: /dev/full: No space left on device");
	check_output_error(tracer_run("ls", "-o", "/nonexistent/file"),
			   "No such file or directory");
}

static void wrong_usage(struct scene *scene)
{
	static const char *const wrong[][2] = {
		{ "60609", "--port 60609" },
		{ "--event=alloc", "--event" },
		{ "--netns=nosuchnetns", "nosuchnetns" },
		{ "--pid=2147483646", "2147483646" },
		{ "--cgroup=/nosuchcgroup", "/nosuchcgroup" },
	};

	(void)scene;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct tracer *tracer = tracer_run("ls", wrong[i][0]);

		assert_int_equal(tracer_exit(tracer), STATUS_USAGE);
		assert_string_equal(tracer_stdout(tracer), "");
		assert_contains(tracer_stderr(tracer), wrong[i][1]);
		assert_int_equal(tracer_lines(tracer_stderr(tracer)), 1);
		tracer_free(tracer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_time_wait_with_its_time_left),
		SCENE_TEST(a_listener_with_two_connections),
		SCENE_TEST(a_bound_idle_socket),
		SCENE_TEST(udp_and_ipv6),
		SCENE_TEST(a_second_namespace),
		SCENE_TEST(a_port_that_nobody_holds),
		SCENE_TEST(how_full_the_range_is),
		SCENE_TEST(several_processes_with_one_socket),
		SCENE_TEST(an_unprivileged_user),
		SCENE_TEST(an_output_that_fails),
		SCENE_TEST(wrong_usage),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
