/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process's heap that its threads take in a hit, and find again by a small number: its place,
 * in units of 64 bytes from the beginning of the heap.
 */
#ifndef EMUPROBE_TRACE_SESSION_MEMORY_H
#define EMUPROBE_TRACE_SESSION_MEMORY_H

#include "trace/session/session.h"

#define TRACE_MEMORY_UNIT 64ul

/* Where it is, as the process sees it. */
struct trace_memory {
	struct trace_session session;
	uint32_t process;		/* index of its entry */
	char *heap;			/* its own */
	const _Atomic uint64_t *mapped; /* bytes of that */
};

/* What a thread has for itself, and another one gets when it is dead. Begins a structure. */
struct trace_owned {
	uint64_t next; /* in the heaps: the process's one before it */
	_Atomic uint32_t owner;
	uint32_t process; /* index of its entry */
};

/** Context: the process, or its forked child, before it is used by more than one thread. TRAP_PATH. */
EP_TRAP_PATH void trace_memory_init(struct trace_memory *ret, const struct trace_session *session,
				    uint32_t process);

/** The place of @size zeroed bytes; 0: there are none left. Context: TRAP_PATH. */
EP_TRAP_PATH uint32_t trace_memory_make(const struct trace_memory *memory, uint64_t size);

/**
 * What is at the place @at, of @size bytes; where that is nothing, or nonsense, something new. A signal
 * handler may do the same at the same time: who comes second takes what is there.
 *
 * @return   NULL: there is no memory.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void *trace_memory_get(const struct trace_memory *memory, uint32_t *at, uint32_t size);

/**
 * For the calling thread, of what threads of the process have for themselves: that of a thread that is no more, with
 * all that is in it, or a new one.
 *
 * @size     Of all that begins with a struct trace_owned.
 *
 * @return   NULL: there is no memory.
 * Context:  TRAP_PATH; some system calls.
 */
EP_TRAP_PATH void *trace_memory_take(const struct trace_memory *memory, struct trace_owners *owners,
				     uint64_t size);

/** The entry of the process; NULL: there is none. Context: TRAP_PATH. */
EP_TRAP_PATH static inline struct trace_process *
trace_memory_process(const struct trace_memory *memory)
{
	return trace_session_process(&memory->session, memory->process);
}

/* Once, whatever interrupts. */
#define TRACE_ADD(to, value)                                                                       \
	__asm__ volatile("addq %1, %0" : "+m"(to) : "er"((uint64_t)(value)) : "cc")

#define TRACE_ADD_32(to, value)                                                                    \
	__asm__ volatile("addl %1, %0" : "+m"(to) : "er"((uint32_t)(value)) : "cc")

/** @size bytes at @place; NULL unless they lie in what is mapped. Context: TRAP_PATH. */
static inline __attribute__((always_inline)) void *
trace_memory_at(const struct trace_memory *memory, uint32_t place, uint64_t size)
{
	uint64_t at = TRACE_MEMORY_UNIT * place;

	if (__builtin_expect(!place || at + size > atomic_load_explicit(memory->mapped,
									memory_order_relaxed),
			     0))
		return NULL;
	return memory->heap + at;
}

#endif
