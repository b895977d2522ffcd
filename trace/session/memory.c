/* SPDX-License-Identifier: MIT */
/*
 * Who takes memory in a hit can neither wait nor ask anybody. So it is only ever taken, and what a dead
 * thread had is taken over as a whole, and goes on.
 *
 * The program may scribble on any of that. A place is looked at before it is used: it must be in what is
 * mapped; then the program destroys figures, and no more.
 */
#include "trace/session/memory.h"

#include "sys/process.h"

#define NOBODY	  UINT32_MAX /* no thread has this ID, and so none is dead */
#define TRIES_MAX 65536u     /* whatever the program has made of their count */

EP_TRAP_PATH void trace_memory_init(struct trace_memory *ret, const struct trace_session *session,
				    uint32_t process)
{
	ret->session = *session;
	ret->process = process;
	ret->heap = (char *)session->shared + session->layout.heap +
		    session->heap * session->layout.heap_size;
	/* Who has all of it mapped says how much that is in the same way. */
	ret->mapped = session->parts ? &session->parts->heap.mapped
				     : (const _Atomic uint64_t *)&ret->session.layout.heap_size;
}

EP_TRAP_PATH uint32_t trace_memory_make(const struct trace_memory *memory, uint64_t size)
{
	uint64_t at = trace_session_alloc(&memory->session, size);

	return at ? (uint32_t)(at % memory->session.layout.heap_size / TRACE_MEMORY_UNIT) : 0;
}

EP_TRAP_PATH void *trace_memory_get(const struct trace_memory *memory, uint32_t *at, uint32_t size)
{
	uint32_t old = __atomic_load_n(at, __ATOMIC_RELAXED), made;
	void *ret = trace_memory_at(memory, old, size);

	if (ret)
		return ret;
	made = trace_memory_make(memory, size);
	if (!made)
		return NULL;
	if (__atomic_compare_exchange_n(at, &old, made, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		old = made;
	return trace_memory_at(memory, old, size);
}

/* ---- what belongs to a thread -------------------------------------------------------------- */

EP_TRAP_PATH static struct trace_owned *owned_at(const struct trace_memory *memory, uint64_t at,
						 uint64_t size)
{
	return at ? trace_session_at(&memory->session, at, size) : NULL;
}

/* No two threads look at the same one in a round. */
EP_TRAP_PATH static struct trace_owned *next_of(const struct trace_memory *memory,
						struct trace_owners *owners, uint64_t size)
{
	uint64_t at = atomic_load(&owners->at);
	struct trace_owned *owned;
	bool is_new;

	do {
		owned = owned_at(memory, at, size);
		is_new = !owned;
		if (is_new)
			owned = owned_at(memory, atomic_load(&owners->first), size);
	} while (owned && !atomic_compare_exchange_weak(&owners->at, &at, owned->next));
	if (is_new)
		sys_round_end(&owners->round);
	return owned;
}

/* One of a thread that is no more, or had our ID. */
EP_TRAP_PATH static struct trace_owned *take_over(const struct trace_memory *memory,
						  struct trace_owners *owners, uint64_t size,
						  int pid, uint32_t tid)
{
	uint32_t count = atomic_load(&owners->count);
	uint32_t tries = sys_round_tries(&owners->round, count < TRIES_MAX ? count : TRIES_MAX);

	for (; tries; tries--) {
		struct trace_owned *owned = next_of(memory, owners, size);
		uint32_t owner = owned ? atomic_load(&owned->owner) : 0;
		bool is_left = owned && (owner == tid || sys_is_dead(pid, owner));

		sys_round_see(&owners->round, is_left);
		if (is_left && atomic_compare_exchange_strong(&owned->owner, &owner, tid))
			return owned;
	}
	return NULL;
}

EP_TRAP_PATH static struct trace_owned *make_owned(const struct trace_memory *memory,
						   struct trace_owners *owners, uint64_t size,
						   uint32_t tid)
{
	uint64_t at = trace_session_alloc(&memory->session, size), next;
	struct trace_owned *owned = owned_at(memory, at, size);

	if (!owned)
		return NULL;
	owned->process = memory->process;
	atomic_store_explicit(&owned->owner, tid, memory_order_relaxed);
	next = atomic_load(&owners->first);
	do
		owned->next = next;
	while (!atomic_compare_exchange_weak(&owners->first, &next, at));
	atomic_fetch_add(&owners->count, 1);
	return owned;
}

EP_TRAP_PATH void *trace_memory_take(const struct trace_memory *memory, struct trace_owners *owners,
				     uint64_t size)
{
	const struct trace_process *process = trace_memory_process(memory);
	uint32_t tid = (uint32_t)sys0(SYS_gettid);
	struct trace_owned *ret;

	if (!process)
		return NULL;
	/* A guest takes its parent's threads for dead; and the one whose place it has goes on in its
	   memory when it is dead itself. */
	if (sys_getpid() != process->pid)
		return make_owned(memory, owners, size, NOBODY);
	ret = take_over(memory, owners, size, process->pid, tid);
	return ret ? ret : make_owned(memory, owners, size, tid);
}
