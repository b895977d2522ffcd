/* SPDX-License-Identifier: MIT */
/*
 * `jmp rel32` overwrites up to five instructions, of which all but the first may be jumped to, by
 * roads that no analysis finds. So the detour's address is chosen to make each of these boundaries
 * a trap:
 *
 *	offset	0    1    2    3    4
 *		E9   d0   d1   d2   d3		rel32 = head - (address + 5)
 *		     |              |
 *		     CC             CC		boundaries at 1 and 4
 *
 * d3 = CC puts the head 816 to 832 MiB below. Where an executable has nothing below it, bytes that
 * are no instruction in 64-bit mode do the same with SIGILL, some of them above. What the jump
 * goes to is the detour itself if no byte is prescribed, and else a head which jumps there:
 *
 *	address: jmp ----> head: jmp ----> detour: data
 *						   call handler
 *	boundary 1 .. by trap ------------>	   displaced instruction 0
 *				 `-------->	   displaced instruction 1 ...
 *	behind:  <---------------------------------jmp behind
 */
#include "fallback-xol/jump.h"

#include <string.h>

#include "fallback-xol/displace.h"
#include "fallback-xol/head.h"
#include "x86/encode.h"

/* ---- the region ---------------------------------------------------------------------------- */

static int check_region(const struct x86_insn *insns, unsigned int count, bool is_short)
{
	uint64_t at = insns->address;

	if (!count || count > XOL_JUMP_SIZE)
		return -EP_INVALID;
	for (unsigned int i = 0; i < count; i++) {
		if (insns[i].address != at || at - insns->address >= XOL_JUMP_SIZE)
			return -EP_INVALID;
		at = x86_insn_end(&insns[i]);
	}
	return (at - insns->address < XOL_JUMP_SIZE) == is_short ? 0 : -EP_INVALID;
}

static bool is_call(const struct x86_insn *insn)
{
	enum x86_flow flow = x86_insn_flow(insn);

	return flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_IND;
}

static void describe_region(const struct x86_insn *insns, unsigned int count, struct xol_jump *ret)
{
	*ret = (struct xol_jump){.address = insns->address, .count = (uint8_t)count};
	for (unsigned int i = 0; i < count; i++) {
		uint64_t end = x86_insn_end(&insns[i]) - insns->address;

		ret->offset[i] = (uint8_t)(insns[i].address - insns->address);
		ret->length = (uint8_t)end;
		ret->returns_inside |= is_call(&insns[i]) && i + 1 < count;
	}
}

/*
 * A call in place of a call: its return address is the right one, and the processor will predict
 * the return.
 */
static bool is_called(const struct x86_insn *insns, const struct xol_detour *detour,
		      const struct xol_jump *jump)
{
	return !detour->asks_the_way && !detour->condition_count && jump->count == 1 &&
	       jump->length == XOL_JUMP_SIZE && x86_insn_flow(insns) == X86_FLOW_CALL;
}

/* ---- detour -------------------------------------------------------------------------------- */

static int build(const struct x86_insn *insns, const struct xol_detour *detour,
		 struct xol_builder *to, struct xol_jump *jump, uint64_t *ret_code)
{
	int error = 0;

	to->guard = detour->guard;
	*ret_code = xol_build_detour(to, jump->address, detour,
				     is_called(insns, detour, jump) ? x86_insn_target(insns) : 0);
	for (unsigned int i = 0; i < jump->count && !error; i++) {
		jump->entry[i] = xol_build_here(to);
		error = xol_displace(&insns[i], to);
	}
	xol_build_step(to, jump->address + jump->length, XOL_STATE_EXECUTED);
	xol_build_jmp(to, jump->address + jump->length);
	return error;
}

static struct sys_window window_for(const struct x86_insn *insns, const struct xol_jump *jump)
{
	struct sys_window window = xol_code_reach(jump->address, XOL_JUMP_SIZE);

	if (jump->head)
		window = sys_intersect(window, xol_code_reach(jump->head, XOL_JUMP_SIZE));
	for (unsigned int i = 0; i < jump->count; i++)
		window = sys_intersect(window, xol_displace_window(&insns[i]));
	return window;
}

/*
 * Where everything is in reach the detour takes as much as it would at the original address.
 * @ret_code is where its code begins.
 */
static int make_detour(const struct x86_insn *insns, const struct xol_detour *detour,
		       struct xol_jump *jump, uint64_t *ret_code)
{
	struct xol_builder builder;
	struct xol_code code;
	size_t size;
	int error;

	xol_build_start(&builder, jump->address, jump->address);
	error = build(insns, detour, &builder, jump, ret_code);
	if (error)
		return error;
	size = builder.size;
	error = xol_slot_alloc(window_for(insns, jump), jump->address, size, &code);
	if (error)
		return error;
	xol_build_start(&builder, code.rx, jump->address);
	error = build(insns, detour, &builder, jump, ret_code);
	if (!error && builder.size > size)
		error = -EP_OUT_OF_REACH;
	if (error)
		return error;
	return xol_build_finish(&builder, &code);
}

/* ---- head ---------------------------------------------------------------------------------- */

/*
 * First int3, then what raises #UD in 64-bit mode (Intel SDM, "One-byte Opcode Map", i64), in the
 * order of the distances that they mean as the highest byte.
 */
static const uint8_t traps[] = {
	X86_INT3, 0xd6, 0xd4, 0xce, 0xea, 0x0e, 0x06, 0x07, 0x16, 0x17,
	0x1e,	  0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x9a, 0x82,
};

#define TRAP_COUNT sizeof(traps)

