// SPDX-License-Identifier: BSD-2-Clause
/* BPF programs of a cgroup have the last word on addresses and ports. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup_bpf.h"
#include "net.h"
#include "scene.h"

#define ASKED 9090
#define SERVER 8080
#define PORT 40000

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define WIRE(port) __builtin_bswap16(port)
/* As a number on the wire, and as text. */
#define SOURCE_WIRE __builtin_bswap32(0x7f000003)
#define SOURCE "127.0.0.3"

#define MOVE(to, value)                                                                            \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (value)               \
	}
#define COPY(to, from)                                                                             \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from)            \
	}
#define ADD(to, value)                                                                             \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (to), .imm = (value)               \
	}
#define STORE(size, to, at, value)                                                                 \
	{                                                                                          \
		.code = BPF_ST | BPF_MEM | (size), .dst_reg = (to), .off = (at), .imm = (value)    \
	}
/* What a context takes must come from a register. */
#define WRITE(at, from)                                                                            \
	{                                                                                          \
		.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_1, .src_reg = (from),        \
		.off = (at)                                                                        \
	}
#define CALL(helper)                                                                               \
	{                                                                                          \
		.code = BPF_JMP | BPF_CALL, .imm = (helper)                                        \
	}
#define RETURN                                                                                     \
	{                                                                                          \
		.code = BPF_JMP | BPF_EXIT                                                         \
	}

/* The port that user space named becomes another. */
#define REWRITE(port)                                                                              \
	{                                                                                          \
		MOVE(BPF_REG_2, WIRE(port)),                                                       \
			WRITE(offsetof(struct bpf_sock_addr, user_port), BPF_REG_2),               \
			MOVE(BPF_REG_0, 1), RETURN                                                 \
	}

/* bpf_bind(ctx, { AF_INET, SOURCE, port }, 16) */
#define BIND(port)                                                                                 \
	{                                                                                          \
		STORE(BPF_DW, BPF_REG_10, -8, 0), STORE(BPF_H, BPF_REG_10, -16, AF_INET),          \
			STORE(BPF_H, BPF_REG_10, -14, WIRE(port)),                                 \
			STORE(BPF_W, BPF_REG_10, -12, SOURCE_WIRE), COPY(BPF_REG_2, BPF_REG_10),   \
			ADD(BPF_REG_2, -16), MOVE(BPF_REG_3, sizeof(struct sockaddr_in)),          \
			CALL(BPF_FUNC_bind), MOVE(BPF_REG_0, 1), RETURN                            \
	}

static struct cgroup_bpf group;

static void end(void)
{
	if (group.group)
		cgroup_bpf_end(&group);
	group.group = 0;
}

/* A socket is its cgroup's where it was made: after this. */
static void begin(enum bpf_attach_type attach, const struct bpf_insn *program, unsigned int count)
{
	int error;

	/* of a test that failed */
	end();
	error = cgroup_bpf_try_begin(&group, attach, program, count);
	if (!error)
		return;
	scene_skip("this kernel takes no cgroup program (attach type %d): %s", attach,
		   strerror(-error));
}

static void check_lives(struct scene *scene, int lives)
{
	tracer_sync(scene->tracer);
	assert_int_equal(tracer_count(scene->tracer, "event=alloc port=%d", PORT), lives);
	assert_int_equal(tracer_count(scene->tracer, "event=free port=%d", PORT), lives);
}

/* The destination is where the kernel goes to. */
static void a_destination_is_rewritten(struct scene *scene)
{
	static const struct bpf_insn program[] = REWRITE(SERVER);
	int listener = tcp_listen(NET_V4, SERVER), fd;

	begin(BPF_CGROUP_INET4_CONNECT, program, LENGTH(program));
	fd = net_socket(NET_V4, SOCK_STREAM);
	net_range(PORT, PORT);
	assert_int_equal(net_try_connect(fd, NET_V4, ASKED), 0);
	tracer_expect(scene->tracer,
		      "event=alloc via=connect port=%d raddr=127.0.0.1 rport=%d holders=1 "
		      "cgroup=/live_test_bpf",
		      PORT, SERVER);
	/* while there is a cgroup to name */
	end();
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close rport=%d holders=0", PORT,
		      SERVER);
	check_lives(scene, 1);
	net_close(listener);
}

/* A program that binds before connect(): then the port was named, though not by the process. */
static void a_program_binds_a_connecting_socket(struct scene *scene)
{
	static const struct bpf_insn program[] = BIND(PORT);
	int listener = tcp_listen(NET_V4, SERVER), tcp, udp;

	begin(BPF_CGROUP_INET4_CONNECT, program, LENGTH(program));
	tcp = net_socket(NET_V4, SOCK_STREAM);
	udp = net_socket(NET_V4, SOCK_DGRAM);
	assert_int_equal(net_try_connect(tcp, NET_V4, SERVER), 0);
	assert_int_equal(net_try_connect(udp, NET_V4, SERVER), 0);
	end();
	assert_int_equal(net_port(tcp), PORT);
	assert_int_equal(net_port(udp), PORT);
	tracer_expect(scene->tracer,
		      "event=alloc proto=tcp via=fixed ephemeral=false port=%d holders=1 pid=%d "
		      "laddr=" SOURCE,
		      PORT, getpid());
	tracer_expect(scene->tracer,
		      "event=alloc proto=udp via=fixed ephemeral=false port=%d holders=1 pid=%d",
		      PORT, getpid());
	tcp_reset(tcp);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0 rport=%d",
		      PORT, SERVER);
	net_close(udp);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0", PORT);
	check_lives(scene, 2);
	net_close(listener);
}

