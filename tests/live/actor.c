// SPDX-License-Identifier: BSD-2-Clause
#include "actor.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "net.h"

#define LINE_WAIT_MS 10000
#define ACTORS_MAX 16

static pid_t alive[ACTORS_MAX];

static void alive_replace(pid_t old, pid_t pid)
{
	for (int i = 0; i < ACTORS_MAX; i++) {
		if (alive[i] == old) {
			alive[i] = pid;
			return;
		}
	}
	live_fail("too many actors, or one that nobody knows");
}

void actor_start(struct actor *actor, const char *comm, int (*play)(int line, void *arg), void *arg)
{
	int line[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line));
	actor->pid = must(fork());
	if (!actor->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, comm);
		close(line[0]);
		_exit(play(line[1], arg));
	}
	alive_replace(0, actor->pid);
	close(line[1]);
	actor->line = line[0];
}

void actor_join(struct actor *actor)
{
	int status;

	must(waitpid(actor->pid, &status, 0));
	alive_replace(actor->pid, 0);
	close(actor->line);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		live_fail("actor %d ended with wait status %#x", actor->pid, status);
}

void actor_end_all(void)
{
	for (int i = 0; i < ACTORS_MAX; i++) {
		if (!alive[i])
			continue;
		kill(alive[i], SIGKILL);
		waitpid(alive[i], NULL, 0);
		alive[i] = 0;
	}
}

void line_say(int line, int value)
{
	must(send(line, &value, sizeof(value), MSG_NOSIGNAL));
}

static void line_wait(int line)
{
	struct pollfd ready = { .fd = line, .events = POLLIN };

	if (must(poll(&ready, 1, LINE_WAIT_MS)) == 0)
		live_fail("nothing heard from the other side for %d ms", LINE_WAIT_MS);
}

int line_hear(int line)
{
	int value;

	line_wait(line);
	must_be(must(recv(line, &value, sizeof(value), 0)) == sizeof(value));
	return value;
}

union passed {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void passed_init(struct msghdr *message, struct iovec *data, union passed *passed)
{
	memset(passed, 0, sizeof(*passed));
	*message = (struct msghdr){
		.msg_iov = data,
		.msg_iovlen = 1,
		.msg_control = passed,
		.msg_controllen = sizeof(*passed),
	};
}

void line_pass(int line, int fd)
{
	struct iovec data = { .iov_base = "", .iov_len = 1 };
	struct msghdr message;
	union passed passed;

	passed_init(&message, &data, &passed);
	passed.head = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	};
	memcpy(CMSG_DATA(&passed.head), &fd, sizeof(fd));
	must(sendmsg(line, &message, MSG_NOSIGNAL));
}

int line_take(int line)
{
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message;
	union passed passed;
	int fd;

	line_wait(line);
	passed_init(&message, &data, &passed);
	must(recvmsg(line, &message, MSG_CMSG_CLOEXEC));
	must_be(passed.head.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&passed.head), sizeof(fd));
	return fd;
}

struct part {
	const char *name;
	void (*play)(void *arg);
	void *arg;
	pid_t tid;
};

static void *part_main(void *arg)
{
	struct part *part = arg;

	part->tid = gettid();
	prctl(PR_SET_NAME, part->name);
	part->play(part->arg);
	return NULL;
}

pid_t thread_run(const char *name, void (*play)(void *arg), void *arg)
{
	struct part part = { .name = name, .play = play, .arg = arg };
	pthread_t thread;

	must_be(pthread_create(&thread, NULL, part_main, &part) == 0);
	must_be(pthread_join(thread, NULL) == 0);
	return part.tid;
}