/* The bytes of rel32 that are boundaries. */
static uint32_t boundary_mask(const struct xol_jump *jump)
{
	uint32_t mask = 0;

	for (unsigned int i = 1; i < jump->count; i++)
		mask |= (uint32_t)0xff << (8 * (jump->offset[i] - 1));
	return mask;
}

/* The bytes of rel32 that are left as they are, and what they are. */
static struct xol_pattern pattern_of_rest(const struct xol_jump *jump, const uint8_t *original)
{
	struct xol_pattern pattern = {.base = jump->address + XOL_JUMP_SIZE,
				      .is_lone = jump->length < XOL_JUMP_SIZE};

	for (unsigned int i = jump->length; i < XOL_JUMP_SIZE; i++) {
		pattern.mask |= (uint32_t)0xff << (8 * (i - 1));
		pattern.value |= (uint32_t)original[i] << (8 * (i - 1));
	}
	return pattern;
}

/* Every boundary int3, but for the two highest, which decide about distance. */
static int alloc_head(struct xol_pattern rest_of_it, uint32_t boundaries, bool growth,
		      struct xol_code *ret)
{
	unsigned int high = (31 - (unsigned int)__builtin_clz(boundaries)) & ~7u;
	uint32_t rest = boundaries & ~((uint32_t)0xff << high);
	unsigned int low = rest ? (31 - (unsigned int)__builtin_clz(rest)) & ~7u : high;
	uint32_t int3s =
		0xcccccccc & boundaries & ~((uint32_t)0xff << high | (uint32_t)0xff << low);
	struct xol_pattern pattern = rest_of_it;
	int error = -EP_OUT_OF_REACH;

	pattern.mask |= boundaries;
	for (unsigned int second = 0; second < (rest ? TRAP_COUNT : 1); second++) {
		for (unsigned int first = 0; first < TRAP_COUNT; first++) {
			pattern.value = rest_of_it.value | int3s | (uint32_t)traps[first] << high;
			if (rest)
				pattern.value |= (uint32_t)traps[second] << low;
			error = xol_head_alloc(pattern, growth, ret);
			if (error != -EP_OUT_OF_REACH)
				return error;
		}
	}
	return error;
}

static int choose_head(const struct xol_jump *jump, const uint8_t *original, struct xol_code *ret)
{
	struct xol_pattern rest = pattern_of_rest(jump, original);
	uint32_t boundaries = boundary_mask(jump);
	int error = -EP_OUT_OF_REACH;

	for (int growth = 0; growth < 2 && error == -EP_OUT_OF_REACH; growth++)
		error = boundaries ? alloc_head(rest, boundaries, growth, ret)
				   : xol_head_alloc(rest, growth, ret);
	return error;
}

static void write_jump(const struct x86_insn *insns, const struct xol_detour *detour,
		       struct xol_jump *jump)
{
	x86_put_jmp(jump->bytes, jump->address, jump->head);
	if (is_called(insns, detour, jump))
		jump->bytes[0] = X86_CALL_REL32;
	for (unsigned int i = 1; i < jump->count; i++)
		jump->invalid_opcode |= jump->bytes[jump->offset[i]] != X86_INT3;
}

static int prepare_with_head(const struct x86_insn *insns, const uint8_t *original,
			     const struct xol_detour *detour, struct xol_jump *jump)
{
	struct xol_code head;
	uint64_t code;
	int error = choose_head(jump, original, &head);

	if (error)
		return error;
	jump->head = head.rx;
	error = make_detour(insns, detour, jump, &code);
	if (error)
		return error;
	x86_put_jmp(head.rw, head.rx, code);
	return xol_head_publish(head.rx, jump->address);
}

/* Before anything is allocated: head memory is not given back. */
static int check_displaceable(const struct x86_insn *insns, const struct xol_detour *detour,
			      struct xol_jump *jump)
{
	struct xol_builder builder;
	uint64_t code;

	xol_build_start(&builder, jump->address, jump->address);
	return build(insns, detour, &builder, jump, &code);
}

int xol_jump_check(const struct x86_insn *insns, unsigned int count)
{
	const struct xol_detour detour = {0};
	struct xol_jump jump;
	int error = check_region(insns, count, false);

	if (error)
		return error;
	describe_region(insns, count, &jump);
	return check_displaceable(insns, &detour, &jump);
}

/* @original: of a short region; NULL: it is none. */
static int prepare(const struct x86_insn *insns, unsigned int count, const uint8_t *original,
		   const struct xol_detour *detour, struct xol_jump *ret)
{
	struct xol_jump jump;
	int error = check_region(insns, count, original);

	if (error)
		return error;
	describe_region(insns, count, &jump);
	error = check_displaceable(insns, detour, &jump);
	if (!error)
		error = count > 1 || original ? prepare_with_head(insns, original, detour, &jump)
					      : make_detour(insns, detour, &jump, &jump.head);
	if (error)
		return error;
	write_jump(insns, detour, &jump);
	*ret = jump;
	return 0;
}

int xol_jump_prepare(const struct x86_insn *insns, unsigned int count,
		     const struct xol_detour *detour, struct xol_jump *ret)
{
	return prepare(insns, count, NULL, detour, ret);
}

int xol_jump_prepare_short(const struct x86_insn *insns, unsigned int count,
			   const uint8_t original[XOL_JUMP_SIZE], const struct xol_detour *detour,
			   struct xol_jump *ret)
{
	return prepare(insns, count, original, detour, ret);
}

EP_TRAP_PATH uint64_t xol_jump_entry(const struct xol_jump *jump, uint64_t address)
{
	for (unsigned int i = 0; i < jump->count; i++)
		if (address == jump->address + jump->offset[i])
			return jump->entry[i];
	return 0;
}
