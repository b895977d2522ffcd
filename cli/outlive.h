/* SPDX-License-Identifier: MIT */
/* Processes that are probed and go on when the program has ended: daemons, background jobs. */
#ifndef EMUPROBE_CLI_OUTLIVE_H
#define EMUPROBE_CLI_OUTLIVE_H

#include <stddef.h>

#include "trace/session/session.h"

struct outlive {
	size_t count;
	int pid;       /* of one of them */
	char comm[64]; /* its name */
};

/** Look for them. @fd: the session's. Context: any; reads a file or two of each process there is. */
void outlive_look(int fd, struct outlive *ret);

/** Wait until process @pid has not mapped the session that @fd is any more, for a second at most. */
void outlive_wait(int fd, int pid);

/**
 * Are there any? Asks the kernel, at no cost, but takes the session away from this process: zeros
 * stand there from now on.
 */
bool outlive_any(const struct trace_session *session, int fd);

#endif
