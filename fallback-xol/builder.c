/* SPDX-License-Identifier: MIT */
/*
 * A slot is built in a buffer, since its size is known only when it is done, and then copied to
 * its address through the writable mapping. Encodings come from x86/encode; here is only what the
 * choice between a short and a long form depends on: the distance.
 */
#include "fallback-xol/builder.h"

#include <string.h>

#include "fallback-xol/arena.h"
#include "fallback-xol/door.h"
#include "x86/encode.h"

#define PIECE_MAX 40 /* no more is written at once */

void xol_build_start(struct xol_builder *to, uint64_t rx, uint64_t address)
{
	to->rx = rx;
	to->address = address;
	to->size = 0;
	to->step_count = 0;
	to->door = 0;
	to->error = 0;
	to->guard = NULL;
}

void xol_build_step(struct xol_builder *to, uint64_t rip, unsigned int state)
{
	struct xol_step step = {.offset = (uint16_t)to->size,
				.state = (uint16_t)state,
				.original = (int32_t)(rip - to->address)};

	if (to->step_count && to->steps[to->step_count - 1].offset == step.offset)
		to->step_count--;
	if (to->step_count == XOL_STEPS_MAX) {
		to->error = -EP_OUT_OF_REACH;
		return;
	}
	to->steps[to->step_count++] = step;
}

/*
 * Not memcpy(): where that is to be probed as well it traps just now, and there are thousands of
 * slots.
 */
static void copy(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

/* Where to write; memory that may be written to after an error. */
static uint8_t *room(struct xol_builder *to)
{
	if (to->size > XOL_CODE_MAX - PIECE_MAX) {
		to->error = -EP_OUT_OF_REACH;
		to->size = 0;
	}
	return to->bytes + to->size;
}

void xol_build_bytes(struct xol_builder *to, const void *bytes, size_t size)
{
	copy(room(to), bytes, size);
	to->size += size;
}

void xol_build_jmp(struct xol_builder *to, uint64_t target)
{
	uint64_t here = xol_build_here(to);

	if (x86_reaches(here, X86_JMP_REL32_SIZE, target))
		to->size += x86_put_jmp(room(to), here, target);
	else
		to->size += x86_put_jmp_abs(room(to), target);
}

void xol_build_jcc(struct xol_builder *to, unsigned int code, uint64_t target)
{
	uint64_t here = xol_build_here(to);

	if (x86_reaches(here, X86_JCC_REL32_SIZE, target)) {
		to->size += x86_put_jcc(room(to), here, code, target);
		return;
	}
	to->size += x86_put_jcc(room(to), here, code ^ 1, /* if not, past the jump */
				here + X86_JCC_REL32_SIZE + X86_JMP_ABS64_SIZE);
	to->size += x86_put_jmp_abs(room(to), target);
}

void xol_build_push(struct xol_builder *to, unsigned int reg)
{
	to->size += x86_put_push(room(to), reg);
}

void xol_build_pop(struct xol_builder *to, unsigned int reg)
{
	to->size += x86_put_pop(room(to), reg);
}

void xol_build_push_value(struct xol_builder *to, uint64_t rip, uint64_t value)
{
	to->size += x86_put_push_imm32(room(to), (int32_t)value);
	xol_build_step(to, rip, XOL_STATE_PUSHED);
	if (value != (uint64_t)(int32_t)value)
		to->size += x86_put_mov_imm32_rsp(room(to), 4, (uint32_t)(value >> 32));
}

void xol_build_return_below(struct xol_builder *to, uint64_t rip, uint64_t value)
{
	to->size += x86_put_push_top(room(to));
	xol_build_step(to, rip, XOL_STATE_PUSHED_TWICE);
	to->size += x86_put_mov_imm32_rsp(room(to), 8, (uint32_t)value);
	to->size += x86_put_mov_imm32_rsp(room(to), 12, (uint32_t)(value >> 32));
	to->size += x86_put_ret(room(to));
}

void xol_build_add_rsp(struct xol_builder *to, int32_t disp)
{
	to->size += x86_put_add_rsp(room(to), disp);
}

void xol_build_call_mem(struct xol_builder *to, uint64_t pointer)
{
	const size_t size = 6;

	to->size += x86_put_call_mem(room(to), (int32_t)(pointer - xol_build_here(to) - size));
}

void xol_build_mov(struct xol_builder *to, unsigned int reg, uint64_t value)
{
	const size_t lea_size = 7;
	uint64_t here = xol_build_here(to);

	if (x86_reaches(here, lea_size, value))
		to->size += x86_put_lea_rip(room(to), reg, (int32_t)(value - here - lea_size));
	else
		to->size += x86_put_mov_imm64(room(to), reg, value);
}

static bool is_ahead(const struct xol_step *step)
{
	return step->state & (XOL_STATE_EXECUTED | XOL_STATE_HANDLED);
}

/* Nothing is out of place. In front of a syscall RCX may be, but is about to be overwritten. */
static bool is_exact(const struct xol_step *step)
{
	if (step->state & XOL_STATE_STACK)
		return false;
	return !(step->state & XOL_STATE_SYSCALL) || !is_ahead(step);
}

/*
 * A part in which something is out of place is done again from the last exact part, if there was
 * no effect yet; or else what is left is done from the next exact part on.
 */
static bool is_further(const struct xol_step *step, const struct xol_step *than)
{
	if (!is_ahead(than))
		return is_ahead(step);
	return (step->state & XOL_STATE_EXECUTED) && !(than->state & XOL_STATE_EXECUTED);
}

static void find_resume(struct xol_step *steps, unsigned int count, unsigned int i)
{
	bool ahead = is_ahead(&steps[i]);
	unsigned int at = i;

	while (!is_exact(&steps[at]) || is_further(&steps[at], &steps[i])) {
		if (ahead ? at + 1 == count : at == 0)
			break;
		at = ahead ? at + 1 : at - 1;
	}
	steps[i].resume = steps[at].offset;
}

int xol_build_finish(const struct xol_builder *from, const struct xol_code *at)
{
	size_t steps_size = from->step_count * sizeof(from->steps[0]);
	struct xol_slot *slot;

	if (from->error)
		return from->error;
	slot = xol_arena_alloc(sizeof(*slot) + steps_size);
	if (!slot)
		return -EP_NO_MEMORY;
	slot->rx = from->rx;
	slot->address = from->address;
	slot->size = (uint16_t)from->size;
	slot->step_count = from->step_count;
	slot->door = from->door;
	copy(slot->steps, from->steps, steps_size);
	for (unsigned int i = 0; i < slot->step_count; i++)
		find_resume(slot->steps, slot->step_count, i);
	copy(at->rw, from->bytes, from->size);
	if (from->door)
		xol_door_open(from->door, from->rx + from->door_back);
	xol_slot_publish(slot);
	return 0;
}
