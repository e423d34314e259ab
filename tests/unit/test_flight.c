// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "tests/unit/recordings.h"
#include "user/cmd/flight.h"
#include "user/live/netns.h"

static unsigned int dumps;

static void on_dumped(void *data, const struct recorder_dumped *dumped)
{
	(void)data;
	(void)dumped;
	dumps++;
}

static void open_kept(struct rig *rig)
{
	rig_begin(rig);
	rig->options.keep = 1 << 20;
	rig->options.dumped = on_dumped;
	rig_open(rig);
	dumps = 0;
}

/* A connect from 10.0.0.1 to 10.96.4.7:443 found no port. */
static struct pt_event refusal(void)
{
	struct pt_event ev = { .type = PT_EV_FAIL, .rport = 443, .error = EADDRNOTAVAIL };

	ev.via = PT_VIA_CONNECT;
	ev.space.proto = IPPROTO_TCP;
	ev.space.netns = netns_own();
	memcpy(ev.laddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
	memcpy(ev.raddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x60\x04\x07", 16);
	return ev;
}

static void test_what_is_no_exhaustion(void **state)
{
	struct flight flight = { .on = DUMP_ON_EXHAUSTION };
	struct pt_event ev = refusal();

	(void)state;
	ev.port = 60609; /* somebody named it */
	flight_event(&flight, &ev);
	ev.port = 0;
	ev.error = EPERM;
	flight_event(&flight, &ev);
	ev.error = 0;
	flight_event(&flight, &ev);
	ev = refusal();
	ev.type = PT_EV_ALLOC;
	flight_event(&flight, &ev);
	assert_false(flight.asked || flight.met);
	ev = refusal();
	flight.on = DUMP_ON_HEADROOM;
	flight_event(&flight, &ev);
	assert_false(flight.asked || flight.met);
}

static void test_exhaustion_once(void **state)
{
	struct flight flight = { .on = DUMP_ON_EXHAUSTION };
	struct pt_event ev = refusal();
	struct rig rig;

	(void)state;
	open_kept(&rig);
	assert_int_equal(flight_look(&flight, NULL, rig.recorder), 0);
	assert_int_equal(dumps, 0);
	flight_event(&flight, &ev);
	assert_string_equal(flight.why, "no port left for tcp 10.0.0.1 to 10.96.4.7:443");
	assert_int_equal(flight_look(&flight, NULL, rig.recorder), 0);
	assert_int_equal(dumps, 1);
	assert_false(recorder_counts(rig.recorder).in_memory);
	rig_pass(&rig, 60 * SEC);
	assert_true(recorder_counts(rig.recorder).in_memory);
	ev.rport = 80;
	flight_event(&flight, &ev);
	assert_false(flight.asked);
	assert_int_equal(flight_look(&flight, NULL, rig.recorder), 0);
	assert_int_equal(dumps, 1);
	rig_close(&rig);
	rig_end(&rig);
}

static void test_elsewhere(void **state)
{
	struct flight flight = { .on = DUMP_ON_EXHAUSTION };
	struct pt_event ev = refusal();

	(void)state;
	ev.space.netns = 42;
	ev.rport = 0;
	ev.via = PT_VIA_BIND;
	ev.error = EADDRINUSE;
	flight_event(&flight, &ev);
	assert_string_equal(flight.why, "no port left for tcp bind(0) (netns 42)");
}

static void test_signal(void **state)
{
	struct flight flight = { 0 };
	struct rig rig;

	(void)state;
	open_kept(&rig);
	for (unsigned int i = 1; i <= 3; i++) {
		rig_write(&rig, i, i + 1);
		flight_signal(&flight);
		assert_int_equal(flight_look(&flight, NULL, rig.recorder), 0);
		assert_string_equal(flight.why, "SIGUSR2");
		assert_int_equal(dumps, i);
		assert_true(recorder_counts(rig.recorder).in_memory);
	}
	flight_end(&flight);
	assert_string_equal(flight.why, "end");
	rig_close(&rig);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_exhaustion),
		cmocka_unit_test(test_exhaustion_once),
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
