/* SPDX-License-Identifier: MIT */
/*
 * What one hit costs, by plan and by first instruction, next to what bounds it: the bare call
 * below, the bare trap for the plans that trap, and the kernel's uprobe on the same function. All
 * in one run, round robin; a probe stands only while it is measured, so that every case calls the
 * same code at the same address.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "perf/baseline.h"
#include "perf/harness.h"
#include "perf/recording.h"
#include "perf/shapes.h"
#include "perf/uftrace.h"

/*
 * As the launcher has them. A burst, and what comes before it, fills less than half of a ring:
 * nothing is dropped, and the reader does not have to be woken.
 */
#define RING_SIZE    (1ul << 20)
#define RECORD_SIZE  32
#define RECORD_LOOPS (RING_SIZE / 2 / RECORD_SIZE / 3)
#define CALL_SIZE    48
#define CALL_LOOPS   (RING_SIZE / 2 / CALL_SIZE / 3)
#define LARGE_SIZE   256 /* of an event with many arguments, at most */
#define LARGE_LOOPS  (RING_SIZE / 2 / LARGE_SIZE / 3)

/* ---- one case ------------------------------------------------------------------------------ */

struct subject {
	void (*function)(void);
	struct ep_options options;
	struct ep_probe *probe;
	struct baseline_uprobe uprobe;
	uint32_t sample;
};

static void call(void *data, uint64_t loops)
{
	void (*volatile function)(void) = ((struct subject *)data)->function;

	while (loops-- > 0)
		function();
}

/* A size, as most are, of 64 bits; a function is not called with less than a page of stack left. */
static const struct ep_condition wanted = {
	EP_CONDITION_REG(rsp), 8, 0, EP_GREATER, EP_TAKE, EP_LEAVE, 0, 4096};
static const struct ep_condition rejected = {
	EP_CONDITION_REG(rsp), 8, 0, EP_GREATER, EP_LEAVE, EP_TAKE, 0, 4096};

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

	if (ep_probe_info(subject->probe, &info) ||
	    (info.hits == 0) != (subject->options.conditions == &rejected))
		fprintf(stderr, "hit_cost: a probe was not hit: its figures mean nothing\n");
	ep_probe_remove(subject->probe);
}

static const char *arm_recording(void *data)
{
	const char *refused;

	recording_measure_one_in(1);
	refused = arm(data);
	if (!refused)
		recording_begin();
	return refused;
}

static void complain_of_losses(void)
{
	static uint64_t known;
	uint64_t dropped = recording_dropped();

	if (dropped != known)
		fprintf(stderr, "hit_cost: %lu events were dropped: the figures are too low\n",
			dropped - known);
	known = dropped;
}

static void disarm_recording(void *data)
{
	complain_of_losses();
	disarm(data);
	recording_drain();
}

static const char *begin_events(void *data)
{
	(void)data;
	recording_begin();
	return NULL;
}

static void end_events(void *data)
{
	(void)data;
	complain_of_losses();
	recording_drain();
}

static const char *arm_measuring(void *data)
{
	recording_measure_one_in(((struct subject *)data)->sample);
	return arm(data);
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

static void time_stamps(void *data, uint64_t loops)
{
	(void)data;
	while (loops-- > 0)
		__builtin_ia32_rdtsc();
}

static void time_stamps_in_order(void *data, uint64_t loops)
{
	unsigned int cpu;

	(void)data;
	while (loops-- > 0)
		__builtin_ia32_rdtscp(&cpu);
}

static uint64_t handled;

/* The engine would see by itself that it uses general registers only. */
static void handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	handled += regs->rip != 0;
	__asm__ volatile("pxor %%xmm0, %%xmm0" : : : "xmm0");
}

__attribute__((target("general-regs-only"))) static void
scratch_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	handled += regs->rip != 0;
}

__attribute__((target("general-regs-only"))) static void
general_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	handled += regs->rbx != 1;
}

