/* SPDX-License-Identifier: MIT */
/*
 * Random bytes into decode, prepare and run, in a forked child: the engine never crashes, and
 * agrees with this processor wherever both accept. "fuzz-emulator [COUNT [SEED]]"; the bytes at
 * which a child died are printed, to become a named case.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/oracle/compare.h"
#include "tests/oracle/cpu.h"
#include "x86/regs.h"

/* In memory that survives the child. */
struct progress {
	uint8_t bytes[X86_INSN_MAX];
	uint64_t decoded, prepared, compared, ran_wild;
	bool differs;
};

/* Any bytes, or with a beginning that makes most of them an instruction. */
static void random_bytes(uint8_t bytes[X86_INSN_MAX])
{
	static const uint8_t starts[] = {0x66, 0x67, 0xf2, 0xf3, 0x64, 0x65, 0x48, 0x41, 0x0f};
	uint64_t choice = random_below(16);

	for (int i = 0; i < X86_INSN_MAX; i++)
		bytes[i] = (uint8_t)random_u64();
	if (choice < sizeof(starts))
		bytes[0] = starts[choice];
	if (bytes[0] == 0x48 || bytes[0] == 0x41)
		bytes[1] = random_below(2) ? 0x0f : bytes[1];
}

/* Registers that lead anywhere: every access is expected to fault, and none may do harm. */
static void run_wild(const struct x86_insn *insn, struct progress *progress)
{
	struct ep_regs regs;
	struct emu_op op;

	if (emu_prepare(insn, &op))
		return;
	for (size_t i = 0; i < X86_REGS_COUNT; i++)
		((uint64_t *)&regs)[i] = random_u64() | 1ull << 62; /* not canonical, mostly */
	emu_run(&op, &regs);
	progress->ran_wild++;
}

static void compare_aimed(const struct x86_insn *insn, struct progress *progress)
{
	struct trial trial;

	if (!generate_from(insn, &trial))
		return;
	for (enum aim aim = AIM_INSIDE; aim <= AIM_EDGE; aim++) {
		if (!compare_states(&trial, aim, aim == AIM_EDGE ? 2 : 10))
			progress->differs = true;
		progress->compared++;
	}
}

static void try_bytes(struct progress *progress)
{
	struct x86_insn insn;
	struct emu_op op;

	random_bytes(progress->bytes);
	if (x86_decode(progress->bytes, X86_INSN_MAX, CPU_INSN, &insn))
		return;
	progress->decoded++;
	if (emu_prepare(&insn, &op))
		return;
	progress->prepared++;
	if (random_below(8) == 0)
		run_wild(&insn, progress);
	compare_aimed(&insn, progress);
}

static int wait_for(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void report(const struct progress *progress, int status)
{
	printf("%lu decoded, %lu prepared, %lu compared, %lu run wild\n", progress->decoded,
	       progress->prepared, progress->compared, progress->ran_wild);
	if (!status && !progress->differs)
		return;
	printf("%s at", status ? "crash" : "difference");
	for (int i = 0; i < X86_INSN_MAX; i++)
		printf(" %02x", progress->bytes[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (progress == MAP_FAILED)
		return 1;
	random_state += argc > 2 ? 2 * strtoull(argv[2], NULL, 0) : 0;
	pid_t child = fork();

	if (child == 0) {
		compare_init();
		for (uint64_t i = 0; i < count && !progress->differs; i++)
			try_bytes(progress);
		_exit(0);
	}
	int status = wait_for(child);

	report(progress, status);
	return status || progress->differs;
}
