/* SPDX-License-Identifier: MIT */
/* The oracle: this processor, running one instruction at a time. One thread at a time. */
#ifndef EMUPROBE_TESTS_ORACLE_CPU_H
#define EMUPROBE_TESTS_ORACLE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"

/*
 * Memory that instructions may use, at fixed places that 32 bits can address:
 *
 *   guard | window: read and write | read only | guard | code
 */
#define CPU_WINDOW	0x10001000u
#define CPU_WINDOW_SIZE 0x1000u
#define CPU_READ_ONLY	(CPU_WINDOW + CPU_WINDOW_SIZE)
#define CPU_GUARD	(CPU_READ_ONLY + 0x1000u)
#define CPU_CODE	0x10010000u
#define CPU_INSN	(CPU_CODE + 0x800u) /* where the instruction stands */

/** Map the memory, take SIGSEGV, SIGBUS, SIGFPE and SIGILL. Once in a process. */
void cpu_init(void);

/** Put the instruction in its place; @target, in the code page, is where it may branch to. */
void cpu_load(const uint8_t *insn, size_t length, uint64_t target);

/**
 * Run it on @regs, which get what it leaves.
 *
 * @return   false: it faulted; regs are those at the fault.
 */
bool cpu_run(struct ep_regs *regs);

/**
 * Did the last run end by what may be an interrupt? Some machines cannot return from one while the
 * stack pointer is not canonical. What the instruction does itself, it does again.
 */
bool cpu_may_be_interrupted(void);

#endif
