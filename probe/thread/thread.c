/* SPDX-License-Identifier: MIT */
/*
 * Threads come and go without telling us, and we first meet them in a trap, where no allocator can
 * be called. So their records come from the kernel, a few at a time: a program that locks its memory,
 * or may not have much of it, pays for the threads that it has. That of a dead thread is taken by the next one that
 * needs one. A pointer to it is kept in static TLS.
 *
 * A table of slots, indexed by a hash of the thread ID, says which record is whose, so that a thread whose ID another
 * one has had takes that one's: there would be two with this ID, of which one would be of what is no more.
 *
 *	slots: | 0 | 3 | 0 | 1 | 2 | ...	number of a record + 1; 0: none
 *	chunks: | . | . | ... -> | record 0 | record 1 | ... |
 *
 * Slots and records are wiped on fork, so that a child does not inherit threads that it has not got;
 * a record with tid 0 behind a TLS pointer means just that, and is claimed anew. Chunks stay.
 */
#include "probe/thread/thread.h"

#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include "probe/thread/altstack.h"
#include "sys/barrier.h"
#include "sys/call.h"
#include "sys/process.h"
#include "sys/round.h"

#define POOL_SIZE     65536u
#define CHUNK_RECORDS 32u
#define RETRIES_MAX   1000u
#define SAME_STACK    0x100000u /* farther apart, two addresses may be of different stacks */
#define SEARCH_MAX    64u	/* slots that one thread looks at */

/* One wiped mapping. */
struct pool {
	_Atomic int32_t pid;	   /* whose memory this is; 0: forked, and not asked since */
	_Atomic uint32_t count;	   /* records ever used: the first ones */
	_Atomic uint32_t nameless; /* threads without a record that are in a hit */
	_Atomic uint32_t next;	   /* record to be looked at, by who needs one */
	struct sys_round round;
	_Atomic uint32_t slots[POOL_SIZE];
};

static struct pool *pool;
static _Atomic(struct probe_thread *) chunks[POOL_SIZE / CHUNK_RECORDS];
__thread struct probe_thread *probe_thread_known;
static __thread uint64_t blocked_copy; /* of .blocked: the record is wiped on fork */

/* Memory that a child of fork() finds zeroed: it would take its parent's threads for its own. */
EP_TRAP_PATH static void *map_wiped(size_t bytes, int *ret_error)
{
	long at = sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at < 0) {
		*ret_error = -EP_NO_MEMORY;
		return NULL;
	}
	if (sys3(SYS_madvise, at, bytes, MADV_WIPEONFORK)) {
		sys2(SYS_munmap, at, bytes);
		*ret_error = -EP_UNSUPPORTED;
		return NULL;
	}
	sys3(SYS_madvise, at, bytes, MADV_DONTDUMP);
	return (void *)at;
}

/* Another thread may be as fast. */
EP_TRAP_PATH static int add_chunk(uint32_t chunk)
{
	size_t bytes = CHUNK_RECORDS * sizeof(struct probe_thread);
	struct probe_thread *none = NULL, *records;
	int error = 0;

	if (atomic_load(&chunks[chunk]))
		return 0;
	records = map_wiped(bytes, &error);
	if (records && !atomic_compare_exchange_strong(&chunks[chunk], &none, records))
		sys2(SYS_munmap, records, bytes);
	return error;
}

/* NULL: it is only just being made. */
EP_TRAP_PATH static struct probe_thread *record_at(uint32_t index)
{
	struct probe_thread *chunk = atomic_load(&chunks[index / CHUNK_RECORDS]);

	return chunk ? &chunk[index % CHUNK_RECORDS] : NULL;
}

/* How many there may be. */
EP_TRAP_PATH static uint32_t record_count(void)
{
	uint32_t count = atomic_load(&pool->count);

	return count < POOL_SIZE ? count : POOL_SIZE;
}

int probe_thread_init(void)
{
	struct pool *memory;
	int error;

	if (pool)
		return 0;
	error = add_chunk(0);
	memory = error ? NULL : map_wiped(sizeof(*memory), &error);
	if (!memory)
		return error;
	memory->pid = (int32_t)sys0(SYS_getpid);
	pool = memory;
	return 0;
}

EP_TRAP_PATH bool probe_thread_is_guest(void)
{
	int32_t pid = (int32_t)sys0(SYS_getpid), none = 0;

	atomic_compare_exchange_strong(&pool->pid, &none, pid);
	return pool->pid != pid;
}

