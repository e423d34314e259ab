// SPDX-License-Identifier: BSD-2-Clause
/* How many ports are left, and when none will be. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "scene.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

#define SERVER 8080
#define OTHER 8081
#define NOBODYS 8082
#define LOW 40000
#define PORTS 100
#define MS 1000000ULL

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

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("there is no '%s' in:\n%s", part, text);
}

static struct tracer *watching(const char *percent)
{
	struct tracer *tracer = tracer_spawn(&(struct tracer_setup){
		.args = (const char *const[]){ "--watch", percent, "--json", "-N",
					       "/proc/self/ns/net", NULL },
		.part = true });

	tracer_ready(tracer);
	tracer_scope_all(tracer);
	return tracer;
}

/* In these tests there are no TIME_WAITs unless they are wanted. */
static void reset_all(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		tcp_reset(fds[i]);
}

/* ---- trace --watch ---------------------------------------------------------------- */

static int refused_connect(int port)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	int error = net_try_connect(fd, NET_V4, port);

	net_close(fd);
	return error;
}

/* Twenty connects a second until there is no port. When half were taken, and when it ended. */
static int fill_slowly(int *fds, uint64_t *half, uint64_t *end)
{
	uint64_t next = net_boottime();
	int count = 0;

	for (;; next += 50 * MS) {
		int fd = net_socket(NET_V4, SOCK_STREAM), error;

		net_age(next > net_boottime() ? (int)((next - net_boottime()) / MS) : 0);
		error = net_try_connect(fd, NET_V4, SERVER);
		if (error) {
			assert_int_equal(error, -EADDRNOTAVAIL);
			*end = net_boottime();
			net_close(fd);
			return count;
		}
		fds[count++] = fd;
		if (count == PORTS / 2)
			*half = net_boottime();
	}
}

static double seconds_behind(const char *text, const char *what)
{
	const char *found = strstr(text, what);
	char *unit;
	double value;

	if (!found)
		fail_msg("there is no '%s' in:\n%s", what, text);
	value = strtod(found + strlen(what), &unit);
	return !strncmp(unit, "ms", 2) ? value / 1000 : value;
}

/* Where time does not pass while the guest stands still. */
static void a_prediction_comes_true(struct scene *scene)
{
	int listener, fds[PORTS], count;
	struct tracer *tracer;
	uint64_t half = 0, end;
	double predicted, real;
	const char *exhausted;

	(void)scene;
	scene_needs_icount();
	listener = tcp_listen(NET_V4, SERVER);
	net_range(LOW, LOW + PORTS - 1);
	tracer = watching("50%");
	count = fill_slowly(fds, &half, &end);
	assert_int_equal(count, PORTS);
	tracer_wait_stderr(tracer, "exhausted");
	predicted = seconds_behind(tracer_stderr(tracer), "none left in ");
	real = (double)(end - half) / 1e9;
	print_message("none left: predicted in %.2f s, came in %.2f s\n", predicted, real);
	assert_true(predicted > real * 0.8 && predicted < real * 1.2);
	assert_contains(
		tracer_stderr(tracer),
		say(" tcp 127.0.0.1 to 127.0.0.1:%d: 50 of 100 ports used, 50 left;", SERVER));
	exhausted = strstr(tracer_stderr(tracer), "exhausted");
	assert_contains(exhausted, "exhausted: 100 of 100 ports used;");
	assert_contains(exhausted, say("held by %d " SCENE_COMM " (100)\n", getpid()));
	tracer_expect(tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=0 rport=%d", SERVER);
	reset_all(fds, count);
	net_close(listener);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	/* each mark once */
	exhausted = strstr(tracer_stderr(tracer), "exhausted");
	assert_null(strstr(exhausted + 1, "exhausted"));
}

/* A socket, its port chosen by bind(0), then connected. */
static int bound_connect(int port)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	assert_int_equal(net_try_connect(fd, NET_V4, port), 0);
	return fd;
}

#define BOUND 20
#define RESERVED 10

