/* SPDX-License-Identifier: MIT */
/*
 * The emulator alone, without a trap around it: what emu_run() takes for one instruction. This
 * program alone looks behind the public API, since no probe shows so few nanoseconds under a trap.
 */
#include <stdlib.h>

#include "emu/emu.h"
#include "perf/harness.h"
#include "x86/insn.h"

/* See emulate_insns.S. */
extern const struct {
	const char *text;
	const uint8_t *code;
	uint64_t size;
} emulate_insns[];

struct subject {
	const uint8_t *code;
	size_t size;
	struct emu_op op;
};

static uint64_t memory[64], stack[64];

static const char *prepare(void *data)
{
	struct subject *subject = data;
	struct x86_insn insn;

	for (size_t i = 0; i < sizeof(memory) / sizeof(*memory); i++)
		memory[i] = (uint64_t)memory;
	if (x86_decode(subject->code, subject->size, (uint64_t)subject->code, &insn) != 0)
		return "not decoded";
	return emu_prepare(&insn, &subject->op) ? "not emulated" : NULL;
}

static void run(void *data, uint64_t loops)
{
	const struct subject *subject = data;
	struct ep_regs regs = {.rdi = (uint64_t)memory, .rsi = 3};

	while (loops-- > 0) {
		regs.rsp = regs.rbp = (uint64_t)&stack[32];
		regs.rip = (uint64_t)subject->code;
		if (!emu_run(&subject->op, &regs))
			abort();
	}
}

int main(int argc, char **argv)
{
	struct perf_table table = {.program = "emulate",
				   .question = "What does the emulator itself cost?"};
	struct perf_options options;
	struct subject *subject;

	perf_parse(argc, argv, &options);
	perf_pin(0);
	for (size_t i = 0; emulate_insns[i].text; i++) {
		subject = calloc(1, sizeof(*subject));
		if (!subject)
			return 1;
		subject->code = emulate_insns[i].code;
		subject->size = emulate_insns[i].size;
		perf_add(&table, (struct perf_case){.row = emulate_insns[i].text,
						    .column = "emu_run",
						    .begin = prepare,
						    .loop = run,
						    .data = subject,
						    .against = -1});
	}
	return perf_run(&table, &options);
}