EP_TRAP_PATH static bool claim(struct probe_thread *record, uint32_t expected, uint32_t tid)
{
	if (!atomic_compare_exchange_strong(&record->tid, &expected, tid))
		return false;
	record->running = NULL;
	record->passing = NULL;
	record->engine_depth = 0;
	record->blocked = blocked_copy;
	record->adopted = 0;
	record->pending = 0;
	record->waiting = 0;
	record->wait_timeout = NULL;
	for (int i = 0; i < GUESTS; i++) {
		record->guests[i].pid = 0;
		record->guests[i].blocked = 0;
	}
	record->guarding = NULL;
	record->lent = false;
	return true;
}

EP_TRAP_PATH static uint32_t slot_of(uint32_t tid, uint32_t i)
{
	return (tid + i * i) % POOL_SIZE;
}

/* One that nobody has ever used. NULL: there is no memory, and one less of them. */
EP_TRAP_PATH static struct probe_thread *make(uint32_t tid, uint32_t *ret_index)
{
	struct probe_thread *record = NULL;

	*ret_index = record_count();
	if (*ret_index < POOL_SIZE)
		*ret_index = atomic_fetch_add(&pool->count, 1);
	if (*ret_index < POOL_SIZE && !add_chunk(*ret_index / CHUNK_RECORDS))
		record = record_at(*ret_index);
	return record && claim(record, 0, tid) ? record : NULL;
}

EP_TRAP_PATH static void leave_slot(struct probe_thread *record, uint32_t index)
{
	uint32_t said = index + 1;

	if (record->slot)
		atomic_compare_exchange_strong(&pool->slots[record->slot - 1], &said, 0);
	record->slot = 0;
}

/* That of a dead thread; see sys/round.h. */
EP_TRAP_PATH static struct probe_thread *take_over(uint32_t tid, uint32_t *ret_index)
{
	uint32_t count = record_count();

	for (uint32_t tries = sys_round_tries(&pool->round, count); tries; tries--) {
		uint32_t index = atomic_fetch_add(&pool->next, 1), owner;
		struct probe_thread *record;
		bool is_left;

		if (index >= count) {
			sys_round_end(&pool->round);
			index = 0;
			atomic_store(&pool->next, 1);
		}
		record = record_at(index);
		owner = record ? atomic_load(&record->tid) : 0;
		is_left = owner && !record->is_guests && sys_is_dead(sys_getpid(), owner);
		sys_round_see(&pool->round, is_left);
		if (is_left && claim(record, owner, tid)) {
			leave_slot(record, index);
			*ret_index = index;
			return record;
		}
	}
	return NULL;
}

/* If it finds no room it has none, and is found when it is left. */
EP_TRAP_PATH static void take_slot(struct probe_thread *record, uint32_t index, uint32_t tid)
{
	for (uint32_t i = 0; i < SEARCH_MAX; i++) {
		uint32_t slot = slot_of(tid, i), none = 0;

		if (atomic_compare_exchange_strong(&pool->slots[slot], &none, index + 1)) {
			record->slot = slot + 1;
			return;
		}
	}
}

/* Of our own ID: left by a thread that is dead. */
EP_TRAP_PATH static struct probe_thread *find_own(uint32_t tid)
{
	for (uint32_t i = 0; i < SEARCH_MAX; i++) {
		uint32_t index = atomic_load(&pool->slots[slot_of(tid, i)]);
		struct probe_thread *record = index ? record_at(index - 1) : NULL;

		if (record && claim(record, tid, tid))
			return record;
	}
	return NULL;
}

EP_TRAP_PATH static struct probe_thread *find_or_claim(uint32_t tid)
{
	bool is_guest = probe_thread_is_guest(); /* to whom its parent's threads look dead */
	struct probe_thread *record = find_own(tid);
	uint32_t index = 0;

	if (!record && !is_guest)
		record = take_over(tid, &index);
	if (!record)
		record = make(tid, &index);
	if (record)
		record->is_guests = is_guest;
	if (record && !record->slot)
		take_slot(record, index, tid);
	return record;
}

EP_TRAP_PATH struct probe_thread *probe_thread_find(void)
{
	if (!pool || !probe_thread_has_area())
		return NULL; /* nothing was ever probed, or the thread is none of libc's */
	if (!pool->pid)
		probe_thread_is_guest(); /* the first in the child of a fork: it is its memory */
	probe_thread_here.mark = 0;	 /* what it says is of another record */
	probe_thread_known = find_or_claim((uint32_t)sys0(SYS_gettid));
	if (!probe_thread_is_guest())
		altstack_install();
	return probe_thread_known;
}

