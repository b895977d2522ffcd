/* SPDX-License-Identifier: MIT */
/*
 * A hit costs what this does: two loads to find the thread's ring, one time stamp, a store for each
 * argument. The thread is its ring's only producer, and probes do not nest, so nothing is locked;
 * that events come in the order of time is seen to in head.h. Where a ring is full the thread waits
 * for the reader, but only while that makes progress; one that is stuck or gone is not waited for
 * twice: the event is dropped, and counted.
 *
 * The kernel wipes one page on fork: that is how a child notices that it is one, even where libc's
 * fork() was passed by.
 */
#include "trace/action/record.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "sys/abi.h"
#include "sys/barrier.h"
#include "sys/call.h"
#include "sys/mapping.h"
#include "trace/action/copy.h"
#include "trace/action/run.h"
#include "trace/clock/clock.h"
#include "trace/session/head.h"
#include "trace/session/snapshot.h"

#define WAIT_NANOSECONDS 10000000
#define WAIT_TRIES                                                                                 \
	100 /* of that length, without progress: on a busy machine nobody runs for so long */
#define WAIT_TRIES_MORE 300
/*
 * The reader takes a thread's turn away at most once in each of its passes, which are a millisecond
 * apart: only where each instruction takes its time, under a debugger that steps, can it do so
 * again and again. Then the event is dropped.
 */
#define TURNS 64

#define FEW_VALUES 16

static struct {
	struct trace_session session;
	enum trace_clock clock;
	enum trace_full full;
	bool entries;		 /* are events, too */
	int tries;		 /* to wait for the reader */
	bool safe;		 /* the reader has no barrier for us, see head.h */
	uint32_t process;	 /* index of the entry */
	uint32_t epoch;		 /* changes with each fork: the rings of before are the parent's */
	uint32_t first;		 /* epoch of this session: the rings of before are gone */
	_Atomic uint32_t *alive; /* wiped in the child of a fork */
} local;

static __thread struct {
	struct trace_ring *ring; /* NULL: there was none left */
	_Atomic uint64_t *data;
	uint32_t epoch; /* of local, when the ring was taken; 0: never */
} mine;

static bool make_page(void)
{
	long page = sys_mmap(0, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);

	if (sys_failed(page))
		return false;
	/* Before Linux 4.14 there is no such advice: then only fork() itself is followed. */
	sys_madvise((uint64_t)page, SYS_PAGE_SIZE, MADV_WIPEONFORK);
	local.alive = (_Atomic uint32_t *)page;
	return true;
}

int trace_record_init(const struct trace_session *session, uint32_t process, enum trace_full full)
{
	if (!local.alive && !make_page())
		return -EP_NO_MEMORY;
	trace_clock_init(&session->shared->time_namespace);
	local.session = *session;
	local.clock = session->shared->clock;
	local.full = full;
	local.safe = true;
	local.entries = session->shared->entries;
	local.tries = session->shared->patient ? WAIT_TRIES_MORE : WAIT_TRIES;
	local.process = process;
	local.first = ++local.epoch;
	atomic_store(local.alive, 1);
	trace_run_watch_forks(local.alive);
	return 0;
}

bool trace_record_dumps(const char *event)
{
	const struct trace_shared *shared = local.session.shared;

	for (int i = 0; shared && i < TRACE_DUMP_EVENTS && shared->dump_if[i][0]; i++)
		if (strncmp(shared->dump_if[i], event, TRACE_STACK_NAME) == 0)
			return true;
	return false;
}

/* The child of a vfork() has our memory, and its end is not ours. */
EP_TRAP_PATH void trace_record_note_end(void)
{
	trace_record_epoch();
	trace_session_note_end(&local.session, (int)sys6(SYS_getpid, 0, 0, 0, 0, 0, 0));
}

void trace_record_rely_on_barrier(void)
{
	if (local.session.shared->barrier && sys_barrier_register_shared())
		local.safe = false;
}

void trace_record_prepare_latency(void)
{
	trace_run_init(local.clock);
}

/* ---- who writes the events, where there is no launcher ------------------------------------- */

static const struct trace_writer *writer;

void trace_record_set_writer(const struct trace_writer *set)
{
	writer = set;
}

EP_TRAP_PATH __attribute__((noinline)) static void write_all(bool reap)
{
	writer->write(reap);
}

EP_TRAP_PATH __attribute__((noinline)) static void writer_follows_fork(void)
{
	writer->follow_fork();
}

/* ---- fork ---------------------------------------------------------------------------------- */

