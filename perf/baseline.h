/* SPDX-License-Identifier: MIT */
/* What the engine is compared with: the bare trap, and the kernel's own probes. */
#ifndef EMUPROBE_PERF_BASELINE_H
#define EMUPROBE_PERF_BASELINE_H

#include <stdint.h>

/*
 * A SIGTRAP handler that does nothing, in place of the engine's. With shape_int3() this is the
 * floor: what int3, the kernel's delivery and sigreturn cost together, whatever one does in
 * between.
 */
void baseline_trap_begin(void);
void baseline_trap_end(void);

struct baseline_uprobe {
	int fd;
};

/**
 * Put a kernel uprobe that only counts on @function of this executable, for this process.
 *
 * @return   NULL, or why it is not possible: a string that stays.
 */
const char *baseline_uprobe_begin(struct baseline_uprobe *uprobe, void (*function)(void));

/**
 * The same for @symbol of the library @path, in process @pid and from its next execve(2) on. Hits of
 * its first thread are counted: with an event that is to be inherited, pthread_create() fails.
 */
const char *baseline_uprobe_begin_at_exec(struct baseline_uprobe *uprobe, const char *path,
					  const char *symbol, int pid);

/** Remove it; returns how often it was hit. */
uint64_t baseline_uprobe_end(struct baseline_uprobe *uprobe);

#endif
