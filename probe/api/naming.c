/* SPDX-License-Identifier: MIT */
/*
 * All the names that there are, and where addresses come from: for messages, and for definitions that
 * are to mean the same elsewhere.
 */
#include "include/naming.h"

#include <stdio.h>

#include "probe/api/places.h"
#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/image/functions.h"
#include "probe/image/glob.h"
#include "probe/image/objects.h"
#include "probe/thread/thread.h"

struct visit {
	const struct ep_place *place;
	int (*visit)(const struct ep_name *name, void *data);
	void *data;
	int ret;
};

static int visit_object(struct objects_object *object, const struct visit *visit)
{
	struct ep_name name = {
		.object = object->name,
		.is_executable = object->is_executable,
		.is_meant = places_object_matches(object, visit->place),
	};
	int ret = objects_read_functions(object);

	if (!ret)
		ret = objects_read_versions(object);
	if (!ret)
		ret = visit->visit(&name, visit->data);
	for (size_t i = 0; i < object->function_count && !ret; i++) {
		name.symbol = object->functions[i].name;
		name.version = objects_version(object, &object->functions[i]);
		name.is_default = !object->functions[i].hidden_version;
		ret = name.symbol ? visit->visit(&name, visit->data) : 0;
	}
	return ret;
}

static void visit_all(void *data)
{
	struct visit *visit = data;
	struct objects_object **objects;
	size_t count = 0;

	visit->ret = objects_list(&objects, &count);
	for (size_t i = 0; i < count && !visit->ret; i++)
		if (!objects[i]->is_engine && !objects[i]->is_vdso)
			visit->ret = visit_object(objects[i], visit);
}

int ep_each_name(const struct ep_place *place, int (*visit)(const struct ep_name *name, void *data),
		 void *data)
{
	struct visit all = {place, visit, data, 0};

	if (probe_thread_in_handler())
		return -EP_IN_HANDLER;
	engine_lock();
	engine_hold_objects(visit_all, &all);
	engine_unlock();
	return all.ret;
}

bool ep_name_matches(const char *pattern, const char *name)
{
	return glob_matches(pattern, name);
}

/* ---- addresses ----------------------------------------------------------------------------- */

struct location {
	uint64_t address, offset;
	char *path;
	size_t size;
	bool found;
};

static void locate(void *data)
{
	struct location *location = data;
	const struct objects_object *object = objects_find(location->address);

	location->found = object && objects_code_end(object, location->address);
	if (!location->found)
		return;
	snprintf(location->path, location->size, "%s", object->path);
	location->offset = objects_file_offset(object, location->address);
}

bool ep_locate(const void *addr, char *ret_path, size_t size, uint64_t *ret_offset)
{
	struct location location = {(uint64_t)addr, 0, ret_path, size, false};

	if (probe_thread_in_handler())
		return false;
	engine_lock();
	engine_hold_objects(locate, &location);
	engine_unlock();
	if (location.found)
		*ret_offset = location.offset;
	return location.found;
}
