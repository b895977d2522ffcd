/* SPDX-License-Identifier: MIT */
/*
 * A byte may only be replaced if an instruction begins there. Nothing in the machine code says
 * where one begins, so the function is decoded from its start, which symbols and unwind
 * information know. Places asked for in ascending order (a batch is sorted) share that work.
 */
#include "probe/image/place.h"

#include <string.h>
#include <sys/auxv.h>

#include "fallback-xol/boost.h"
#include "probe/image/functions.h"
#include "probe/image/objects.h"
#include "probe/image/original.h"
#include "sys/abi.h"
#include "sys/maps.h"

#define VSYSCALL_PAGE 0xffffffffff600000u

extern const char __start_ep_trap_path[] __attribute__((visibility("hidden")));
extern const char __stop_ep_trap_path[] __attribute__((visibility("hidden")));

struct region {
	uint64_t address;
	uint64_t end; /* of the executable memory that holds the address; 0: none does */
};

static void visit_mapping(const struct sys_mapping *mapping, void *data)
{
	struct region *region = data;

	if (region->address >= mapping->lo && region->address < mapping->hi &&
	    mapping->executable && mapping->readable)
		region->end = mapping->hi;
}

static bool is_engine(const struct objects_object *object, uint64_t address)
{
	struct xol_origin origin;

	return (object && object->is_engine) || xol_origin(address, &origin) ||
	       (address >= (uint64_t)__start_ep_trap_path &&
		address < (uint64_t)__stop_ep_trap_path);
}

static bool in_rseq(const struct objects_object *object, uint64_t address)
{
	for (size_t i = 0; i < object->rseq_count; i++)
		if (address >= object->rseq[i][0] && address < object->rseq[i][1])
			return true;
	return false;
}

/* Decode what stands in memory at @address, before @end, without our int3s. */
static int decode(uint64_t address, uint64_t end, struct x86_insn *ret)
{
	uint8_t bytes[X86_INSN_MAX];
	size_t size = end - address < sizeof(bytes) ? end - address : sizeof(bytes);

	if (!original_read(address, bytes, size))
		return -EP_NOT_EXECUTABLE;
	return x86_decode(bytes, size, address, ret);
}

/* Does decoding from @function's start lead to @address? */
static int check_boundary(const struct objects_function *function, uint64_t address, uint64_t end)
{
	static uint64_t last_start, last_at, last_generation; /* where the last walk got to */
	uint64_t at = function->start;

	if (last_generation == objects_generation() && last_start == function->start &&
	    last_at > at && last_at <= address)
		at = last_at;
	while (at < address) {
		struct x86_insn insn;

		if (decode(at, end, &insn))
			return -EP_NOT_AN_INSN; /* data before it: cannot be told */
		at += insn.length;
	}
	if (at != address)
		return -EP_NOT_AN_INSN;
	last_start = function->start;
	last_at = at;
	last_generation = objects_generation();
	return 0;
}

static int check_in_object(struct objects_object *object, uint64_t address, uint64_t end)
{
	const struct objects_function *function;
	int error;

	if (object->is_vdso)
		return -EP_VDSO;
	error = objects_read_functions(object);
	if (error)
		return error;
	if (address >= object->trap_path[0] && address < object->trap_path[1])
		return -EP_FORBIDDEN;
	if (in_rseq(object, address))
		return -EP_RSEQ;
	function = objects_function_at(object, address);
	if (!function)
		return -EP_NO_FUNCTION;
	return check_boundary(function, address, end);
}

static int find_code(const struct objects_object *object, uint64_t address, uint64_t *ret_end)
{
	struct region region = {.address = address};

	if (object)
		*ret_end = objects_code_end(object, address);
	if (*ret_end)
		return 0;
	if (sys_maps_each(visit_mapping, &region) || !region.end)
		return -EP_NOT_EXECUTABLE;
	*ret_end = region.end;
	return 0;
}

int place_decode(uint64_t address, struct x86_insn *ret)
{
	uint64_t end = 0;
	int error = find_code(objects_find(address), address, &end);

	return error ? error : decode(address, end, ret);
}

int place_check(uint64_t address, struct x86_insn *ret)
{
	struct objects_object *object = objects_find(address);
	struct x86_insn insn;
	uint64_t end = 0;
	uint8_t first;
	int error;

	if ((address & -SYS_PAGE_SIZE) == VSYSCALL_PAGE)
		return -EP_VDSO;
	if (is_engine(object, address))
		return -EP_FORBIDDEN;
	error = find_code(object, address, &end);
	if (!error && object)
		error = check_in_object(object, address, end);
	if (error)
		return error;
	if (!original_read(address, &first, 1))
		return -EP_NOT_EXECUTABLE;
	if (first == 0xcc) /* int3 */
		return -EP_FOREIGN_INT3;
	error = decode(address, end, &insn);
	if (!error)
		*ret = insn;
	return error;
}

/* The last name at or below @address; of several at one start, a strong one. */
static const struct objects_function *name_of(const struct objects_object *object, uint64_t address)
{
	const struct objects_function *best = NULL;

	for (size_t i = objects_count_up_to(object, address); i-- > 0;) {
		const struct objects_function *function = &object->functions[i];

		if (best && function->start != best->start)
			break;
		if (function->name && (!best || (best->weak && !function->weak)))
			best = function;
	}
	return best;
}

/* As much of it as fits in. */
static void put_name(char *to, size_t size, const char *name)
{
	size_t i = 0;

	for (; i + 1 < size && name[i]; i++)
		to[i] = name[i];
	to[i] = '\0';
}

void place_describe(uint64_t address, struct ep_info *ret)
{
	struct objects_object *object = objects_find(address);
	const struct objects_function *function = NULL;

	ret->object[0] = ret->symbol[0] = '\0';
	ret->symbol_offset = 0;
	if (!object)
		return;
	put_name(ret->object, sizeof(ret->object), object->name);
	if (objects_read_functions(object) == 0)
		function = name_of(object, address);
	if (!function) {
		ret->symbol_offset = address - object->base;
		return;
	}
	put_name(ret->symbol, sizeof(ret->symbol), function->name);
	ret->symbol_offset = address - function->start;
}
