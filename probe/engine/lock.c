/* SPDX-License-Identifier: MIT */
/*
 * Whoever waits for the lock does what the program did not ask for, and a signal handler of the
 * program's that interrupted its owner might wait for ever. So the owner gets no signals, and what
 * it reaches does not count. fork() is made with the lock held: the child finds the engine whole.
 */
#include "probe/engine/lock.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "probe/guest/park.h"
#include "probe/guest/signals.h"
#include "probe/image/objects.h"
#include "probe/thread/counters.h"
#include "probe/thread/records.h"
#include "probe/thread/thread.h"
#include "sys/abi.h"
#include "sys/call.h"

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static __thread unsigned int own_depth; /* how often this thread has taken the lock */
static uint64_t outer_mask;
static bool forks_are_watched;

void engine_tell_depth(void)
{
	struct probe_thread *thread = probe_thread_self();

	if (thread)
		thread->engine_depth = own_depth;
}

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
	records_follow_fork();
	counters_follow_fork();
	engine_tell_depth();
	mutex = unlocked; /* its owner has another ID here */
	pthread_mutex_lock(&mutex);
	engine_unlock();
}

uint64_t engine_pause(void)
{
	/* Who waits for the lock while its owner starts the engine must be found by park.c. */
	uint64_t all = SIGNALS_HELD & ~SIGNALS_BIT(PARK_SIGNAL), old = 0;

	if (own_depth == 0)
		sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, SYS_SIGSET_SIZE);
	if (own_depth++ == 0)
		counters_pause(true);
	engine_tell_depth();
	return old; /* of the outermost, the only one that sets it again */
}

void engine_resume(uint64_t paused)
{
	uint64_t mask = ~paused & ~SIGNALS_OWNED;

	own_depth--;
	engine_tell_depth();
	if (own_depth)
		return;
	counters_pause(false);
	/* Not SIG_SETMASK: signals_init() may have changed it in between. */
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, SYS_SIGSET_SIZE);
}

void engine_lock(void)
{
	uint64_t old = engine_pause();

	pthread_mutex_lock(&mutex);
	if (own_depth == 1) {
		outer_mask = old;
		objects_invalidate();
	}
	if (!forks_are_watched)
		forks_are_watched = !pthread_atfork(before_fork, after_fork, after_fork_child);
	engine_tell_depth(); /* the engine may have been started while we waited */
}

void engine_unlock(void)
{
	uint64_t paused = outer_mask;

	pthread_mutex_unlock(&mutex);
	engine_resume(paused);
}

bool engine_watches_forks(void)
{
	return forks_are_watched;
}
