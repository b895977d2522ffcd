/* SPDX-License-Identifier: MIT */
#include "tests/unit/probe/starve.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUSY = 1 };

static pid_t busy[BUSY];
static cpu_set_t processor;

/* The last one that we may use. */
static void choose(void)
{
	cpu_set_t all;
	int last = 0;

	sched_getaffinity(0, sizeof(all), &all);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all))
			last = i;
	CPU_ZERO(&processor);
	CPU_SET(last, &processor);
}

static void keep_busy(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setaffinity(0, sizeof(processor), &processor);
	for (;;)
		continue;
}

void starve_begin(void)
{
	choose();
	for (int i = 0; i < BUSY; i++) {
		busy[i] = fork();
		if (busy[i] == 0)
			keep_busy();
	}
}

/* A fiftieth of the processor, not less: a busy machine lets nobody have a fiftieth of that for long. */
void starve_me(void)
{
	setpriority(PRIO_PROCESS, 0, 19);
	sched_setaffinity(0, sizeof(processor), &processor);
}

void starve_end(void)
{
	for (int i = 0; i < BUSY; i++) {
		if (busy[i] <= 0)
			continue;
		kill(busy[i], SIGKILL);
		waitpid(busy[i], NULL, 0);
	}
}
