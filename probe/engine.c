// SPDX-License-Identifier: MIT
/*
 * Nothing is done to a process until its first probe: linking the library is free. From then on
 * its signals are ours (signals.c), and the places where libc would block SIGTRAP are guarded
 * (guard.c).
 */
#include "probe/engine.h"

#include <pthread.h>

#include "probe/counters.h"
#include "probe/deliver.h"
#include "probe/guard.h"
#include "probe/hit.h"
#include "probe/loader.h"
#include "probe/objects.h"
#include "probe/patch.h"
#include "probe/signals.h"
#include "probe/syscall.h"
#include "probe/thread.h"
#include "probe/trap.h"

#define KERNEL_SIZE 8

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread unsigned int own_depth; /* how often this thread has taken the lock */
static uint64_t outer_mask;
static int start_error;
static bool started;

static void before_fork(void)
{
	engine_lock();
}

static void after_fork(void)
{
	engine_unlock();
}

/* The child has one thread, which holds the lock, and no thread records but a wiped one. */
static void after_fork_child(void)
{
	static const pthread_mutex_t unlocked = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	struct probe_thread *thread = probe_thread_self();

	if (thread)
		thread->engine_depth = own_depth;
	patch_init();
	mutex = unlocked; /* its owner has another ID here */
	pthread_mutex_lock(&mutex);
	engine_unlock();
}

static void prepare(void)
{
	start_error = probe_thread_init();
	pthread_atfork(before_fork, after_fork, after_fork_child);
}

uint64_t engine_pause(void)
{
	uint64_t all = ~SIGNALS_OWNED, old;
	struct probe_thread *thread;

	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, KERNEL_SIZE);
	if (own_depth++ == 0)
		counters_pause(true);
	pthread_once(&once, prepare);
	thread = start_error ? NULL : probe_thread_self();
	if (thread)
		thread->engine_depth++;
	return old;
}

void engine_resume(uint64_t paused)
{
	struct probe_thread *thread = start_error ? NULL : probe_thread_self();
	uint64_t mask = ~paused & ~SIGNALS_OWNED;

	if (thread)
		thread->engine_depth--;
	if (--own_depth)
		return;
	counters_pause(false);
	/* Not SIG_SETMASK: signals_init() may have changed it in between. */
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, KERNEL_SIZE);
}

void engine_lock(void)
{
	uint64_t old = engine_pause();

	pthread_mutex_lock(&mutex);
	if (own_depth == 1) {
		outer_mask = old;
		objects_invalidate();
	}
}

void engine_unlock(void)
{
	uint64_t paused = outer_mask;

	pthread_mutex_unlock(&mutex);
	engine_resume(paused);
}

int engine_start(void)
{
	static const struct signals_ours handlers = {trap_handler, fault_handler,
						     deliver_asynchronous};

	if (started || start_error)
		return start_error;
	start_error = patch_init();
	if (start_error)
		return start_error;
	hit_init();
	start_error = signals_init(&handlers);
	if (!start_error)
		start_error = guard_arm();
	if (!start_error)
		start_error = loader_watch();
	started = !start_error;
	return start_error;
}
