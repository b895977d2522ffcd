/* SPDX-License-Identifier: MIT */
/* Names of registers, the kernel's and the processor manual's. */
#ifndef EMUPROBE_TRACE_LANGUAGE_REGISTERS_H
#define EMUPROBE_TRACE_LANGUAGE_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_register {
	uint8_t offset; /* in struct ep_regs, of the lowest byte: 1 more for %ah */
	uint8_t size;	/* in bytes */
};

/**
 * What a register name means, without its '%'. The kernel's %ax, %di, %ip are the whole register;
 * ours are as wide as they say: %rax, %eax, %al.
 *
 * @return   Whether there is such a register.
 * Context:  any.
 */
bool trace_register_find(const char *name, size_t size, struct trace_register *ret);

/** Where the argument @number (1..6) of a function is at its entry. */
bool trace_register_of_argument(unsigned long number, struct trace_register *ret);

#endif
