// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/records.h"
#include "user/cmd/watch.h"

#define SEC 1000000000ULL
#define LOW 40000
#define PORTS 10

struct fixture {
	int fd;
	struct watch *watch;
	struct pipeline *pipeline;
	struct filter filter;
	__u64 ts;
	char text[8192];
};

static void tell_range(struct fixture *fixture)
{
	const struct range range = { .low = LOW, .high = LOW + PORTS - 1 };

	watch_netns(fixture->watch, &(struct dump_netns){ .cookie = 1,
							  .inode = 4026531840,
							  .entered = true,
							  .whole = true,
							  .range = &range });
}

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	setenv("TZ", "UTC", 1);
	fixture->fd = memfd_create("watch", MFD_CLOEXEC);
	fixture->ts = 3600 * SEC;
	assert_int_equal(watch_new(&(struct watch_options){ .mark = 800, .fd = fixture->fd },
				   &fixture->watch),
			 0);
	fixture->pipeline = pipeline_new(&(struct pipeline_options){
		.filter = &fixture->filter,
		.observer = watch_event,
		.observer_data = fixture->watch,
	});
	assert_non_null(fixture->pipeline);
	tell_range(fixture);
	*state = fixture;
	return 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(watch_error(fixture->watch), 0);
	watch_free(fixture->watch);
	pipeline_free(fixture->pipeline);
	close(fixture->fd);
	free(fixture);
	return 0;
}

static void got(struct fixture *fixture, enum pt_via via, __u16 port, __u16 rport)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, fixture->ts, port, via, rport);

	rec.head.port = port;
	pipeline_record(fixture->pipeline, &rec, sizeof(rec));
}

static void connects(struct fixture *fixture, __u16 port, __u16 rport)
{
	struct pt_rec_tuple rec = {
		.head = rec_head(PT_REC_CONNECT, sizeof(rec), fixture->ts, port),
		.tuple = rec_tuple_to(rport),
	};

	rec.head.port = port;
	pipeline_record(fixture->pipeline, &rec, sizeof(rec));
}

/* What was said since the last time. */
static const char *said(struct fixture *fixture)
{
	ssize_t len;

	watch_look(fixture->watch, fixture->pipeline, fixture->ts);
	len = pread(fixture->fd, fixture->text, sizeof(fixture->text) - 1, 0);
	assert_true(len >= 0);
	fixture->text[len] = '\0';
	assert_int_equal(ftruncate(fixture->fd, 0), 0);
	assert_int_equal(lseek(fixture->fd, 0, SEEK_SET), 0);
	return fixture->text;
}

static void test_both_marks(void **state)
{
	struct fixture *fixture = *state;

	for (__u16 i = 0; i < 7; i++, fixture->ts += SEC / 2)
		got(fixture, PT_VIA_CONNECT, LOW + i, 443);
	assert_string_equal(said(fixture), "");
	got(fixture, PT_VIA_CONNECT, LOW + 7, 443);
	assert_string_equal(said(fixture),
			    "01:00:03.500000 tcp 127.0.0.1 to 127.0.0.1:443 (netns 4026531840): "
			    "8 of 10 ports used, 2 left; +2.3/s over 3.50s, none left in 875ms; "
			    "held by 4242 curl (8)\n");
	got(fixture, PT_VIA_CONNECT, LOW + 8, 443);
	assert_string_equal(said(fixture), "");
	fixture->ts += SEC / 2;
	got(fixture, PT_VIA_CONNECT, LOW + 9, 443);
	assert_string_equal(said(fixture),
			    "01:00:04.000000 tcp 127.0.0.1 to 127.0.0.1:443 (netns 4026531840): "
			    "exhausted: 10 of 10 ports used; +2.5/s over 4.00s; "
			    "held by 4242 curl (10)\n");
}

