// SPDX-License-Identifier: MIT
/*
 * All roads from the function's first instruction are followed, into calls too. A handler that is
 * found to use general registers only is called without saving the others, which is most of what a
 * call costs. Generated code is not looked at: it may be another tomorrow.
 */
#include "probe/leaf.h"

#include <stddef.h>

#include "probe/objects.h"
#include "probe/place.h"
#include "x86/vector.h"

#define INSNS_MAX 512
#define ROADS_MAX 64

struct walk {
	uint64_t seen[INSNS_MAX]; /* a hash table; 0: free */
	uint64_t roads[ROADS_MAX];
	size_t insn_count, road_count;
	const struct objects_object *object;
};

/* False: it has been there already. */
static bool enter(struct walk *walk, uint64_t address)
{
	size_t i = address * 0x9e3779b97f4a7c15u >> 55;

	while (walk->seen[i] && walk->seen[i] != address)
		i = (i + 1) % INSNS_MAX;
	if (walk->seen[i])
		return false;
	walk->seen[i] = address;
	walk->insn_count++;
	return true;
}

static bool add_road(struct walk *walk, uint64_t address)
{
	if (walk->road_count == ROADS_MAX)
		return false;
	walk->roads[walk->road_count++] = address;
	return true;
}

/* Does the road go on behind @insn? @ret_ok: false if it may lead anywhere. */
static bool goes_on(struct walk *walk, const struct x86_insn *insn, bool *ret_ok)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_NONE:
	case X86_FLOW_SYSCALL:
		return true;
	case X86_FLOW_JCC:
	case X86_FLOW_CALL:
		*ret_ok = add_road(walk, x86_insn_target(insn));
		return true;
	case X86_FLOW_JMP:
		*ret_ok = add_road(walk, x86_insn_target(insn));
		return false;
	case X86_FLOW_RET:
		return false;
	default:
		*ret_ok = false;
		return false;
	}
}

static bool follow(struct walk *walk, uint64_t at)
{
	bool ok = true;

	while (enter(walk, at)) {
		struct x86_insn insn;

		if (walk->insn_count > INSNS_MAX / 2 || at < walk->object->start ||
		    at >= walk->object->end || place_decode(at, &insn) ||
		    !x86_insn_is_general(&insn))
			return false;
		if (!goes_on(walk, &insn, &ok) || !ok)
			return ok;
		at = x86_insn_end(&insn);
	}
	return true;
}

static bool look(uint64_t function)
{
	struct walk walk = {.object = objects_find(function)};

	if (!walk.object || !add_road(&walk, function))
		return false;
	while (walk.road_count)
		if (!follow(&walk, walk.roads[--walk.road_count]))
			return false;
	return true;
}

bool leaf_is_general(uint64_t function)
{
	static struct {
		uint64_t function, generation;
		bool is_general;
	} last;

	if (last.function != function || last.generation != objects_generation()) {
		last.is_general = look(function);
		last.generation = objects_generation();
		last.function = function;
	}
	return last.is_general;
}
