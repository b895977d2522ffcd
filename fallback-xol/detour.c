/* SPDX-License-Identifier: MIT */
/*
 * The part of a detour that each site has for itself. The call and the return in detour.S are a
 * pair, so that the processor predicts them.
 *
 *	.quad	address, site, where, hit, shared
 *	lea	-128(%rsp),%rsp		# keep off the red zone
 *	call	*shared(%rip)
 *	lea	128(%rsp),%rsp
 *	displaced instructions ...
 *
 * In place of a call stands a call, so that its return is predicted, too: it pushes the address
 * that the original would have pushed, which is what the displaced call then does again.
 */
#include "fallback-xol/detour.h"

#include "fallback-xol/condition.h"
#include "x86/cpu.h"
#include "x86/encode.h"

#define RETURN_ADDRESS 8
#define DATA_SIZE      40

static const uint8_t *vector_detour(void)
{
	if (x86_cpu_has(X86_CPU_AVX512BW))
		return xol_detour_avx512;
	if (x86_cpu_has(X86_CPU_AVX512))
		return xol_detour_avx512f;
	return x86_cpu_has(X86_CPU_AVX) ? xol_detour_avx : xol_detour_sse;
}

static const uint8_t *shared_code(enum xol_save save)
{
	return save == XOL_SAVE_GENERAL ? xol_detour_general : vector_detour();
}

static void build_quad(struct xol_builder *to, uint64_t value)
{
	xol_build_bytes(to, &value, sizeof(value));
}

/* What xol_build_add_rsp() and xol_build_call_mem() append. */
enum { ADD_RSP_SIZE = 8, CALL_MEM_SIZE = 6 };

#define CODE_SIZE (DATA_SIZE + ADD_RSP_SIZE + CALL_MEM_SIZE)

/* As build_call() appends them. */
#define OFFSET(quad, number) _Static_assert((number) == 8 * (quad)-CODE_SIZE, "see detour.S")

OFFSET(0, DETOUR_ADDRESS);
OFFSET(1, DETOUR_SITE);
OFFSET(2, DETOUR_WHERE);
OFFSET(3, DETOUR_HIT);
_Static_assert(DETOUR_DISPLACED == ADD_RSP_SIZE, "see detour.S");

/* Keep off the red zone; @called: and forget the return address on top of the stack. */
static void build_begin(struct xol_builder *to, uint64_t address, bool called)
{
	xol_build_step(to, address, called ? XOL_STATE_PUSHED : XOL_STATE_EXACT);
	xol_build_add_rsp(to, (called ? RETURN_ADDRESS : 0) - XOL_RED_ZONE);
	xol_build_step(to, address, XOL_STATE_BELOW);
}

/* In front of the data: for a thread that has been made exact, and begins again. */
static void build_second_entry(struct xol_builder *to, uint64_t address)
{
	xol_build_step(to, address, XOL_STATE_EXACT);
	xol_build_add_rsp(to, -RETURN_ADDRESS);
	xol_build_step(to, address, XOL_STATE_PUSHED);
	xol_build_jmp(to, xol_build_here(to) + X86_JMP_REL32_SIZE + DATA_SIZE);
}

/* Returns where the code begins. */
static uint64_t build_call(struct xol_builder *to, uint64_t address,
			   const struct xol_detour *detour, bool called)
{
	uint64_t shared, code;

	if (called)
		build_second_entry(to, address);
	build_quad(to, address);
	build_quad(to, (uint64_t)detour->site);
	build_quad(to, xol_where(detour->thread_offset, detour->offset));
	build_quad(to, (uint64_t)detour->hit);
	shared = xol_build_here(to);
	build_quad(to, (uint64_t)(detour->shared ? detour->shared : shared_code(detour->save)));
	code = xol_build_here(to);
	build_begin(to, address, called);
	xol_build_call_mem(to, shared);
	xol_build_step(to, address, XOL_STATE_BELOW | XOL_STATE_HANDLED);
	xol_build_add_rsp(to, XOL_RED_ZONE);
	if (detour->asks_the_way) {
		uint8_t bytes[8];

		xol_build_step(to, address, XOL_STATE_HANDLED);
		xol_build_bytes(to, bytes, x86_put_jmp_rsp(bytes, XOL_WAY_ON));
	}
	return code;
}

