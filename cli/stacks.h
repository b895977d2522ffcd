/* SPDX-License-Identifier: MIT */
/* What --stacks shows: the call stacks of an event, of all processes together, with names. */
#ifndef EMUPROBE_CLI_STACKS_H
#define EMUPROBE_CLI_STACKS_H

#include "cli/collect.h"

/**
 * Put all that --stacks asked for into @sink: as text the ten most frequent of each event, all of them
 * where the user wants to see everything; folded or as JSON all.
 * Context: when the program has ended, or later.
 */
void stacks_put(struct collector *collector, const struct trace_sink *sink);

#endif
