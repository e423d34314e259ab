// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/flight.h"

#include <errno.h>
#include <stdio.h>

#include "user/cmd/commands.h"
#include "user/live/netns.h"
#include "user/sink/headroom.h"

/* After the condition: what follows from it. */
#define THEN_NS 60000000000ULL

static void meet(struct flight *flight)
{
	flight->met = flight->asked = true;
	flight->then = THEN_NS;
}

/* Of any port: nobody had one named. */
static bool is_exhaustion(const struct pt_event *ev)
{
	return ev->type == PT_EV_FAIL && !ev->port &&
	       (ev->error == EADDRNOTAVAIL || ev->error == EADDRINUSE || ev->error == EAGAIN);
}

void flight_event(void *data, const struct pt_event *ev)
{
	struct flight *flight = data;
	struct headroom_key key;
	const char *text;
	struct out out;
	size_t len;

	if (flight->on != DUMP_ON_EXHAUSTION || flight->met || !is_exhaustion(ev))
		return;
	meet(flight);
	snprintf(flight->why, sizeof(flight->why), "no port left");
	if (out_init(&out, -1))
		return;
	key = headroom_key_of(ev);
	out_str(&out, "no port left for ");
	headroom_put_who(&out, &key);
	if (key.space.netns != netns_own())
		out_format(&out, " (netns %u)", key.space.netns);
	text = out_take(&out, &len);
	if (text)
		snprintf(flight->why, sizeof(flight->why), "%.*s", (int)len, text);
	out_close(&out);
}

void flight_signal(struct flight *flight)
{
	if (flight->asked)
		return;
	flight->asked = true;
	flight->then = 0;
	snprintf(flight->why, sizeof(flight->why), "SIGUSR2");
}

void flight_end(struct flight *flight)
{
	flight->then = 0;
	if (!flight->asked)
		snprintf(flight->why, sizeof(flight->why), "end");
}

int flight_look(struct flight *flight, const struct watch *watch, struct recorder *recorder)
{
	int err;

	if (flight->on == DUMP_ON_HEADROOM && !flight->met && watch_has_told(watch)) {
		meet(flight);
		snprintf(flight->why, sizeof(flight->why), "headroom");
	}
	if (!flight->asked)
		return 0;
	if (!recorder_counts(recorder).in_memory)
		complain("%s: what comes is written at once now", flight->why);
	err = recorder_dump(recorder, flight->then);
	flight->asked = false;
	return err;
}
