/* SPDX-License-Identifier: MIT */
/*
 * Sandboxes that do not let a signal handler return: a seccomp filter without rt_sigreturn(2).
 */
#ifndef EMUPROBE_PROBE_GUEST_SANDBOX_H
#define EMUPROBE_PROBE_GUEST_SANDBOX_H

/*
 * Where gregs are in the kernel's ucontext, and what else leave.S needs; sandbox.c compares them.
 */
#define SANDBOX_GREGS	40 /* in ucontext_t */
#define SANDBOX_FPREGS	(SANDBOX_GREGS + 184)
#define SANDBOX_SIGMASK (SANDBOX_GREGS + 256)
#define SANDBOX_IRET	128 /* in gregs: rip, and behind it what we put there for iretq */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "include/emuprobe.h"

/**
 * The program is about to put the filter at @address (a struct sock_fprog of its own) in force: if
 * it refuses the return from a signal handler, sandbox_return() does without from now on; if it
 * refuses sigaltstack(), threads get no stack of ours any more.
 *
 * Context:  TRAP_PATH; any thread. @address may be invalid.
 * Cost:     some nanoseconds for each instruction of the filter that runs.
 */
EP_TRAP_PATH void sandbox_filter(uint64_t address);

/** Likewise, where a filter that was in force at the start does so. Context: as signals_init(). */
void sandbox_forbids_return(void);

/**
 * The last call of a handler of ours whose frame is @context: goes on where that says, without a
 * system call that the sandbox refuses. Returns where there is no such sandbox.
 *
 * Context:  TRAP_PATH; in a handler with all signals of SIGNALS_HELD blocked.
 */
EP_TRAP_PATH void sandbox_return(ucontext_t *context);

/**
 * Was the thread in sandbox_return(), with the program's signals open again? Then @regs become
 * those that it was about to have.
 *
 * Context:  TRAP_PATH; in a signal handler of the thread itself.
 */
EP_TRAP_PATH bool sandbox_view(struct ep_regs *regs);

/* leave.S; signals are open from the first label on, and RSP is at gregs until the second. */
_Noreturn void sandbox_leave(ucontext_t *context);
extern const uint8_t sandbox_opened[], sandbox_last[], sandbox_leave_end[];
#endif

#endif
