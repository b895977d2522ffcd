/* SPDX-License-Identifier: MIT */
#include "trace/action/run.h"

#include <sys/prctl.h>
#include <time.h>

#include "include/counting.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/memory.h"
#include "trace/action/match.h"
#include "trace/session/shared.h"

#define CALIBRATION 2000000 /* nanoseconds */
#define UNIT	    (1ull << 32)

static struct {
	enum trace_clock clock;
	uint64_t rate; /* nanoseconds of a count, in 2^-32 */
	bool is_known;
} local = {.rate = UNIT};

void trace_run_init(enum trace_clock clock)
{
	const struct timespec while_it_runs = {0, CALIBRATION};
	struct trace_clock_map map;

	if (local.is_known)
		return;
	local.is_known = true;
	local.clock = clock;
	if (clock == TRACE_CLOCK_MONOTONIC)
		return;
	trace_clock_map_init(&map, clock);
	sys2(SYS_nanosleep, &while_it_runs, NULL);
	trace_clock_map_update(&map);
	local.rate = trace_clock_duration(&map, UNIT);
}

/* ---- sources --------------------------------------------------------------------------------- */

EP_TRAP_PATH static uint64_t latency(const struct ep_call *call)
{
	uint64_t now = trace_clock_now(local.clock), start = call->words[TRACE_CALL_TIME];

	return now > start ? (uint64_t)((unsigned __int128)(now - start) * local.rate >> 32) : 0;
}

/* Of the process: in a child that was not noticed yet, .alive is wiped. */
static struct {
	const _Atomic uint32_t *alive; /* NULL: there is no session */
	uint32_t forks;		       /* from 1 on */
} self = {.forks = 1};

void trace_run_watch_forks(const _Atomic uint32_t *alive)
{
	self.alive = alive;
}

EP_TRAP_PATH void trace_run_follow_fork(void)
{
	self.forks++;
}

/* Asked once: a sandbox that the program enters later may not allow it. */
static __thread struct {
	char comm[TRACE_COMM_SIZE];
	uint64_t tid, pid;
	uint32_t forks; /* when these two were asked; 0: never */
	bool has_comm;
} mine;

EP_TRAP_PATH static void update_comm(_Atomic uint64_t *recorded, const char *renamed)
{
	for (uint32_t i = 0; i < TRACE_COMM_SIZE / 8; i++)
		atomic_store_explicit(&recorded[i], ((const uint64_t *)renamed)[i],
				      memory_order_relaxed);
}

EP_TRAP_PATH const char *trace_run_comm(_Atomic uint64_t *recorded)
{
	const char *renamed = ep_thread_name();

	if (recorded) {
		if (renamed)
			update_comm(recorded, renamed);
		return (const char *)recorded;
	}
	if (renamed)
		return renamed;
	if (!mine.has_comm)
		sys2(SYS_prctl, PR_GET_NAME, (long)mine.comm);
	mine.has_comm = true;
	return mine.comm;
}

/* The child of a fork is another one. */
EP_TRAP_PATH static void know_self(void)
{
	bool known = !self.alive || atomic_load_explicit(self.alive, memory_order_relaxed);

	if (known && mine.forks == self.forks)
		return;
	mine.tid = (uint64_t)sys0(SYS_gettid);
	mine.pid = (uint64_t)sys0(SYS_getpid);
	mine.forks = known ? self.forks : 0;
}

EP_TRAP_PATH uint64_t trace_run_tid(void)
{
	know_self();
	return mine.tid;
}

EP_TRAP_PATH uint64_t trace_run_pid(void)
{
	know_self();
	return mine.pid;
}

EP_TRAP_PATH static uint64_t returned_vector(const struct trace_run *run)
{
	return run->call->xmm0 ? run->call->xmm0[0] : ep_hit_vector(run->regs, 0, 0);
}

EP_TRAP_PATH static uint32_t processor(void)
{
	uint32_t ret;

	trace_clock_read(local.clock, &ret);
	return ret;
}

static struct {
	uint64_t start, end;
} executable;

void trace_run_set_program(uint64_t start, uint64_t end)
{
	executable.start = start;
	executable.end = end;
}

EP_TRAP_PATH static bool is_from_program(const struct trace_run *run)
{
	return run->call->return_address - executable.start < executable.end - executable.start;
}

