// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/capture.h"
#include "user/sink/blockers.h"

#define MS 1000000ULL
#define S (1000 * MS)

static const struct pt_blocker curl = {
	.owner = { .known = true, .pid = 4242, .comm = "cu\x1brl" },
	.via = PT_VIA_CONNECT,
	.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
	.rport = 443,
	.count = 1,
	.age_ns = 12300 * MS,
	.tw_left_ns = PT_UNKNOWN,
};

static const struct pt_blocker web = {
	.owner = { .known = true, .pid = 183, .comm = "web" },
	.sums_up = true,
	.time_wait = true,
	.count = 1993,
	.age_ns = 60 * S,
	.tw_left_ns = 1200 * MS,
};

static struct pt_event refused(enum pt_via via, __u16 port, const struct pt_blocker *blockers,
			       unsigned int count, __u64 total)
{
	struct pt_event ev = { .type = PT_EV_FAIL,
			       .space.proto = IPPROTO_TCP,
			       .family = AF_INET,
			       .port = port,
			       .via = via,
			       .blockers = blockers,
			       .blockers_count = count,
			       .blockers_total = total };

	memcpy(ev.raddr, curl.raddr, sizeof(ev.raddr));
	ev.rport = via == PT_VIA_CONNECT ? 6379 : 0;
	return ev;
}

static void check(const struct pt_event *ev, const char *wanted)
{
	struct out out;
	char *text;

	capture_begin(&out);
	blockers_text(&out, ev);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_a_taker(void **state)
{
	struct pt_blocker blockers[2] = { curl, curl };
	struct pt_event ev = refused(PT_VIA_FIXED, 8080, blockers, 1, 1);

	(void)state;
	check(&ev,
	      "taken by an outgoing connection of 4242 cu\\x1brl to 10.96.4.7:443 (open, 12.3s)");
	ev.via = PT_VIA_LISTEN;
	ev.blockers_count = 2;
	ev.blockers_total = 5;
	blockers[1].time_wait = true;
	blockers[1].tw_left_ns = 41200 * MS;
	blockers[1].owner.known = false;
	check(&ev,
	      "taken by outgoing connections of 4242 cu\\x1brl to 10.96.4.7:443 (open, 12.3s), "
	      "unknown to 10.96.4.7:443 (TIME-WAIT, 41.2s left); 5 in all");
}

/* A port that its holder had by number, or that a connect() wants too, was not taken by chance. */
static void test_other_holders(void **state)
{
	struct pt_blocker blockers[2] = { curl, curl };
	struct pt_event ev = refused(PT_VIA_FIXED, 8080, blockers, 2, 2);

	(void)state;
	blockers[0].via = PT_VIA_FIXED;
	check(&ev,
	      "held by 4242 cu\\x1brl (open, 12.3s), an outgoing connection of 4242 cu\\x1brl to "
	      "10.96.4.7:443 (open, 12.3s)");
	blockers[0].via = PT_VIA_SNAPSHOT; /* nobody knows how it got the port */
	ev.blockers_count = ev.blockers_total = 1;
	check(&ev, "held by 4242 cu\\x1brl (open, 12.3s)");
	blockers[0].via = PT_VIA_CONNECT;
	ev.via = PT_VIA_CONNECT;
	check(&ev, "held by 4242 cu\\x1brl (open, 12.3s)");
	ev.via = PT_VIA_FIXED;
	ev.space.proto = IPPROTO_UDP;
	check(&ev, "held by 4242 cu\\x1brl (open, 12.3s)");
	ev.blockers_count = 0;
	check(&ev, "");
}

static void test_a_full_range(void **state)
{
	struct pt_blocker blockers[3] = { web, web, web };
	struct pt_event ev = refused(PT_VIA_CONNECT, 0, blockers, 2, 2000);

	(void)state;
	blockers[1].owner = (struct pt_owner){ .known = true, .pid = 182, .comm = "mailer" };
	blockers[1].count = 7;
	blockers[1].time_wait = false;
	blockers[1].tw_left_ns = PT_UNKNOWN;
	check(&ev,
	      "2000 ports to 10.96.4.7:6379 held by 183 web (1993, all in TIME-WAIT, next due in "
	      "1.20s), 182 mailer (7, open, oldest 60.0s)");
	ev.blockers_count = 3;
	blockers[2].owner.known = false;
	blockers[2].time_wait = false;
	blockers[2].differs = true;
	blockers[2].count = 5;
	ev.blockers_total = 3000;
	blockers[1].age_ns = PT_UNKNOWN;
	check(&ev,
	      "3000 ports to 10.96.4.7:6379 held by 183 web (1993, all in TIME-WAIT, next due in "
	      "1.20s), 182 mailer (7, open), unknown (5, some in TIME-WAIT, next due in 1.20s), "
	      "and others");
	ev = refused(PT_VIA_BIND, 0, blockers, 1, 1);
	blockers[0].count = 1;
	check(&ev, "1 port held by 183 web (1, in TIME-WAIT, next due in 1.20s)");
	blockers[0].time_wait = false;
	blockers[0].tw_left_ns = PT_UNKNOWN;
	check(&ev, "1 port held by 183 web (1, open, 60.0s)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_taker),
		cmocka_unit_test(test_other_holders),
		cmocka_unit_test(test_a_full_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
