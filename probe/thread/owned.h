/* SPDX-License-Identifier: MIT */
/*
 * The signals that the engine owns: in the kernel their handlers are always ours and no thread
 * blocks them. What the program wants with them is kept as the kernel would keep it.
 */
#ifndef EMUPROBE_PROBE_THREAD_OWNED_H
#define EMUPROBE_PROBE_THREAD_OWNED_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* As the kernel's rt_sigaction() wants it (sigaction(2), "C library/kernel differences"). */
struct signals_action {
	void (*handler)(int sig, siginfo_t *info, void *ucontext);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

#define SIGNALS_BIT(sig) (1ul << ((sig)-1))
/* Those whose handler is always ours. */
#define SIGNALS_FAULTS                                                                             \
	(SIGNALS_BIT(SIGSEGV) | SIGNALS_BIT(SIGBUS) | SIGNALS_BIT(SIGFPE) | SIGNALS_BIT(SIGILL))
#define SIGNALS_OWNED	    (SIGNALS_BIT(SIGTRAP) | SIGNALS_FAULTS)
#define SIGNALS_OWNED_COUNT 5

/* A dense number for each of them. */
static inline __attribute__((always_inline)) unsigned int signals_index(int sig)
{
	unsigned int ret = 0;

	for (uint64_t below = SIGNALS_OWNED & (SIGNALS_BIT(sig) - 1); below; below &= below - 1)
		ret++;
	return ret;
}

static inline __attribute__((always_inline)) bool
signals_is_handler(const struct signals_action *action)
{
	uint64_t handler = (uint64_t)action->handler;

	return handler != (uint64_t)SIG_DFL && handler != (uint64_t)SIG_IGN;
}

#endif
