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
 *	data:	.quad	address, pass, done, numbers, enter
 *	pass:	syscall
 *	done:	...
 */
#include "fallback-xol/guarded.h"

#include "fallback-xol/builder.h"
#include "x86/encode.h"

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

void xol_build_guard(struct xol_builder *to, const struct xol_guard *guard, uint64_t address,
		     unsigned int call_size)
{
	uint64_t data = xol_build_here(to) + LOOK_SIZE, pass = data + GUARDED_SIZE;
	const uint64_t quads[GUARDED_SIZE / sizeof(uint64_t)] = {
		[GUARDED_ADDRESS / 8] = address,
		[GUARDED_PASS / 8] = pass,
		[GUARDED_DONE / 8] = pass + call_size,
		[GUARDED_NUMBERS / 8] = (uint64_t)guard->numbers,
		[GUARDED_ENTER / 8] = (uint64_t)guard->enter,
	};

	build_look(to, data);
	xol_build_bytes(to, quads, sizeof(quads));
}
