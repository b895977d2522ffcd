/* SPDX-License-Identifier: MIT */
/*
 * Most system calls have their number in sight: `mov $14, %eax` shortly before, or in a register
 * that is copied to EAX. Some have it from their caller, in a register or on the stack. So a
 * number of ours in sight is believed, wherever it stands; else the function is decoded from its
 * start, and a call that no constant leads to may have any number.
 */
#include "probe/guard/number.h"

#include <string.h>
#include <sys/syscall.h>

#include "probe/image/functions.h"
#include "probe/image/objects.h"
#include "probe/image/original.h"
#include "probe/image/place.h"
#include "x86/insn.h"
#include "x86/vector.h"

#define LOOK_BACK     64u /* bytes between the number and the call */
#define MOV_SIZE      5u
#define LONG_MOV_SIZE 7
#define LOOK_FAR      512u  /* where the number is kept in a register for several calls */
#define FUNCTION_MAX  4096u /* bytes that are decoded from a function's start */

static const uint16_t numbers[] = {
	SYS_rt_sigaction,    SYS_rt_sigprocmask, SYS_rt_sigsuspend, SYS_ppoll,
	SYS_pselect6,	     SYS_epoll_pwait,	 SYS_epoll_pwait2,  SYS_rt_sigpending,
	SYS_rt_sigtimedwait, SYS_execve,	 SYS_execveat,	    SYS_rt_sigreturn,
	SYS_ptrace,	     SYS_clone3,	 SYS_membarrier,    SYS_sigaltstack,
	SYS_prctl,	     SYS_seccomp,	 SYS_mlockall,
};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static bool is_number(uint64_t number)
{
	for (size_t i = 0; i < NUMBERS; i++)
		if (number == numbers[i])
			return true;
	return false;
}

const uint8_t *guard_numbers(void)
{
	static uint8_t ret[XOL_GUARD_NUMBERS];

	for (size_t i = 0; i < NUMBERS; i++)
		ret[numbers[i]] = 1;
	return ret;
}

static bool is_ours(const uint8_t *immediate)
{
	uint32_t number;

	memcpy(&number, immediate, sizeof(number));
	return is_number(number);
}

/* mov $imm32, %r64, as Go's assembler has it for what is above 127; but not a restorer's. */
static bool is_long_mov(unsigned reg, const uint8_t *mov, const uint8_t *at)
{
	static const uint8_t of_restorer = SYS_rt_sigreturn;

	return mov + LONG_MOV_SIZE <= at && mov[0] == (reg < 8 ? 0x48 : 0x49) && mov[1] == 0xc7 &&
	       mov[2] == (0xc0 | (reg & 7)) && mov[3] != of_restorer && is_ours(mov + 3);
}

/* The last such number loaded into @reg in front of @at; NULL: there is none. */
static const uint8_t *number_in(unsigned reg, const uint8_t *at, const uint8_t *from)
{
	for (const uint8_t *mov = at - MOV_SIZE; mov >= from; mov--) {
		if (is_long_mov(reg, mov, at))
			return mov;
		if (*mov == (0xb8 | (reg & 7)) && is_ours(mov + 1) && /* mov $imm32, %r32 */
		    (reg < 8 || (mov > from && mov[-1] == 0x41)))
			return reg < 8 ? mov : mov - 1;
	}
	return NULL;
}

static const uint8_t *back(const uint8_t *at, size_t bytes, const uint8_t *start)
{
	return (size_t)(at - start) > bytes ? at - bytes : start;
}

/*
 * Where several calls have the same number, gcc may keep it: mov $14, %r15d; ...; mov %r15d, %eax;
 * syscall. Debian 12's aio does.
 */
static const uint8_t *kept_number(const uint8_t *at, const uint8_t *start)
{
	const uint8_t *from = back(at, LOOK_BACK, start), *number;

	for (const uint8_t *mov = at - 2; mov >= from; mov--) {
		if (mov[0] != 0x89 || (mov[1] & 0xc7) != 0xc0) /* mov %r32, %eax */
			continue;
		number = number_in((mov[1] >> 3 & 7) |
					   (mov > start && (mov[-1] & 0xf5) == 0x44 ? 8 : 0),
				   mov, back(mov, LOOK_FAR, start));
		if (number)
			return number;
	}
	return NULL;
}

/* Where the number of the call @at comes from; NULL: it is none of ours. */
static const uint8_t *our_number(const uint8_t *at, const uint8_t *start)
{
	const uint8_t *mov = number_in(0, at, back(at, LOOK_BACK, start));

	return mov ? mov : kept_number(at, start);
}

/* Decoding from @mov leads to @at: only code looks like that, whoever knows its function. */
static bool leads_to(const uint8_t *mov, const uint8_t *at)
{
	struct x86_insn insn;

	for (; mov < at; mov += insn.length)
		if (x86_decode(mov, (size_t)(at - mov), (uint64_t)mov, &insn) ||
		    x86_insn_flow(&insn) > X86_FLOW_JCC || x86_insn_flow(&insn) == X86_FLOW_JMP)
			return false;
	return mov == at;
}

/* mov $15, %rax: debuggers know by these bytes what handlers return to. It is in no function. */
static bool is_restorer(const uint8_t *at, const uint8_t *start)
{
	const size_t size = 7;
	struct x86_insn mov;

	return (size_t)(at - start) >= size &&
	       x86_decode(at - size, size, (uint64_t)(at - size), &mov) == 0 &&
	       mov.length == size && mov.opcode == 0xc7 && mov.modrm == 0xc0 &&
	       mov.imm == SYS_rt_sigreturn;
}

