// SPDX-License-Identifier: BSD-2-Clause
/* Ports obtained through io_uring, by the process itself or by a worker for it. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "scene.h"
#include "uring.h"

/* From Linux 6.11 (7481fd93fa0a, ff140cc8628a); this may be built with older headers. */
#define OP_BIND 56
#define OP_LISTEN 57

#define SERVER 8080
#define PORT 40000

static struct uring ring;

static const struct sockaddr_in server = { .sin_family = AF_INET,
					   .sin_port = __builtin_bswap16(SERVER),
					   .sin_addr.s_addr = __builtin_bswap32(0x7f000001) };

static void needs_uring_with(unsigned int flags)
{
	int error = uring_try_open(&ring, flags);

	if (!error)
		return;
	scene_skip("no io_uring here (kernel.io_uring_disabled?): %s", strerror(-error));
}

static void needs_uring(void)
{
	needs_uring_with(0);
}

static void needs_operation(const char *name, int result)
{
	if (result != -EINVAL && result != -EOPNOTSUPP)
		return;
	uring_close(&ring);
	scene_skip("this kernel's io_uring has no %s", name);
}

static struct io_uring_sqe on_address(int operation, int fd, const struct sockaddr_in *address)
{
	return (struct io_uring_sqe){
		.opcode = operation, .fd = fd, .addr = (uintptr_t)address, .off = sizeof(*address)
	};
}

static int uring_connect(int fd, int flags)
{
	struct io_uring_sqe request = on_address(IORING_OP_CONNECT, fd, &server);

	request.flags = flags;
	return uring_do(&ring, &request);
}

static void check_lives(struct scene *scene, int lives)
{
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), lives);
}

static void a_connect_by_ring(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);

	needs_uring();
	net_range(PORT, PORT);
	assert_int_equal(uring_connect(fd, 0), 0);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect port=%d rport=%d holders=1 pid=%d comm=live_test "
		      "kernel=false uid=0",
		      PORT, SERVER, getpid());
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 pid=%d", PORT,
		      getpid());
	check_lives(scene, 1);
	uring_close(&ring);
	net_close(listener);
}

/* Until 5.12 (3bfe6106693b) workers were kernel threads, of no process. */
static bool workers_are_threads(void)
{
	return ring.params.features & IORING_FEAT_NATIVE_WORKERS;
}

/* IOSQE_ASYNC: a thread that the kernel made for the process does it. */
static void a_worker_connects_for_the_process(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	needs_uring();
	net_range(PORT, PORT);
	assert_int_equal(uring_connect(fd, IOSQE_ASYNC), 0);
	event = tracer_expect(scene->tracer, "event=alloc via=connect port=%d rport=%d holders=1",
			      PORT, SERVER);
	if (workers_are_threads()) {
		event_check(event, "pid=%d comm=live_test kernel=false uid=0", getpid());
		assert_int_not_equal(event_number(event, "tid"), getpid());
		assert_memory_equal(event_text(event, "thread"), "iou-wrk-", 8);
	}
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
	uring_close(&ring);
	net_close(listener);
}

/* Whatever does the work: the port is the process's, or nobody can tell whose. */
static void a_worker_is_no_owner(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	needs_uring();
	net_range(PORT, PORT);
	assert_int_equal(uring_connect(fd, IOSQE_ASYNC), 0);
	event = tracer_expect(scene->tracer, "event=alloc via=connect port=%d", PORT);
	if (!json_is_null(json_object_get(event, "pid")))
		event_check(event, "pid=%d comm=live_test kernel=false", getpid());
	tcp_reset(fd);
	uring_close(&ring);
	net_close(listener);
}

/* IORING_SETUP_SQPOLL: a thread of the process looks for requests by itself. */
static void a_poller_connects_for_the_process(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM);
	json_t *event;

	needs_uring_with(IORING_SETUP_SQPOLL);
	if (!workers_are_threads()) {
		uring_close(&ring);
		scene_skip("this kernel's pollers only take registered files");
	}
	net_range(PORT, PORT);
	assert_int_equal(uring_connect(fd, 0), 0);
	event = tracer_expect(scene->tracer, "event=alloc via=connect port=%d rport=%d holders=1",
			      PORT, SERVER);
	event_check(event, "pid=%d comm=live_test kernel=false uid=0", getpid());
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 pid=%d", PORT,
		      getpid());
	check_lives(scene, 1);
	uring_close(&ring);
	net_close(listener);
}

static void a_worker_is_refused(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), fd = net_socket(NET_V4, SOCK_STREAM), other;

	needs_uring();
	net_range(PORT, PORT);
	other = tcp_connect(NET_V4, SERVER);
	assert_int_equal(uring_connect(fd, IOSQE_ASYNC), -EADDRNOTAVAIL);
	tracer_expect(scene->tracer, "event=fail via=connect errno=EADDRNOTAVAIL port=0 rport=%d",
		      SERVER);
	tcp_reset(other);
	net_close(fd);
	check_lives(scene, 1);
	uring_close(&ring);
	net_close(listener);
}

static void a_worker_sends(struct scene *scene)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	struct iovec data = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_name = (void *)&server,
				  .msg_namelen = sizeof(server),
				  .msg_iov = &data,
				  .msg_iovlen = 1 };
	struct io_uring_sqe request = { .opcode = IORING_OP_SENDMSG,
					.fd = fd,
					.addr = (uintptr_t)&message,
					.len = 1,
					.flags = IOSQE_ASYNC };

	needs_uring();
	net_range(PORT, PORT);
	assert_int_equal(uring_do(&ring, &request), 1);
	tracer_expect(scene->tracer, "event=alloc via=autobind proto=udp port=%d holders=1", PORT);
	net_close(fd);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
	uring_close(&ring);
}

static void a_socket_made_bound_and_listening_by_ring(struct scene *scene)
{
	struct io_uring_sqe make = {
		.opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM, .flags = IOSQE_ASYNC
	};
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct io_uring_sqe step;
	int fd, result;

	needs_uring();
	net_range(PORT, PORT);
	fd = uring_do(&ring, &make);
	needs_operation("IORING_OP_SOCKET", fd);
	must_be(fd >= 0);
	step = on_address(OP_BIND, fd, &any);
	step.flags = IOSQE_ASYNC;
	result = uring_do(&ring, &step);
	if (result)
		net_close(fd);
	needs_operation("IORING_OP_BIND", result);
	assert_int_equal(result, 0);
	step = (struct io_uring_sqe){ .opcode = OP_LISTEN, .fd = fd, .len = 8 };
	assert_int_equal(uring_do(&ring, &step), 0);
	tracer_expect(scene->tracer,
		      "event=alloc via=bind port=%d holders=1 pid=%d comm=live_test kernel=false",
		      PORT, getpid());
	net_close(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0 pid=%d", PORT,
		      getpid());
	check_lives(scene, 1);
	uring_close(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_connect_by_ring),
		SCENE_TEST(a_worker_connects_for_the_process),
		SCENE_TEST(a_worker_is_no_owner),
		SCENE_TEST(a_poller_connects_for_the_process),
		SCENE_TEST(a_worker_is_refused),
		SCENE_TEST(a_worker_sends),
		SCENE_TEST(a_socket_made_bound_and_listening_by_ring),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
