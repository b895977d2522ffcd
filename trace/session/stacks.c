/* SPDX-License-Identifier: MIT */
/*
 * Open addressing. A stack is written first, and then put into a slot by one exchange: nobody sees half of
 * one, and of two threads that come with the same one at once the second finds that of the first, and
 * has wasted a piece of memory, which it uses for the next slot if that is free. Nothing is ever taken out.
 */
#include "trace/session/stacks.h"

#include <string.h>

#include "trace/clock/clock.h"

#define UNIT	     64ul
#define STACK_WORDS  (sizeof(struct trace_stack) / sizeof(uint64_t) + TRACE_STACK_DEPTH_MAX)
#define FORGET_AFTER 2048u /* stacks that the reader has looked at */

EP_TRAP_PATH static uint64_t size_of(uint32_t depth)
{
	return sizeof(struct trace_stack) + depth * sizeof(uint64_t);
}

EP_TRAP_PATH static struct trace_stack_table *table_at(const struct trace_session *session,
						       uint64_t at)
{
	return at ? trace_session_at(session, at, sizeof(struct trace_stack_table)) : NULL;
}

EP_TRAP_PATH struct trace_stack_table *trace_stacks_table(const struct trace_session *session,
							  uint32_t process)
{
	struct trace_process *entry = trace_session_process(session, process);
	uint64_t at = entry ? atomic_load(&entry->stacks) : 0, made;

	if (at || !entry)
		return table_at(session, at);
	made = trace_session_alloc(session, sizeof(struct trace_stack_table));
	if (made && atomic_compare_exchange_strong(&entry->stacks, &at, made))
		at = made;
	return table_at(session, at);
}

/* ---- adding -------------------------------------------------------------------------------- */

/* One of this process's own; NULL: none is there. Nothing is divided, as trace_session_at() does. */
EP_TRAP_PATH static struct trace_stack *own_stack(const struct trace_memory *heap, uint32_t place)
{
	struct trace_stack *ret = trace_memory_at(heap, place, size_of(0));
	uint32_t depth = ret ? *(const volatile uint16_t *)&ret->depth : 0;

	return ret && depth <= TRACE_STACK_DEPTH_MAX ? trace_memory_at(heap, place, size_of(depth))
						     : NULL;
}

EP_TRAP_PATH static uint64_t hash_of(uint32_t probe, const uint64_t *frames, uint32_t depth)
{
	uint64_t ret = probe;

	for (uint32_t i = 0; i < depth; i++)
		ret = (ret << 5 | ret >> 59) ^ frames[i] * 0x9fb21c651e98df25u;
	return ret ^ ret >> 32;
}

EP_TRAP_PATH static bool is_equal(const struct trace_stack *stack, const struct trace_stack *other)
{
	if (stack->hash != other->hash || stack->probe != other->probe ||
	    stack->depth != other->depth || stack->is_cut != other->is_cut)
		return false;
	for (uint32_t i = 0; i < other->depth; i++)
		if (stack->frames[i] != other->frames[i])
			return false;
	return true;
}

/* A copy of @stack in the heap; 0: there is no memory, or there are enough. */
EP_TRAP_PATH static uint32_t make(const struct trace_memory *heap, struct trace_stack_table *table,
				  const struct trace_stack *stack)
{
	const struct trace_session *session = &heap->session;
	struct trace_stack *to;
	uint64_t at = 0;

	if (atomic_fetch_add(&table->count, 1) < TRACE_STACK_MAX)
		at = trace_session_alloc(session, size_of(stack->depth));
	to = at ? trace_session_at(session, at, size_of(stack->depth)) : NULL;
	if (!to)
		return 0;
	atomic_store_explicit(&to->count, 0, memory_order_relaxed);
	to->time = trace_clock_now(session->shared->clock);
	to->hash = stack->hash;
	to->probe = stack->probe;
	to->depth = stack->depth;
	to->is_cut = stack->is_cut;
	for (uint32_t i = 0; i < stack->depth; i++)
		to->frames[i] = stack->frames[i];
	return (uint32_t)(at % session->layout.heap_size / UNIT);
}

