/* SPDX-License-Identifier: MIT */
/*
 * A thread in each process does the work (preload/attached.c), as long as it is wanted to: a robust futex
 * in the session says so, which the kernel takes out of our hands when we die. What the program may write
 * to is that one word; the list that the kernel goes by is in our own memory.
 *
 * Processes are attached to one after the other: all, or none.
 */
#include "cli/attach.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/outlive.h"
#include "cli/screen.h"
#include "include/emuprobe-attach.h"

#define BUSY_WAIT  1 /* milliseconds between looks */
#define IDLE_WAIT  10
#define START_WAIT 30000 /* for the probes to be armed: many may be wanted */
#define LEAVE_WAIT 10000
#define ENTRY	   "emuprobe_attached"
#define COMM_SIZE  64

struct process {
	int pid, pidfd;
	char comm[COMM_SIZE];
};

static struct process processes[ATTACH_MAX];
static size_t count;
static volatile sig_atomic_t stopped, asked;
static struct collector *waiting;

/* ---- the lease ----------------------------------------------------------------------------- */

static struct robust_list entry;
static struct robust_list_head robust;

static void take_lease(struct trace_shared *shared)
{
	atomic_store(&shared->lease, (uint32_t)syscall(SYS_gettid));
	entry.next = &robust.list;
	robust.list.next = &entry;
	robust.futex_offset = (long)((char *)&shared->lease - (char *)&entry);
	syscall(SYS_set_robust_list, &robust, sizeof(robust));
}

static void end_lease(struct trace_shared *shared)
{
	robust.list.next = &robust.list;
	atomic_store(&shared->lease, 0);
	syscall(SYS_futex, &shared->lease, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- which --------------------------------------------------------------------------------- */

static void read_comm(int pid, char *ret)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	ret[0] = '\0';
	if (file && fgets(ret, COMM_SIZE, file))
		ret[strcspn(ret, "\n")] = '\0';
	if (file)
		fclose(file);
}

static bool executes(int pid, const char *name)
{
	char path[64], exe[PATH_MAX];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	size = readlink(path, exe, sizeof(exe) - 1);
	if (size <= 0)
		return false;
	exe[size] = '\0';
	return strcmp(strrchr(exe, '/') ? strrchr(exe, '/') + 1 : exe, name) == 0;
}

static int add(int pid)
{
	struct process *process = &processes[count];

	if (count == ATTACH_MAX) {
		complain("%d processes are enough", ATTACH_MAX);
		return EXIT_OURS;
	}
	process->pid = pid;
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	read_comm(pid, process->comm);
	count++;
	return 0;
}

static int find_named(const char *name)
{
	DIR *folder = opendir("/proc");
	struct dirent *file;
	char comm[COMM_SIZE];
	size_t before = count;
	int error = 0;

	while (folder && !error && (file = readdir(folder))) {
		int pid = atoi(file->d_name);

		if (pid <= 0 || pid == getpid())
			continue;
		read_comm(pid, comm);
		if (strcmp(comm, name) == 0 || executes(pid, name))
			error = add(pid);
	}
	if (folder)
		closedir(folder);
	if (!error && count == before) {
		complain("--name=%s: there is no such process", name);
		error = EXIT_OURS;
	}
	return error;
}

static int find(const struct options *options)
{
	int error = 0;

	for (size_t i = 0; i < options->pid_count && !error; i++)
		error = add(options->pids[i]);
	if (!error && options->name)
		error = find_named(options->name);
	return error;
}

/* ---- attaching ----------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool has_ended(const struct process *process)
{
	struct pollfd end = {.fd = process->pidfd, .events = POLLIN};

	return process->pidfd < 0 || poll(&end, 1, 0) > 0;
}

static int complain_of_failure(const struct process *process, int error,
			       const struct ep_attach_report *report)
{
	const char *remedy = ep_attach_remedy(error);

	complain("%d%s%s%s: %s%s%s%s%s", process->pid, process->comm[0] ? " (" : "", process->comm,
		 process->comm[0] ? ")" : "", ep_attach_text(error), report->message[0] ? ": " : "",
		 report->message, *remedy ? "; " : "", remedy);
	return EXIT_OURS;
}

/* What it said; it may have written anything. */
static int complain_of_report(const struct collector *collector, const struct process *process)
{
	const struct trace_report *report = &collector->session.shared->report;
	struct ep_error_at error = {.error = (int)report->error, .column = report->column};

	snprintf(error.message, sizeof(error.message), "%.*s", (int)sizeof(report->message) - 1,
		 report->message);
	if (error.column < collector->options->definitions.size)
		complain_about(&collector->options->definitions, &error);
	else
		complain("%d (%s): %s", process->pid, process->comm, error.message);
	return EXIT_OURS;
}

static int wait_for_verdict(struct collector *collector, const struct process *process)
{
	struct trace_shared *shared = collector->session.shared;
	double end = now() + START_WAIT / 1e3;
	uint32_t verdict;

	while (!(verdict = atomic_load(&shared->verdict)) && !has_ended(process) && now() < end) {
		const struct timespec wait = {.tv_nsec = BUSY_WAIT * 1000000l};

		syscall(SYS_futex, &shared->verdict, FUTEX_WAIT, 0, &wait, NULL, 0);
	}
	if (verdict == TRACE_VERDICT_PROBED)
		return 0;
	if (verdict)
		return complain_of_report(collector, process);
	complain("%d (%s): %s", process->pid, process->comm,
		 has_ended(process) ? "it ended meanwhile" : "its probes were not placed in time");
	return EXIT_OURS;
}

static int attach(struct collector *collector, const struct process *process, const char *library)
{
	char text[EP_ATTACH_TEXT];
	const struct ep_attach_options options = {
		.size = sizeof(options),
		.library = library,
		.entry = ENTRY,
		.descriptor = collector->session_fd,
		.own_descriptors = true,
		.deadline = (unsigned int)(1000 * collector->options->deadline),
		.text = text,
	};
	struct ep_attach_report report = {.size = sizeof(report)};
	struct trace_shared *shared = collector->session.shared;
	int error;

	snprintf(text, sizeof(text), "%s\n/proc/%d/fd/%d", library, (int)getpid(),
		 collector->session_fd);
	atomic_store(&shared->verdict, TRACE_VERDICT_NONE);
	atomic_store(&shared->report.ready, 0);
	error = ep_attach(process->pid, &options, &report);
	if (error)
		return complain_of_failure(process, error, &report);
	error = wait_for_verdict(collector, process);
	if (!error && collector->options->verbose)
		complain("%d (%s): probed; its thread %d was held for %.3f ms", process->pid,
			 process->comm, report.tid, (double)report.borrowed / 1e6);
	return error;
}

/* ---- the time between, and the end ---------------------------------------------------------- */

static void on_signal(int sig)
{
	int error = errno;

	if (sig == SIGUSR1)
		asked = 1;
	else
		stopped = 1;
	collect_wake(waiting);
	errno = error;
}

static void catch_signals(const struct collector *collector)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		struct sigaction old;

		if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(caught[i], &action, NULL);
	}
	if (collector->options->questions.count)
		sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void look(struct collector *collector)
{
	unsigned int wait = collect_pass(collector, false) ? BUSY_WAIT : IDLE_WAIT;

	if (asked) {
		asked = 0;
		collect_answer(collector);
	}
	screen_look(collector);
	collect_wait(collector, wait);
}

