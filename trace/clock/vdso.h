/* SPDX-License-Identifier: MIT */
/* Functions of the vDSO, which ask the kernel's data without asking the kernel. */
#ifndef EMUPROBE_TRACE_CLOCK_VDSO_H
#define EMUPROBE_TRACE_CLOCK_VDSO_H

#include <stdbool.h>
#include <stdint.h>

/* What a hit may leave below the program's stack pointer for the sake of a clock. */
#define TRACE_VDSO_STACK_MAX 512u

/**
 * The function @name, if its code shows that it may be called on a hit: it uses general registers
 * only, branches to known addresses only, and takes no more than TRACE_VDSO_STACK_MAX bytes of
 * stack.
 *
 * @ret_stack  The bytes that it takes at the most, its red zone included; may be NULL.
 *
 * @return   0: there is none, or it is not shown.
 * Context:  not in a trap. Decodes a few hundred instructions.
 */
uint64_t trace_vdso_find(const char *name, unsigned int *ret_stack);

/** The same question of @function, all of whose code lies between @start and @end. */
bool trace_vdso_check(uint64_t start, uint64_t end, uint64_t function, unsigned int *ret_stack);

#endif
