/* SPDX-License-Identifier: MIT */
/*
 * Counts must outlive the process, whatever ends it: so the engine's blocks of threads' counters
 * lie in the session, where the reader adds them up when all is over. A process's blocks are a list
 * whose head is in its entry:
 *
 *	process.blocks -> | next | first | header of the engine | counter first, first + 1, ... |
 *	                     +-> ...
 *
 * Links are positions in the heap. The program may scribble on them: each is checked before use,
 * and a list that comes back to where it was ends there.
 */
#include "trace/session/counts.h"
#include "include/counting.h"
#include "trace/session/walk.h"

struct counter_block {
	uint64_t next;	/* in the heap; 0: none */
	uint64_t first; /* the number of its first counter */
	uint64_t unused[6];
	unsigned char header[EP_COUNTER_BLOCK_HEADER]; /* from here on, what the engine gets */
	_Atomic uint64_t counters[EP_COUNTERS_PER_BLOCK];
};

static struct {
	struct trace_session session;
	struct trace_process *process;
} local;

/* An ep_counter_memory. */
EP_TRAP_PATH static void *add_block(uint32_t first, size_t size, void *data)
{
	struct counter_block *block;
	uint64_t at, next;

	(void)data;
	if (size > sizeof(*block) - offsetof(struct counter_block, header))
		return NULL;
	at = trace_session_alloc(&local.session, sizeof(*block));
	block = at ? trace_session_at(&local.session, at, sizeof(*block)) : NULL;
	if (!block)
		return NULL;
	block->first = first;
	next = atomic_load(&local.process->blocks);
	do
		block->next = next;
	while (!atomic_compare_exchange_weak(&local.process->blocks, &next, at));
	return block->header;
}

void trace_counts_use(const struct trace_session *session, struct trace_process *process)
{
	local.session = *session;
	local.process = process;
	ep_use_counter_memory(add_block, NULL);
}

EP_TRAP_PATH static struct counter_block *block_at(const struct trace_session *session, uint64_t at)
{
	return at ? trace_session_at(session, at, sizeof(struct counter_block)) : NULL;
}

EP_TRAP_PATH static uint64_t block_max(const struct trace_session *session)
{
	return session->layout.heap_size / sizeof(struct counter_block);
}

EP_TRAP_PATH void trace_counts_clear(const struct trace_session *session,
				     const struct trace_process *process)
{
	struct counter_block *block = block_at(session, atomic_load(&process->blocks));
	uint64_t left = block_max(session);

	for (; block && left; block = block_at(session, block->next), left--)
		for (uint32_t i = 0; i < EP_COUNTERS_PER_BLOCK; i++)
			if (block->counters[i]) /* what is only read needs no page of its own */
				block->counters[i] = 0;
}

EP_TRAP_PATH static inline uint64_t read_counter(const struct counter_block *block, uint64_t first,
						 uint32_t counter)
{
	uint64_t at = counter - first;

	return at < EP_COUNTERS_PER_BLOCK && counter != TRACE_NO_COUNTER
		       ? atomic_load_explicit(&block->counters[at], memory_order_relaxed)
		       : 0;
}

EP_TRAP_PATH static void add_counters(const struct counter_block *block,
				      const struct trace_view *views, uint32_t count,
				      struct ep_counts *ret)
{
	uint64_t first = *(const volatile uint64_t *)&block->first;

	for (uint32_t i = 0; i < count; i++) {
		ret[i].hits += read_counter(block, first, views[i].counter);
		ret[i].returns += read_counter(block, first, views[i].return_counter);
	}
}

EP_TRAP_PATH static void read_own(const struct ep_counts *from, struct ep_counts *ret)
{
	ret->hits = __atomic_load_n(&from->hits, __ATOMIC_RELAXED);
	ret->missed = __atomic_load_n(&from->missed, __ATOMIC_RELAXED);
	ret->trapped = __atomic_load_n(&from->trapped, __ATOMIC_RELAXED);
	ret->returns = __atomic_load_n(&from->returns, __ATOMIC_RELAXED);
	ret->unwound = __atomic_load_n(&from->unwound, __ATOMIC_RELAXED);
	ret->abandoned = __atomic_load_n(&from->abandoned, __ATOMIC_RELAXED);
}

EP_TRAP_PATH void trace_counts_read(const struct trace_session *session,
				    const struct trace_process *process,
				    const struct ep_counts *counts, const struct trace_view *views,
				    uint32_t count, struct ep_counts *ret)
{
	const struct counter_block *block = block_at(session, atomic_load(&process->blocks));
	static const struct ep_counts none;
	struct trace_walk walk = {0};

	for (uint32_t i = 0; i < count; i++)
		read_own(counts ? &counts[i] : &none, &ret[i]);
	if (counts)
		trace_session_forget(session, counts, count * sizeof(*counts));
	while (count && block && !trace_walk_is_ring(&walk, (uint64_t)block)) {
		uint64_t next = *(const volatile uint64_t *)&block->next;

		add_counters(block, views, count, ret);
		trace_session_forget(session, block, sizeof(*block));
		block = block_at(session, next);
	}
}
