/* SPDX-License-Identifier: MIT */
/*
 * The loader tells debuggers what it does by calling a function that does nothing, whose address it
 * publishes (link.h, struct r_debug). A site of the engine's own stands there, and sends the thread
 * to changed() instead, as if that had been called: on the program's stack, of which it takes
 * little (roomy.c), with the loader's lock held and no other. Objects that were loaded are mapped
 * by then and not yet relocated, and no
 * code of theirs has run; those that were unloaded are gone.
 *
 *	dl_open_worker() -> _dl_debug_state: int3 -> trap_handler -> changed() -> watchers
 *	                 <------------------------------------------ ret
 */
#include "probe/engine/loader.h"

#include <errno.h>
#include <stddef.h>

#include "probe/engine/lock.h"
#include "probe/engine/roomy.h"
#include "probe/guard/scan.h"
#include "probe/image/callers.h"
#include "probe/image/objects.h"
#include "probe/site/cover.h"
#include "probe/site/sites.h"
#include "probe/thread/thread.h"

#define WATCHERS_MAX 16

static struct watcher {
	ep_object_handler handler;
	void *data;
} watchers[WATCHERS_MAX];

static bool is_watched, any_changed;

static void tell(const struct objects_object *object, bool loaded)
{
	const struct ep_object told = {
		.name = object->name,
		.path = object->path,
		.start = (const void *)object->start,
		.end = (const void *)object->end,
	};

	for (int i = 0; i < WATCHERS_MAX; i++)
		if (watchers[i].handler)
			watchers[i].handler(&told, loaded, watchers[i].data);
}

static void on_change(struct objects_object *object, bool loaded)
{
	any_changed = true;
	if (loaded) {
		guard_object(object);
		cover_object(object);
	} else {
		cover_forget(object);
		guard_forget(object);
		sites_forget(object->start, object->end);
	}
	tell(object, loaded);
}

static void look(void)
{
	any_changed = false;
	objects_changes(on_change);
	if (any_changed)
		callers_refresh();
}

static void changed(void)
{
	int error = errno;

	engine_lock();
	roomy_run(look);
	engine_unlock();
	errno = error;
}

/*
 * The address of changed(), which may not run in a trap: the trap path only makes the thread go there.
 * Not constant: a compiler would put the name of the function into intercept(), which looks as if the
 * trap path called it.
 */
static _Atomic uint64_t to_changed;

EP_TRAP_PATH static bool intercept(const struct probe_site *site, struct ep_regs *regs,
				   void *ucontext)
{
	(void)site;
	(void)ucontext;
	regs->rip = to_changed;
	return true;
}

int loader_watch(void)
{
	struct probe_site *site;
	int error;

	if (!_r_debug.r_brk)
		return 0;
	error = sites_get(_r_debug.r_brk, EP_PLAN_TRAP, &site);
	if (error)
		return error == -EP_NO_MEMORY ? error : 0;
	to_changed = (uint64_t)changed;
	site->intercept = intercept;
	error = sites_arm(&site, 1, false);
	objects_watch();
	is_watched = !error;
	return error;
}

int loader_add(ep_object_handler handler, void *data)
{
	if (!is_watched)
		return -EP_UNSUPPORTED;
	for (int i = 0; i < WATCHERS_MAX; i++) {
		if (watchers[i].handler)
			continue;
		watchers[i] = (struct watcher){handler, data};
		return 0;
	}
	return -EP_NO_MEMORY;
}

int loader_remove(ep_object_handler handler, void *data)
{
	for (int i = 0; i < WATCHERS_MAX; i++) {
		if (watchers[i].handler != handler || watchers[i].data != data)
			continue;
		watchers[i].handler = NULL;
		return 0;
	}
	return -EP_INVALID;
}
