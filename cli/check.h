/* SPDX-License-Identifier: MIT */
/*
 * Do the options go together? Each function returns 0, or the exit status after a message. Some set what
 * follows from several options: the mode, what is timed.
 */
#ifndef EMUPROBE_CLI_CHECK_H
#define EMUPROBE_CLI_CHECK_H

#include "cli/options.h"

/** A program to run, or processes that run already. */
int check_processes(const struct options *options, bool has_program);

/** What is written, and where. Sets .mode and .is_timed. */
int check_format(struct options *options);

/** Coverage, which is asked for alone. Sets .mode. */
int check_cover(struct options *options);

/** What is asked of events, with the definitions in .parsed. Sets .questions and .limited. */
int check_definitions(struct options *options, struct trace_arena *arena);

/** What is kept until somebody asks, and who may; after the definitions. */
int check_ring(const struct options *options);

#endif
