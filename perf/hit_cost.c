/* SPDX-License-Identifier: MIT */
/*
 * What one hit costs, by plan and by first instruction, next to what bounds it: the bare call
 * below, the bare trap for the plans that trap, and the kernel's uprobe on the same function. All
 * in one run, round robin; a probe stands only while it is measured, so that every case calls the
 * same code at the same address.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "perf/baseline.h"
#include "perf/harness.h"
#include "perf/shapes.h"

/* ---- one case ------------------------------------------------------------------------------ */

struct subject {
	void (*function)(void);
	struct ep_options options;
	struct ep_probe *probe;
	struct baseline_uprobe uprobe;
};

static void call(void *data, uint64_t loops)
{
	void (*volatile function)(void) = ((struct subject *)data)->function;

	while (loops-- > 0)
		function();
}

static const char *arm(void *data)
{
	struct subject *subject = data;
	int error = ep_probe_create((const void *)subject->function, &subject->options,
				    &subject->probe);

	return error ? ep_strerror(error) : NULL;
}

static void disarm(void *data)
{
	struct subject *subject = data;
	struct ep_info info = {.size = sizeof(info)};

	if (ep_probe_info(subject->probe, &info) || info.hits == 0)
		fprintf(stderr, "hit_cost: a probe was not hit: its figures mean nothing\n");
	ep_probe_remove(subject->probe);
}

static const char *arm_uprobe(void *data)
{
	struct subject *subject = data;

	return baseline_uprobe_begin(&subject->uprobe, subject->function);
}

static void disarm_uprobe(void *data)
{
	if (baseline_uprobe_end(&((struct subject *)data)->uprobe) == 0)
		fprintf(stderr, "hit_cost: a uprobe was not hit: its figures mean nothing\n");
}

static const char *begin_trap(void *data)
{
	(void)data;
	baseline_trap_begin();
	return NULL;
}

static void end_trap(void *data)
{
	(void)data;
	baseline_trap_end();
}

static void system_calls(void *data, uint64_t loops)
{
	(void)data;
	while (loops-- > 0)
		syscall(SYS_getppid);
}

static uint64_t handled;

static void handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	handled += regs->rip != 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

static struct subject *subject_create(void (*function)(void), enum ep_plan plan, ep_handler action)
{
	struct subject *ret = calloc(1, sizeof(*ret));

	if (!ret)
		abort();
	ret->function = function;
	ret->options =
		(struct ep_options){.size = sizeof(ret->options), .plan = plan, .handler = action};
	return ret;
}

static const struct {
	const char *column;
	enum ep_plan plan;
	ep_handler action;
	bool traps;
} ways[] = {
	{"emulate, count", EP_PLAN_EMULATE, NULL, true},
	{"emulate, handler", EP_PLAN_EMULATE, handler, true},
	{"boost, count", EP_PLAN_BOOST, NULL, true},
	{"boost, handler", EP_PLAN_BOOST, handler, true},
	{"jump, count", EP_PLAN_JUMP, NULL, false},
	{"jump, handler", EP_PLAN_JUMP, handler, false},
};

static void add_shape(struct perf_table *table, const char *name, void (*function)(void), int floor)
{
	int bare = perf_add(table, (struct perf_case){.row = name,
						      .column = "call",
						      .loop = call,
						      .data = subject_create(function, 0, NULL),
						      .against = -1});

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		perf_add(table, (struct perf_case){.row = name,
						   .column = ways[i].column,
						   .begin = arm,
						   .end = disarm,
						   .loop = call,
						   .data = subject_create(function, ways[i].plan,
									  ways[i].action),
						   .against = ways[i].traps ? floor : bare});
	perf_add(table, (struct perf_case){.row = name,
					   .column = "kernel uprobe",
					   .begin = arm_uprobe,
					   .end = disarm_uprobe,
					   .loop = call,
					   .data = subject_create(function, 0, NULL),
					   .against = floor});
}

static int add_floor(struct perf_table *table)
{
	return perf_add(table, (struct perf_case){.row = "int3",
						  .column = "floor",
						  .begin = begin_trap,
						  .end = end_trap,
						  .loop = call,
						  .data = subject_create(shape_int3, 0, NULL),
						  .against = -1});
}

int main(int argc, char **argv)
{
	struct perf_table table = {.program = "hit_cost",
				   .question = "What does a hit cost, by plan and instruction?"};
	struct perf_options options;
	int floor;

	perf_parse(argc, argv, &options);
	perf_pin(0);
	floor = add_floor(&table);
	perf_add(&table, (struct perf_case){.row = "getppid",
					    .column = "system call",
					    .loop = system_calls,
					    .against = -1});
#define ADD_SHAPE(name) add_shape(&table, #name, shape_##name, floor);
	SHAPES(ADD_SHAPE)
#undef ADD_SHAPE
	return perf_run(&table, &options);
}
