// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "tests/unit/capture.h"

static void test_appends(void **state)
{
	struct out out;
	char *text;

	(void)state;
	capture_begin(&out);
	out_str(&out, "a");
	out_char(&out, ' ');
	out_u64(&out, 0);
	out_fill(&out, '.', 3);
	out_fill(&out, 'x', 0);
	out_u64(&out, UINT64_MAX);
	assert_int_equal(out_end_line(&out), 0);
	out_json(&out, "\x1b\"", 2);
	out_bytes(&out, "\0z", 2);
	out_format(&out, "%s%d", "=", -7);
	assert_int_equal(out_end_line(&out), 0);
	text = capture_end(&out);
	assert_int_equal(out_written(&out), 27 + 8 + 3 + 3);
	assert_memory_equal(text, "a 0...18446744073709551615\n\\u001b\\\"\0z=-7\n", 41);
	free(text);
}

/* Text for the caller's own use never reaches the file. */
static void test_take(void **state)
{
	struct out out;
	const char *text;
	size_t len;

	(void)state;
	capture_begin(&out);
	out_str(&out, "mine");
	text = out_take(&out, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(text, "mine", 4);
	assert_non_null(out_take(&out, &len));
	assert_int_equal(len, 0);
	free(capture_end(&out));
	assert_int_equal(out_written(&out), 0);
}

static off_t file_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

/* A half line stays in the buffer until it is a whole one, or the end. */
static void test_whole_lines(void **state)
{
	struct out out;
	char *text;

	(void)state;
	capture_begin(&out);
	out_str(&out, "half");
	assert_int_equal(out_flush(&out), 0);
	assert_int_equal(file_size(out.fd), 0);
	assert_false(out_cut(&out));
	out_str(&out, " and whole");
	out_end_line(&out);
	out_str(&out, "next");
	assert_int_equal(out_flush(&out), 0);
	assert_int_equal(out_written(&out), 15);
	assert_int_equal(file_size(out.fd), 15);
	out_str(&out, " one");
	text = capture_end(&out);
	assert_string_equal(text, "half and whole\nnext one");
	assert_true(out_cut(&out));
	free(text);
}

/* Much text, lines of every length, some longer than the buffer. */
static void test_much(void **state)
{
	static const size_t lengths[] = { 0, 1, 79, 4095, 4096, 4097, 65535, 65536, 65537, 300000 };
	size_t sum = 0;
	struct out out;
	char *text, *p;

	(void)state;
	capture_begin(&out);
	for (size_t round = 0; round < 40; round++) {
		size_t len = lengths[round % 10];

		if (round % 2)
			out_fill(&out, (char)('a' + round % 26), len);
		for (size_t i = 0; round % 2 == 0 && i < len; i++)
			out_char(&out, (char)('a' + round % 26));
		assert_int_equal(out_end_line(&out), 0);
		/* What is in the file are whole lines. */
		assert_false(out_cut(&out));
		sum += len + 1;
	}
	text = capture_end(&out);
	assert_int_equal(out_written(&out), sum);
	p = text;
	for (size_t round = 0; round < 40; round++) {
		for (size_t i = 0; i < lengths[round % 10]; i++)
			assert_int_equal(*p++, 'a' + round % 26);
		assert_int_equal(*p++, '\n');
	}
	free(text);
}

/* Escaping needs six times the room. */
static void test_long_escapes(void **state)
{
	static char bytes[50000];
	struct out out;
	char *text;

	(void)state;
	memset(bytes, 1, sizeof(bytes));
	capture_begin(&out);
	out_json(&out, bytes, sizeof(bytes));
	out_end_line(&out);
	text = capture_end(&out);
	assert_int_equal(out_written(&out), sizeof(bytes) * 6 + 1);
	free(text);
}

static void test_flushes_when_full(void **state)
{
	struct out out;

	(void)state;
	capture_begin(&out);
	for (int i = 0; i < 10000; i++) {
		out_str(&out, "0123456789");
		out_end_line(&out);
		assert_true(out.len <= 64 * 1024);
	}
	assert_true(out_written(&out) > 50000);
	free(capture_end(&out));
}

/* The first error stays, and what comes later is dropped. */
static void test_full_disk(void **state)
{
	struct out out;

	(void)state;
	assert_int_equal(out_open(&out, "/dev/full"), 0);
	out_str(&out, "lost");
	assert_int_equal(out_end_line(&out), 0);
	assert_int_equal(out_flush(&out), -ENOSPC);
	for (int i = 0; i < 100000; i++) {
		out_str(&out, "0123456789");
		assert_int_equal(out_end_line(&out), -ENOSPC);
	}
	assert_true(out.size <= 64 * 1024);
	assert_int_equal(out_flush(&out), -ENOSPC);
	assert_int_equal(out_close(&out), -ENOSPC);
	assert_int_equal(out_written(&out), 0);
	assert_false(out_cut(&out));
}

/* A file that may not grow past its limit is cut amid a line, and we say so. */
static void test_file_limit(void **state)
{
	struct rlimit old, limit;
	struct out out;
	char *text;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 13;
	capture_begin(&out);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 3; i++) {
		out_str(&out, "seven.");
		out_end_line(&out);
	}
	assert_int_equal(out_flush(&out), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(out_written(&out), 13);
	assert_true(out_cut(&out));
	text = calloc(1, 14);
	assert_int_equal(pread(out.fd, text, 13, 0), 13);
	assert_string_equal(text, "seven.\nseven.");
	free(text);
	/* There is room again, but a gap must not come into the file. */
	out_str(&out, "later");
	assert_int_equal(out_end_line(&out), -EFBIG);
	assert_int_equal(out_close(&out), -EFBIG);
	assert_int_equal(file_size(out.fd), 13);
	close(out.fd);
}

static void test_broken_pipe(void **state)
{
	struct out out;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(out_init(&out, fds[1]), 0);
	out_end_line(&out);
	assert_int_equal(out_flush(&out), -EPIPE);
	assert_int_equal(out_close(&out), -EPIPE);
	/* It was ours to write to, not to close. */
	assert_int_equal(fcntl(fds[1], F_GETFD), 0);
	close(fds[1]);
}

static void on_alarm(int signo)
{
	(void)signo;
}

static void *read_slowly(void *arg)
{
	const int fd = *(int *)arg;
	size_t sum = 0;
	char buf[5000];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		sum += (size_t)n;
		usleep(200);
	}
	return (void *)(uintptr_t)sum;
}

