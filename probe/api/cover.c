/* SPDX-License-Identifier: MIT */
/* What is asked of places that are watched only until they are reached. */
#include "include/covering.h"

#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/image/objects.h"
#include "probe/site/cover.h"

static int watch_all(const struct ep_cover *covers, size_t count)
{
	struct objects_object **objects;
	size_t object_count;
	int error = objects_list(&objects, &object_count);

	if (error)
		return error;
	cover_set(covers, count);
	for (size_t i = 0; i < object_count; i++)
		cover_object(objects[i]);
	return 0;
}

int ep_cover(const struct ep_cover *covers, size_t count)
{
	int error;

	engine_stay();
	engine_lock();
	error = engine_start();
	if (!error)
		error = watch_all(covers, count);
	engine_unlock();
	return error;
}