/* Who takes them from everyone is told with the remedy: those that connected. */
static void test_takers(void **state)
{
	struct fixture *fixture = *state;

	for (__u16 i = 0; i < 6; i++)
		got(fixture, PT_VIA_BIND, LOW + i, 0);
	for (__u16 i = 0; i < 5; i++)
		connects(fixture, LOW + i, 80);
	got(fixture, PT_VIA_CONNECT, LOW + 6, 443);
	assert_string_equal(said(fixture), "");
	got(fixture, PT_VIA_CONNECT, LOW + 7, 443);
	fixture->ts += SEC;
	assert_string_equal(
		said(fixture),
		"01:00:00.000000 tcp 127.0.0.1 to 127.0.0.1:443 (netns 4026531840): 8 of 10 ports "
		"used (6 closed by bind), 2 left; held by 4242 curl (8)\n"
		"01:00:01.000000 tcp bind(0) (netns 4026531840): 8 of 10 ports used, 2 left; "
		"+8.0/s over 1.00s, none left in 250ms; held by 4242 curl (8)\n"
		"01:00:00.000000 bind(0) before connect takes 5 ports from everyone (netns "
		"4026531840): 4242 curl (5); IP_BIND_ADDRESS_NO_PORT before bind lets connect "
		"share them\n");
}

/* A port that bind() takes can bring a thousand destinations over the mark at once. */
static void test_a_storm_of_marks(void **state)
{
	struct fixture *fixture = *state;
	const char *rest;
	int lines = 0;

	for (__u16 i = 0; i < 6; i++)
		got(fixture, PT_VIA_FIXED, LOW + i, 0);
	for (__u16 i = 0; i < 1000; i++) {
		struct pt_rec_port rec =
			rec_port(PT_REC_ALLOC, fixture->ts, 1000 + i, PT_VIA_CONNECT, 1 + i);

		rec.head.port = LOW + 6;
		pipeline_record(fixture->pipeline, &rec, sizeof(rec));
	}
	assert_string_equal(said(fixture), "");
	got(fixture, PT_VIA_FIXED, LOW + 7, 0);
	fixture->ts += SEC;
	said(fixture);
	for (rest = fixture->text; (rest = strchr(rest, '\n')); rest++)
		lines++;
	assert_int_equal(lines, 17);
	assert_non_null(strstr(fixture->text, "... and 984 more destinations passed a mark\n"));
	assert_string_equal(said(fixture), "");
}

/* Ports out of the range, which headroom has nothing to say of. */
static void searches(struct fixture *fixture, __u64 search_ns)
{
	for (__u16 i = 0; i < 200; i++, fixture->ts += 5 * MS) {
		struct pt_rec_port rec =
			rec_port(PT_REC_ALLOC, fixture->ts, 1000 + i, PT_VIA_CONNECT, 1 + i);

		rec.head.port = 50000 + i;
		rec.head.flags = PT_F_SEARCHED;
		rec.search_ns = search_ns;
		pipeline_record(fixture->pipeline, &rec, sizeof(rec));
	}
}

static void test_search(void **state)
{
	struct fixture *fixture = *state;

	searches(fixture, 90000);
	assert_string_equal(said(fixture), "");
	searches(fixture, 312000);
	assert_string_equal(said(fixture),
			    "01:00:01.600000 searching for a port takes 311us (median of 200 "
			    "allocations in the last second, tcp, netns 4026531840): a sign that "
			    "free ones get scarce\n");
	assert_string_equal(said(fixture), "");
	fixture->ts += 6 * SEC;
	assert_string_equal(
		said(fixture),
		"01:00:08.000000 whether searching for a port is quick again cannot be "
		"told from 0 allocations in the last second (tcp, netns 4026531840); it "
		"took up to 312us (median of 200 allocations in a second)\n");
}

/* After a loss nothing is said until it is known again who holds what. */
static void test_loss(void **state)
{
	struct fixture *fixture = *state;

	pipeline_lost(fixture->pipeline, 5, fixture->ts);
	for (__u16 i = 0; i < PORTS; i++)
		got(fixture, PT_VIA_CONNECT, LOW + i, 443);
	fixture->ts += SEC;
	assert_string_equal(said(fixture), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_marks), TEST(test_takers), TEST(test_a_storm_of_marks),
		TEST(test_search),     TEST(test_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
