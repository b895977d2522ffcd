/* SPDX-License-Identifier: MIT */
/*
 * Nothing is done to a process until its first probe: linking the library is free. From then on
 * its signals are ours (signals.c), and the calls by which libc would block SIGTRAP are guarded
 * (probe/guard/).
 */
#include "probe/engine/engine.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "fallback-xol/code_memory.h"
#include "probe/engine/loader.h"
#include "probe/engine/lock.h"
#include "probe/guard/scan.h"
#include "probe/guest/host.h"
#include "probe/guest/membarrier.h"
#include "probe/guest/signals.h"
#include "probe/site/running.h"
#include "probe/thread/altstack.h"
#include "probe/thread/thread.h"
#include "probe/trap/deliver.h"
#include "probe/trap/trap.h"
#include "sys/barrier.h"

static bool started, is_ours;

static int take_over(void)
{
	static const struct signals_ours handlers = {trap_handler, fault_handler,
						     deliver_asynchronous};
	int error = signals_are_taken() ? -EP_OTHER_ENGINE : 0;

	if (error)
		return error;
	error = signals_init(&handlers);
	if (!error)
		error = guard_arm();
	/* What could not be taken out again still needs its handler. */
	if (error && guard_count() == 0)
		signals_deinit();
	return error;
}

/* ---- what may not go away ------------------------------------------------------------------ */

struct work {
	void (*run)(void *data);
	void *data;
};

static int run_held(struct dl_phdr_info *info, size_t size, void *data)
{
	const struct work *work = data;

	(void)info;
	(void)size;
	work->run(work->data);
	return 1;
}

/* The loader holds its list, and all that is on it, while somebody walks through it. */
void engine_hold_objects(void (*run)(void *data), void *data)
{
	struct work work = {run, data};

	dl_iterate_phdr(run_held, &work);
}

/* Not there in static programs, from which nothing is unloaded. */
#pragma weak dlopen
#pragma weak dladdr
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static bool in_executable(void)
{
	return getauxval(AT_PHDR) == (uint64_t)&__ehdr_start + __ehdr_start.e_phoff;
}

/*
 * Our handlers are in the kernel and our jumps in the text: what we are a part of, a library or a
 * plugin with the engine inside, must stay. Without the lock, since the loader has one of its own,
 * whose owner may be waiting for ours. Not before libc is initialized, which dlopen() would do too
 * early: what is loaded by then stays anyway.
 */
void engine_stay(void)
{
	static atomic_bool stays;
	Dl_info info;

	if (atomic_load(&stays))
		return;
	if (environ && !in_executable() && dlopen && dladdr &&
	    dladdr((const void *)&run_held, &info))
		dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
	atomic_store(&stays, true);
}

/* ---- start --------------------------------------------------------------------------------- */

static int prepare_barriers(void)
{
	membarrier_look(); /* before we are registered ourselves */
	return sys_barrier_register() ? 0 : -EP_NO_MEMBARRIER;
}

/* Whatever fails leaves the process as it was, and may be tried again. */
int engine_start(void)
{
	int error = engine_watches_forks() ? 0 : -EP_NO_MEMORY;

	if (started)
		return guard_gap();
	if (!error)
		error = host_check();
	if (!error)
		error = prepare_barriers();
	if (!error)
		error = xol_code_check();
	if (!error)
		error = probe_thread_init();
	if (error)
		return error;
	engine_tell_depth();
	running_init();
	if (!is_ours)
		error = take_over();
	is_ours = !error;
	if (is_ours)
		altstack_enable();
	if (!error)
		error = loader_watch();
	started = !error;
	return error;
}
