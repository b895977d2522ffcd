/* SPDX-License-Identifier: MIT */
/*
 * What the probed processes and the reader of their events share.
 *
 *	header | definitions | rings | processes | heap 0 | heap 1 | ...
 *
 * With the launcher it is a sparse memfd; without, memory of the one process. It outlives any death
 * of a process. The launcher maps all of it, a probed process what it uses (parts.h): the tables,
 * and one heap, which each program that is executed takes for itself and for the children that it
 * forks; when there is none left, the last one is for all. The reader believes nothing that stands
 * in it: the program may scribble.
 */
#ifndef EMUPROBE_TRACE_SESSION_SHARED_H
#define EMUPROBE_TRACE_SESSION_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "sys/round.h"
#include "trace/clock/timens.h"
#include "trace/language/definition.h"

#define TRACE_SESSION_MAGIC   0x31626f7270756d65ull /* "emuprob1" */
#define TRACE_SAMPLE_MAX      1000000
#define TRACE_COMM_SIZE	      16 /* prctl(2), PR_GET_NAME */
#define TRACE_UNPROBED_NAME   112
#define TRACE_UNPROBED_MAX    32 /* programs of different names, or reasons */
#define TRACE_STACK_EVENTS    8	 /* whose call stacks are counted */
#define TRACE_DUMP_EVENTS     8	 /* that have what was kept written */
#define TRACE_STACK_NAME      64
#define TRACE_STACK_DEPTH_MAX 127u

enum trace_mode {
	TRACE_MODE_EVENTS, /* record events */
	TRACE_MODE_COUNT,  /* only count */
	TRACE_MODE_CHECK,  /* look at the places, arm nothing, end before the program starts */
	TRACE_MODE_DEFINE, /* the same, and say how each would be defined */
};

/* Why the first process gave up. */
struct trace_report {
	_Atomic uint32_t ready;
	uint32_t error;	 /* an EP_ code */
	uint64_t column; /* in the definitions */
	char message[192];
};

/* What a process that was attached to says at the end of its start. */
enum trace_verdict {
	TRACE_VERDICT_NONE, /* not yet */
	TRACE_VERDICT_PROBED,
	TRACE_VERDICT_REFUSED, /* why is in the report */
};

enum trace_process_state {
	TRACE_PROCESS_FREE,
	TRACE_PROCESS_STARTING,
	TRACE_PROCESS_RUNNING,
};

/* What threads of a process have for themselves: struct trace_owned, in its heap. */
struct trace_owners {
	_Atomic uint64_t first;
	_Atomic uint64_t at; /* where to look next for one that is left; 0: at the beginning */
	_Atomic uint32_t count;
	struct sys_round round;
};

struct trace_process {
	_Atomic uint32_t state;
	int32_t pid;
	int32_t parent;
	uint32_t probe_count;
	uint64_t set; /* in the heap, see publish.h */
	uint64_t set_size;
	uint64_t counts; /* in the heap: struct ep_counts [probe_count]; 0: in its parent's */
	_Atomic uint64_t blocks; /* in the heap: threads' counters, see counts.c */
	uint32_t foreign; /* of another PID namespace: its numbers mean nothing to the reader */
	uint32_t room;	  /* of counts, in probes: more may come with objects that are loaded */
	_Atomic uint32_t revision; /* changes with the set */
	_Atomic uint32_t ended;	   /* by its own will */
	char comm[TRACE_COMM_SIZE];
	_Atomic uint64_t changes;    /* of the set since: the last of a list in the heap */
	_Atomic uint64_t objects;    /* the last of a list in the heap, see objects.h */
	_Atomic uint64_t durations;  /* in the heap: of calls, see durations.c */
	struct trace_owners tables;  /* threads' of these */
	struct trace_owners answers; /* threads' tables of these, see answers.c */
	_Atomic uint64_t stacks;     /* in the heap: see stacks.h; 0: none yet */
};

/*
 * One producer, the thread that owns it; one consumer. Where rings keep what came last, the tail is the
 * producer's, and is moved before what is behind it is written over (.keep). Positions count bytes, modulo 2^48. Who owns it
 * is one word, or a thread that has just taken it could be mistaken for the dead one that had it before.
 */
struct trace_ring {
	_Atomic uint64_t owner; /* thread ID, and index of its process << 32; 0: nobody */
	uint64_t unused;
	_Atomic uint64_t comm[TRACE_COMM_SIZE / 8];
	_Atomic uint64_t data;		    /* in a heap; 0: none yet */
	_Alignas(64) _Atomic uint64_t head; /* head.h */
	_Atomic uint64_t dropped;
	_Atomic uint64_t tail_seen;  /* the producer's copy of tail */
	_Atomic uint64_t tail_stuck; /* .tail + 1 at which the producer gave up waiting for room */
	_Alignas(64) _Atomic uint64_t tail;
};

EP_TRAP_PATH static inline uint64_t trace_ring_owner(uint32_t process, int32_t tid)
{
	return (uint64_t)process << 32 | (uint32_t)tid;
}

EP_TRAP_PATH static inline int32_t trace_ring_tid(uint64_t owner)
{
	return (int32_t)owner;
}

EP_TRAP_PATH static inline uint32_t trace_ring_process(uint64_t owner)
{
	return (uint32_t)(owner >> 32);
}

