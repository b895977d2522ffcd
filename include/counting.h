/* SPDX-License-Identifier: MIT */
/*
 * Where hits are counted, for what is built on the engine in this repository: the session, which
 * has the counters in memory that outlives the program. Not installed, and no promise to anybody.
 */
#ifndef EMUPROBE_INCLUDE_COUNTING_H
#define EMUPROBE_INCLUDE_COUNTING_H

#include <stdbool.h>

#include "include/emuprobe.h"

/*
 * Without options.counts each thread has its own counters of hits, so that a hit costs one addition
 * without a lock; ep_probe_info() adds them up. They lie in blocks of EP_COUNTERS_PER_BLOCK
 * uint64_t behind a header of EP_COUNTER_BLOCK_HEADER bytes.
 */
#define EP_COUNTERS_PER_BLOCK	4096
#define EP_COUNTER_BLOCK_HEADER 64

/**
 * Gives @size bytes, zeroed, for a thread's counters from number @first on, which is a multiple of
 * EP_COUNTERS_PER_BLOCK; NULL: there are none, and hits are counted with a lock in struct
 * ep_counts. Called in a trap: mark it EP_TRAP_PATH, and call no libc.
 */
typedef void *(*ep_counter_memory)(uint32_t first, size_t size, void *data);

/**
 * Move the struct ep_counts of a probe elsewhere; the old one keeps what it has. Threads' counters
 * of its hits stay where they are.
 * Context:  any thread.
 */
void ep_probe_set_counts(struct ep_probe *probe, struct ep_counts *counts);

/**
 * Probes are about to be given places among the @count ones of @block. In the child of a fork they are at the
 * same places of another block: ep_move_count_block() says of which, in the child's child as well, and
 * touches none of the probes, however many there are. Only one block is known at a time.
 *
 * Context:  before the first probe that counts there.
 */
void ep_use_count_block(struct ep_counts *block, size_t count);

/** Context: a process that has one thread. */
void ep_move_count_block(struct ep_counts *to);

/**
 * Add one to @semaphore, and take it away when the probe is removed, unless its memory is unloaded
 * before. Once for a probe.
 * Context:  any thread; takes the registry lock.
 */
void ep_probe_use_semaphore(struct ep_probe *probe, uint16_t *semaphore);

/**
 * Where threads' counters lie from now on, in memory shared with another process, say. What was
 * counted before stays where it is and is forgotten here.
 *
 * @alloc    NULL: in private memory, as at the start.
 *
 * Context:  a process that has one thread; in a child of fork() too.
 */
void ep_use_counter_memory(ep_counter_memory alloc, void *data);

/**
 * The number of a probe's counter in threads' blocks; the hits of a probe are what its struct
 * ep_counts has and the sum over all blocks.
 *
 * @return   UINT32_MAX: it has none, all is in its struct ep_counts.
 * Context:  any.
 */
uint32_t ep_probe_counter(const struct ep_probe *probe);

/**
 * The name that the calling thread has given itself since the engine has been there, as prctl(2) takes
 * it: 16 bytes, the last one zero, of the alignment of uint64_t.
 *
 * @return   NULL: none.
 * Context:  TRAP_PATH. No system call.
 */
EP_TRAP_PATH const char *ep_thread_name(void);

/** The same of a probe's calls that have returned; ep_counts.returns has the others. */
uint32_t ep_probe_return_counter(const struct ep_probe *probe);

/**
 * Take off one hit of @probe, and of @call's end, if that is not NULL: what was asked for was another
 * one. ep_counts.trapped stays.
 *
 * Context:  TRAP_PATH; its handler, or .ended, that was called for this hit.
 */
EP_TRAP_PATH void ep_probe_uncount(struct ep_probe *probe, const struct ep_call *call);

/**
 * Have @freed called when @probe was removed and none of its handlers runs or will run. Once for a
 * probe. @freed may not call the engine.
 *
 * Context:  any thread; takes the registry lock, under which @freed is called. Nothing is done if it
 *           was removed already.
 */
void ep_probe_on_free(struct ep_probe *probe, void (*freed)(void *data), void *data);

/**
 * From now on who creates a probe with .entered or .ended wants these to be called for one call in
 * @one_in of each thread only. All are counted.
 * Context:  any thread, not from handlers.
 */
void ep_sample_calls(uint32_t one_in);

/**
 * Has the calling thread come from another call of the same probe, told of or not, that it has not left yet?
 *
 * @call     Of a handler that is running. It looks at all calls that the thread is in.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool ep_call_is_nested(const struct ep_call *call);

/**
 * No probe here will follow calls (EP_CALLS), as far as is known: what is set aside for that, 2 MiB, is
 * kept as address space only. If one does all the same it is made ready again.
 * Context:  any thread, before the first probe.
 */
void ep_forgo_calls(void);

/**
 * The program ends in this thread: the calls that it is in end, the innermost first, by EP_END_EXIT. No
 * count has these ends.
 * Context:  a handler of a probe where the thread will not go on.
 */
void ep_end_calls(void);

/**
 * Keep the engine's lock over many calls: each of them would block signals, and ask the loader what
 * there is. Nothing that the caller does in between counts.
 * Context:  any thread, not from handlers; in between no call may wait for another thread.
 */
void ep_hold(void);
void ep_release(void);

/**
 * Nothing but the caller executes anything in this process's memory, and nothing will until this is
 * called with false: the program has not begun. Probes that are created meanwhile are written as they
 * will be, which takes a quarter of the system calls that it takes while others may look.
 * Context:  the only thread.
 */
void ep_nobody_runs(bool so);

/**
 * Where a variable or function of that name is, or a file offset that is mapped, in the first object that
 * @place means and that has it.
 *
 * @return   0, -EP_NO_OBJECT, -EP_NO_SYMBOL, -EP_BAD_OFFSET, -EP_NO_MEMORY, -EP_IO, -EP_IN_HANDLER.
 * Context:  as ep_resolve().
 */
int ep_resolve_data(const struct ep_place *place, const void **ret);

/**
 * Eight bytes of xmm register @number, from byte @byte (0 to 8) on, as the program has them.
 *
 * @regs     As the handler was given them.
 * Context:  TRAP_PATH; in a handler with EP_GENERAL_REGS_ONLY, that has not used any itself.
 */
EP_TRAP_PATH uint64_t ep_hit_vector(const struct ep_regs *regs, unsigned int number,
				    unsigned int byte);

#endif