__attribute__((target("general-regs-only"))) static void
scratch_call_handler(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	handled += call->return_address != 0;
}

__attribute__((target("general-regs-only"))) static void
general_call_handler(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie)
{
	(void)probe;
	(void)cookie;
	handled += call->return_address != regs->rbx;
}

/* ---- the table ----------------------------------------------------------------------------- */

enum action { COUNT, WANTED, REJECTED, SCRATCH, GENERAL, VECTOR, RECORD };

static const struct {
	const char *column;
	enum ep_plan plan;
	enum action action;
} ways[] = {
	{"jump, count", EP_PLAN_JUMP, COUNT},
	{"jump, rejected", EP_PLAN_JUMP, REJECTED},
	{"jump, wanted and counted", EP_PLAN_JUMP, WANTED},
	{"jump, scratch handler", EP_PLAN_JUMP, SCRATCH},
	{"jump, general handler", EP_PLAN_JUMP, GENERAL},
	{"jump, vector handler", EP_PLAN_JUMP, VECTOR},
	{"jump, record", EP_PLAN_JUMP, RECORD},
	{"emulate, count", EP_PLAN_EMULATE, COUNT},
	{"emulate, handler", EP_PLAN_EMULATE, VECTOR},
	{"boost, count", EP_PLAN_BOOST, COUNT},
	{"boost, handler", EP_PLAN_BOOST, VECTOR},
};

/* From the entry of a function to its end. */
static const struct {
	const char *column;
	enum { CALL_COUNT, CALL_SCRATCH, CALL_GENERAL, CALL_MEASURE, CALL_RECORD } action;
	uint32_t sample;
} calls[] = {
	{"calls, count", CALL_COUNT, 1},
	{"calls, scratch handlers", CALL_SCRATCH, 1},
	{"calls, general handlers", CALL_GENERAL, 1},
	{"calls, duration", CALL_MEASURE, 1},
	{"calls, 1 in 16", CALL_MEASURE, 16},
	{"calls, record", CALL_RECORD, 1},
};

/* What a hit adds to them, without the hit. */
static const struct {
	const char *column;
	void (*function)(void);
} answers[] = {
	{"histogram", recording_histogram},
	{"linear histogram", recording_linear},
	{"top, a number", recording_top},
	{"top, a text", recording_top_of_texts},
};

/* What arguments add to an event, without the hit. */
static const struct {
	const char *column;
	void (*function)(void);
} arguments[] = {
	{"8 registers", recording_registers},
	{"8 words of memory", recording_memory},
	{"a text of 16 bytes", recording_text_16},
	{"a text of 200 bytes", recording_text_200},
};

static const struct perf_aim aims[] = {
	{"jump, count", false, 0.5, 1},
	{"jump, rejected", false, 4, NAN},
	{"jump, wanted and counted", false, 4.5, NAN},
	{"jump, scratch handler", false, 3, NAN},
	{"jump, general handler", false, 3, NAN},
	{"jump, vector handler", false, 12, NAN},
	{"jump, record", false, 15, NAN},
	{"clock of an event", false, NAN, NAN},
	{"clock, twice", false, NAN, NAN},
	{"8 registers", false, 8, NAN},
	{"8 words of memory", false, 24, NAN},
	{"a text of 16 bytes", false, 11.6, NAN},
	{"a text of 200 bytes", false, 30, NAN},
	{"histogram", false, 4, NAN},
	{"linear histogram", false, 4, NAN},
	{"top, a number", false, 20, NAN},
	{"top, a text", false, 20, NAN},
	{"calls, count", false, 2, NAN},
	{"calls, scratch handlers", false, 7, NAN},
	{"calls, general handlers", false, 7, NAN},
	{"calls, duration", false, NAN, NAN},
	{"calls, 1 in 16", false, 3, NAN},
	{"calls, record", false, NAN, NAN},
	{"emulate, count", true, 1.02, NAN},
	{"emulate, handler", true, 1.02, NAN},
	{"boost, count", true, 1.03, NAN},
	{"boost, handler", true, 1.03, NAN},
	{"kernel uprobe", true, NAN, NAN},
	{.column = NULL},
};

