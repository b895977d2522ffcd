/* SPDX-License-Identifier: MIT */
/*
 * uftrace runs a small program of ours, uftrace_target.c, and writes what it records into a
 * directory that is removed afterwards. The loop is timed inside of that program, so that neither
 * its start nor the writing at its end counts.
 */
#include "perf/uftrace.h"

#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UFTRACE "/usr/bin/uftrace"
#define CALLS	50000

const char *uftrace_find(void *data)
{
	(void)data;
	return access(UFTRACE, X_OK) == 0 ? NULL : "uftrace is not installed";
}

static double run(const char *target, const char *directory)
{
	char command[2 * PATH_MAX];
	double ret = NAN;
	FILE *output;

	snprintf(command, sizeof(command),
		 UFTRACE " record -d %s/data --no-libcall -P traced %s %d 2>/dev/null; rm -rf %s",
		 directory, target, CALLS, directory);
	output = popen(command, "r");
	if (!output)
		return NAN;
	if (fscanf(output, "%lf", &ret) != 1)
		ret = NAN;
	pclose(output);
	return ret;
}

double uftrace_run(void *data)
{
	char directory[] = "/tmp/emuprobe-perf-XXXXXX", target[PATH_MAX + 32];
	ssize_t length = readlink("/proc/self/exe", target, PATH_MAX);

	(void)data;
	if (length < 0 || !mkdtemp(directory))
		return NAN;
	target[length] = '\0';
	snprintf(target + strlen(dirname(target)), 32, "/uftrace_target");
	return run(target, directory);
}
