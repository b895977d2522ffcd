/* SPDX-License-Identifier: MIT */
/*
 * Before it is first used, the pointer of a PLT's entry leads back into the PLT, and from there to the
 * loader, which looks the function up by its name. We cannot ask the loader, whose lock is outside of
 * ours. So all functions that it could find are taken together: objects in other namespaces are not
 * searched by it, and what is not loaded yet comes too late in its order, where the name is there
 * already.
 */
#include "probe/image/slots.h"

#include <string.h>

#include "probe/image/functions.h"
#include "probe/image/names.h"
#include "probe/image/objects.h"
#include "probe/image/objects_piece.h"
#include "probe/image/resolvers.h"

static bool add(struct slots_targets *targets, uint64_t target)
{
	for (uint32_t i = 0; i < targets->count; i++)
		if (targets->at[i] == target)
			return true;
	if (targets->count == SLOTS_TARGETS_MAX)
		return false;
	targets->at[targets->count++] = target;
	return true;
}

/* False: it exports one of that name of which it is not known where it leads. */
static bool add_of(struct objects_object *object, const char *name, struct slots_targets *targets)
{
	const struct objects_function *function;
	struct names_walk walk;
	uint64_t start;

	names_begin(&walk, object, name);
	while ((function = names_next(&walk))) {
		if (!function->exported || strcmp(function->name, name) != 0)
			continue;
		start = resolvers_implementation(object, function);
		if (!start || !add(targets, start))
			return false;
	}
	return true;
}

static bool find_by_name(const char *name, struct slots_targets *ret)
{
	struct objects_object **objects;
	size_t count;

	if (objects_list(&objects, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (objects[i]->is_foreign || objects[i]->is_vdso)
			continue;
		if (objects_read_functions(objects[i]) || !add_of(objects[i], name, ret))
			return false;
	}
	return ret->count > 0;
}

bool slots_find(uint64_t slot, struct slots_targets *ret)
{
	const struct objects_object *object = objects_find(slot);
	struct objects_piece name;
	const char *text;
	bool found;

	ret->count = 0;
	if (!object || object->is_foreign || objects_read_slot(object, slot, &name))
		return false;
	text = objects_piece_string(&name, 0);
	/* One that is cut would be another one. */
	found = text && *text && strlen(text) < name.size && find_by_name(text, ret);
	objects_piece_free(&name);
	return found;
}
