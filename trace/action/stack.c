/* SPDX-License-Identifier: MIT */
/*
 * The engine walks the stack in the hit (ep_backtrace()), since nothing of it is there any more when
 * somebody else looks. One frame more than is wanted is asked for, to know that there was one.
 */
#include "trace/action/stack.h"

#include "trace/action/answer.h"
#include "trace/action/duration.h"
#include "trace/action/run.h"
#include "trace/session/stacks.h"

static struct {
	struct trace_memory heap;
	struct trace_stack_table *_Atomic table; /* NULL: there was no memory */
	_Atomic uint32_t epoch;			 /* that it is of */
} local;

/* Twice by two threads is no harm: it is the same. */
EP_TRAP_PATH __attribute__((noinline)) static void find_table(uint32_t epoch)
{
	local.heap.process = trace_record_follow_fork();
	local.table = trace_stacks_table(&local.heap.session, local.heap.process);
	local.epoch = epoch;
}

void trace_stack_init(const struct trace_session *session)
{
	trace_memory_init(&local.heap, session, trace_record_follow_fork());
}

uint32_t trace_stack_depth(const char *event)
{
	const struct trace_shared *shared = local.heap.session.shared;

	return shared ? trace_stacks_depth(shared, event) : 0;
}

EP_TRAP_PATH static void count(const struct trace_probe *probe, const struct ep_regs *regs)
{
	uint64_t frames[TRACE_STACK_DEPTH_MAX + 1];
	uint32_t epoch = trace_record_epoch(), depth = probe->stack_depth, found;
	struct trace_stack_table *table;

	if (local.epoch != epoch)
		find_table(epoch);
	table = local.table;
	found = table ? (uint32_t)ep_backtrace(regs, frames, depth + 1) : 0;
	if (found)
		trace_stacks_add(&local.heap, table, probe->index, frames,
				 found < depth ? found : depth, found > depth);
}

/* Apart: both need room on the stack, but not at once. */
EP_TRAP_PATH __attribute__((noinline)) static bool passes_filter(const struct trace_probe *probe,
								 struct ep_regs *regs)
{
	uint64_t values[TRACE_VALUES_MAX];
	struct trace_run run = {.regs = regs, .values = values};

	return trace_run(probe->view.program, &run);
}

EP_TRAP_PATH static bool is_wanted(const struct trace_probe *probe, struct ep_regs *regs)
{
	return !probe->view.program->has_filter || passes_filter(probe, regs);
}

EP_TRAP_PATH void trace_stack_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct trace_probe *of = cookie;
	bool wanted = is_wanted(of, regs);

	if (wanted)
		count(of, regs);
	if (of->behind_stack == TRACE_STACK_RECORD)
		trace_record(probe, regs, cookie);
	else if (of->behind_stack == TRACE_STACK_ANSWER)
		trace_answer_hit(probe, regs, cookie);
	else if (!wanted)
		trace_record_uncount(of);
}

EP_TRAP_PATH void trace_stack_entered(struct ep_probe *probe, struct ep_regs *regs,
				      struct ep_call *call, void *cookie)
{
	const struct trace_probe *of = cookie;

	count(of, regs);
	if (of->behind_stack == TRACE_STACK_RECORD)
		trace_record_entered(probe, regs, call, cookie);
	else if (of->behind_stack == TRACE_STACK_ANSWER)
		trace_answer_entered(probe, regs, call, cookie);
	else
		trace_duration_entered(probe, regs, call, cookie);
}