static struct ep_options options_of(enum ep_plan plan, enum action action)
{
	struct ep_options ret = {.size = sizeof(ret), .plan = plan};

	if (action == RECORD)
		return recording_options(plan);
	if (action == WANTED || action == REJECTED) {
		ret.conditions = action == WANTED ? &wanted : &rejected;
		ret.condition_count = 1;
	}
	if (action == SCRATCH || action == GENERAL) {
		ret.handler = action == SCRATCH ? scratch_handler : general_handler;
		ret.flags = EP_GENERAL_REGS_ONLY;
	} else if (action == VECTOR) {
		ret.handler = handler;
	}
	return ret;
}

static struct ep_options options_of_call(size_t way)
{
	struct ep_options ret = {.size = sizeof(ret),
				 .plan = EP_PLAN_JUMP,
				 .flags = EP_CALLS | EP_GENERAL_REGS_ONLY};

	if (calls[way].action == CALL_RECORD)
		return recording_call_options(EP_PLAN_JUMP);
	if (calls[way].action == CALL_MEASURE)
		return recording_measure_options(EP_PLAN_JUMP);
	if (calls[way].action == CALL_SCRATCH)
		ret.entered = ret.ended = scratch_call_handler;
	if (calls[way].action == CALL_GENERAL)
		ret.entered = ret.ended = general_call_handler;
	return ret;
}

static struct subject *subject_create(void (*function)(void))
{
	struct subject *ret = calloc(1, sizeof(*ret));

	if (!ret)
		abort();
	ret->function = function;
	return ret;
}

static void add_way(struct perf_table *table, const char *name, void (*function)(void), size_t way,
		    int against)
{
	struct subject *subject = subject_create(function);
	bool records = ways[way].action == RECORD;

	subject->options = options_of(ways[way].plan, ways[way].action);
	perf_add(table, (struct perf_case){.row = name,
					   .column = ways[way].column,
					   .begin = records ? arm_recording : arm,
					   .end = records ? disarm_recording : disarm,
					   .loop = call,
					   .data = subject,
					   .max_loops = records ? RECORD_LOOPS : 0,
					   .against = against});
}

static void add_call(struct perf_table *table, const char *name, void (*function)(void), size_t way,
		     int against)
{
	struct subject *subject = subject_create(function);
	bool records = calls[way].action == CALL_RECORD;

	subject->options = options_of_call(way);
	subject->sample = calls[way].sample;
	perf_add(table, (struct perf_case){.row = name,
					   .column = calls[way].column,
					   .begin = records ? arm_recording : arm_measuring,
					   .end = records ? disarm_recording : disarm,
					   .loop = call,
					   .data = subject,
					   .max_loops = records ? CALL_LOOPS : 0,
					   .against = against});
}

/* Three of them will do: what an instruction costs, hits show. */
static void add_calls(struct perf_table *table, const char *name, void (*function)(void), int bare)
{
	if (function != shape_push && function != shape_sub && function != shape_mov)
		return;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		add_call(table, name, function, i, bare);
}

/* The floor is measured again for each function, next to what is compared with it. */
static int add_floor(struct perf_table *table, const char *row)
{
	return perf_add(table, (struct perf_case){.row = row,
						  .column = "floor",
						  .begin = begin_trap,
						  .end = end_trap,
						  .loop = call,
						  .data = subject_create(shape_int3),
						  .against = -1});
}

