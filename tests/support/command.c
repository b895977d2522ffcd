/* SPDX-License-Identifier: MIT */
/*
 * Output goes to unlinked files, not pipes: nothing fills up, nothing has to be read in time, and
 * what a killed program wrote is still there.
 */
#include "tests/support/command.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/patience.h"

#define CANNOT_START 99

static int scratch(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	cr_assert_geq(fd, 0, "memfd_create: %s", strerror(errno));
	return fd;
}

static int input_of(const struct command *command)
{
	int fd = scratch("input");
	size_t size = command->input ? strlen(command->input) : 0;

	cr_assert_eq(write(fd, command->input, size), (ssize_t)size);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int unread_pipe(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	return ends[1];
}

/* Criterion blocks and handles signals of its own. */
static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void become(const struct command *command, const int *fds)
{
	reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	closefrom(3); /* Criterion's */
	for (const char *const *env = command->env; env && *env; env++)
		putenv(strdup(*env));
	if (command->folder && chdir(command->folder))
		_exit(CANNOT_START);
	execvp(command->argv[0], (char *const *)command->argv);
	_exit(CANNOT_START);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void wait_for(pid_t pid, unsigned int timeout, struct command_result *result)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	double end = now() + patience(timeout ? timeout : 60);
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now() > end && !result->timed_out) {
			result->timed_out = true;
			kill(-pid, SIGKILL);
		}
		nanosleep(&pause, NULL);
	}
	kill(-pid, SIGKILL);
	result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static char *contents(int fd, size_t *ret_size)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *ret = calloc(1, (size_t)size + 1);

	cr_assert_eq(pread(fd, ret, (size_t)size, 0), size);
	*ret_size = (size_t)size;
	return ret;
}

struct command_result command_run(const struct command *command)
{
	struct command_result result = {0};
	int fds[3] = {input_of(command), scratch("output"),
		      command->close_output ? unread_pipe() : scratch("error")};
	pid_t pid;

	fflush(NULL);
	pid = fork();
	cr_assert_geq(pid, 0, "fork: %s", strerror(errno));
	if (pid == 0)
		become(command, fds);
	wait_for(pid, command->timeout, &result);
	result.output = contents(fds[1], &result.output_size);
	result.error = command->close_output ? strdup("") : contents(fds[2], &result.error_size);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	return result;
}

struct command_result command_shell(const char *format, ...)
{
	const char *argv[] = {"sh", "-c", NULL, NULL};
	const struct command command = {.argv = argv};
	struct command_result result;
	va_list args;
	char *text;

	va_start(args, format);
	cr_assert_geq(vasprintf(&text, format, args), 0);
	va_end(args);
	argv[2] = text;
	result = command_run(&command);
	free(text);
	return result;
}

void command_result_deinit(struct command_result *result)
{
	free(result->output);
	free(result->error);
}

size_t command_count(const char *where, const char *text)
{
	size_t ret = 0;

	for (; (where = strstr(where, text)); where += strlen(text))
		ret++;
	return ret;
}

const char *command_describe(const struct command_result *result)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		 "status %d, signal %d%s\n--- output\n%.1500s\n--- error\n%.1500s", result->status,
		 result->signal, result->timed_out ? ", timed out" : "", result->output,
		 result->error);
	return text;
}
