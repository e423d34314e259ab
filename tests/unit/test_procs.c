// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "user/live/procs.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TICKS 100

/* A copy of exactly len bytes: the sanitizer sees who reads past it. */
static char *exactly(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

static void test_links(void **state)
{
	static const struct {
		const char *text;
		int err;
		__u32 inode;
	} wanted[] = {
		{ "socket:[1]", 0, 1 },
		{ "socket:[4294967295]", 0, 4294967295U },
		{ "socket:[4294967296]", -EINVAL, 0 },
		{ "socket:[99999999999999999999999999999]", -EINVAL, 0 },
		{ "socket:[]", -EINVAL, 0 },
		{ "socket:[12", -EINVAL, 0 },
		{ "socket:[12x]", -EINVAL, 0 },
		{ "socket:[12]]", -EINVAL, 0 },
		{ "socket:[-1]", -EINVAL, 0 },
		{ "socket:[", -EINVAL, 0 },
		{ "/tmp/socket:[1]", -EINVAL, 0 },
		{ "pipe:[12]", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		size_t len = strlen(wanted[i].text);
		char *text = exactly(wanted[i].text, len);
		__u32 inode = 4711;

		assert_int_equal(procs_parse_link(text, len, &inode), wanted[i].err);
		assert_int_equal(inode, wanted[i].err ? 4711 : wanted[i].inode);
		free(text);
	}
}

static void check_comm(const char *text, const char *wanted)
{
	char *copy = exactly(text, strlen(text));
	char comm[PT_COMM_LEN];

	memset(comm, 'x', sizeof(comm));
	procs_parse_comm(copy, strlen(text), comm);
	assert_string_equal(comm, wanted);
	for (size_t i = strlen(comm); i < sizeof(comm); i++)
		assert_int_equal(comm[i], 0);
	free(copy);
}

static void test_comm(void **state)
{
	(void)state;
	check_comm("curl\n", "curl");
	check_comm("odd\n\n", "odd\n");
	check_comm("a) R \033[2J\n", "a) R \033[2J");
	check_comm("no newline", "no newline");
	check_comm("\n", "");
	check_comm("", "");
	check_comm("123456789012345\n", "123456789012345");
	check_comm("kworker/u8:1-events_unbound\n", "kworker/u8:1-ev");
}

#define BEFORE_START " S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 "

static void test_start(void **state)
{
	static const struct {
		const char *text;
		int err;
		__u64 start;
	} wanted[] = {
		{ "7 (cat)" BEFORE_START "250 8192 1\n", 0, 2500000000 },
		{ "7 (a) R 1 (b)" BEFORE_START "1 8192\n", 0, 10000000 },
		{ "7 (a b)) )" BEFORE_START "0", 0, 0 },
		{ "7 ()" BEFORE_START "12", 0, 120000000 },
		{ "7 (cat)" BEFORE_START, -EINVAL, 0 },
		{ "7 (cat)" BEFORE_START "x", -EINVAL, 0 },
		{ "7 (cat)" BEFORE_START "99999999999999999999", -EINVAL, 0 },
		{ "7 (cat) S 1 2 3", -EINVAL, 0 },
		{ "7 (cat)S 1 2 3", -EINVAL, 0 },
		{ "7 (cat)", -EINVAL, 0 },
		{ "7 cat S 1", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		size_t len = strlen(wanted[i].text);
		char *text = exactly(wanted[i].text, len);
		__u64 start = 4711;

		assert_int_equal(procs_parse_start(text, len, TICKS, &start), wanted[i].err);
		assert_int_equal(start, wanted[i].err ? 4711 : wanted[i].start);
		assert_int_equal(procs_parse_start(text, len, 0, &start), -EINVAL);
		free(text);
	}
}

static void test_uid(void **state)
{
	static const struct {
		const char *text;
		int err;
		__u32 uid;
	} wanted[] = {
		{ "Name:\tcat\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n", 0, 1000 },
		{ "Name:\t\\nUid:\t1\nUid:\t4294967294\t", 0, 4294967294U },
		{ "Uid:\t0", 0, 0 },
		{ "Uid:\t", -EINVAL, 0 },
		{ "Uid:\t-1\t", -EINVAL, 0 },
		{ "Name:\tUid:\t5\nGid:\t6\n", -EINVAL, 0 },
		{ "Ui", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		size_t len = strlen(wanted[i].text);
		char *text = exactly(wanted[i].text, len);
		__u32 uid = 4711;

		assert_int_equal(procs_parse_uid(text, len, &uid), wanted[i].err);
		assert_int_equal(uid, wanted[i].err ? 4711 : wanted[i].uid);
		free(text);
	}
}

static void test_cgroup(void **state)
{
	static const struct {
		const char *text;
		const char *path; /* NULL: -EINVAL */
	} wanted[] = {
		{ "0::/system.slice/a b.service\n", "/system.slice/a b.service" },
		{ "12:cpu:/x\n1:name=0::/y:/z\n0::/\n", "/" },
		{ "0::/..name/x\n", "/..name/x" },
		{ "0::/../sibling\n", NULL },
		{ "0::/..\n", NULL },
		{ "0::\n", NULL },
		{ "0::relative\n", NULL },
		{ "0::/0123456789012345678901234567890123456789\n", NULL }, /* too long */
		{ "4:memory:/x\n", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		size_t len = strlen(wanted[i].text);
		char *text = exactly(wanted[i].text, len);
		char path[32] = "untouched";

		assert_int_equal(procs_parse_cgroup(text, len, path, sizeof(path)),
				 wanted[i].path ? 0 : -EINVAL);
		assert_string_equal(path, wanted[i].path ?: "untouched");
		free(text);
	}
}

/* Every beginning of what /proc gives, and every byte of it changed. */
static void test_damaged_files(void **state)
{
	static const char *const files[] = {
		"7 (a) R 1)" BEFORE_START "250 8192 1\n",
		"Name:\tcat\nUid:\t1000\t0\t0\t0\n",
		"1:cpu:/\n0::/a/b\n",
		"socket:[123456]",
	};
	char comm[PT_COMM_LEN], path[8];
	__u64 start;
	__u32 number;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		for (size_t len = 0; len <= strlen(files[i]); len++)
			for (size_t at = 0; at <= len; at++) {
				char *text = exactly(files[i], len);

				if (at < len)
					text[at] ^= 0x15;
				procs_parse_link(text, len, &number);
				procs_parse_comm(text, len, comm);
				procs_parse_start(text, len, TICKS, &start);
				procs_parse_uid(text, len, &number);
				procs_parse_cgroup(text, len, path, sizeof(path));
				free(text);
			}
}

/* ---- this host's /proc ----------------------------------------------------- */

static __u32 inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (__u32)st.st_ino;
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	return fd;
}

/* A child that has all our sockets, until the pipe is closed. */
static pid_t start_child(int *release)
{
	int ends[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	close(ends[0]);
	*release = ends[1];
	return pid;
}

static void end_child(pid_t pid, int release)
{
	int status;

	close(release);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int keep(const struct pt_owner *holder, void *data)
{
	const struct pt_owner **kept = data;

	assert_true(holder->known);
	assert_null(*kept);
	*kept = holder;
	return 0;
}

/* The only process that has it; NULL: none has. */
static const struct pt_owner *owner_of(const struct procs *procs, __u32 inode)
{
	const struct pt_owner *owner = NULL;

	assert_int_equal(procs_each_holder(procs, inode, keep, &owner), 0);
	return owner;
}

static void test_finds_the_owner(void **state)
{
	int fd = new_socket(), copy = dup(fd);
	const struct pt_owner *owner;
	struct procs *procs;
	struct timespec now;

	(void)state;
	assert_int_equal(prctl(PR_SET_NAME, "a) R 1\n(b"), 0);
	procs = procs_new();
	assert_non_null(procs);
	owner = owner_of(procs, inode_of(fd));
	assert_non_null(owner);
	assert_true(owner->known);
	assert_false(owner->kernel);
	assert_int_equal(owner->pid, getpid());
	assert_int_equal(owner->tid, getpid());
	assert_int_equal(owner->uid, getuid());
	assert_string_equal(owner->comm, "a) R 1\n(b");
	assert_string_equal(owner->thread, owner->comm);
	clock_gettime(CLOCK_BOOTTIME, &now);
	assert_in_range(owner->start, 1, now.tv_sec * 1000000000ULL + now.tv_nsec);
	assert_null(owner_of(procs, 0));
	procs_free(procs);
	close(fd);
	close(copy);
}

static int note_pid(const struct pt_owner *holder, void *data)
{
	__u32 *pids = data;

	assert_true(holder->known);
	if (pids[0] == 2)
		return -E2BIG;
	pids[++pids[0]] = holder->pid;
	return 0;
}

/* Both that have it, each once; a process that has only shared ones too. */
static void test_every_holder(void **state)
{
	int fd = new_socket(), copy = dup(fd), release;
	pid_t child = start_child(&release);
	struct procs *procs = procs_new();
	__u32 pids[3] = { 0 };

	(void)state;
	assert_non_null(procs);
	assert_int_equal(procs_each_holder(procs, inode_of(fd), note_pid, pids), 0);
	assert_int_equal(pids[0], 2);
	assert_true(pids[1] == (__u32)getpid() || pids[2] == (__u32)getpid());
	assert_true(pids[1] == (__u32)child || pids[2] == (__u32)child);
	/* what the function returns ends it */
	assert_int_equal(procs_each_holder(procs, inode_of(fd), note_pid, pids), -E2BIG);
	pids[0] = 0;
	assert_int_equal(procs_each_holder(procs, 0, note_pid, pids), 0);
	assert_int_equal(pids[0], 0);
	assert_false(procs_hidden(procs));
	procs_free(procs);
	end_child(child, release);
	procs = procs_new();
	assert_int_equal(owner_of(procs, inode_of(fd))->pid, getpid());
	procs_free(procs);
	close(fd);
	close(copy);
}

/* Only the child has it, and one that has many. */
static void test_other_process(void **state)
{
	int fds[200], release;
	__u32 inodes[ARRAY_SIZE(fds)];
	struct procs *procs;
	pid_t child;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = new_socket();
		inodes[i] = inode_of(fds[i]);
	}
	child = start_child(&release);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	procs = procs_new();
	assert_non_null(procs);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_non_null(owner_of(procs, inodes[i]));
		assert_int_equal(owner_of(procs, inodes[i])->pid, child);
	}
	procs_free(procs);
	end_child(child, release);
}

/* Without privileges the others are counted, and ourselves still found. */
static int unprivileged(int fd)
{
	const struct pt_owner *owner = NULL;
	struct procs *procs;

	if (setuid(65534) || prctl(PR_SET_DUMPABLE, 1))
		return 2;
	procs = procs_new();
	if (!procs || !procs_unreadable(procs))
		return 3;
	owner = owner_of(procs, inode_of(fd));
	return owner && owner->known && owner->pid == (__u32)getpid() && owner->uid == 65534 ? 0
											     : 4;
}

static void test_unprivileged(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (getuid()) {
		print_message("skipped: only root can give its privileges up\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(unprivileged(new_socket()));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),		cmocka_unit_test(test_comm),
		cmocka_unit_test(test_start),		cmocka_unit_test(test_uid),
		cmocka_unit_test(test_cgroup),		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_finds_the_owner), cmocka_unit_test(test_every_holder),
		cmocka_unit_test(test_other_process),	cmocka_unit_test(test_unprivileged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
