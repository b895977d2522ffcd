/* SPDX-License-Identifier: MIT */
/*
 * Some system calls must be seen by the engine, but one `syscall` instruction may serve all, as in
 * libc's syscall(), and most of them are none of our business. So the copy looks at the number
 * first, in a nanosecond: RCX and R11 are free there, since the call overwrites them, and nothing
 * changes a flag.
 *
 *		movzwl	%ax, %ecx
 *		mov	numbers(%rip), %r11
 *		movzbl	(%r11,%rcx), %ecx
 *		jrcxz	pass
 *		lea	data(%rip), %r11
 *		jmp	*enter(%rip)
 *	data:	.quad	address, pass, done, numbers, enter, door
 *	pass:	jmp	*door(%rip)	# or syscall, where there are no more doors
 *	done:	...
 */
#include "fallback-xol/guarded.h"

#include "fallback-xol/builder.h"
#include "fallback-xol/door.h"
#include "fallback-xol/slot.h"
#include "x86/encode.h"
#include "x86/insn.h"

enum { RCX = 1, R11 = 11 };
enum { MOV_SIZE = 7, JUMP_MEM_SIZE = 6, JRCXZ_SIZE = 2, LOOK_SIZE = 30 };

static void build_look(struct xol_builder *to, uint64_t data)
{
	uint8_t bytes[16];
	uint64_t next;

	xol_build_bytes(to, bytes, x86_put_movzx_ecx_ax(bytes));
	next = xol_build_here(to) + MOV_SIZE;
	xol_build_bytes(to, bytes,
			x86_put_mov_rip(bytes, R11, (int32_t)(data + GUARDED_NUMBERS - next)));
	xol_build_bytes(to, bytes, x86_put_load_ecx_r11_rcx(bytes));
	next = xol_build_here(to) + JRCXZ_SIZE;
	xol_build_bytes(to, bytes, x86_put_jrcxz(bytes, (int8_t)(data + GUARDED_SIZE - next)));
	next = xol_build_here(to) + MOV_SIZE;
	xol_build_bytes(to, bytes, x86_put_lea_rip(bytes, R11, (int32_t)(data - next)));
	next = xol_build_here(to) + JUMP_MEM_SIZE;
	xol_build_bytes(to, bytes, x86_put_jmp_mem(bytes, (int32_t)(data + GUARDED_ENTER - next)));
}

/* A slot leads back from one door. */
static unsigned int door_of(const struct xol_builder *to, const struct x86_insn *insn)
{
	return to->door ? 0 : xol_door_take(x86_insn_end(insn));
}

void xol_build_guarded(struct xol_builder *to, const struct xol_guard *guard,
		       const struct x86_insn *insn)
{
	unsigned int door = door_of(to, insn);
	uint64_t data = xol_build_here(to) + LOOK_SIZE, pass = data + GUARDED_SIZE;
	const uint64_t quads[GUARDED_SIZE / sizeof(uint64_t)] = {
		[GUARDED_ADDRESS / 8] = insn->address,
		[GUARDED_PASS / 8] = pass,
		[GUARDED_DONE / 8] = pass + (door ? JUMP_MEM_SIZE : insn->length),
		[GUARDED_NUMBERS / 8] = (uint64_t)guard->numbers,
		[GUARDED_ENTER / 8] = (uint64_t)guard->enter,
		[GUARDED_DOOR / 8] = door ? xol_door_address(door) : 0,
	};
	uint8_t bytes[16];

	build_look(to, data);
	xol_build_bytes(to, quads, sizeof(quads));
	xol_build_step(to, insn->address, XOL_STATE_SYSCALL);
	if (!door) {
		xol_build_bytes(to, insn->bytes, insn->length);
		return;
	}
	xol_build_bytes(
		to, bytes,
		x86_put_jmp_mem(bytes, (int32_t)(data + GUARDED_DOOR - pass - JUMP_MEM_SIZE)));
	to->door = door;
	to->door_back = (uint16_t)to->size;
}
