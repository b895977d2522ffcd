/* SPDX-License-Identifier: MIT */
/* Runs a program by itself, under the launcher, or under kernel uprobes. */
#ifndef EMUPROBE_PERF_LAUNCH_H
#define EMUPROBE_PERF_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "perf/baseline.h"

#define LAUNCH_MAX_ARGS 32

struct launch {
	const char *args[LAUNCH_MAX_ARGS];
	const char *uprobes; /* library whose malloc and free the kernel counts; NULL: none */

	/* of one run */
	pid_t pid;
	FILE *errors;
	uint64_t started;
	double seconds, cpu_seconds; /* of the program and, where there is one, of the launcher */
	struct baseline_uprobe on_malloc, on_free;
	const char *failed; /* why it could not be started: a string that stays */
};

/** The launcher that was built with this program. */
const char *launch_path(void);

/** From here on the program runs; its standard output is dropped. false: see .failed */
bool launch_begin(struct launch *launch);

/** Wait for its end; says how long it took. Returns whether that was a good one. */
bool launch_wait(struct launch *launch);

/** Frees what is left of the run; returns how often probes were hit. */
uint64_t launch_end(struct launch *launch);

#endif
