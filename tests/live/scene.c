// SPDX-License-Identifier: BSD-2-Clause
#include "scene.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"

#define SCENES_MAX 64

static struct tracer *shared;
static int first_netns = -1;
/*
 * The tests' namespaces live until the group ends: where namespaces have no
 * cookie (5.10), two with the same inode number are one to the tracer.
 */
static int scenes[SCENES_MAX];
static size_t scenes_count;
static struct {
	struct scene scene;
	scene_body body;
	bool done;
} current;

int scene_group(void **state)
{
	(void)state;
	live_claim();
	prctl(PR_SET_NAME, SCENE_COMM);
	first_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return first_netns < 0 ? -1 : 0;
}

int scene_group_traced(void **state)
{
	int result = scene_group(state);

	if (!result)
		shared = tracer_whole();
	return result;
}

int scene_group_end(void **state)
{
	(void)state;
	tracer_free_all(0);
	while (scenes_count)
		close(scenes[--scenes_count]);
	close(first_netns);
	return 0;
}

int scene_setup(void **state)
{
	memcpy(&current.body, state, sizeof(current.body));
	current.done = false;
	net_unshare();
	must_be(scenes_count < SCENES_MAX);
	scenes[scenes_count++] = must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	current.scene = (struct scene){ .tracer = shared, .netns = net_inode() };
	if (shared)
		tracer_scope(shared, current.scene.netns);
	return 0;
}

void scene_run(void **state)
{
	(void)state;
	current.body(&current.scene);
	if (shared)
		tracer_check_stream(shared);
	current.done = true;
}

int scene_teardown(void **state)
{
	(void)state;
	if (!current.done)
		tracer_dump_all();
	actor_end_all();
	tracer_free_all(shared ? 1 : 0);
	return setns(first_netns, CLONE_NEWNET);
}

void scene_skip(const char *fmt, ...)
{
	char reason[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	print_message("skipped: %s\n", reason);
	current.done = true;
	skip();
}

void scene_needs_sock_diag(void)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = { .head = { .nlmsg_len = sizeof(request),
				.nlmsg_type = SOCK_DIAG_BY_FAMILY,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		      .body = { .sdiag_family = AF_INET,
				.sdiag_protocol = IPPROTO_TCP,
				.idiag_states = ~0U } };
	int fd = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
	struct {
		struct nlmsghdr head;
		int error;
		char rest[8192];
	} answer = { .error = 0 };

	must(send(fd, &request, sizeof(request), 0));
	must(recv(fd, &answer, sizeof(answer), 0));
	close(fd);
	/* the dump's end has the error, too */
	if ((answer.head.nlmsg_type == NLMSG_ERROR || answer.head.nlmsg_type == NLMSG_DONE) &&
	    answer.error == -ENOENT)
		scene_skip("this kernel has no tcp_diag");
}

void scene_needs_icount(void)
{
	const char *icount = getenv("LIVE_ICOUNT");

	if (icount && !strcmp(icount, "1"))
		return;
	scene_skip("it waits long or measures time, which only guests that count instructions do "
		   "well (LIVE_ICOUNT=1)");
}

/* Holds that a dump found were not allocated in this trace. */
static int count_allocs(struct tracer *tracer)
{
	return tracer_count(tracer, "event=alloc") -
	       tracer_count(tracer, "event=alloc via=accept") -
	       tracer_count(tracer, "event=alloc via=snapshot");
}

/* What the summary counts of its events, all together and by port. */
static void check_totals(struct tracer *tracer, json_t *summary)
{
	json_t *all = json_object_get(summary, "all"), *row;
	long long allocs = 0, frees = 0;
	size_t i;

	assert_int_equal(event_number(summary, "lost"), 0);
	assert_int_equal(event_number(summary, "attempted"), event_number(summary, "delivered"));
	event_check(all, "allocs=%d fails=%d frees=%d held_now=%zu", count_allocs(tracer),
		    tracer_count(tracer, "event=fail"), tracer_count(tracer, "event=free"),
		    tracer_open(tracer));
	json_array_foreach(json_object_get(summary, "ports"), i, row)
	{
		allocs += event_number(row, "allocs");
		frees += event_number(row, "frees");
	}
	assert_int_equal(allocs, event_number(all, "allocs"));
	assert_int_equal(frees, event_number(all, "frees"));
	allocs = 0;
	json_array_foreach(json_object_get(summary, "processes"), i, row) allocs +=
		event_number(row, "allocs");
	assert_int_equal(allocs, event_number(all, "allocs"));
}

void scene_test_end(struct scene *scene)
{
	tracer_scope_all(scene->tracer);
	assert_int_equal(tracer_stop(scene->tracer), STATUS_DONE);
	assert_true(tracer_ended(scene->tracer));
	assert_int_equal(tracer_count(scene->tracer, "event=lost"), 0);
	check_totals(scene->tracer, tracer_last(scene->tracer));
}