/* Without a port it is a late bind. */
static void a_program_binds_an_address_only(struct scene *scene)
{
	static const struct bpf_insn program[] = BIND(0);
	int listener = tcp_listen(NET_V4, SERVER), fd;

	begin(BPF_CGROUP_INET4_CONNECT, program, LENGTH(program));
	fd = net_socket(NET_V4, SOCK_STREAM);
	net_range(PORT, PORT);
	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), 0);
	end();
	tracer_expect(scene->tracer,
		      "event=alloc via=connect ephemeral=true port=%d rport=%d laddr=" SOURCE, PORT,
		      SERVER);
	tcp_reset(fd);
	tracer_expect(scene->tracer, "event=free port=%d end=close holders=0", PORT);
	check_lives(scene, 1);
	net_close(listener);
}

static void bind_to_zero_becomes_named(struct scene *scene)
{
	static const struct bpf_insn program[] = REWRITE(PORT);
	int tcp, udp, other;

	begin(BPF_CGROUP_INET4_BIND, program, LENGTH(program));
	tcp = net_socket(NET_V4, SOCK_STREAM);
	udp = net_socket(NET_V4, SOCK_DGRAM);
	other = net_socket(NET_V4, SOCK_STREAM);
	assert_int_equal(net_try_bind(tcp, NET_V4, 0), 0);
	assert_int_equal(net_try_bind(other, NET_V4, ASKED), -EADDRINUSE);
	assert_int_equal(net_try_bind(udp, NET_V4, 0), 0);
	end();
	tracer_expect(scene->tracer,
		      "event=alloc proto=tcp via=fixed ephemeral=false port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=fail proto=tcp via=fixed errno=EADDRINUSE port=%d",
		      PORT);
	tracer_expect(scene->tracer,
		      "event=alloc proto=udp via=fixed ephemeral=false port=%d holders=1", PORT);
	net_close(other);
	net_close(tcp);
	net_close(udp);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0", PORT);
	check_lives(scene, 2);
}

static void a_named_port_becomes_chosen(struct scene *scene)
{
	static const struct bpf_insn program[] = REWRITE(0);
	int tcp, udp;

	begin(BPF_CGROUP_INET4_BIND, program, LENGTH(program));
	tcp = net_socket(NET_V4, SOCK_STREAM);
	udp = net_socket(NET_V4, SOCK_DGRAM);
	net_range(PORT, PORT);
	assert_int_equal(net_try_bind(tcp, NET_V4, ASKED), 0);
	assert_int_equal(net_try_bind(udp, NET_V4, ASKED), 0);
	end();
	tracer_expect(scene->tracer,
		      "event=alloc proto=tcp via=bind ephemeral=true port=%d holders=1", PORT);
	tracer_expect(scene->tracer,
		      "event=alloc proto=udp via=bind ephemeral=true port=%d holders=1", PORT);
	net_close(tcp);
	net_close(udp);
	check_lives(scene, 2);
	assert_int_equal(tracer_count(scene->tracer, "port=%d", ASKED), 0);
}

/*
 * The port was found, then the program says no: since 6.1 the kernel puts it back
 * at once, before it stayed until the socket's end.
 */
static void a_program_forbids_a_bind(struct scene *scene)
{
	static const struct bpf_insn program[] = { MOVE(BPF_REG_0, 0), RETURN };
	int tcp, udp;

	begin(BPF_CGROUP_INET4_POST_BIND, program, LENGTH(program));
	tcp = net_socket(NET_V4, SOCK_STREAM);
	udp = net_socket(NET_V4, SOCK_DGRAM);
	assert_int_equal(net_try_bind(tcp, NET_V4, PORT), -EPERM);
	assert_int_equal(net_try_bind(udp, NET_V4, PORT), -EPERM);
	end();
	tracer_expect(scene->tracer, "event=alloc proto=tcp via=fixed port=%d holders=1", PORT);
	net_close(tcp);
	net_close(udp);
	tracer_rewind(scene->tracer);
	tracer_expect(scene->tracer, "event=free proto=tcp port=%d end=close holders=0", PORT);
	tracer_rewind(scene->tracer);
	tracer_expect(scene->tracer, "event=alloc proto=udp via=fixed port=%d holders=1", PORT);
	tracer_expect(scene->tracer, "event=free proto=udp port=%d end=close holders=0", PORT);
	check_lives(scene, 2);
}

/* Forbidden once, the socket binds again: two holds since 6.1. */
static void a_forbidden_socket_binds_again(struct scene *scene)
{
	static const struct bpf_insn program[] = { MOVE(BPF_REG_0, 0), RETURN };
	int fd, again;

	begin(BPF_CGROUP_INET4_POST_BIND, program, LENGTH(program));
	fd = net_socket(NET_V4, SOCK_DGRAM);
	net_range(PORT, PORT);
	assert_int_equal(net_try_bind(fd, NET_V4, 0), -EPERM);
	end();
	again = net_try_bind(fd, NET_V4, 0);
	net_close(fd);
	check_lives(scene, again ? 1 : 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_destination_is_rewritten),
		SCENE_TEST(a_program_binds_a_connecting_socket),
		SCENE_TEST(a_program_binds_an_address_only),
		SCENE_TEST(bind_to_zero_becomes_named),
		SCENE_TEST(a_named_port_becomes_chosen),
		SCENE_TEST(a_program_forbids_a_bind),
		SCENE_TEST(a_forbidden_socket_binds_again),
		SCENE_TEST(scene_test_end),
	};

	return cmocka_run_group_tests(tests, scene_group_traced, scene_group_end);
}