/* What the commonest steps do not need. */
EP_TRAP_PATH __attribute__((noinline)) static uint64_t ask(const struct trace_step *step,
							   const struct trace_run *run)
{
	switch (step->code) {
	case TRACE_STEP_VECTOR:
		return ep_hit_vector(run->regs, step->from, (unsigned int)step->number);
	case TRACE_STEP_RETVAL_VECTOR:
		return returned_vector(run);
	case TRACE_STEP_LATENCY:
		return latency(run->call);
	case TRACE_STEP_FROM_PROGRAM:
		return is_from_program(run);
	case TRACE_STEP_TIME:
		return trace_clock_now(TRACE_CLOCK_MONOTONIC);
	case TRACE_STEP_TID:
		return trace_run_tid();
	case TRACE_STEP_PID:
		return trace_run_pid();
	case TRACE_STEP_CPU:
		return processor();
	default: /* TRACE_STEP_COMM */
		return (uint64_t)trace_run_comm(run->comm);
	}
}

EP_TRAP_PATH static bool needs_return(const struct trace_step *step)
{
	return step->code <= TRACE_STEP_REGISTER_SIGNED || step->code == TRACE_STEP_VECTOR ||
	       step->code == TRACE_STEP_RETVAL_VECTOR;
}

bool trace_run_reads_scratch_only(const struct trace_program *program)
{
	const uint32_t others = 1u << EP_CONDITION_REG(rbx) | 1u << EP_CONDITION_REG(r12) |
				1u << EP_CONDITION_REG(r13) | 1u << EP_CONDITION_REG(r14) |
				1u << EP_CONDITION_REG(r15);

	for (uint32_t i = 0; i < program->step_count; i++)
		if (program->steps[i].code <= TRACE_STEP_REGISTER_SIGNED &&
		    others >> program->steps[i].from & 1)
			return false;
	return true;
}

/* ---- memory ---------------------------------------------------------------------------------- */

EP_TRAP_PATH static inline bool load(uint8_t code, uint64_t from, uint64_t *ret)
{
	uint8_t one;
	uint16_t two;
	uint32_t four;
	bool is_there;

	switch (code) {
	case TRACE_STEP_LOAD_1:
		is_there = sys_load_uint8_t(from, &one);
		*ret = is_there ? one : 0;
		return is_there;
	case TRACE_STEP_LOAD_2:
		is_there = sys_load_uint16_t(from, &two);
		*ret = is_there ? two : 0;
		return is_there;
	case TRACE_STEP_LOAD_4:
		is_there = sys_load_uint32_t(from, &four);
		*ret = is_there ? four : 0;
		return is_there;
	default:
		*ret = 0;
		return sys_load_uint64_t(from, ret);
	}
}

EP_TRAP_PATH static void mark_faulty(struct trace_run *run, uint32_t value)
{
	run->faults[value / 64] |= 1ul << (value % 64);
	run->values[value] = 0;
}

/* ---- comparisons ----------------------------------------------------------------------------- */

/* So that whole numbers compare as what they are the bits of; false: it is no number. */
EP_TRAP_PATH static bool order_float(uint64_t *bits, bool is_short)
{
	uint64_t value = is_short ? *bits << 32 : *bits, sign = 1ull << 63;
	uint64_t infinity = is_short ? 0xffull << 55 : 0x7ffull << 52;

	if ((value & ~sign) > infinity)
		return false;
	*bits = value & sign ? -(value & ~sign) : value;
	return true;
}

EP_TRAP_PATH static bool compare_signed(uint8_t compare, int64_t a, int64_t b)
{
	switch (compare) {
	case TRACE_LESS:
		return a < b;
	case TRACE_LESS_EQUAL:
		return a <= b;
	case TRACE_GREATER:
		return a > b;
	default:
		return a >= b;
	}
}

EP_TRAP_PATH static bool compare(const struct trace_step *step, uint64_t a, uint64_t b)
{
	uint64_t bias = 1ull << 63;

	if (step->numbers >= TRACE_NUMBER_F32 &&
	    (!order_float(&a, step->numbers == TRACE_NUMBER_F32) ||
	     !order_float(&b, step->numbers == TRACE_NUMBER_F32)))
		return false;
	switch (step->compare) {
	case TRACE_EQUAL:
		return a == b;
	case TRACE_UNEQUAL:
		return a != b;
	case TRACE_HAS_BITS:
		return (a & b) != 0;
	default:
		/* Unsigned numbers are ordered as signed ones that are less by half the range. */
		if (step->numbers == TRACE_NUMBER_UNSIGNED) {
			a ^= bias;
			b ^= bias;
		}
		return compare_signed(step->compare, (int64_t)a, (int64_t)b);
	}
}

