/* SPDX-License-Identifier: MIT */
/* redis-server under redis-benchmark, both from Debian's package redis-tools. */
#ifndef EMUPROBE_PERF_REDIS_H
#define EMUPROBE_PERF_REDIS_H

#include "perf/launch.h"

#define REDIS_SERVER "redis-server" /* stands for its path among arguments */

/** @return NULL, or why it cannot be run: a string that stays. */
const char *redis_find(void);

/**
 * Start the server that @launch describes, send @requests SET requests over a Unix socket, @pipeline
 * at a time from each of 20 clients, and stop the server. Its arguments must end in REDIS_SERVER.
 *
 * @return   Requests a second, NAN where something failed.
 */
double redis_run(struct launch *launch, unsigned requests, unsigned pipeline);

#endif