static bool is_any_left(void)
{
	for (size_t i = 0; i < count; i++)
		if (!has_ended(&processes[i]))
			return true;
	return false;
}

static void collect(struct collector *collector)
{
	const struct options *options = collector->options;
	double end = options->seconds > 0 ? now() + options->seconds : 0;

	screen_begin(options);
	while (!stopped && is_any_left() && (end <= 0 || now() < end))
		look(collector);
	screen_end();
}

/* Events go on to be taken meanwhile: who waits for room in its ring cannot come to leave its probe. */
static void leave(struct collector *collector)
{
	struct trace_shared *shared = collector->session.shared;
	double end = now() + LEAVE_WAIT / 1e3;

	end_lease(shared);
	while (atomic_load(&shared->attached) && is_any_left() && now() < end) {
		collect_pass(collector, false);
		collect_wait(collector, BUSY_WAIT);
	}
	/* Who has left it unmaps it next. */
	for (size_t i = 0; i < count && !atomic_load(&shared->attached); i++)
		outlive_wait(collector->session_fd, processes[i].pid);
}

int attach_run(struct collector *collector, const char *library)
{
	int error = find(collector->options);

	waiting = collector;
	catch_signals(collector);
	take_lease(collector->session.shared);
	for (size_t i = 0; i < count && !error && !stopped; i++)
		error = attach(collector, &processes[i], library);
	if (!error && collector->options->mode < TRACE_MODE_CHECK)
		collect(collector);
	leave(collector);
	return error;
}