EP_TRAP_PATH static void inherit(struct trace_process *process, const struct trace_process *parent)
{
	process->probe_count = parent->probe_count;
	process->set = parent->set;
	process->set_size = parent->set_size;
	atomic_store(&process->changes, atomic_load(&parent->changes));
	atomic_store(&process->objects, atomic_load(&parent->objects));
	process->foreign = parent->foreign;
	process->room = parent->room;
	for (int i = 0; i < TRACE_COMM_SIZE; i++)
		process->comm[i] = parent->comm[i];
	/* Without room it counts where the parent does, whose entry says so: once will do. */
	process->counts =
		trace_session_alloc(&local.session, parent->room * sizeof(struct ep_counts));
	atomic_store(&process->state, TRACE_PROCESS_RUNNING);
}

EP_TRAP_PATH static void follow_shared(void)
{
	int pid = (int)sys6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	/* Not by asking: a sandbox that was entered before the fork may not allow it. */
	const struct trace_process *parent = trace_session_process(&local.session, local.process);
	long index = trace_session_add_process(&local.session, pid, parent->pid);

	if (index < 0)
		return;
	inherit(trace_session_process(&local.session, (uint64_t)index), parent);
	local.process = (uint32_t)index;
}

/* Counters are the same in all time namespaces; who reads its own events has its own clock. */
EP_TRAP_PATH static bool needs_clock_of_reader(void)
{
	return local.clock == TRACE_CLOCK_MONOTONIC && local.full != TRACE_FULL_WRITE;
}

EP_TRAP_PATH void trace_record_before_fork(void)
{
	if (needs_clock_of_reader())
		trace_clock_before_fork();
}

EP_TRAP_PATH uint32_t trace_record_follow_fork(void)
{
	uint32_t wiped = 0;

	if (!atomic_compare_exchange_strong(local.alive, &wiped, 1))
		return local.process;
	local.epoch++;
	trace_run_follow_fork();
	if (needs_clock_of_reader())
		trace_clock_after_fork();
	if (local.full == TRACE_FULL_WRITE)
		writer_follows_fork();
	else
		follow_shared();
	return local.process;
}

EP_TRAP_PATH uint32_t trace_record_epoch(void)
{
	if (!atomic_load_explicit(local.alive, memory_order_relaxed))
		trace_record_follow_fork();
	return local.epoch;
}

/* A process without counts of its own, for which there was no memory, counts in its parent's. */
EP_TRAP_PATH void trace_record_uncount(const struct trace_probe *probe)
{
	const struct trace_process *process;
	struct ep_counts *counts;

	trace_record_epoch();
	process = trace_session_process(&local.session, local.process);
	counts = process->counts ? trace_session_at(&local.session, process->counts,
						    process->room * sizeof(*counts))
				 : NULL;
	if (counts && probe->index < process->room)
		__atomic_fetch_sub(&counts[probe->index].hits, 1, __ATOMIC_RELAXED);
}

/* ---- rings --------------------------------------------------------------------------------- */