enum { RAX, RCX, SAVED_RCX = XOL_STATE_SCRATCH | RCX << XOL_STATE_SCRATCH_SHIFT };

struct scratch {
	bool rax; /* besides RCX, which always is */
	unsigned int handled;
};

static void build_save(struct xol_builder *to, uint64_t address, struct scratch scratch)
{
	xol_build_push(to, RCX);
	xol_build_step(to, address, SAVED_RCX);
	if (scratch.rax) {
		xol_build_push(to, RAX);
		xol_build_step(to, address, XOL_STATE_RAX_RCX);
	}
}

static void build_restore(struct xol_builder *to, uint64_t address, struct scratch scratch)
{
	if (scratch.rax) {
		xol_build_step(to, address, XOL_STATE_RAX_RCX | scratch.handled);
		xol_build_pop(to, RAX);
	}
	xol_build_step(to, address, SAVED_RCX | scratch.handled);
	xol_build_pop(to, RCX);
	xol_build_step(to, address, XOL_STATE_BELOW | scratch.handled);
}

/* The return address is still where the call has put it. */
static void build_call_on(struct xol_builder *to, uint64_t callee)
{
	xol_build_add_rsp(to, XOL_RED_ZONE - RETURN_ADDRESS);
	xol_build_step(to, callee, XOL_STATE_EXECUTED);
	xol_build_jmp(to, callee);
}

enum { NOT_EQUAL = 5, ZERO_FLAG = 0x40 };

static void build_look_for_mark(struct xol_builder *to, const struct xol_detour *detour,
				uint64_t slow)
{
	uint8_t bytes[16];

	if (detour->flags_are_dead) {
		xol_build_bytes(to, bytes,
				x86_put_cmp_fs(bytes, detour->mark_offset, XOL_THREAD_MARK));
		xol_build_jcc(to, NOT_EQUAL, slow);
		return;
	}
	xol_build_bytes(to, bytes, x86_put_mov_from_fs(bytes, RCX, detour->mark_offset));
	xol_build_bytes(to, bytes, x86_put_lea_rcx_rcx(bytes, -XOL_THREAD_MARK));
	xol_build_bytes(to, bytes, x86_put_jrcxz(bytes, X86_JMP_REL32_SIZE));
	xol_build_jmp(to, slow);
}

static void fill_in(struct xol_builder *to, size_t jump, uint64_t target)
{
	if (!to->error)
		x86_put_jmp(to->bytes + jump, to->rx + jump, target);
}

/*
 *		detour that calls, then:	jmp displaced
 *	slow:	restore;			jmp detour
 *	code:	lea -128(%rsp),%rsp; push %rcx; push %rax
 *		mov %fs:mark_offset,%rcx
 *		lea -mark(%rcx),%rcx
 *		jrcxz mine
 *		jmp slow
 *	mine:	mov %fs:thread_offset,%rcx
 *		jrcxz slow
 *		mov offset(%rcx),%rax
 *		lea 1(%rax),%rax
 *		mov %rax,offset(%rcx)
 *		restore: pop %rax; pop %rcx; lea 128(%rsp),%rsp
 *
 * No flag changes; where none is alive cmp and incq do it, without RAX. A signal before the last store
 * makes the thread begin again, so that another addition in its handler is not lost. In a thread
 * whose area somebody else has made, what lies at %fs:thread_offset is anything, or not there.
 */
static uint64_t build_count(struct xol_builder *to, uint64_t address,
			    const struct xol_detour *detour, uint64_t callee)
{
	struct scratch scratch = {.rax = !detour->flags_are_dead};
	uint64_t call = build_call(to, address, detour, false), slow, code;
	size_t jump = to->size;
	uint8_t bytes[24];

	xol_build_step(to, address, XOL_STATE_HANDLED);
	xol_build_jmp(to, xol_build_here(to)); /* the target is filled in below */
	slow = xol_build_here(to);
	build_restore(to, address, scratch);
	xol_build_add_rsp(to, XOL_RED_ZONE);
	xol_build_step(to, address, XOL_STATE_EXACT);
	xol_build_jmp(to, call);
	code = xol_build_here(to);
	build_begin(to, address, callee);
	build_save(to, address, scratch);
	build_look_for_mark(to, detour, slow);
	xol_build_bytes(to, bytes, x86_put_mov_from_fs(bytes, RCX, detour->thread_offset));
	x86_put_jrcxz(bytes, (int8_t)(slow - xol_build_here(to) - 2));
	xol_build_bytes(to, bytes, 2);
	if (detour->flags_are_dead)
		xol_build_bytes(to, bytes, x86_put_inc_rcx(bytes, detour->offset));
	else
		xol_build_bytes(to, bytes, x86_put_add_one_rcx_rax(bytes, detour->offset));
	scratch.handled = XOL_STATE_HANDLED;
	build_restore(to, address, scratch);
	if (callee)
		build_call_on(to, callee);
	else
		xol_build_add_rsp(to, XOL_RED_ZONE);
	fill_in(to, jump, xol_build_here(to));
	return code;
}