/*
 * An event: the words below, then those of struct trace_program: which of its values are faulty, where
 * that is possible; its numbers; what it copies.
 */
struct trace_record {
	uint64_t first; /* trace_record_first() */
	uint64_t time;
	uint64_t values[];
};

#define TRACE_RECORD_PROBES (1u << 24) /* of a process */
#define TRACE_RECORD_MAX                                                                           \
	(sizeof(struct trace_record) + 8 * (TRACE_ARGS_MAX / 64 + TRACE_RECORD_WORDS))

#define TRACE_END_ENTRY 4 /* in place of an end: the call begins */

/* @words: of 8 bytes, all of the record; @end: of a call, enum ep_end, else 0. */
EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t
trace_record_first(uint32_t probe, uint32_t end, uint32_t words, uint32_t cpu)
{
	return probe | end << 24 | (uint64_t)(words | cpu << 16) << 32;
}

EP_TRAP_PATH static inline uint32_t trace_record_probe(uint64_t first)
{
	return first & (TRACE_RECORD_PROBES - 1);
}

EP_TRAP_PATH static inline uint32_t trace_record_end(uint64_t first)
{
	return first >> 24 & 0xff;
}

EP_TRAP_PATH static inline uint32_t trace_record_words(uint64_t first)
{
	return first >> 32 & 0xffff;
}

EP_TRAP_PATH static inline uint32_t trace_record_cpu(uint64_t first)
{
	return (uint32_t)(first >> 48);
}

/* A program that was executed, and not probed. */
struct trace_unprobed_program {
	_Atomic uint32_t state; /* 0: free, 1: being written, 2: there */
	uint32_t why;		/* enum trace_unprobed */
	_Atomic uint64_t count;
	char name[TRACE_UNPROBED_NAME];
};

/* Of which events call stacks are wanted. */
struct trace_stack_wish {
	char event[TRACE_STACK_NAME];
	uint32_t depth; /* 0: of none */
};

struct trace_shape {
	uint64_t process_max, ring_max, ring_size, heap_size, heap_max;
};

struct trace_layout {
	uint64_t definitions, definitions_size;
	uint64_t rings, ring_max, ring_size;
	uint64_t processes, process_max;
	uint64_t heap, heap_size, heap_max;
	uint64_t size;
};

struct trace_shared {
	uint64_t magic;
	uint64_t build;	 /* of the headers that it was made by: others have another layout */
	uint32_t mode;	 /* enum trace_mode */
	uint32_t plan;	 /* enum ep_plan */
	uint32_t clock;	 /* enum trace_clock */
	uint32_t follow; /* probe what the program executes, too */
	uint32_t drop;	 /* never wait for the reader */
	uint32_t keep; /* rings keep what came last: their threads take room from what is oldest */
	uint32_t sample; /* of calls, one in so many is timed, for each thread and probe; 0: each */
	_Atomic uint32_t over; /* nothing is wanted any more: the launcher says when */
	uint32_t barrier;      /* the reader has one for all threads that registered: snapshot.h */
	uint32_t timed;	       /* of every call that is an event it is recorded how long it took */
	uint32_t patient; /* threads wait for the reader for seconds, before they drop events */
	uint32_t entries; /* calls are events where they are entered, too: TRACE_END_ENTRY */
	int32_t first_pid;
	uint64_t cover; /* behind the texts: see cover.h; 0: nothing is asked of files */
	uint64_t pid_namespace;
	struct trace_timens time_namespace; /* the reader's */
	struct trace_layout layout;
	struct trace_report report;
	_Alignas(64) _Atomic uint32_t wake; /* changes, by a futex call, when a ring fills up */
	_Atomic uint32_t sleeping;	    /* the reader waits for that */
	_Atomic uint32_t drained; /* changes, by a futex call, when the reader has made room */
	_Atomic uint32_t waiting; /* how many threads wait for that */
	_Atomic uint32_t process_count;
	_Atomic uint32_t revision;   /* changes with the set of any process that is running */
	_Atomic uint32_t ring_high;  /* rings that were ever used */
	_Atomic uint32_t heap_count; /* heaps that are in use */
	_Atomic uint64_t lost_processes;
	_Atomic uint64_t lost_events;  /* of threads that got no ring */
	_Atomic uint64_t lost_probes;  /* in objects that were loaded later: no room in the table */
	_Atomic uint64_t lost_answers; /* hits that are in no answer: there was no memory */
	struct trace_stack_wish stacks[TRACE_STACK_EVENTS];
	_Atomic uint32_t dump_asked; /* an event of these has come */
	char dump_if[TRACE_DUMP_EVENTS][TRACE_STACK_NAME];
	struct trace_unprobed_program unprobed[TRACE_UNPROBED_MAX];
	_Atomic uint64_t unprobed_others; /* for which there was no entry */
	/*
	 * Of processes that are attached to. As long as the launcher wants them to be probed, its thread ID
	 * stands in the lease, as in a robust futex: the kernel says so when the launcher dies.
	 */
	_Alignas(64) _Atomic uint32_t lease;
	_Atomic uint32_t verdict; /* enum trace_verdict, of the one that is being attached to */
	_Atomic uint32_t
		attached; /* how many there are; changes, by a futex call, when one leaves */
};

#endif
