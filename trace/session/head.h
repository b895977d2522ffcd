/* SPDX-License-Identifier: MIT */
/*
 * The word that orders a ring's events: how far the ring is filled, and whether its thread is just
 * about to add a record.
 *
 *	 63      48 47                         3     0
 *	+----------+----------------------------+-----+
 *	|   tag    | position, in bytes         | P   |   P: pending
 *	+----------+----------------------------+-----+
 *
 * The thread reserves (a new tag, P set), reads the clock, writes the record, and publishes: from
 * exactly the word that it reserved with to the new position without P. The reader may take a
 * reservation away (a new tag, P clear): then the thread fails to publish, and has to begin again,
 * with a later time. So a thread that is held up between the two, for ever maybe, holds up nobody,
 * and adds nothing to a past that has been written out. snapshot.c has the reader's half.
 *
 * Who else changes the word: a reservation that is never published, since the program jumped out of
 * a signal handler that had interrupted it. The next one goes over it with another tag.
 *
 * Two variants. The fast one has no locked instruction, and leaves all ordering to the reader, who
 * makes each processor pass a barrier in the middle of whatever it does. That is an interrupt, which
 * comes between two instructions: each cmpxchg is then done, and seen by all, or not begun. The
 * safe one is for processes and readers that have no such barrier: both steps are locked, and the
 * clock is not read before the reservation can be seen.
 *
 * Positions are taken modulo 2^48; only distances count, and rings are smaller than 2^30. The same
 * word with the same tag could come back after 65,536 reservations in a row without one record.
 */
#ifndef EMUPROBE_TRACE_SESSION_HEAD_H
#define EMUPROBE_TRACE_SESSION_HEAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define TRACE_HEAD_PENDING  1ull
#define TRACE_HEAD_TAG	    (1ull << 48)
#define TRACE_HEAD_POSITION (TRACE_HEAD_TAG - 8)

/* Bytes from a position to a position or word. */
EP_TRAP_PATH static inline uint64_t trace_head_distance(uint64_t position, uint64_t to)
{
	return (to - position) & TRACE_HEAD_POSITION;
}

/** Returns the word to publish from. What was @head is not pending any more, if it was. */
EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t
trace_head_reserve(_Atomic uint64_t *word, uint64_t head, bool safe)
{
	uint64_t reserved = (head + TRACE_HEAD_TAG) | TRACE_HEAD_PENDING;

	if (safe) {
		atomic_exchange(word, reserved);
		__asm__ volatile("lfence" : : : "memory"); /* the clock waits for that */
	} else {
		atomic_store_explicit(word, reserved, memory_order_relaxed);
		__asm__ volatile("" : : : "memory");
	}
	return reserved;
}

/** @return Whether @size bytes behind the position are published; if not, begin again. */
EP_TRAP_PATH static inline __attribute__((always_inline)) bool
trace_head_publish(_Atomic uint64_t *word, uint64_t reserved, uint64_t size, bool safe)
{
	uint64_t next = reserved - TRACE_HEAD_PENDING + size;
	bool ret;

	if (safe)
		return atomic_compare_exchange_strong(word, &reserved, next);
	__asm__ volatile("cmpxchgq %3, %1"
			 : "=@ccz"(ret), "+m"(*word), "+a"(reserved)
			 : "r"(next)
			 : "memory");
	return ret;
}

/** The reader's: take the reservation @pending away, unless it is gone. */
EP_TRAP_PATH static inline void trace_head_revoke(_Atomic uint64_t *word, uint64_t pending)
{
	uint64_t revoked = (pending + TRACE_HEAD_TAG) & ~TRACE_HEAD_PENDING;

	atomic_compare_exchange_strong(word, &pending, revoked);
}

#endif