static void add_shape(struct perf_table *table, const char *name, void (*function)(void))
{
	int bare = perf_add(table, (struct perf_case){.row = name,
						      .column = "call",
						      .loop = call,
						      .data = subject_create(function),
						      .against = -1});
	int floor = add_floor(table, name);

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		add_way(table, name, function, i, ways[i].plan == EP_PLAN_JUMP ? bare : floor);
	add_calls(table, name, function, bare);
	perf_add(table, (struct perf_case){.row = name,
					   .column = "kernel uprobe",
					   .begin = arm_uprobe,
					   .end = disarm_uprobe,
					   .loop = call,
					   .data = subject_create(function),
					   .rounds = 3, /* a tenth of a second each to register */
					   .against = floor});
}

static int add_event(struct perf_table *table, const char *column, void (*function)(void),
		     int against)
{
	return perf_add(table, (struct perf_case){.row = "nothing",
						  .column = column,
						  .begin = begin_events,
						  .end = end_events,
						  .loop = call,
						  .data = subject_create(function),
						  .max_loops = LARGE_LOOPS,
						  .against = against});
}

static void add_arguments(struct perf_table *table)
{
	int none = add_event(table, "event, no argument", recording_none, -1);

	for (size_t i = 0; i < sizeof(arguments) / sizeof(*arguments); i++)
		add_event(table, arguments[i].column, arguments[i].function, none);
}

/* What is no probe of ours. */
static void add_others(struct perf_table *table)
{
	int bare = perf_add(table, (struct perf_case){.row = "nothing",
						      .column = "call",
						      .loop = call,
						      .data = subject_create(shape_leaf),
						      .against = -1}),
	    value;

	perf_add(table,
		 (struct perf_case){
			 .row = "nothing", .column = "rdtsc", .loop = time_stamps, .against = -1});
	perf_add(table, (struct perf_case){.row = "nothing",
					   .column = "rdtscp",
					   .loop = time_stamps_in_order,
					   .against = -1});
	perf_add(table, (struct perf_case){.row = "nothing",
					   .column = "clock of an event",
					   .loop = call,
					   .data = subject_create(recording_clock),
					   .against = bare});
	perf_add(table, (struct perf_case){.row = "nothing",
					   .column = "clock, twice",
					   .loop = call,
					   .data = subject_create(recording_clock_twice),
					   .against = bare});
	value = perf_add(table, (struct perf_case){.row = "nothing",
						   .column = "value of an answer",
						   .loop = call,
						   .data = subject_create(recording_no_answer),
						   .against = -1});
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		perf_add(table, (struct perf_case){.row = "nothing",
						   .column = answers[i].column,
						   .loop = call,
						   .data = subject_create(answers[i].function),
						   .against = value});
	add_arguments(table);
	perf_add(table, (struct perf_case){.row = "nothing",
					   .column = "system call",
					   .loop = system_calls,
					   .against = -1});
	perf_add(table, (struct perf_case){.row = "nothing",
					   .column = "uftrace, entry and exit",
					   .begin = uftrace_find,
					   .value = uftrace_run,
					   .rounds = 5,
					   .against = bare});
}

int main(int argc, char **argv)
{
	struct perf_table table = {.program = "hit_cost",
				   .question = "What does a hit cost, by plan and instruction?",
				   .aims = aims};
	struct perf_options options;
	int error;

	perf_parse(argc, argv, &options);
	perf_pin(0);
	error = recording_init(RECORDING_READER, 1, RING_SIZE);
	if (error) {
		fprintf(stderr, "hit_cost: %s\n", ep_strerror(error));
		return 1;
	}
	printf("events take their time by %s (EMUPROBE_MASK_CPU=tsc,rseq: by others)\n",
	       recording_clock_name());
	/* The first one takes memory, and would make the harness believe that all of them do. */
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		call(subject_create(answers[i].function), 1000);
	add_others(&table);
#define ADD_SHAPE(name) add_shape(&table, #name, shape_##name);
	SHAPES(ADD_SHAPE)
#undef ADD_SHAPE
	return perf_run(&table, &options);
}
