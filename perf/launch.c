/* SPDX-License-Identifier: MIT */
/*
 * The child waits for a byte before it executes the program, so that uprobes can be put on it
 * first, and the clock be read when it really starts. The launcher writes its summary to standard
 * error, which is kept in a file: that is where the hits come from.
 */
#include "perf/launch.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/harness.h"

#define DEADLINE 300 /* seconds */

/* build/perf/programs -> build/emuprobe */
const char *launch_path(void)
{
	static char path[PATH_MAX + 16];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);

	if (length < 0)
		abort();
	path[length] = '\0';
	dirname(dirname(path));
	return strcat(path, "/emuprobe");
}

static void execute(const struct launch *launch, int go)
{
	int null = open("/dev/null", O_WRONLY);
	char byte;

	dup2(null, STDOUT_FILENO);
	dup2(fileno(launch->errors), STDERR_FILENO);
	alarm(DEADLINE);
	if (read(go, &byte, 1) == 1)
		execv(launch->args[0], (char *const *)launch->args);
	_exit(127);
}

static const char *begin_uprobes(struct launch *launch)
{
	const char *failed = baseline_uprobe_begin_at_exec(&launch->on_malloc, launch->uprobes,
							   "malloc", launch->pid);

	if (failed)
		return failed;
	failed = baseline_uprobe_begin_at_exec(&launch->on_free, launch->uprobes, "free",
					       launch->pid);
	if (failed)
		baseline_uprobe_end(&launch->on_malloc);
	return failed;
}

bool launch_begin(struct launch *launch)
{
	int go[2];

	launch->errors = tmpfile();
	if (!launch->errors || pipe2(go, O_CLOEXEC) != 0)
		abort();
	launch->pid = fork();
	if (launch->pid < 0)
		abort();
	if (launch->pid == 0) {
		close(go[1]);
		execute(launch, go[0]);
	}
	close(go[0]);
	launch->failed = launch->uprobes ? begin_uprobes(launch) : NULL;
	launch->started = perf_now_ns();
	if (!launch->failed && write(go[1], "", 1) != 1)
		launch->failed = "the program did not start";
	close(go[1]);
	if (!launch->failed)
		return true;
	waitpid(launch->pid, NULL, 0);
	fclose(launch->errors);
	return false;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

bool launch_wait(struct launch *launch)
{
	struct rusage usage;
	int status;

	if (wait4(launch->pid, &status, 0, &usage) != launch->pid || status != 0)
		return false;
	launch->seconds = (double)(perf_now_ns() - launch->started) / 1e9;
	launch->cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
	return true;
}

/* The launcher's summary: as JSON when it counts, as a table when it records. */
static uint64_t count_hits(FILE *summary)
{
	char line[4096];
	uint64_t ret = 0;

	rewind(summary);
	while (fgets(line, sizeof(line), summary)) {
		const char *hits = strstr(line, "\"hits\":");

		ret += strtoull(hits ? hits + strlen("\"hits\":") : line, NULL, 10);
	}
	return ret;
}

uint64_t launch_end(struct launch *launch)
{
	uint64_t ret;

	if (launch->uprobes)
		ret = baseline_uprobe_end(&launch->on_malloc) +
		      baseline_uprobe_end(&launch->on_free);
	else
		ret = count_hits(launch->errors);
	fclose(launch->errors);
	return ret;
}
