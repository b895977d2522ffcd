/* SPDX-License-Identifier: MIT */
/* Runs the program and stands in for it: signals, exit status. */
#ifndef EMUPROBE_CLI_LAUNCH_H
#define EMUPROBE_CLI_LAUNCH_H

#include "cli/collect.h"

struct launch {
	const char *path;    /* of the program */
	char **command;	     /* its argv */
	const char *library; /* to preload */
	int session_fd;
};

/**
 * Run the program to its end, collecting meanwhile.
 *
 * @ret      As waitpid() returns it.
 * @return   0 or the exit status, after a message.
 */
int launch_run(const struct launch *launch, struct collector *collector, int *ret);

/**
 * Collect until no other process is probed any more, or until a signal says that it is enough.
 * Context: behind launch_run().
 */
void launch_wait_for_others(const struct launch *launch, struct collector *collector);

/** End as the program did: the same status, or the same signal, without a core dump of ours. */
_Noreturn void launch_end_as(int status);

#endif