/* What others read meanwhile, or did before us: in order is what the ring's head is for. */
EP_TRAP_PATH static inline __attribute__((always_inline)) void set(_Atomic uint64_t *word,
								   uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t get(_Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* The reader looks again, from time to time. */
EP_TRAP_PATH static void ask_comm(struct trace_ring *ring)
{
	uint64_t comm[TRACE_COMM_SIZE / 8] = {0};

	sys6(SYS_prctl, PR_GET_NAME, (long)comm, 0, 0, 0, 0);
	for (int i = 0; i < TRACE_COMM_SIZE / 8; i++)
		set(&ring->comm[i], comm[i]);
}

/* Once: a sandbox that the program enters later may not allow it. A child has its parent's name. */
EP_TRAP_PATH static void note_comm(struct trace_ring *ring, const struct trace_ring *parents)
{
	if (!parents) {
		ask_comm(ring);
		return;
	}
	for (int i = 0; i < TRACE_COMM_SIZE / 8; i++)
		atomic_store_explicit(&ring->comm[i], atomic_load(&parents->comm[i]),
				      memory_order_relaxed);
}

EP_TRAP_PATH static void raise_high(uint32_t count)
{
	uint32_t high = atomic_load(&local.session.shared->ring_high);

	while (high < count &&
	       !atomic_compare_exchange_weak(&local.session.shared->ring_high, &high, count))
		;
}

EP_TRAP_PATH static bool take(uint32_t index, const struct trace_ring *parents)
{
	struct trace_ring *ring = trace_session_ring(&local.session, index);
	int32_t tid = (int32_t)sys6(SYS_gettid, 0, 0, 0, 0, 0, 0);
	uint64_t nobody = 0;

	if (!ring || !atomic_compare_exchange_strong(&ring->owner, &nobody,
						     trace_ring_owner(local.process, tid)))
		return false;
	mine.data = trace_session_add_ring_data(&local.session, ring)
			    ? trace_session_ring_data(&local.session, index)
			    : NULL;
	if (!mine.data) {
		atomic_store(&ring->owner, 0);
		return false;
	}
	if (local.full == TRACE_FULL_KEEP) /* what somebody else has left there is not ours */
		atomic_store(&ring->tail, atomic_load(&ring->head) & TRACE_HEAD_POSITION);
	set(&ring->tail_seen, atomic_load(&ring->tail));
	note_comm(ring, parents);
	mine.ring = ring;
	raise_high(index + 1);
	return true;
}

EP_TRAP_PATH static bool is_free(const struct trace_ring *ring)
{
	return ring && !atomic_load(&ring->owner);
}

/* One that has memory in our heap, which is used again; else any. */
EP_TRAP_PATH static bool take_any(const struct trace_ring *parents)
{
	uint64_t count = trace_session_ring_count(&local.session);

	for (uint32_t i = 0; i < count; i++) {
		struct trace_ring *ring = trace_session_ring(&local.session, i);

		if (is_free(ring) && trace_session_has_ring_data(&local.session, ring) &&
		    take(i, parents))
			return true;
	}
	for (uint32_t i = 0; i < local.session.layout.ring_max; i++) {
		struct trace_ring *ring = trace_session_ring(&local.session, i);

		if (!ring)
			return false;
		if (is_free(ring) && take(i, parents))
			return true;
		if (is_free(ring)) /* there is no memory for it, nor for the next one */
			return false;
	}
	return false;
}

EP_TRAP_PATH __attribute__((noinline)) static void find_ring(void)
{
	const struct trace_ring *parents = mine.epoch >= local.first ? mine.ring : NULL;

	mine.epoch = local.epoch;
	mine.ring = NULL;
	if (take_any(parents) || local.full != TRACE_FULL_WRITE)
		return;
	write_all(true);
	take_any(parents);
}

/* ---- an event ------------------------------------------------------------------------------ */

EP_TRAP_PATH static bool fits(uint64_t tail, uint64_t head, uint64_t size)
{
	return trace_head_distance(tail, head) + size <= local.session.layout.ring_size;
}

EP_TRAP_PATH static bool has_room(struct trace_ring *ring, uint64_t head, uint64_t size)
{
	uint64_t tail;

	if (fits(get(&ring->tail_seen), head, size))
		return true;
	tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	set(&ring->tail_seen, tail);
	return fits(tail, head, size);
}

EP_TRAP_PATH static void wake_reader(void)
{
	struct trace_shared *shared = local.session.shared;

	atomic_fetch_add(&shared->wake, 1);
	if (atomic_load(&shared->sleeping))
		sys6(SYS_futex, (long)&shared->wake, FUTEX_WAKE, 1, 0, 0, 0);
}

/* Until the reader has made room, or has not moved for a while: not again before it has. */
EP_TRAP_PATH static void wait_for_reader(struct trace_ring *ring, uint64_t head, uint64_t size)
{
	static const struct timespec timeout = {.tv_nsec = WAIT_NANOSECONDS};
	struct trace_shared *shared = local.session.shared;

	if (get(&ring->tail_stuck) == get(&ring->tail_seen) + 1)
		return;
	atomic_fetch_add(&shared->waiting, 1);
	for (int tries = 0; tries < local.tries; tries++) {
		uint32_t seen = atomic_load(&shared->drained);

		if (has_room(ring, head, size))
			break;
		wake_reader();
		sys6(SYS_futex, (long)&shared->drained, FUTEX_WAIT, seen, (long)&timeout, 0, 0);
		if (atomic_load(&shared->drained) != seen) /* it is busy, with other rings maybe */
			tries = -1;
	}
	atomic_fetch_sub(&shared->waiting, 1);
	set(&ring->tail_stuck, has_room(ring, head, size) ? 0 : get(&ring->tail_seen) + 1);
}

/*
 * Wait-free: as many of the oldest records as the new one needs room. Who reads them meanwhile looks at the
 * tail again when it has read, and knows by that which of them are not whole any more: the tail is moved
 * first.
 */
EP_TRAP_PATH static void give_up_oldest(struct trace_ring *ring, uint64_t head, uint64_t size)
{
	uint64_t mask = local.session.layout.ring_size / 8 - 1, tail = get(&ring->tail);

	while (!fits(tail, head, size)) {
		uint64_t left = trace_head_distance(tail, head);
		uint64_t words = trace_record_words(get(&mine.data[tail / 8 & mask]));

		/* Or the program has scribbled there, or on the tail. */
		if (words * 8 < sizeof(struct trace_record) || words * 8 > left ||
		    left > local.session.layout.ring_size)
			words = left / 8;
		tail = (tail + 8 * words) & TRACE_HEAD_POSITION;
		if (!words)
			break;
	}
	atomic_store_explicit(&ring->tail, tail, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

EP_TRAP_PATH __attribute__((noinline)) static bool make_room(struct trace_ring *ring, uint64_t head,
							     uint64_t size)
{
	if (local.full == TRACE_FULL_WRITE) {
		ask_comm(ring);
		write_all(false);
	} else if (local.full == TRACE_FULL_WAIT) {
		wait_for_reader(ring, head, size);
	} else if (local.full == TRACE_FULL_KEEP) {
		give_up_oldest(ring, head, size);
	}
	if (has_room(ring, head, size))
		return true;
	atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
	return false;
}

/* A hit whose values are registers is written as they are fetched, and takes less of the stack. */
EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t
write_registers(const struct trace_program *program, const struct ep_regs *regs, uint64_t first)
{
	uint64_t mask = local.session.layout.ring_size / 8 - 1;
	uint64_t at = first + sizeof(struct trace_record) / 8;
	const uint64_t *words = (const uint64_t *)(const void *)regs;
	_Atomic uint64_t *data = mine.data;

	for (uint32_t i = 0; i < program->recorded; i++)
		set(&data[at++ & mask], trace_step_register(&program->steps[i], words));
	return at - first;
}

/* Behind the header: which values are faulty, the numbers, what is copied. Returns all words. */
EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t
write_values(const struct trace_program *program, const struct trace_run *run, uint64_t first)
{
	uint64_t mask = local.session.layout.ring_size / 8 - 1;
	struct trace_copy copy = {mine.data, mask, first + sizeof(struct trace_record) / 8};

	for (uint32_t i = 0; i < trace_program_fault_words(program); i++)
		set(&copy.data[copy.at++ & mask], run->faults[i]);
	for (uint32_t i = 0; i < program->recorded; i++)
		set(&copy.data[copy.at++ & mask], run->values[i]);
	for (uint32_t i = 0; i < program->bulk_count; i++)
		trace_copy_bulk(&copy, &program->bulks[i], run->values[program->recorded + i],
				trace_run_is_faulty(run, program->recorded + i));
	return copy.at - first;
}

/* Returns its words. @run: NULL where all values are registers. */
EP_TRAP_PATH static inline __attribute__((always_inline)) uint64_t
write_record(const struct trace_probe *probe, const struct trace_run *run,
	     const struct ep_regs *regs, uint64_t head)
{
	uint64_t mask = local.session.layout.ring_size / 8 - 1, words;
	uint64_t first = (head & TRACE_HEAD_POSITION) / 8;
	uint32_t cpu;
	uint64_t time = trace_clock_read(local.clock, &cpu);

	words = run ? write_values(probe->view.program, run, first)
		    : write_registers(probe->view.program, regs, first);
	set(&mine.data[first & mask],
	    trace_record_first(probe->index, run && run->call ? run->call->end : 0, (uint32_t)words,
			       cpu));
	set(&mine.data[(first + 1) & mask], time);
	return words;
}

/* The reader looks from time to time; a ring that gets half full cannot wait for that. */
EP_TRAP_PATH static void wake_at_half(uint64_t head, uint64_t size)
{
	if ((head ^ (head + size)) & local.session.layout.ring_size / 2)
		wake_reader();
}

EP_TRAP_PATH __attribute__((noinline)) static void ask_dump(void)
{
	struct trace_shared *shared = local.session.shared;

	if (local.full != TRACE_FULL_KEEP || atomic_exchange(&shared->dump_asked, 1))
		return;
	wake_reader();
}

/* false: our turn was taken away. */
EP_TRAP_PATH static inline __attribute__((always_inline)) bool
append(const struct trace_probe *probe, const struct trace_run *run, const struct ep_regs *regs,
       struct trace_ring *ring, uint64_t head)
{
	uint64_t reserved = trace_head_reserve(&ring->head, head, local.safe);
	uint64_t size = 8 * write_record(probe, run, regs, head);

	if (!trace_head_publish(&ring->head, reserved, size, local.safe))
		return false;
	if (local.full < TRACE_FULL_KEEP)
		wake_at_half(head & TRACE_HEAD_POSITION, size);
	else if (__builtin_expect(probe->dumps, 0))
		ask_dump();
	return true;
}

EP_TRAP_PATH static inline void look_for_ring(void)
{
	if (!atomic_load_explicit(local.alive, memory_order_relaxed))
		trace_record_follow_fork();
	if (mine.epoch != local.epoch)
		find_ring();
}

/* Bytes that a record of it may have. */
EP_TRAP_PATH static inline uint64_t size_of(const struct trace_program *program)
{
	return sizeof(struct trace_record) +
	       8ul * (trace_program_fault_words(program) + program->recorded + program->bulk_words);
}

/* false: begin again. */
EP_TRAP_PATH static inline __attribute__((always_inline)) bool
record(const struct trace_probe *probe, const struct trace_run *run, const struct ep_regs *regs)
{
	struct trace_ring *ring = mine.ring;
	uint64_t size = size_of(probe->view.program), head;

	if (!ring) {
		atomic_fetch_add(&local.session.shared->lost_events, 1);
		return true;
	}
	head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (!has_room(ring, head, size) && !make_room(ring, head, size))
		return true;
	return append(probe, run, regs, ring, head);
}

EP_TRAP_PATH __attribute__((noinline)) static void record_again(const struct trace_probe *probe,
								const struct trace_run *run,
								const struct ep_regs *regs)
{
	for (int turn = 1; turn < TURNS; turn++) {
		look_for_ring();
		if (record(probe, run, regs))
			return;
	}
	atomic_fetch_add_explicit(&mine.ring->dropped, 1, memory_order_relaxed);
}

/* @values: room for those of the program. @call: NULL for a mere hit. */
EP_TRAP_PATH static inline __attribute__((always_inline)) void
handle_with(const struct trace_probe *probe, const struct ep_regs *regs, const struct ep_call *call,
	    uint64_t *values)
{
	struct trace_run run = {.regs = regs, .call = call, .values = values};

	look_for_ring();
	run.comm = mine.ring ? mine.ring->comm : NULL;
	if (trace_run(probe->view.program, &run) && !record(probe, &run, regs))
		record_again(probe, &run, regs);
}

/* Not many have so many values; the others shall not pay for the stack. */
EP_TRAP_PATH __attribute__((noinline)) static void
handle_many(const struct trace_probe *probe, const struct ep_regs *regs, const struct ep_call *call)
{
	uint64_t values[TRACE_VALUES_MAX];

	handle_with(probe, regs, call, values);
}

EP_TRAP_PATH __attribute__((noinline)) static void
handle(const struct trace_probe *probe, const struct ep_regs *regs, const struct ep_call *call)
{
	uint64_t values[FEW_VALUES];

	if (probe->view.program->value_count <= FEW_VALUES)
		handle_with(probe, regs, call, values);
	else
		handle_many(probe, regs, call);
}

EP_TRAP_PATH void trace_record(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct trace_probe *of = cookie;

	(void)probe;
	if (!of->view.program->is_plain) {
		handle(of, regs, NULL);
		return;
	}
	look_for_ring();
	if (!record(of, NULL, regs))
		record_again(of, NULL, regs);
}

EP_TRAP_PATH void trace_record_values(const struct trace_probe *probe, const struct trace_run *run)
{
	look_for_ring();
	if (!record(probe, run, run->regs))
		record_again(probe, run, run->regs);
}

/* ---- a call -------------------------------------------------------------------------------- */

EP_TRAP_PATH void trace_record_entered(struct ep_probe *probe, struct ep_regs *regs,
				       struct ep_call *call, void *cookie)
{
	const struct trace_program *program = ((const struct trace_probe *)cookie)->view.program;

	(void)probe;
	if (program->counts_depth)
		look_for_ring(); /* the child of a fork is in no call */
	trace_run_keep(program, regs, call->words);
	if (program->is_timed)
		call->words[TRACE_CALL_TIME] = trace_clock_now(local.clock);
	if (local.entries) {
		call->end = (enum ep_end)TRACE_END_ENTRY;
		handle(cookie, NULL, call);
	}
}

/* What registers are worth when it has not returned nobody knows. */
EP_TRAP_PATH void trace_record_ended(struct ep_probe *probe, struct ep_regs *regs,
				     struct ep_call *call, void *cookie)
{
	(void)probe;
	trace_run_leave(((const struct trace_probe *)cookie)->view.program);
	handle(cookie, call->end == EP_END_RETURN ? regs : NULL, call);
}