/* A number of ours in any register, and maybe in %eax later. */
static bool is_near_number(const uint8_t *at, const uint8_t *start)
{
	const uint8_t *from = (size_t)(at - start) > LOOK_FAR ? at - LOOK_FAR : start;

	for (const uint8_t *mov = at - MOV_SIZE; mov >= from; mov--)
		if ((*mov & 0xf8) == 0xb8 && is_ours(mov + 1)) /* mov $imm32, %r32 */
			return true;
	return false;
}

/* ---- numbers that are not in sight ----------------------------------------------------------- */

enum { RAX = 0 };

static bool is_register(unsigned int number, unsigned int extended)
{
	return (number & 7) == RAX && !extended;
}

/* mov $number, %eax, or xor %eax, %eax. */
static bool sets_constant(const struct x86_insn *insn)
{
	if (insn->encoding != X86_LEGACY || insn->map != X86_MAP_1B)
		return false;
	if (insn->opcode == 0xb8 || insn->opcode == 0xc7)
		return insn->opcode == 0xb8 ? !(insn->rex & X86_REX_B) : insn->modrm == 0xc0;
	return (insn->opcode == 0x31 || insn->opcode == 0x33) && insn->modrm == 0xc0;
}

/* mov, movsxd, lea, movzx, cmov to EAX, pop. What else changes it makes no numbers. */
static bool sets_variable(const struct x86_insn *insn)
{
	bool to_reg = insn->modrm_offset && is_register(insn->modrm >> 3, insn->rex & X86_REX_R);
	bool to_rm = insn->modrm >= 0xc0 && is_register(insn->modrm, insn->rex & X86_REX_B);

	if (insn->encoding != X86_LEGACY)
		return false;
	if (insn->map == X86_MAP_0F)
		return to_reg && ((insn->opcode & 0xf0) == 0x40 || (insn->opcode & 0xf6) == 0xb6);
	switch (insn->opcode) {
	case 0x58: /* pop %rax */
		return !(insn->rex & X86_REX_B);
	case 0x63:
	case 0x8b:
	case 0x8d:
		return to_reg;
	case 0x89:
		return to_rm;
	default:
		return false;
	}
}

/* Of an instruction that the next one is not, or not always, entered from with EAX as it was. */
static bool forgets(const struct x86_insn *insn)
{
	enum x86_flow flow = x86_insn_flow(insn);

	return flow != X86_FLOW_NONE && flow != X86_FLOW_JCC;
}

/* How far a function was decoded, in the order of addresses. Calls are asked about in that order. */
struct walk {
	uint64_t start, at, generation;
	bool is_constant; /* in EAX */
};

/* False: what stands there is no code. An instruction that is cut off by @to is none. */
static bool walk_to(struct walk *walk, uint64_t to)
{
	uint8_t code[FUNCTION_MAX];
	uint64_t from = walk->at;
	struct x86_insn insn;

	if (!original_read(from, code, to - from))
		return false;
	for (; walk->at < to; walk->at = x86_insn_end(&insn)) {
		if (x86_decode(code + (walk->at - from), to - walk->at, walk->at, &insn))
			return false;
		if (sets_constant(&insn))
			walk->is_constant = true;
		else if (sets_variable(&insn) || forgets(&insn))
			walk->is_constant = false;
	}
	return true;
}

/* Is the call @at reached, in the order of addresses, with no constant in EAX? */
static bool has_any_number(const uint8_t *at, struct objects_object *object)
{
	static struct walk last;
	const struct objects_function *function;

	if (objects_read_functions(object))
		return true;
	function = objects_function_at(object, (uint64_t)at);
	if (!function || (uint64_t)at - function->start > FUNCTION_MAX)
		return false;
	if (last.generation != objects_generation() || last.start != function->start ||
	    last.at > (uint64_t)at)
		last = (struct walk){.start = function->start,
				     .at = function->start,
				     .generation = objects_generation()};
	return walk_to(&last, (uint64_t)at) && !last.is_constant;
}

/* clone3()'s call is in none: in the child the unwind information would be wrong. */
static bool is_in_no_function(const uint8_t *at, struct objects_object *object)
{
	const struct objects_function *function;

	if (objects_read_functions(object))
		return true;
	function = objects_function_at(object, (uint64_t)at);
	return !function || function->guessed_end;
}

/* Behind a call something is done with its result, or it is left: no vectors, no rarities. */
static bool looks_like_code(const uint8_t *behind)
{
	struct x86_insn insn;

	return place_decode((uint64_t)behind, &insn) == 0 && x86_insn_is_general(&insn);
}

enum guard_number guard_number(const uint8_t *at, const uint8_t *start,
			       struct objects_object *object, bool is_libc)
{
	const uint8_t *mov = our_number(at, start);

	if (is_libc && is_restorer(at, start))
		return GUARD_NUMBER_RETURN;
	if (mov && (!is_libc || is_in_no_function(at, object)) && leads_to(mov, at))
		return GUARD_NUMBER_PROVEN;
	if (mov || (!is_libc && is_near_number(at, start)))
		return GUARD_NUMBER_LIKELY;
	if (!is_libc && !looks_like_code(at + 2))
		return GUARD_NUMBER_OTHER;
	return has_any_number(at, object) ? GUARD_NUMBER_LIKELY : GUARD_NUMBER_OTHER;
}
