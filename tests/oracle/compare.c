/* SPDX-License-Identifier: MIT */
/* See compare.h: every register, every flag, RIP, every byte of the window, and whether it faults.
 */
#include "tests/oracle/compare.h"

#include <stdio.h>
#include <string.h>

#include "tests/oracle/cpu.h"

/* The part of the window that instructions reach. */
#define FIRST 0x400u
#define SIZE  (CPU_WINDOW_SIZE - FIRST)

static uint8_t before[SIZE], by_cpu[SIZE];

static uint8_t *window(void)
{
	return (uint8_t *)(uint64_t)(CPU_WINDOW + FIRST);
}

void compare_init(void)
{
	cpu_init();
	for (size_t i = 0; i < SIZE; i++)
		window()[i] = (uint8_t)random_u64();
}

static void print_insn(const struct trial *trial)
{
	char text[96];

	x86_insn_text(&trial->insn, text, sizeof(text));
	fprintf(stderr, "%s: %s  (", trial->rule->instruction, text);
	for (unsigned int i = 0; i < trial->insn.length; i++)
		fprintf(stderr, " %02x", trial->insn.bytes[i]);
	fprintf(stderr, " )\n");
}

static void print_regs(const struct ep_regs *start, const struct ep_regs *cpu,
		       const struct ep_regs *emu)
{
	static const char *const names[] = {"r8",  "r9",  "r10", "r11", "r12", "r13",
					    "r14", "r15", "rdi", "rsi", "rbp", "rbx",
					    "rdx", "rax", "rcx", "rsp", "rip", "rflags"};
	const uint64_t *s = (const uint64_t *)start, *c = (const uint64_t *)cpu,
		       *e = (const uint64_t *)emu;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fprintf(stderr, "  %-6s %016lx  cpu %016lx  emu %016lx%s\n", names[i], s[i], c[i],
			e[i], c[i] == e[i] ? "" : "  <--");
}

/*
 * What is left out of the comparison: OF after a rotation by an immediate other than 0 and 1. It
 * is undefined, and this processor keeps it there but computes it after a rotation by CL, which is
 * how the emulator does both.
 */
static uint64_t undefined_flags(const struct trial *trial)
{
	const struct emu_variants *op = trial->rule->variants;
	bool rotates = op == &emu_rol || op == &emu_ror || op == &emu_rcl || op == &emu_rcr;

	return rotates && trial->rule->shape == EMU_RM_IMM ? X86_OF : 0;
}

static bool is_rotation_by_0_or_1(const struct trial *trial)
{
	unsigned int mask = trial->insn.rex & X86_REX_W ? 63 : 31;

	return ((unsigned int)trial->insn.imm & mask) <= 1;
}

static void leave_out(const struct trial *trial, struct ep_regs *cpu, struct ep_regs *emu)
{
	uint64_t flags = is_rotation_by_0_or_1(trial) ? 0 : undefined_flags(trial);

	cpu->rflags &= ~flags;
	emu->rflags &= ~flags;
}

/*
 * Nothing that comes by chance comes ten times; three times did, on a busy machine whose interrupts come
 * together. @return false: it faulted.
 */
static bool run_on_cpu(const struct ep_regs *regs, struct ep_regs *ret)
{
	const int enough = 10;
	bool ok = false;

	for (int tries = 0; tries < enough; tries++) {
		*ret = *regs;
		ok = cpu_run(ret);
		if (!cpu_may_be_interrupted())
			break;
		if (tries < enough - 1)
			memcpy(window(), before, SIZE);
	}
	return ok;
}

static bool compare_once(const struct trial *trial, const struct ep_regs *regs,
			 struct ep_regs *ret_cpu, bool tells)
{
	struct ep_regs cpu, emu = *regs;
	struct emu_op op;

	if (emu_prepare(&trial->insn, &op))
		return false;
	memcpy(before, window(), SIZE);
	bool cpu_ok = run_on_cpu(regs, &cpu);

	memcpy(by_cpu, window(), SIZE);
	memcpy(window(), before, SIZE);
	bool emu_ok = emu_run(&op, &emu);

	*ret_cpu = cpu;
	leave_out(trial, &cpu, &emu);
	bool same_memory = !memcmp(window(), by_cpu, SIZE);

	if (cpu_ok == emu_ok && same_memory && !memcmp(&cpu, &emu, sizeof(cpu)))
		return true;
	if (!tells)
		return false;
	print_insn(trial);
	fprintf(stderr, "  cpu %s, emu %s, memory %s\n", cpu_ok ? "ok" : "faults",
		emu_ok ? "ok" : "withdraws", same_memory ? "same" : "differs");
	print_regs(regs, &cpu, &emu);
	return false;
}

/*
 * The judge must agree with itself. Once in some ten millions a guest's processor does not, on flags that are
 * undefined: the host performs an instruction in its place.
 */
bool compare_state(const struct trial *trial, const struct ep_regs *regs)
{
	struct ep_regs first, second;

	if (compare_once(trial, regs, &first, false))
		return true;
	memcpy(window(), before, SIZE);
	if (compare_once(trial, regs, &second, false)) {
		fprintf(stderr, "this processor says %s of the same registers twice:\n",
			memcmp(&first, &second, sizeof(first)) ? "two things" : "one thing");
		print_insn(trial);
		return memcmp(&first, &second, sizeof(first));
	}
	memcpy(window(), before, SIZE);
	return compare_once(trial, regs, &second, true);
}

bool compare_states(const struct trial *trial, enum aim aim, unsigned int states)
{
	struct ep_regs regs;

	cpu_load(trial->insn.bytes, trial->insn.length, trial->target);
	for (unsigned int i = 0; i < states; i++) {
		if (!generate_state(trial, aim, &regs))
			continue;
		if (!compare_state(trial, &regs))
			return false;
	}
	return true;
}