/* A pipe that is full, short writes, signals all the time: no byte is lost. */
static void check_slow_reader(bool nonblock)
{
	const struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { 0 };
	struct sigaction action = { .sa_handler = on_alarm };
	sigset_t alarms;
	pthread_t reader;
	struct out out;
	void *sum;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	if (nonblock)
		fcntl(fds[1], F_SETFL, O_NONBLOCK);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	/* The reader is not to be disturbed. */
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &fds[0]), 0);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(out_init(&out, fds[1]), 0);
	for (int i = 0; i < 20; i++) {
		out_fill(&out, 'x', 99999);
		assert_int_equal(out_end_line(&out), 0);
	}
	assert_int_equal(out_close(&out), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	close(fds[1]);
	pthread_join(reader, &sum);
	close(fds[0]);
	assert_int_equal((uintptr_t)sum, 2000000);
	assert_int_equal(out_written(&out), 2000000);
}

static void test_slow_reader(void **state)
{
	(void)state;
	check_slow_reader(false);
	check_slow_reader(true);
}

static void test_open_file(void **state)
{
	char path[] = "/tmp/test_out.XXXXXX", text[16] = "";
	int fd = mkstemp(path);
	struct out out;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "what was there before", 21), 21);
	assert_int_equal(out_open(&out, path), 0);
	assert_int_equal(file_size(fd), 0);
	assert_int_equal(fcntl(out.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	out_str(&out, "new");
	out_end_line(&out);
	assert_int_equal(out_close(&out), 0);
	assert_int_equal(fcntl(out.fd, F_GETFD), -1);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 4);
	assert_string_equal(text, "new\n");
	close(fd);
	unlink(path);
}

static void test_open_fails(void **state)
{
	struct out out = { .fd = 77 };

	(void)state;
	assert_int_equal(out_open(&out, "/nonexistent/file"), -ENOENT);
	assert_int_equal(out_open(&out, "/tmp"), -EISDIR);
	assert_int_equal(out_open(&out, ""), -ENOENT);
	assert_int_equal(out.fd, 77);
}

static void test_open_stdout(void **state)
{
	struct out out;

	(void)state;
	assert_int_equal(out_open(&out, "-"), 0);
	assert_int_equal(out.fd, STDOUT_FILENO);
	assert_int_equal(out_close(&out), 0);
	assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends),	     cmocka_unit_test(test_take),
		cmocka_unit_test(test_whole_lines),  cmocka_unit_test(test_much),
		cmocka_unit_test(test_long_escapes), cmocka_unit_test(test_flushes_when_full),
		cmocka_unit_test(test_full_disk),    cmocka_unit_test(test_file_limit),
		cmocka_unit_test(test_broken_pipe),  cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_open_file),    cmocka_unit_test(test_open_fails),
		cmocka_unit_test(test_open_stdout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