EP_TRAP_PATH static bool compare_text(const struct trace_step *step, uint64_t text)
{
	bool is_there = true;
	bool is_equal = trace_match(text, (const char *)step->number, step->is_glob, &is_there);

	return is_there && is_equal == (step->compare == TRACE_EQUAL);
}

EP_TRAP_PATH static bool is_true(const struct trace_step *step, const struct trace_run *run)
{
	uint64_t value = run->values[step->to];

	if (trace_run_is_faulty(run, step->to))
		return false;
	if (step->code == TRACE_STEP_IF)
		return compare(step, value, step->number);
	if (step->code == TRACE_STEP_IF_TEXT)
		return compare_text(step, value);
	return !trace_run_is_faulty(run, step->from) &&
	       compare(step, value, run->values[step->from]);
}

/* ---- all of it ------------------------------------------------------------------------------- */

EP_TRAP_PATH bool trace_run(const struct trace_program *program, struct trace_run *run)
{
	const uint64_t *words = (const uint64_t *)(const void *)run->regs;
	uint64_t *values = run->values;

	for (const struct trace_step *step = program->steps;; step++) {
		if (!words && needs_return(step)) {
			mark_faulty(run, step->to);
			step += step->skip;
			continue;
		}
		switch (step->code) {
		case TRACE_STEP_REGISTER:
		case TRACE_STEP_REGISTER_SIGNED:
			values[step->to] = trace_step_register(step, words);
			break;
		case TRACE_STEP_WORD:
			values[step->to] = run->call->words[step->from];
			break;
		case TRACE_STEP_CALLER:
			values[step->to] = run->call->return_address;
			break;
		case TRACE_STEP_NUMBER:
			values[step->to] = step->number;
			break;
		case TRACE_STEP_ADD:
			values[step->to] += step->number;
			break;
		case TRACE_STEP_LOAD_1:
		case TRACE_STEP_LOAD_2:
		case TRACE_STEP_LOAD_4:
		case TRACE_STEP_LOAD_8:
			if (!load(step->code, values[step->to] + step->number, &values[step->to])) {
				mark_faulty(run, step->to);
				step += step->skip;
			}
			break;
		case TRACE_STEP_NARROW:
			values[step->to] = trace_step_narrow(step, values[step->to], false);
			break;
		case TRACE_STEP_NARROW_SIGNED:
			values[step->to] = trace_step_narrow(step, values[step->to], true);
			break;
		case TRACE_STEP_IF:
		case TRACE_STEP_IF_VALUE:
		case TRACE_STEP_IF_TEXT:
			if (is_true(step, run) == step->wanted)
				step += step->skip;
			break;
		case TRACE_STEP_REJECT:
			return false;
		case TRACE_STEP_ACCEPT:
			return true;
		default:
			values[step->to] = ask(step, run);
		}
	}
}

/*
 * Of the calls that ask for it. Those of the parent have no end in the child of a fork, which begins at none.
 */
static __thread struct {
	uint64_t calls;
	uint32_t forks; /* as above */
} depth;

EP_TRAP_PATH static uint64_t go_deeper(void)
{
	if (depth.forks != self.forks) {
		depth.forks = self.forks;
		depth.calls = 0;
	}
	return ++depth.calls;
}

EP_TRAP_PATH void trace_run_leave(const struct trace_program *program)
{
	if (program->counts_depth && depth.forks == self.forks && depth.calls)
		depth.calls--;
}

EP_TRAP_PATH void trace_run_keep(const struct trace_program *program, const struct ep_regs *regs,
				 uint64_t *words)
{
	const uint64_t *registers = (const uint64_t *)(const void *)regs;

	for (uint32_t i = 0; i < program->kept_count; i++) {
		const struct trace_keep *keep = &program->kept[i];
		uint64_t *to = &words[TRACE_CALL_KEPT + i];

		if (keep->kind == TRACE_KEEP_REGISTER)
			*to = registers[keep->number];
		else if (keep->kind == TRACE_KEEP_VECTOR)
			*to = ep_hit_vector(regs, keep->number, 0);
		else if (keep->kind == TRACE_KEEP_DEPTH)
			*to = go_deeper();
		else if (!sys_load_uint64_t(regs->rsp + keep->number, to))
			*to = 0;
	}
}