/* NULL: there is no place for it. */
EP_TRAP_PATH static struct trace_stack *find(const struct trace_memory *heap,
					     struct trace_stack_table *table,
					     const struct trace_stack *stack)
{
	uint32_t made = 0;

	for (uint32_t i = 0; i < TRACE_STACK_TRIES; i++) {
		_Atomic uint32_t *slot = &table->slots[(stack->hash + i) % TRACE_STACK_SLOTS];
		uint32_t place = atomic_load_explicit(slot, memory_order_acquire);
		struct trace_stack *found;

		if (!place && !made)
			made = make(heap, table, stack);
		if (!place && !made)
			return NULL;
		if (!place && atomic_compare_exchange_strong(slot, &place, made))
			place = made;
		found = own_stack(heap, place);
		if (found && is_equal(found, stack))
			return found;
	}
	return NULL;
}

EP_TRAP_PATH void trace_stacks_add(const struct trace_memory *heap, struct trace_stack_table *table,
				   uint32_t probe, const uint64_t *frames, uint32_t depth,
				   bool is_cut)
{
	uint64_t words[STACK_WORDS];
	struct trace_stack *wanted = (struct trace_stack *)words, *found;

	if (depth > TRACE_STACK_DEPTH_MAX)
		return;
	wanted->hash = hash_of(probe, frames, depth);
	wanted->probe = probe;
	wanted->depth = (uint16_t)depth;
	wanted->is_cut = is_cut;
	for (uint32_t i = 0; i < depth; i++)
		wanted->frames[i] = frames[i];
	found = find(heap, table, wanted);
	atomic_fetch_add_explicit(found ? &found->count : &table->lost, 1, memory_order_relaxed);
}

EP_TRAP_PATH void trace_stacks_clear(struct trace_process *process)
{
	atomic_store(&process->stacks, 0);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* The stack at a place of any heap; NULL: none is there. */
static const struct trace_stack *stack_at(const struct trace_session *session, uint64_t heap,
					  uint32_t place)
{
	uint64_t at = heap * session->layout.heap_size + UNIT * place;
	const struct trace_stack *ret = trace_session_at(session, at, size_of(0));
	uint32_t depth = ret ? *(const volatile uint16_t *)&ret->depth : 0;

	return ret && depth <= TRACE_STACK_DEPTH_MAX ? trace_session_at(session, at, size_of(depth))
						     : NULL;
}

/* What is changed while it is copied is checked in the copy. */
static bool copy_stack(const struct trace_session *session, uint64_t heap, uint32_t place,
		       struct trace_stack *ret)
{
	const struct trace_stack *from = stack_at(session, heap, place);
	uint16_t depth = from ? *(const volatile uint16_t *)&from->depth : 0;

	if (!from || depth > TRACE_STACK_DEPTH_MAX)
		return false;
	memcpy(ret, from, size_of(depth));
	ret->depth = depth;
	return ret->count && depth;
}

void trace_stacks_read(const struct trace_session *session, uint64_t process,
		       void (*each)(const struct trace_stack *stack, void *data), void *data,
		       uint64_t *ret_lost)
{
	const struct trace_process *entry = trace_session_process(session, process);
	uint64_t at = entry ? atomic_load(&entry->stacks) : 0;
	const struct trace_stack_table *table = table_at(session, at);
	uint64_t words[STACK_WORDS];
	struct trace_stack *copy = (struct trace_stack *)words;
	uint32_t copied = 0;

	*ret_lost = table ? atomic_load(&table->lost) : 0;
	for (uint32_t i = 0; table && i < TRACE_STACK_SLOTS; i++) {
		uint32_t place = atomic_load(&table->slots[i]);

		/* What is looked at becomes the reader's memory, and the program says where to look. */
		if (place && ++copied % FORGET_AFTER == 0)
			trace_session_forget(session,
					     (char *)session->shared + session->layout.heap,
					     session->layout.heap_max * session->layout.heap_size);
		if (place && copy_stack(session, at / session->layout.heap_size, place, copy))
			each(copy, data);
	}
}

uint32_t trace_stacks_depth(const struct trace_shared *shared, const char *event)
{
	for (int i = 0; i < TRACE_STACK_EVENTS; i++)
		if (shared->stacks[i].depth && event &&
		    strncmp(shared->stacks[i].event, event, TRACE_STACK_NAME) == 0)
			return shared->stacks[i].depth > TRACE_STACK_DEPTH_MAX
				       ? TRACE_STACK_DEPTH_MAX
				       : shared->stacks[i].depth;
	return 0;
}
