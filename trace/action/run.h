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
	_Atomic uint64_t *comm;		    /* the name in the thread's ring; NULL: it has none */
	uint64_t *values;		    /* .value_count of the program */
	uint64_t faults[TRACE_FAULT_WORDS]; /* a bit for each value that is not to be had */
};

/** Durations of @clock are nanoseconds in filters from now on. Context: once; takes 2 ms with a TSC. */
void trace_run_init(enum trace_clock clock);

/**
 * @return   false: the filter wants no event.
 * Context:  TRAP_PATH. No system call, but for $tid, $pid and $comm at a thread's first time.
 */
EP_TRAP_PATH bool trace_run(const struct trace_program *program, struct trace_run *run);

/** Are all registers that a hit of @program reads what EP_SCRATCH_REGS_ONLY allows? Context: any. */
bool trace_run_reads_scratch_only(const struct trace_program *program);

/** Code in [@start, @end) is the executable's. Context: before anything runs. */
void trace_run_set_program(uint64_t start, uint64_t end);

/** @alive is wiped in the child of a fork. Context: once. */
void trace_run_watch_forks(const _Atomic uint32_t *alive);

/** This is the child of a fork, and @alive is not wiped any more. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_run_follow_fork(void);

/**
 * What a thread and its process are called and numbered, as events have it.
 *
 * @recorded  The name that is in its ring, which is brought up to date; NULL: it has none.
 *
 * Context:   TRAP_PATH. A system call at a thread's first time.
 */
EP_TRAP_PATH const char *trace_run_comm(_Atomic uint64_t *recorded);
EP_TRAP_PATH uint64_t trace_run_tid(void);
EP_TRAP_PATH uint64_t trace_run_pid(void);

/** Keep of a call's entry what its end needs, in @words of it. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_run_keep(const struct trace_program *program, const struct ep_regs *regs,
				 uint64_t *words);

/** A call of @program has ended that trace_run_keep() was called for. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_run_leave(const struct trace_program *program);

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