EP_TRAP_PATH static bool is_in(const stack_t *stack, uint64_t rsp)
{
	return !(stack->ss_flags & SS_DISABLE) && rsp - (uint64_t)stack->ss_sp < stack->ss_size;
}

/* A signal's stack may lie right above the one on which the handler runs. */
EP_TRAP_PATH static bool is_on_signal_stack(uint64_t rsp, uint64_t interrupted)
{
	stack_t stack = {.ss_flags = SS_DISABLE};

	if (altstack_has(rsp))
		return !altstack_has(interrupted);
	sys2(SYS_sigaltstack, NULL, &stack);
	return is_in(&stack, rsp) && !is_in(&stack, interrupted);
}

EP_TRAP_PATH bool probe_thread_runs_handler(const struct probe_thread *thread, uint64_t rsp)
{
	if (!atomic_load_explicit(&thread->running, memory_order_relaxed))
		return false;
	return rsp - thread->running_rsp >= SAME_STACK ||
	       is_on_signal_stack(rsp, thread->running_rsp);
}

bool probe_thread_in_handler(void)
{
	struct probe_thread *thread = probe_thread_self();

	return thread && probe_thread_runs_handler(thread, (uint64_t)__builtin_frame_address(0));
}

EP_TRAP_PATH void probe_thread_block(struct probe_thread *thread, uint64_t blocked)
{
	blocked_copy = blocked;
	thread->blocked = blocked;
}

EP_TRAP_PATH void probe_thread_each(bool (*visit)(struct probe_thread *thread, void *data),
				    void *data)
{
	const struct probe_thread *caller = probe_thread_if_known();
	uint32_t count = record_count();

	for (uint32_t i = 0; i < count; i++) {
		struct probe_thread *record = record_at(i);

		if (record && record->tid && record != caller && visit(record, data))
			return;
	}
}

EP_TRAP_PATH static bool is_alive(struct probe_thread *thread, void *data)
{
	*(bool *)data = thread->tid && !sys_is_dead(sys_getpid(), thread->tid);
	return *(bool *)data;
}

EP_TRAP_PATH bool probe_thread_is_alone(void)
{
	bool others = false;

	probe_thread_each(is_alive, &others);
	return !others;
}

EP_TRAP_PATH bool probe_thread_retries(uint64_t address)
{
	struct probe_thread *thread = probe_thread_self();

	if (!thread)
		return true;
	if (thread->retry_address != address)
		thread->retries = 0;
	thread->retry_address = address;
	return thread->retries++ < RETRIES_MAX;
}

EP_TRAP_PATH void probe_thread_begin_nameless(void)
{
	atomic_fetch_add(&pool->nameless, 1);
}

EP_TRAP_PATH void probe_thread_end_nameless(void)
{
	atomic_fetch_sub(&pool->nameless, 1);
}

static void wait_for(struct probe_thread *record,
		     bool (*removed)(const struct probe_site *site, void *data), void *data)
{
	struct timespec pause = {0, 1000};
	uint32_t calls = record->calls;

	for (;;) {
		struct probe_site *running = record->running, *passing = record->passing;
		bool runs = running && record->calls == calls && removed(running, data);

		if (!runs && !(passing && removed(passing, data)))
			return;
		sys2(SYS_nanosleep, &pause, NULL);
		if (pause.tv_nsec < 1000000)
			pause.tv_nsec *= 2;
	}
}

void probe_thread_wait(bool (*removed)(const struct probe_site *site, void *data), void *data)
{
	const struct timespec long_enough = {0, 10000000}; /* for any store to be seen */
	const struct timespec moment = {0, 1000};
	struct probe_thread *caller = probe_thread_self();
	uint32_t count;

	if (!pool)
		return;
	/*
	 * Each thread that has not yet published what it runs will see that the probe is gone:
	 * the barrier orders its store to .running before its load of the site's probes.
	 */
	if (!sys_barrier())
		sys2(SYS_nanosleep, &long_enough, NULL);
	while (pool->nameless)
		sys2(SYS_nanosleep, &moment, NULL);
	count = record_count();
	for (uint32_t i = 0; i < count; i++) {
		struct probe_thread *record = record_at(i);

		/* Else it is only being claimed: its thread passes the site after the barrier. */
		if (record && record->tid && record != caller)
			wait_for(record, removed, data);
	}
}