/* One by one: what is in a slot may be shorter, and end where its page does. */
EP_TRAP_PATH static bool is_same(const uint8_t *at, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != bytes[i])
			return false;
	return true;
}

EP_TRAP_PATH bool xol_detour_has_no_mark(struct ep_regs *regs, int32_t mark_offset)
{
	static const uint8_t load[] = {0x64, 0x48, 0x8b, 0x0c, 0x25}; /* mov rcx, fs:[disp32] */
	static const uint8_t cmp[] = {0x64, 0x48, 0x81, 0x3c, 0x25};  /* and an imm32 */
	const uint8_t *at = (const uint8_t *)regs->rip;
	const struct xol_slot *slot = xol_slot_find(regs->rip);
	bool loads;

	if (!slot || regs->rip - slot->rx >= slot->size)
		return false;
	loads = is_same(at, load, sizeof(load));
	if ((!loads && !is_same(at, cmp, sizeof(cmp))) ||
	    !is_same(at + sizeof(load), (const uint8_t *)&mark_offset, sizeof(mark_offset)))
		return false;
	regs->rip += sizeof(load) + sizeof(mark_offset) + (loads ? 0 : sizeof(mark_offset));
	regs->rcx = 0;
	if (!loads)
		regs->rflags &= ~(uint64_t)ZERO_FLAG;
	return true;
}

static uint64_t build_all(struct xol_builder *to, uint64_t address, const struct xol_detour *detour,
			  uint64_t callee)
{
	return detour->only_counts ? build_count(to, address, detour, callee)
				   : build_call(to, address, detour, callee);
}

/*
 *	leave:	pop %rcx; lea 128(%rsp),%rsp;	jmp displaced
 *	code:	lea -128(%rsp),%rsp; push %rcx
 *		comparisons, to leave
 *		pop %rcx; lea 128(%rsp),%rsp;	jmp detour
 *	detour that counts or calls
 *	displaced instructions ...
 */
static uint64_t build_if(struct xol_builder *to, uint64_t address, const struct xol_detour *detour)
{
	struct scratch scratch = {.handled = XOL_STATE_HANDLED};
	uint64_t leave = xol_build_here(to), code;
	size_t to_displaced, to_detour;

	build_restore(to, address, scratch);
	xol_build_add_rsp(to, XOL_RED_ZONE);
	xol_build_step(to, address, XOL_STATE_HANDLED);
	to_displaced = to->size;
	xol_build_jmp(to, xol_build_here(to)); /* the targets are filled in below */
	code = xol_build_here(to);
	scratch.handled = 0;
	build_begin(to, address, false);
	build_save(to, address, scratch);
	xol_build_conditions(to, detour->conditions, detour->condition_count, leave,
			     XOL_RED_ZONE + (int)sizeof(uint64_t));
	build_restore(to, address, scratch);
	xol_build_add_rsp(to, XOL_RED_ZONE);
	xol_build_step(to, address, XOL_STATE_EXACT);
	to_detour = to->size;
	xol_build_jmp(to, xol_build_here(to));
	fill_in(to, to_detour, build_all(to, address, detour, 0));
	fill_in(to, to_displaced, xol_build_here(to));
	return code;
}

uint64_t xol_build_detour(struct xol_builder *to, uint64_t address, const struct xol_detour *detour,
			  uint64_t callee)
{
	if (detour->silent)
		return xol_build_here(to);
	return detour->condition_count ? build_if(to, address, detour)
				       : build_all(to, address, detour, callee);
}
