/* SPDX-License-Identifier: MIT */
/* The public API: being told of objects that come and go. */
#include "include/emuprobe.h"
#include "probe/engine/engine.h"
#include "probe/engine/loader.h"
#include "probe/engine/lock.h"
#include "probe/thread/thread.h"

int ep_watch_objects(ep_object_handler handler, void *data)
{
	int error;

	if (!handler)
		return -EP_INVALID;
	if (probe_thread_in_handler())
		return -EP_IN_HANDLER;
	engine_stay();
	engine_lock();
	error = engine_start();
	if (!error)
		error = loader_add(handler, data);
	engine_unlock();
	return error;
}

int ep_unwatch_objects(ep_object_handler handler, void *data)
{
	int error;

	if (!handler)
		return -EP_INVALID;
	if (probe_thread_in_handler())
		return -EP_IN_HANDLER;
	engine_lock();
	error = loader_remove(handler, data);
	engine_unlock();
	return error;
}
