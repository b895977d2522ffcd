/* SPDX-License-Identifier: MIT */
/*
 * Instructions are made from a row and random bytes, and read back by the decoder; their
 * displacements, and the registers that a state gives them, are then solved for an address that
 * may be used. Addresses are computed here a second time, from the manual, not with the emulator.
 */
#include "tests/oracle/generate.h"

#include <asm/prctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/oracle/cpu.h"
#include "x86/regs.h"

uint64_t random_state = 0x9e3779b97f4a7c15;

uint64_t random_u64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1d;
}

uint64_t random_below(uint64_t n)
{
	return random_u64() % n;
}

static bool one_in(unsigned int n)
{
	return random_below(n) == 0;
}

uint64_t random_value(void)
{
	static const uint64_t edges[] = {
		0,
		1,
		2,
		0x7f,
		0x80,
		0xff,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffffffffffffff80,
		0xffffffffffff8000,
		0xffffffff80000000,
		0xfffffffffffffffe,
		0xffffffffffffffff,
	};

	switch (random_below(4)) {
	case 0:
		return edges[random_below(sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return random_u64() >> random_below(64);
	default:
		return random_u64();
	}
}

/* ---- instructions --------------------------------------------------------------------------- */

static const struct emu_variants *operation(const struct trial *trial)
{
	return trial->rule->variants;
}

static bool uses_stack(const struct trial *trial)
{
	const struct emu_variants *op = operation(trial);

	return op == &emu_push || op == &emu_pop || op == &emu_push_flags || op == &emu_pop_flags ||
	       op == &emu_enter || op == &emu_call || op == &emu_call_to || op == &emu_ret;
}

static size_t put_prefixes(const struct emu_rule *rule, uint8_t *to)
{
	static const uint8_t ignored[] = {0x26, 0x2e, 0x36, 0x3e};
	size_t n = 0;

	if (one_in(12))
		to[n++] = ignored[random_below(4)];
	if (one_in(16))
		to[n++] = one_in(2) ? 0x64 : 0x65;
	if (one_in(4))
		to[n++] = 0x66;
	if (one_in(8))
		to[n++] = 0x67;
	if ((rule->prefixes & EMU_BND) && one_in(6))
		to[n++] = 0xf2;
	if ((rule->prefixes & EMU_NEEDS_F3) || ((rule->prefixes & EMU_REP) && one_in(6)))
		to[n++] = 0xf3;
	if (!one_in(3))
		to[n++] = (uint8_t)(0x40 | random_below(16));
	return n;
}

static void put_bytes(const struct emu_rule *rule, uint8_t bytes[32])
{
	size_t n = put_prefixes(rule, bytes);

	if (rule->map != X86_MAP_1B)
		bytes[n++] = 0x0f;
	bytes[n++] = rule->opcode | (uint8_t)(random_u64() & (uint8_t)~rule->mask);
	if (rule->digit != EMU_DIGIT_ANY)
		bytes[n] = (uint8_t)((bytes[n] & 0xc7) | rule->digit << 3);
}

static uint64_t segment_base(const struct x86_insn *insn)
{
	uint64_t base = 0;

	if (insn->prefixes & X86_PREFIX_FS)
		syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
	if (insn->prefixes & X86_PREFIX_GS)
		syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

struct address {
	int base, index; /* as encoded, -1: none */
	unsigned int scale;
	uint64_t disp; /* with the segment base, and RIP */
	uint64_t mask;
};

static bool has_memory(const struct x86_insn *insn)
{
	return insn->modrm_offset && insn->modrm >> 6 != 3;
}

static struct address address_of(const struct x86_insn *insn)
{
	struct address a = {.base = -1, .index = -1, .disp = (uint64_t)insn->disp};
	int x = insn->rex & X86_REX_X ? 8 : 0, b = insn->rex & X86_REX_B ? 8 : 0;

	a.mask = insn->prefixes & X86_PREFIX_67 ? 0xffffffff : UINT64_MAX;
	if (x86_insn_is_rip_relative(insn)) {
		a.disp += x86_insn_end(insn);
	} else if (insn->sib_offset) {
		if ((insn->sib & 7) != 5 || insn->modrm >> 6)
			a.base = (insn->sib & 7) | b;
		if (((insn->sib >> 3 & 7) | x) != 4)
			a.index = (insn->sib >> 3 & 7) | x;
		a.scale = insn->sib >> 6;
	} else {
		a.base = (insn->modrm & 7) | b;
	}
	return a;
}

static uint64_t aimed_address(enum aim aim)
{
	if (aim == AIM_INSIDE)
		return CPU_WINDOW + 0x600 + random_below(0x200);
	switch (random_below(4)) {
	case 0:
		return CPU_READ_ONLY - random_below(16);
	case 1:
		return CPU_READ_ONLY + random_below(0x100);
	case 2:
		return CPU_GUARD - random_below(16);
	default:
		return CPU_GUARD + random_below(0x100);
	}
}

static void set_field(struct x86_insn *insn, unsigned int offset, unsigned int size, uint64_t value)
{
	memcpy(insn->bytes + offset, &value, size);
}

static bool decode_again(struct x86_insn *insn)
{
	return x86_decode(insn->bytes, sizeof(insn->bytes), insn->address, insn) == 0;
}

/* Displacements of 32 bits without a register must be an address; others are kept small at times,
 * so that the stack pointer can be the base in instructions that use the stack. */
static void aim_displacement(struct x86_insn *insn)
{
	struct address a = address_of(insn);

	if (!has_memory(insn) || insn->disp_size != 4)
		return;
	uint64_t target = aimed_address(AIM_INSIDE);

	if (x86_insn_is_rip_relative(insn))
		set_field(insn, insn->disp_offset, 4, target - x86_insn_end(insn));
	else if (a.base < 0 && a.index < 0)
		set_field(insn, insn->disp_offset, 4, target);
	else
		set_field(insn, insn->disp_offset, 4,
			  one_in(2) ? random_below(64) : random_u64() & 0xfffffff);
}

/* A branch target in the code page, clear of the instruction and of the jump behind it. */
static uint64_t random_target(const struct x86_insn *insn)
{
	if (insn->imm_size == 4)
		return CPU_CODE + (one_in(2) ? random_below(0x700) : 0x840 + random_below(0x700));
	return one_in(2) ? x86_insn_end(insn) + 16 + random_below(100)
			 : CPU_INSN - 20 - random_below(80);
}

static void aim_immediate(struct trial *trial)
{
	struct x86_insn *insn = &trial->insn;

	if (trial->rule->shape == EMU_REL)
		set_field(insn, insn->imm_offset, insn->imm_size,
			  trial->target - x86_insn_end(insn));
	else if (trial->rule->shape == EMU_A_MOFFS || trial->rule->shape == EMU_MOFFS_A)
		set_field(insn, insn->imm_offset, insn->imm_size, aimed_address(AIM_INSIDE));
	else if (operation(trial) == &emu_enter)
		set_field(insn, insn->imm_offset, 3, random_below(0x100));
	else if (operation(trial) != &emu_ret && insn->imm_size && insn->imm_size <= 8 && one_in(3))
		set_field(insn, insn->imm_offset, insn->imm_size, random_value());
}

/* Things that this harness, not the emulator, cannot do. */
static bool can_be_run(const struct trial *trial)
{
	const struct x86_insn *insn = &trial->insn;
	struct address a = address_of(insn);
	bool uses_fs = insn->prefixes & X86_PREFIX_FS;
	bool is_moffs = trial->rule->shape == EMU_A_MOFFS || trial->rule->shape == EMU_MOFFS_A;

	if (operation(trial) == &emu_call_to && insn->modrm == 0xd4 && !(insn->rex & X86_REX_B))
		return false; /* call *%rsp would push into the code */
	if (uses_fs && is_moffs)
		return false;
	return !(uses_fs && has_memory(insn) && a.base < 0 && a.index < 0);
}

static bool aim_insn(struct trial *trial)
{
	struct emu_op op;

	trial->target = random_target(&trial->insn);
	aim_displacement(&trial->insn);
	aim_immediate(trial);
	return decode_again(&trial->insn) && emu_find_rule(&trial->insn) == trial->rule &&
	       emu_prepare(&trial->insn, &op) == 0 && can_be_run(trial);
}

bool generate_insn(const struct emu_rule *rule, struct trial *ret)
{
	struct trial trial = {.rule = rule};
	uint8_t bytes[32];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random_u64();
	put_bytes(rule, bytes);
	if (x86_decode(bytes, 15, CPU_INSN, &trial.insn) || !aim_insn(&trial))
		return false;
	*ret = trial;
	return true;
}

bool generate_from(const struct x86_insn *insn, struct trial *ret)
{
	struct trial trial = {.rule = emu_find_rule(insn), .insn = *insn};

	trial.insn.address = CPU_INSN;
	if (!trial.rule || !aim_insn(&trial))
		return false;
	*ret = trial;
	return true;
}

/* ---- states --------------------------------------------------------------------------------- */

static uint64_t *reg(struct ep_regs *regs, int number)
{
	return (uint64_t *)regs + x86_reg_index[number];
}

/* Give base and index what makes the address @target, or nearly; @return what it is. */
static uint64_t solve(const struct address *a, uint64_t target, struct ep_regs *regs)
{
	uint64_t rest = target - a->disp;

	if (a->base >= 0 && a->base == a->index) {
		*reg(regs, a->base) = rest / (1 + (1u << a->scale));
	} else if (a->base >= 0) {
		uint64_t index = a->index >= 0 ? *reg(regs, a->index) << a->scale : 0;

		*reg(regs, a->base) = rest - index;
	} else if (a->index >= 0) {
		*reg(regs, a->index) = rest >> a->scale;
	}
	uint64_t base = a->base >= 0 ? *reg(regs, a->base) : 0;
	uint64_t index = a->index >= 0 ? *reg(regs, a->index) << a->scale : 0;

	return (a->disp + base + index) & a->mask;
}

static bool is_near(uint64_t address)
{
	return address >= CPU_WINDOW + 0x100 && address < CPU_GUARD + 0x400;
}

/* The address that the memory operand has in the end, 0: it cannot be used. */
static uint64_t aim_memory(const struct trial *trial, enum aim aim, struct ep_regs *regs)
{
	struct address a = address_of(&trial->insn);
	uint64_t segment = segment_base(&trial->insn), target = aimed_address(aim);
	uint64_t after_pop =
		operation(trial) == &emu_pop && a.base == 4
			? (trial->insn.prefixes & X86_PREFIX_66 && !(trial->insn.rex & X86_REX_W)
				   ? 2
				   : 8)
			: 0;

	if (operation(trial) == &emu_lea || operation(trial) == &emu_nop)
		return 1;
	if (a.mask != UINT64_MAX && segment)
		return 0; /* the rest would need more than 32 bits */
	uint64_t address = solve(&a, target - segment - after_pop, regs) + segment + after_pop;

	if (a.mask != UINT64_MAX && a.base >= 0 && a.base != a.index && !uses_stack(trial))
		*reg(regs, a.base) |= random_u64() << 32; /* to be ignored */
	return is_near(address) ? address : 0;
}

static bool is_bit_string(const struct trial *trial)
{
	const struct emu_variants *op = operation(trial);

	return trial->rule->shape == EMU_RM_R &&
	       (op == &emu_bt || op == &emu_bts || op == &emu_btr || op == &emu_btc);
}

static int reg_field(const struct x86_insn *insn)
{
	return (insn->modrm >> 3 & 7) | (insn->rex & X86_REX_R ? 8 : 0);
}

/* Quotients that fit, most of the time. */
static void tame_division(const struct trial *trial, struct ep_regs *regs)
{
	const struct emu_variants *op = operation(trial);

	if ((op != &emu_div && op != &emu_idiv) || one_in(20))
		return;
	regs->rdx = op == &emu_div || one_in(2) ? 0 : UINT64_MAX;
	if (op == &emu_div && one_in(2))
		regs->rdx = random_below(16);
	if (trial->rule->width == EMU_BYTE)
		regs->rax = random_below(0x200);
}

static void random_registers(struct ep_regs *regs)
{
	for (int i = 0; i < 16; i++)
		*reg(regs, i) = random_value();
	regs->rip = CPU_INSN;
	regs->rflags = (random_u64() & (X86_STATUS_FLAGS | X86_DF)) | X86_IF | 2;
}

static uint64_t branch_address(const struct trial *trial)
{
	return one_in(4) ? x86_insn_end(&trial->insn) : trial->target;
}

/* Indirect branches find a target that leads out; popf finds flags that do not trap. */
static void prepare_memory(const struct trial *trial, uint64_t address, struct ep_regs *regs)
{
	const struct emu_variants *op = operation(trial);
	const uint64_t harmless = ~(uint64_t)(X86_TF | X86_NT | X86_ID);
	uint64_t target = branch_address(trial);

	if (op == &emu_ret)
		address = regs->rsp;
	if (op == &emu_ret || ((op == &emu_jmp_to || op == &emu_call_to) && address)) {
		if (address + 8 <= CPU_READ_ONLY)
			memcpy((void *)address, &target, 8);
	} else if (op == &emu_jmp_to || op == &emu_call_to) {
		*reg(regs, (trial->insn.modrm & 7) | (trial->insn.rex & X86_REX_B ? 8 : 0)) =
			target;
	} else if (op == &emu_pop_flags && regs->rsp + 8 <= CPU_READ_ONLY) {
		memcpy(&target, (void *)regs->rsp, 8);
		target &= harmless;
		memcpy((void *)regs->rsp, &target, 8);
	}
}

/* A branch through memory that cannot be prepared must fault, or it goes who knows where. */
static bool is_wild(const struct trial *trial, uint64_t address, const struct ep_regs *regs)
{
	const struct emu_variants *op = operation(trial);
	bool indirect = op == &emu_jmp_to || op == &emu_call_to;

	if (op == &emu_ret || op == &emu_pop_flags)
		address = regs->rsp;
	else if (!(indirect && address))
		return false;
	return address + 8 > CPU_READ_ONLY && address + 8 <= CPU_GUARD;
}

bool generate_state(const struct trial *trial, enum aim aim, struct ep_regs *ret)
{
	struct ep_regs regs;
	uint64_t address = 0;

	random_registers(&regs);
	tame_division(trial, &regs);
	if (is_bit_string(trial) && has_memory(&trial->insn))
		*reg(&regs, reg_field(&trial->insn)) =
			(uint64_t)((int64_t)random_below(0x800) - 0x400);
	if (uses_stack(trial))
		regs.rsp = aimed_address(aim);
	if (operation(trial) == &emu_leave)
		regs.rbp = aimed_address(aim);
	if (one_in(8))
		regs.rcx = random_below(3);
	if (has_memory(&trial->insn)) {
		address = aim_memory(trial, aim, &regs);
		if (!address)
			return false;
	}
	if (uses_stack(trial) && !is_near(regs.rsp))
		return false;
	if (is_bit_string(trial) && has_memory(&trial->insn)) {
		int64_t offset = (int64_t)*reg(&regs, reg_field(&trial->insn));

		if (offset < -0x400 || offset > 0x400)
			return false; /* the register is part of the address, too */
	}
	if (is_wild(trial, address, &regs))
		return false;
	prepare_memory(trial, address, &regs);
	*ret = regs;
	return true;
}
