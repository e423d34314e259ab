// SPDX-License-Identifier: BSD-2-Clause
/*
 * The audit: silent when the ledger is right, and not when it is wrong. To make
 * it wrong the tracer's programs are blinded for a moment, as if the kernel had
 * skipped them all.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define SERVER 8080
#define PORT 60609

/* ---- blinding ---------------------------------------------------------------- */

/* The newest map of that name: the tracer's, which was started last. */
static int find_map(const char *name, struct bpf_map_info *info)
{
	__u32 id = 0, len;
	int fd, found = -1;

	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		len = sizeof(*info);
		memset(info, 0, len);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, info, &len) &&
		    !strcmp(info->name, name)) {
			if (found >= 0)
				close(found);
			found = fd;
		} else if (fd >= 0) {
			close(fd);
		}
	}
	must(found);
	len = sizeof(*info);
	must(bpf_obj_get_info_by_fd(found, info, &len));
	return found;
}

/* Where a variable lies in the map that holds a section. */
static __u32 offset_of(const struct bpf_map_info *info, const char *variable)
{
	struct btf *btf = btf__load_from_kernel_by_id(info->btf_id);
	const struct btf_type *section;
	__u32 offset = ~0U;

	must_be(btf);
	section = btf__type_by_id(btf, info->btf_value_type_id);
	for (int i = 0; i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *var = &btf_var_secinfos(section)[i];
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), variable))
			offset = var->offset;
	}
	btf__free(btf);
	must_be(offset != ~0U);
	return offset;
}

static void set_enabled(bool enabled)
{
	struct bpf_map_info info;
	int fd = find_map("porttrac.bss", &info);
	__u32 offset = offset_of(&info, "enabled"), key = 0;
	char *value = malloc(info.value_size);

	must(bpf_map_lookup_elem(fd, &key, value));
	value[offset] = enabled;
	must(bpf_map_update_elem(fd, &key, value, 0));
	free(value);
	close(fd);
}

/* ---- tests ------------------------------------------------------------------- */

static json_t *audit_of(struct tracer *tracer)
{
	json_t *audit = json_object_get(tracer_last(tracer), "audit");

	assert_true(json_is_object(audit));
	return audit;
}

/* Sockets in every state that holds a port. */
static void a_standing_picture_has_no_difference(struct scene *scene)
{
	struct tracer *tracer = tracer_whole();
	int listener = tcp_listen(NET_V4, SERVER), client, server, closing, idle, udp;

	(void)scene;
	client = tcp_connect(NET_V4, SERVER);
	server = tcp_accept(listener);
	closing = tcp_connect(NET_V4, SERVER);
	tcp_close_pair(closing, tcp_accept(listener));
	idle = net_socket(NET_V6, SOCK_STREAM);
	must_be(net_try_bind(idle, NET_V6, PORT) == 0);
	udp = net_socket(NET_V4, SOCK_DGRAM);
	must_be(net_try_send(udp, NET_V4, SERVER) == 0);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	event_check(audit_of(tracer),
		    "audits=1 only_ledger=0 only_kernel=0 wrong_owner=0 not_empty=0 moved=0");
	/* listener, client, TIME_WAIT, idle, UDP; other namespaces may have some, too */
	assert_true(event_number(audit_of(tracer), "compared") >= 5);
	net_close(client);
	net_close(server);
	net_close(listener);
	net_close(idle);
	net_close(udp);
}

static void what_came_unseen_is_found(struct scene *scene)
{
	struct tracer *tracer =
		tracer_begin(true, (const char *const[]){ "--json", "--audit=1", "-v", NULL });
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	(void)scene;
	set_enabled(false);
	must_be(net_try_bind(fd, NET_V4, PORT) == 0);
	set_enabled(true);
	/* found, said, and put right */
	tracer_expect(tracer, "event=alloc port=%d via=snapshot pid=%d", PORT, getpid());
	net_close(fd);
	tracer_expect(tracer, "event=free port=%d end=close holders=0", PORT);
	tracer_signal(tracer, SIGINT);
	assert_int_equal(tracer_exit(tracer), STATUS_AUDIT);
	event_check(audit_of(tracer), "only_ledger=0 only_kernel=1 wrong_owner=0");
	assert_non_null(
		strstr(tracer_stderr(tracer), "audit: only in the kernel: udp 127.0.0.1:60609 "));
}

