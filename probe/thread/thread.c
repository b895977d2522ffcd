// SPDX-License-Identifier: MIT
/*
 * Threads come and go without telling us, and we first meet them in a trap, where nothing can be
 * allocated. So their records are a fixed pool, indexed by a hash of the thread ID: a thread finds
 * its own record or claims a free one, and that of a dead thread is found again by the next thread
 * with its ID, or taken when the pool fills. A pointer to it is kept in static TLS.
 *
 * The pool is wiped on fork, so that a child does not inherit threads that it has not got; a
 * record with tid 0 behind a TLS pointer means just that, and is claimed anew.
 */
#include "probe/thread/thread.h"

#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include "sys/barrier.h"
#include "sys/call.h"

#define POOL_SIZE   65536u
#define RETRIES_MAX 1000u
#define SAME_STACK  0x100000u /* farther apart, two addresses may be of different stacks */
#define SEARCH_MAX  64u	      /* records that one thread looks at */

/* One wiped mapping. */
struct pool {
	_Atomic int32_t pid; /* whose memory this is; 0: forked, and not asked since */
	struct probe_thread records[POOL_SIZE];
	/* Records ever used, as index + 1, so that a search need not look at all. */
	_Atomic uint32_t used_count;
	_Atomic uint32_t used[POOL_SIZE];
};

static struct pool *pool;
__thread struct probe_thread *probe_thread_known;
static __thread uint64_t blocked_copy; /* of .blocked: the record is wiped on fork */

int probe_thread_init(void)
{
	size_t bytes = sizeof(*pool);
	void *memory;

	if (pool)
		return 0;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -EP_NO_MEMORY;
	/* A child would take its parent's threads for its own. */
	if (madvise(memory, bytes, MADV_WIPEONFORK)) {
		munmap(memory, bytes);
		return -EP_UNSUPPORTED;
	}
	madvise(memory, bytes, MADV_DONTDUMP);
	((struct pool *)memory)->pid = (int32_t)sys0(SYS_getpid);
	pool = memory;
	return 0;
}

EP_TRAP_PATH bool probe_thread_is_guest(void)
{
	int32_t pid = (int32_t)sys0(SYS_getpid), none = 0;

	atomic_compare_exchange_strong(&pool->pid, &none, pid);
	return pool->pid != pid;
}

EP_TRAP_PATH static bool is_dead(uint32_t tid)
{
	return sys3(SYS_tgkill, sys0(SYS_getpid), tid, 0) == -3; /* ESRCH */
}

EP_TRAP_PATH static bool claim(struct probe_thread *record, uint32_t expected, uint32_t tid)
{
	if (!atomic_compare_exchange_strong(&record->tid, &expected, tid))
		return false;
	if (expected == 0)
		pool->used[pool->used_count++] = (uint32_t)(record - pool->records) + 1;
	record->running = NULL;
	record->passing = NULL;
	record->engine_depth = 0;
	record->blocked = blocked_copy;
	record->adopted = 0;
	record->pending = 0;
	record->waiting = 0;
	record->wait_timeout = NULL;
	record->guest.pid = 0;
	record->guest.blocked = 0;
	record->guarding = NULL;
	return true;
}

EP_TRAP_PATH static struct probe_thread *find_or_claim(uint32_t tid)
{
	bool is_guest = probe_thread_is_guest(); /* to whom its parent's threads look dead */

	for (uint32_t i = 0; i < SEARCH_MAX; i++) {
		struct probe_thread *record = &pool->records[(tid + i * i) % POOL_SIZE];
		uint32_t owner = record->tid;

		/* Of our own ID: left by a thread that is dead, or wiped under us. */
		if ((owner == tid || owner == 0) && claim(record, owner, tid))
			return record;
	}
	for (uint32_t i = 0; i < SEARCH_MAX; i++) {
		struct probe_thread *record = &pool->records[(tid + i * i) % POOL_SIZE];
		uint32_t owner = record->tid;

		if (owner && !is_guest && is_dead(owner) && claim(record, owner, tid))
			return record;
	}
	return NULL;
}

EP_TRAP_PATH struct probe_thread *probe_thread_find(void)
{
	if (!pool)
		return NULL; /* nothing was ever probed */
	if (!pool->pid)
		probe_thread_is_guest(); /* the first in the child of a fork: it is its memory */
	probe_thread_known = find_or_claim((uint32_t)sys0(SYS_gettid));
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
	for (uint32_t i = 0; i < pool->used_count; i++) {
		uint32_t index = pool->used[i];

		if (index && &pool->records[index - 1] != probe_thread_known &&
		    visit(&pool->records[index - 1], data))
			return;
	}
}

EP_TRAP_PATH static bool is_alive(struct probe_thread *thread, void *data)
{
	*(bool *)data = thread->tid && !is_dead(thread->tid);
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
	struct probe_thread *caller = probe_thread_self();

	if (!pool)
		return;
	/*
	 * Each thread that has not yet published what it runs will see that the probe is gone:
	 * the barrier orders its store to .running before its load of the site's probes.
	 */
	if (!sys_barrier())
		sys2(SYS_nanosleep, &long_enough, NULL);
	for (uint32_t i = 0; i < pool->used_count; i++) {
		uint32_t index = pool->used[i];

		/* 0: being claimed now, and so after the barrier. */
		if (index && &pool->records[index - 1] != caller)
			wait_for(&pool->records[index - 1], removed, data);
	}
}