/* What bind(0) took is gone for every destination; reserved ports are none. */
static void bound_and_reserved_ports_count(struct scene *scene)
{
	int listeners[2] = { tcp_listen(NET_V4, SERVER), tcp_listen(NET_V4, OTHER) };
	int bound[BOUND], fds[PORTS], others[PORTS], count = 0;
	struct tracer *tracer;

	(void)scene;
	net_range(LOW, LOW + PORTS - 1);
	net_sysctl("ipv4/ip_local_reserved_ports", "%d-%d", LOW, LOW + RESERVED - 1);
	tracer = watching("90");
	for (int i = 0; i < BOUND; i++)
		bound[i] = bound_connect(OTHER);
	for (; count < PORTS - RESERVED - BOUND; count++)
		fds[count] = tcp_connect(NET_V4, SERVER);
	assert_int_equal(refused_connect(SERVER), -EADDRNOTAVAIL);
	/* the tracer may look amid all this: then the lines come one by one */
	tracer_wait_stderr(tracer,
			   say("tcp 127.0.0.1 to 127.0.0.1:%d: exhausted: 90 of 90 ports used "
			       "(20 closed by bind)",
			       SERVER));
	tracer_wait_stderr(tracer, "bind(0) before connect");
	assert_contains(tracer_stderr(tracer),
			say("bind(0) before connect takes 20 ports from everyone (netns %lu): "
			    "%d " SCENE_COMM " (20); IP_BIND_ADDRESS_NO_PORT",
			    (unsigned long)net_inode(), getpid()));
	/* another destination shares those that connect chose */
	for (int i = 0; i < count; i++)
		others[i] = tcp_connect(NET_V4, OTHER);
	assert_int_equal(refused_connect(OTHER), -EADDRNOTAVAIL);
	tracer_wait_stderr(tracer, say("127.0.0.1:%d: exhausted: 90 of 90 ports", OTHER));
	reset_all(bound, BOUND);
	reset_all(fds, count);
	reset_all(others, count);
	net_close(listeners[0]);
	net_close(listeners[1]);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

/* Ports that were held before the tracer came, and TIME_WAITs, count as well. */
static void what_was_there_before_counts(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fds[PORTS], count = 0;
	struct tracer *tracer;

	(void)scene;
	scene_needs_sock_diag();
	net_range(LOW, LOW + PORTS - 1);
	for (; count < 50; count++)
		fds[count] = tcp_connect(NET_V4, SERVER);
	for (; count < 60; count++)
		fds[count] = bound_connect(SERVER);
	tracer = watching("80%");
	for (int i = 0; i < 10; i++) {
		int fd = tcp_connect(NET_V4, SERVER);

		for (int k = 0; !i && k < count; k++)
			net_close(tcp_accept(listener)); /* from here on the queue's head is ours */
		tcp_close_pair(fd, tcp_accept(listener));
	}
	for (; count < 70; count++)
		fds[count] = tcp_connect(NET_V4, SERVER);
	tracer_wait_stderr(tracer, say("127.0.0.1:%d: 80 of 100 ports used (10 in TIME-WAIT, 10 "
				       "closed by bind), 20 left",
				       SERVER));
	reset_all(fds, count);
	net_close(listener);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

static int reusing(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	net_set(fd, SO_REUSEADDR);
	return fd;
}

/*
 * bind() joined a connect on the only port, and left. From 6.18 others may share it then;
 * before, not until the connect leaves, too. porttrace says what the kernel does.
 */
static void a_bucket_opens_when_the_kernels_does(struct scene *scene)
{
	int listeners[2] = { tcp_listen(NET_V4, SERVER), tcp_listen(NET_V4, OTHER) };
	int first = reusing(), bound = reusing(), second = net_socket(NET_V4, SOCK_STREAM), error;
	struct tracer *tracer;

	(void)scene;
	net_range(LOW, LOW);
	tracer = watching("100%");
	assert_int_equal(net_try_connect(first, NET_V4, SERVER), 0);
	assert_int_equal(net_try_bind(bound, NET_V4, LOW), 0);
	assert_int_equal(refused_connect(NOBODYS), -EADDRNOTAVAIL);
	tracer_wait_stderr(
		tracer,
		say("127.0.0.1:%d: exhausted: 1 of 1 ports used (1 closed by bind)", NOBODYS));
	net_close(bound);
	error = net_try_connect(second, NET_V4, OTHER);
	print_message("the bucket is %s\n", error ? "still closed" : "open again");
	assert_true(!error || error == -EADDRNOTAVAIL);
	tracer_wait_stderr(tracer, say("127.0.0.1:%d: exhausted: 1 of 1 ports used%s", OTHER,
				       error ? " (1 closed by bind)" : ";"));
	tcp_reset(first);
	if (error)
		net_close(second);
	else
		tcp_reset(second);
	net_close(listeners[0]);
	net_close(listeners[1]);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
}

/* From Linux 6.3 (91d0b78c5177). */
static void needs_socket_range(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	uint32_t range;
	int error = getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range,
			       &(socklen_t){ sizeof(range) })
			    ? errno
			    : 0;

	net_close(fd);
	if (error)
		scene_skip("this kernel has no IP_LOCAL_PORT_RANGE: %s", strerror(error));
}

static int narrow(int count)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);
	uint32_t range = (uint32_t)(LOW + count - 1) << 16 | LOW;

	must(setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)));
	return fd;
}

