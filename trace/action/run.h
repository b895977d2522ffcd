/* SPDX-License-Identifier: MIT */
/* Runs the program of an event: what is fetched, and whether it is an event at all. */
#ifndef EMUPROBE_TRACE_ACTION_RUN_H
#define EMUPROBE_TRACE_ACTION_RUN_H

#include "trace/clock/clock.h"
#include "trace/language/definition.h"

#define TRACE_FAULT_WORDS ((TRACE_VALUES_MAX + 63) / 64)

struct trace_run {
	const struct ep_regs *regs;	    /* NULL: the call has not returned */
	const struct ep_call *call;	    /* NULL: a mere hit */
	const char *comm;		    /* the thread's name, TRACE_COMM_SIZE bytes */
	uint64_t *values;		    /* .value_count of the program */
	uint64_t faults[TRACE_FAULT_WORDS]; /* a bit for each value that is not to be had */
};

/** Durations of @clock are nanoseconds in filters from now on. Context: once; takes 2 ms with a TSC. */
void trace_run_init(enum trace_clock clock);

/**
 * @return   false: the filter wants no event.
 * Context:  TRAP_PATH. No system call, but for $tid, $pid and, at a thread's first time, $comm.
 */
EP_TRAP_PATH bool trace_run(const struct trace_program *program, struct trace_run *run);

/** Keep of a call's entry what its end needs, in @words of it. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_run_keep(const struct trace_program *program, const struct ep_regs *regs,
				 uint64_t *words);

EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t
trace_step_narrow(const struct trace_step *step, uint64_t value, bool is_signed)
{
	value <<= step->left;
	return is_signed ? (uint64_t)((int64_t)value >> step->right) : value >> step->right;
}

/** What a REGISTER step fetches of @words, the registers. Context: TRAP_PATH. */
EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t
trace_step_register(const struct trace_step *step, const uint64_t *words)
{
	return trace_step_narrow(step, words[step->from], step->code == TRACE_STEP_REGISTER_SIGNED);
}

static inline __attribute__((always_inline)) bool trace_run_is_faulty(const struct trace_run *run,
								      uint32_t value)
{
	return run->faults[value / 64] >> (value % 64) & 1;
}

#endif
