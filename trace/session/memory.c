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
#define TRIES_MAX 8u	     /* other threads' that are looked at before a new one is made */

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

/* One of a thread that is no more, or had our ID. */
EP_TRAP_PATH static struct trace_owned *take_over(const struct trace_memory *memory,
						  _Atomic uint64_t *list, uint64_t size, int pid,
						  uint32_t tid)
{
	struct trace_owned *owned = owned_at(memory, atomic_load(list), size);

	for (uint32_t tries = 0; owned && tries < TRIES_MAX; tries++) {
		uint32_t owner = atomic_load_explicit(&owned->owner, memory_order_relaxed);

		if ((owner == tid || sys_is_dead(pid, owner)) &&
		    atomic_compare_exchange_strong(&owned->owner, &owner, tid))
			return owned;
		owned = owned_at(memory, owned->next, size);
	}
	return NULL;
}

EP_TRAP_PATH static struct trace_owned *
make_owned(const struct trace_memory *memory, _Atomic uint64_t *list, uint64_t size, uint32_t tid)
{
	uint64_t at = trace_session_alloc(&memory->session, size), next;
	struct trace_owned *owned = owned_at(memory, at, size);

	if (!owned)
		return NULL;
	owned->process = memory->process;
	atomic_store_explicit(&owned->owner, tid, memory_order_relaxed);
	next = atomic_load(list);
	do
		owned->next = next;
	while (!atomic_compare_exchange_weak(list, &next, at));
	return owned;
}

EP_TRAP_PATH void *trace_memory_take(const struct trace_memory *memory, _Atomic uint64_t *list,
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
		return make_owned(memory, list, size, NOBODY);
	ret = take_over(memory, list, size, process->pid, tid);
	return ret ? ret : make_owned(memory, list, size, tid);
}
