/* SPDX-License-Identifier: MIT */
/*
 * A symbol table says that a function is a resolver, and a symbol table may say anything: to call what
 * is none may do harm, and to call it in its middle will. So we call what the loader calls, on whose
 * word the program relies anyway:
 *
 *	what the object exports as indirect		as dlsym() does for anybody who asks
 *	what a relocation of it says is a resolver	it was called when the object was loaded
 *
 * and of that only the start of a function by unwind information, which compilers write, where the
 * object has any. A symbol in the object's file alone is not enough: nobody but debuggers reads those.
 */
#include "probe/image/resolvers.h"

#include <stdlib.h>

#include "probe/image/objects.h"

static int by_address(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* Without memory: none. */
static bool is_relocation(struct objects_object *object, uint64_t start)
{
	if (!object->resolvers_read) {
		object->resolvers_read = true;
		if (objects_read_resolvers(object))
			object->resolver_count = 0;
		if (object->resolver_count)
			qsort(object->resolvers, object->resolver_count, sizeof(uint64_t),
			      by_address);
	}
	return object->resolver_count && bsearch(&start, object->resolvers, object->resolver_count,
						 sizeof(uint64_t), by_address);
}

static bool is_callable(struct objects_object *object, uint64_t start)
{
	size_t i = objects_count_up_to(object, start);
	bool begins = !object->has_fdes, exported = false;

	/* All that is said of this address. */
	while (i-- > 0 && object->functions[i].start == start) {
		begins |= object->functions[i].kind == OBJECTS_FDE;
		exported |=
			object->functions[i].kind == OBJECTS_IFUNC && object->functions[i].exported;
	}
	return begins && (exported || is_relocation(object, start));
}

/* Thousands of symbols may be of one address: they are asked for one after the other. */
bool resolvers_may_call(struct objects_object *object, const struct objects_function *function)
{
	if (object->judged != function->start) {
		object->judged_callable = is_callable(object, function->start);
		object->judged = function->start;
	}
	return object->judged_callable;
}

static bool is_code(uint64_t address)
{
	const struct objects_object *object = objects_find(address);

	return object && objects_code_end(object, address);
}

/* A resolver in an object that is not relocated yet cannot run. */
uint64_t resolvers_implementation(struct objects_object *object,
				  const struct objects_function *function)
{
	uint64_t chosen;

	if (function->kind != OBJECTS_IFUNC)
		return function->start;
	if (object->is_new || !resolvers_may_call(object, function))
		return 0;
	/* x86 resolvers take no argument (System V ABI for x86-64, "GNU indirect functions"). */
	chosen = ((uint64_t(*)(void))function->start)();
	return is_code(chosen) ? chosen : 0;
}
