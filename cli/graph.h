/* SPDX-License-Identifier: MIT */
/*
 * Calls within calls, as a tree that grows while the program runs:
 *
 *	         | main() {
 *	  1.20us |   parse();
 *	         |   work() {
 *	   310us |     step();
 *	   324us |   } // work
 *	   350us | } // main
 */
#ifndef EMUPROBE_CLI_GRAPH_H
#define EMUPROBE_CLI_GRAPH_H

#include "cli/sheet.h"
#include "trace/report/writer.h"

#define GRAPH_GROUP "graph" /* of the definitions whose calls make the tree */
#define GRAPH_DEPTH "depth" /* of them the argument that says how deep a call is */

struct graph;

struct graph_settings {
	const struct trace_definitions *definitions;
	/* Only calls that took some time are events, when they end; else every call is one twice. */
	bool ends_only;
};

/** @return NULL: there is no memory. @sheet is used, and lives as long. */
struct graph *graph_create(const struct graph_settings *settings, struct sheet *sheet);

void graph_event(struct graph *graph, const struct trace_event *event);

/** Show what has waited long enough at @now (CLOCK_MONOTONIC, nanoseconds), or all: UINT64_MAX. */
void graph_show(struct graph *graph, uint64_t now);

struct graph_totals {
	uint64_t calls; /* that were shown to their ends */
	uint64_t running, threads;
};

struct graph_totals graph_total(const struct graph *graph);

#endif
