/* SPDX-License-Identifier: MIT */
/*
 * What the bare machine does, measured once in a process: tests compare with that, scale their
 * limits by it, or skip and say what was measured. Nothing is taken for granted that a guest whose
 * kernel runs outside of ring 0 does in its own way.
 */
#ifndef EMUPROBE_TESTS_SUPPORT_PLATFORM_H
#define EMUPROBE_TESTS_SUPPORT_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How something ended: signal 0, it went on as if nothing were the matter. */
struct platform_end {
	int signal, code, trapno;
	bool at_insn; /* the signal's RIP: the instruction itself, or that which was returned to */
};

struct platform {
	double trap_us;	   /* int3, empty SIGTRAP handler, return: median */
	double load;	   /* runnable threads for each processor, 1 or more */
	double slowness;   /* what a limit for an idle machine is to be multiplied by, 1 or more */
	const char *guest; /* "none", "KVM", "KVM, kernel in ring 3", ... as far as can be told */
	char clocksource[32];
	struct platform_end push;   /* with a stack pointer that is not canonical */
	struct platform_end resume; /* a signal handler returns to such a stack pointer */
	bool steps_over_cpuid;	    /* the trap flag stops right behind cpuid, as behind all else */
	bool fsgsbase_executes;	    /* announced or not */
	bool pti;		    /* the kernel has page tables of its own (Meltdown) */
	int shadow_stack; /* 1: this thread has one; 0: it could; -1: the kernel has none */
};

const struct platform *platform(void);

/** All of it in one line, without newline. */
void platform_describe(char *text, size_t size);

#endif
