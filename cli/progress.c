/* SPDX-License-Identifier: MIT */
/*
 * Mostly nothing takes so long that anybody would ask, and a line that comes and goes at once is no help: so
 * it comes late, and counts.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 2.0 /* seconds */

static struct progress current;
static bool allowed;

void progress_begin(struct progress *progress, const char *what, double now)
{
	*progress = (struct progress){what, now, 0};
}

bool progress_line(struct progress *progress, double now, char *ret, size_t size)
{
	double elapsed = now - progress->began;

	if (!progress->what || elapsed < PATIENCE || (unsigned int)elapsed == progress->shown)
		return false;
	progress->shown = (unsigned int)elapsed;
	snprintf(ret, size, PROGRESS_CLEAR "emuprobe: %s, %u s", progress->what, progress->shown);
	return true;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void put(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

void progress_allow(bool so)
{
	allowed = so;
}

void progress_work(const char *what)
{
	char line[96];

	if (!allowed)
		return;
	if (current.what != what) {
		progress_done();
		progress_begin(&current, what, now());
	}
	if (progress_line(&current, now(), line, sizeof(line)))
		put(line);
}

void progress_done(void)
{
	if (current.shown)
		put(PROGRESS_CLEAR);
	current = (struct progress){0};
}
