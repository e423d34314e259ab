// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: the command, or why not, through the pipe. */
static void __attribute__((noreturn)) become(char *const *argv, int report)
{
	sigset_t none;
	int err;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	err = errno;
	_exit(write(report, &err, sizeof(err)) == sizeof(err) ? CHILD_NOT_FOUND
							      : CHILD_TRACER_FAILED);
}

/* The pipe closes when the command runs. Returns 0 or why it does not. */
static int wait_for_exec(int fd)
{
	int err = 0;
	ssize_t got;

	do {
		got = read(fd, &err, sizeof(err));
	} while (got < 0 && errno == EINTR);
	return got == sizeof(err) ? -err : 0;
}

int child_start(struct child *child, char *const *argv)
{
	int fds[2], err;

	child->status = CHILD_TRACER_FAILED;
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	child->pid = fork();
	if (!child->pid)
		become(argv, fds[1]);
	err = child->pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err)
		err = wait_for_exec(fds[0]);
	close(fds[0]);
	if (!err)
		return 0;
	if (child->pid > 0) {
		waitpid(child->pid, NULL, 0);
		child->status = err == -ENOENT ? CHILD_NOT_FOUND : CHILD_NOT_EXECUTABLE;
	}
	child->pid = 0;
	return err;
}

bool child_has_ended(struct child *child)
{
	int status;

	if (!child->pid)
		return true;
	if (waitpid(child->pid, &status, WNOHANG) != child->pid)
		return false;
	child->pid = 0;
	child->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

void child_signal(const struct child *child, int number)
{
	if (child->pid)
		kill(child->pid, number);
}
