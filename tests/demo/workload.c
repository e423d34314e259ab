// SPDX-License-Identifier: BSD-2-Clause
/*
 * A few processes that take and free ports, for a newcomer to look at: some
 * seconds of it, in a guest whose kernel may choose 60609 and 60610 only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER 7777

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static struct sockaddr_in local(unsigned short port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int dial(unsigned short port)
{
	struct sockaddr_in addr = local(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : fd;
}

static void close_with_rst(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* Says a word and closes: the client, which closes first, gets the TIME_WAIT. */
static void serve(int listener)
{
	char byte;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fork() == 0) {
			while (read(fd, &byte, 1) > 0)
				;
			exit(0);
		}
		close(fd);
	}
}

static void client_in_a_hurry(void)
{
	int fd = dial(SERVER);

	must(fd, "connect");
	poll(NULL, 0, 40);
	close_with_rst(fd);
}

static void client_with_manners(void)
{
	int fd = dial(SERVER);

	must(fd, "connect");
	poll(NULL, 0, 40);
	close(fd);
}

static void resolver(void)
{
	struct sockaddr_in addr = local(53);
	int fds[2];

	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
		sendto(fds[i], "?", 1, 0, (struct sockaddr *)&addr, sizeof(addr));
	}
	poll(NULL, 0, 5);
	close(fds[0]);
	close(fds[1]);
}

/* Both ports are taken: one connect more, and a server that wants one of them. */
static void exhaust(void)
{
	int first = dial(SERVER), second = dial(SERVER), third = dial(SERVER);

	must(first, "connect");
	must(second, "connect");
	if (third != -EADDRNOTAVAIL)
		fprintf(stderr, "workload: the third connect was not refused\n");
	poll(NULL, 0, 300);
	close_with_rst(first);
	close_with_rst(second);
}

static void want_60609(void)
{
	struct sockaddr_in addr = local(60609);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	poll(NULL, 0, 150); /* the ports are taken by then */
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fprintf(stderr, "workload: bind was not refused\n");
	close(fd);
}

static pid_t start(const char *name, void (*run)(void))
{
	pid_t pid = fork();

	must(pid, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_NAME, name);
	run();
	exit(0);
}

static void play(const char *name, void (*run)(void), int pause_ms)
{
	waitpid(start(name, run), NULL, 0);
	poll(NULL, 0, pause_ms);
}

int main(void)
{
	struct sockaddr_in addr = local(SERVER);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t server, holder;

	must(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	must(listen(listener, 16), "listen");
	signal(SIGCHLD, SIG_DFL);
	server = fork();
	if (!server) {
		prctl(PR_SET_NAME, "server");
		signal(SIGCHLD, SIG_IGN);
		serve(listener);
	}
	play("hasty", client_in_a_hurry, 300);
	play("polite", client_with_manners, 100);
	play("resolver", resolver, 1100); /* tcp_tw_reuse takes a TIME_WAIT of a second */
	play("polite", client_in_a_hurry, 100);
	holder = start("pool", exhaust);
	play("nginx", want_60609, 0);
	waitpid(holder, NULL, 0);
	kill(server, SIGKILL);
	return 0;
}
