/* SPDX-License-Identifier: MIT */
/*
 * The launcher is the program's parent and, for the shell, the program itself: terminal signals
 * reach both, and are the program's business; those sent to us are passed on. A pipe that execve()
 * closes tells whether there was an execve().
 */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/outlive.h"
#include "cli/screen.h"

#define BUSY_WAIT  1 /* milliseconds between looks */
#define IDLE_WAIT  10
#define COVER_WAIT 200 /* there are no events: only the program's end is awaited */
#define LOOK_WAIT  50  /* between looks for other processes, if nothing happens */

static struct collector *waiting;
static volatile sig_atomic_t child;   /* 0: it has ended */
static volatile sig_atomic_t stopped; /* while we wait for others */
static volatile sig_atomic_t asked;   /* what is known by now is to be shown */
static volatile sig_atomic_t dump_asked;
static bool children_were_ignored;
static double started;

/* ---- signals ------------------------------------------------------------------------------- */

static void on_signal(int sig)
{
	int error = errno;

	if (sig == SIGUSR1)
		asked = 1;
	else if (sig == SIGUSR2)
		dump_asked = 1;
	else if (sig != SIGCHLD && !child)
		stopped = 1;
	else if (sig == SIGTERM || sig == SIGHUP)
		kill(child, sig);
	collect_wake(waiting);
	errno = error;
}

static const int caught[] = {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT};

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		struct sigaction old;

		/* nohup: what was ignored stays so, for us and for the program */
		if (caught[i] != SIGCHLD && sigaction(caught[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_IGN)
			continue;
		sigaction(caught[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

/* Before there is a program that could send it. Where nothing was asked, it ends us as ever. */
static void catch_question(const struct collector *collector)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction old;

	if (collector->options->questions.count && sigaction(SIGUSR1, NULL, &old) == 0 &&
	    old.sa_handler != SIG_IGN)
		sigaction(SIGUSR1, &action, NULL);
	if (collector->options->ring)
		sigaction(SIGUSR2, &action, NULL);
}

/* ---- the child ----------------------------------------------------------------------------- */

/* Else programs that are built with it end at once, as it wants to be the first to be preloaded. */
static void calm_address_sanitizer(void)
{
	static const char option[] = "verify_asan_link_order=0";
	const char *others = getenv("ASAN_OPTIONS");
	char *options;

	if (asprintf(&options, "%s%s%s", others ? others : "", others && *others ? ":" : "",
		     option) >= 0)
		setenv("ASAN_OPTIONS", options, 1);
}

static void set_environment(const struct launch *launch, pid_t launcher)
{
	const char *others = getenv("LD_PRELOAD");
	char *preload, path[64];

	if (asprintf(&preload, "%s%s%s", launch->library, others && *others ? ":" : "",
		     others ? others : "") < 0)
		return;
	setenv("LD_PRELOAD", preload, 1);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)launcher, launch->session_fd);
	setenv("EMUPROBE_SESSION", path, 1);
	calm_address_sanitizer();
}

_Noreturn static void become_program(const struct launch *launch, struct collector *collector,
				     pid_t launcher, int pipe_fd)
{
	int error;

	if (children_were_ignored)
		signal(SIGCHLD, SIG_IGN);
	set_environment(launch, launcher);
	collector->session.shared->first_pid = getpid();
	execvp(launch->path, launch->command);
	error = errno;
	if (write(pipe_fd, &error, sizeof(error)) < 0)
		_exit(EXIT_OURS);
	_exit(EXIT_CANNOT_EXECUTE);
}

/* The errno of execve() in the child; 0: it worked. */
static int wait_for_exec(int pipe_fd)
{
	ssize_t size;
	int error = 0;

	do
		size = read(pipe_fd, &error, sizeof(error));
	while (size < 0 && errno == EINTR);
	return size == (ssize_t)sizeof(error) ? error : 0;
}

static int start_program(const struct launch *launch, struct collector *collector)
{
	pid_t launcher = getpid(), pid;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC))
		return complain("pipe: %s", strerror(errno)), EXIT_OURS;
	fflush(stderr);
	/* There would be no exit status to wait for; the program gets its own back. */
	children_were_ignored = signal(SIGCHLD, SIG_DFL) == SIG_IGN;
	pid = fork();
	if (pid == 0)
		become_program(launch, collector, launcher, ends[1]);
	close(ends[1]);
	child = collector->first_pid = pid;
	error = pid < 0 ? errno : wait_for_exec(ends[0]);
	close(ends[0]);
	if (!error)
		return 0;
	complain("%s: %s", launch->path, strerror(error));
	if (pid < 0)
		return EXIT_OURS;
	waitpid(pid, NULL, 0);
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

/* ---- the wait ------------------------------------------------------------------------------ */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void look(struct collector *collector)
{
	unsigned int wait = collector->options->cover	     ? COVER_WAIT
			    : collect_pass(collector, false) ? BUSY_WAIT
							     : IDLE_WAIT;

	if (collector->options->seconds > 0 && now() - started > collector->options->seconds)
		atomic_store(&collector->session.shared->over, 1);

	if (asked) {
		asked = 0;
		collect_answer(collector);
	}
	screen_look(collector);
	if (collector->options->ring)
		collect_look_for_dumps(collector);
	if (dump_asked) {
		dump_asked = 0;
		collect_dump(collector, "asked for by a signal");
	}
	collect_wait(collector, wait);
}

int launch_run(const struct launch *launch, struct collector *collector, int *ret)
{
	sigset_t signals, old;
	pid_t pid;
	int error;

	/* The program is started with the signals that we were: so we change ours behind that. */
	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&signals, caught[i]);
	if (collector->options->questions.count)
		sigaddset(&signals, SIGUSR1);
	if (collector->options->ring)
		sigaddset(&signals, SIGUSR2);
	waiting = collector;
	catch_question(collector);
	error = start_program(launch, collector);
	if (error)
		return error;
	started = now();
	screen_begin(collector->options);
	catch_signals();
	/* Who reads names for us is a child, too, and none that is probed. */
	madvise(collector->session.shared, collector->session.layout.size, MADV_DONTFORK);
	sigprocmask(SIG_UNBLOCK, &signals, &old);
	while ((pid = waitpid(child, ret, WNOHANG)) == 0)
		look(collector);
	child = 0;
	if (!collector->options->wait)
		screen_end();
	if (pid < 0) {
		complain("waitpid: %s", strerror(errno));
		return EXIT_OURS;
	}
	return 0;
}

void launch_wait_for_others(const struct launch *launch, struct collector *collector)
{
	struct outlive others = {0};

	for (unsigned int waited = 0; !stopped; waited += IDLE_WAIT) {
		if (waited % LOOK_WAIT == 0)
			outlive_look(launch->session_fd, &others);
		if (!others.count)
			break;
		look(collector);
	}
	screen_end();
}

_Noreturn void launch_end_as(int status)
{
	const struct rlimit no_core = {0, 0};
	sigset_t set;
	int sig;

	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	sig = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	exit(128 + sig);
}