/* Its own range is empty: nobody else's is. */
static void a_sockets_range_is_not_the_namespaces(struct scene *scene)
{
	int listener, fds[8], refused;
	struct tracer *tracer;

	(void)scene;
	needs_socket_range();
	listener = tcp_listen(NET_V4, SERVER);
	net_range(LOW, LOW + PORTS - 1);
	tracer = watching("90%");
	for (int i = 0; i < 8; i++) {
		fds[i] = narrow(8);
		assert_int_equal(net_try_connect(fds[i], NET_V4, SERVER), 0);
	}
	refused = narrow(8);
	assert_int_equal(net_try_connect(refused, NET_V4, SERVER), -EADDRNOTAVAIL);
	tracer_expect(tracer, "event=fail via=connect errno=EADDRNOTAVAIL rport=%d", SERVER);
	net_close(refused);
	reset_all(fds, 8);
	net_close(listener);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	assert_null(strstr(tracer_stderr(tracer), "exhausted"));
}

/* ---- ls --headroom ------------------------------------------------------------------ */

/* `ls --headroom --json` of this namespace: the row of that destination; the caller's. */
static json_t *row_of(int rport)
{
	struct tracer *tracer = tracer_run("ls", "--headroom", "--json", "-N", "/proc/self/ns/net");
	char *text, *rest, *line;
	json_t *found = NULL;

	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	text = rest = strdup(tracer_stdout(tracer));
	while (!found && (line = strsep(&rest, "\n")) && *line) {
		json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		must_be(row);
		if (event_fits(row, "event=headroom") &&
		    (rport ? json_integer_value(json_object_get(row, "rport")) == rport
			   : json_is_null(json_object_get(row, "rport"))))
			found = json_incref(row);
		json_decref(row);
	}
	if (!found)
		fail_msg("no row of port %d in:\n%s", rport, tracer_stdout(tracer));
	free(text);
	tracer_free(tracer);
	return found;
}

static void a_listing_of_what_is_left(struct scene *scene)
{
	int listeners[2] = { tcp_listen(NET_V4, SERVER), tcp_listen(NET_V4, LOW + 50) };
	int fds[30], bound[5], connected[4], udp = net_socket(NET_V4, SOCK_DGRAM);
	struct tracer *text;
	json_t *row;

	(void)scene;
	scene_needs_sock_diag();
	net_range(LOW, LOW + PORTS - 1);
	net_sysctl("ipv4/ip_local_reserved_ports", "%d-%d", LOW, LOW + RESERVED - 1);
	for (int i = 0; i < 5; i++) {
		bound[i] = net_socket(NET_V4, SOCK_STREAM);
		assert_int_equal(net_try_bind(bound[i], NET_V4, 0), 0);
	}
	for (int i = 0; i < 4; i++)
		connected[i] = bound_connect(LOW + 50);
	for (int i = 0; i < 30; i++)
		fds[i] = tcp_connect(NET_V4, SERVER);
	assert_int_equal(net_try_send(udp, NET_V4, SERVER), 0);
	for (int i = 0; i < 10; i++)
		tcp_close_pair(fds[i], tcp_accept(listeners[0]));
	row = row_of(SERVER);
	event_check(row,
		    "proto=tcp laddr=127.0.0.1 raddr=127.0.0.1 usable=90 held=30 held_time_wait=10 "
		    "blocked=10 unsure=0 left=50 partial=false netns=%lu",
		    (unsigned long)net_inode());
	json_decref(row);
	text = tracer_run("ls", "--headroom", "-N", "/proc/self/ns/net");
	assert_int_equal(tracer_exit(text), STATUS_DONE);
	assert_contains(tracer_stdout(text), say("%d " SCENE_COMM " (30)", getpid()));
	assert_contains(
		tracer_stdout(text),
		say("bind(0) before connect takes 4 ports from everyone (netns %lu): %d " SCENE_COMM
		    " (4); IP_BIND_ADDRESS_NO_PORT",
		    (unsigned long)net_inode(), getpid()));
	assert_contains(tracer_stdout(text), "HOLDERS");
	tracer_free(text);
	reset_all(fds + 10, 20);
	reset_all(connected, 4);
	reset_all(bound, 5);
	net_close(udp);
	net_close(listeners[0]);
	net_close(listeners[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_prediction_comes_true),
		SCENE_TEST(bound_and_reserved_ports_count),
		SCENE_TEST(what_was_there_before_counts),
		SCENE_TEST(a_bucket_opens_when_the_kernels_does),
		SCENE_TEST(a_sockets_range_is_not_the_namespaces),
		SCENE_TEST(a_listing_of_what_is_left),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
