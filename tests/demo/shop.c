// SPDX-License-Identifier: BSD-2-Clause
/*
 * shop SECONDS RATE: a service that opens a connection for every request, RATE a second,
 * until no port is left towards its database, and one that suffers with it. For
 * tests/demo/incident, in a guest where 10.96.4.7 is local.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DATABASE "10.96.4.7"
#define DATABASE_PORT 6379
#define POOL 3
#define REFUSED_US 50000 /* who was refused waits */

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static struct sockaddr_in database(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(DATABASE_PORT) };

	inet_pton(AF_INET, DATABASE, &addr.sin_addr);
	return addr;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* A connection, or -errno; says the first refusal, as a log would. */
static int dial(const char *name)
{
	static bool said;
	struct sockaddr_in addr = database();
	int fd = socket(AF_INET, SOCK_STREAM, 0), err;

	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = errno;
	close(fd);
	if (!said)
		fprintf(stderr, "%s: connect to %s:%d: %s\n", name, DATABASE, DATABASE_PORT,
			strerror(err));
	said = true;
	return -err;
}

/* Accepts until it is killed, and closes when the other side has. */
static void redis(int listener)
{
	char byte;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (recv(fd, &byte, 1, 0) == 1)
			continue; /* it stays */
		close(fd);
	}
}

/* A connection for each request, and none of them kept. */
static void web(long long ms, int rate)
{
	long long begin = now_ms(), requests = 0;

	while (now_ms() - begin < ms) {
		int fd;

		if (requests >= (now_ms() - begin) * rate / 1000) {
			usleep(1000);
			continue;
		}
		fd = dial("web");
		requests++;
		if (fd >= 0)
			close(fd);
		else
			usleep(REFUSED_US);
	}
}

/* Keeps its connections, and now and then wants one more. */
static void mailer(long long ms)
{
	long long begin = now_ms();

	for (int i = 0; i < POOL; i++)
		send(dial("mailer"), "x", 1, MSG_NOSIGNAL);
	while (now_ms() - begin < ms) {
		int fd = dial("mailer");

		if (fd >= 0)
			close(fd);
		usleep(1000000);
	}
}

static pid_t start(const char *name, void (*run)(int listener, long long ms, int rate),
		   int listener, long long ms, int rate)
{
	pid_t pid = fork();

	must(pid, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(listener, ms, rate);
	_exit(0);
}

static void run_redis(int listener, long long ms, int rate)
{
	(void)ms;
	(void)rate;
	redis(listener);
}

static void run_web(int listener, long long ms, int rate)
{
	close(listener);
	web(ms, rate);
}

static void run_mailer(int listener, long long ms, int rate)
{
	(void)rate;
	close(listener);
	mailer(ms);
}

static int listen_there(void)
{
	struct sockaddr_in addr = database();
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	must(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	must(listen(fd, 1024), "listen");
	return fd;
}

int main(int argc, char **argv)
{
	long long ms = argc > 2 ? atoll(argv[1]) * 1000 : 0;
	int rate = argc > 2 ? atoi(argv[2]) : 0, listener = listen_there();
	pid_t server = start("redis", run_redis, listener, ms, rate), clients[2];

	if (!ms || !rate) {
		fprintf(stderr, "usage: shop SECONDS RATE\n");
		return 2;
	}
	clients[0] = start("mailer", run_mailer, listener, ms, rate);
	clients[1] = start("web", run_web, listener, ms, rate);
	for (int i = 0; i < 2; i++)
		waitpid(clients[i], NULL, 0);
	kill(server, SIGTERM);
	return 0;
}