/* A UDP socket that held a port before, so that it is known, gets one unseen. */
static void a_udp_port_got_unseen_is_told_when_it_goes(struct scene *scene)
{
	struct tracer *tracer = tracer_begin(true, (const char *const[]){ "--json", NULL });
	int fd = net_socket(NET_V4, SOCK_DGRAM), port;

	(void)scene;
	must_be(net_try_send(fd, NET_V4, SERVER) == 0);
	net_disconnect(fd);
	tracer_sync(tracer);
	if (tracer_count(tracer, "event=alloc cookie=null")) {
		tracer_stop(tracer);
		scene_skip("this kernel gives no cookies, and skips no program (before 5.12)");
	}
	set_enabled(false);
	must_be(net_try_send(fd, NET_V4, SERVER) == 0);
	set_enabled(true);
	port = net_port(fd);
	net_close(fd);
	tracer_expect(tracer, "event=alloc port=%d via=null pid=null", port);
	tracer_expect(tracer, "event=free port=%d end=close held_ns=null holders=0", port);
	tracer_signal(tracer, SIGINT);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
}

static void what_went_unseen_is_found(struct scene *scene)
{
	struct tracer *tracer =
		tracer_begin(true, (const char *const[]){ "--json", "--audit", "-v", NULL });
	int listener = tcp_listen(NET_V4, SERVER), clients[2], servers[2], port;
	char line[96];

	(void)scene;
	for (int i = 0; i < 2; i++) {
		clients[i] = tcp_connect(NET_V4, SERVER);
		servers[i] = tcp_accept(listener);
	}
	port = net_port(clients[0]);
	tracer_sync(tracer);
	set_enabled(false);
	tcp_reset(clients[0]);
	net_close(servers[0]);
	tcp_close_pair(clients[1], servers[1]); /* into TIME_WAIT: the port is held on */
	set_enabled(true);
	tracer_signal(tracer, SIGINT);
	assert_int_equal(tracer_exit(tracer), STATUS_AUDIT);
	event_check(audit_of(tracer), "only_ledger=2 only_kernel=1 wrong_owner=0");
	assert_int_equal(tracer_count(tracer, "event=free port=%d end=unknown", port), 1);
	snprintf(line, sizeof(line), "audit: only in the ledger: tcp 127.0.0.1:%d to 127.0.0.1:%d",
		 port, SERVER);
	assert_non_null(strstr(tracer_stderr(tracer), line));
	net_close(listener);
}

static void the_kernel_says_that_a_port_is_empty(struct scene *scene)
{
	struct tracer *tracer =
		tracer_begin(true, (const char *const[]){ "--json", "--audit", "-v", NULL });
	int listener = tcp_listen(NET_V4, SERVER), client = tcp_connect(NET_V4, SERVER);
	int server = tcp_accept(listener), port = net_port(client);
	json_t *misses;

	(void)scene;
	tcp_reset(client);
	net_close(server);
	tracer_expect(tracer, "event=free port=%d end=close", port);
	net_close(listener);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	misses = json_object_get(tracer_last(tracer), "recursion_misses");
	assert_non_null(json_object_get(misses, "bucket_destroy"));
	event_check(audit_of(tracer), "not_empty=0");
	if (!event_number(audit_of(tracer), "emptied"))
		scene_skip("this kernel's inet_bind_bucket_destroy() is inlined (before 6.18)");
}

/* What the kernel skipped is asked of the kernel, so of others, too. */
static void a_doctor_sees_who_runs(struct scene *scene)
{
	struct tracer *tracer = tracer_whole(), *doctor = tracer_run("doctor");

	(void)scene;
	assert_int_equal(tracer_exit(doctor), STATUS_DONE);
	assert_non_null(strstr(tracer_stdout(doctor), "a porttrace runs now: the kernel skipped "));
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	tracer_free(tracer);
	doctor = tracer_run("doctor");
	assert_null(strstr(tracer_stdout(doctor), "a porttrace runs now"));
}

static void text_says_it_in_a_line(struct scene *scene)
{
	struct tracer *tracer = tracer_run("--audit", "--duration", "100ms");

	(void)scene;
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_non_null(strstr(tracer_stderr(tracer),
			       "held against the kernel's own tables: no difference"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_standing_picture_has_no_difference),
		SCENE_TEST(what_came_unseen_is_found),
		SCENE_TEST(a_udp_port_got_unseen_is_told_when_it_goes),
		SCENE_TEST(what_went_unseen_is_found),
		SCENE_TEST(the_kernel_says_that_a_port_is_empty),
		SCENE_TEST(text_says_it_in_a_line),
		SCENE_TEST(a_doctor_sees_who_runs),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
