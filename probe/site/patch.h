/* SPDX-License-Identifier: MIT */
/* Changes the bytes of running code. */
#ifndef EMUPROBE_PROBE_SITE_PATCH_H
#define EMUPROBE_PROBE_SITE_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"

struct patch_byte {
	uint64_t address;
	uint8_t byte;
	int error; /* out: 0 or -EP_NOT_WRITABLE */
};

/**
 * Write single bytes of program text, each atomically; then no thread executes an old one any
 * more (G1), without a thread being stopped (G2).
 *
 * @return   0: all were written, and the barrier stood. Else some failed, as their .error says, or
 *           the barrier was refused (by a sandbox that came later).
 * Context:  engine lock held. About 1 us a byte and 10 us in all.
 */
size_t patch_write(struct patch_byte *bytes, size_t count);

/**
 * Write bytes, of whole jumps for instance, which nobody executes, nor what stands between them,
 * until all are written. The caller knows that no other process runs in this memory; whether there
 * are other threads is looked at here. All bytes of a page are written by one system call, or none of them.
 *
 * @return   How many were not written, as their .error says.
 * Context:  engine lock held. Some microseconds a page, and 30 us in all.
 */
size_t patch_write_unseen(struct patch_byte *bytes, size_t count);

/**
 * Write bytes of code that no thread executes yet, nor what stands between them, but that may be executed
 * at any time afterwards. What threads have prefetched of it is of no consequence: old and new bytes are
 * both right.
 *
 * @return   How many were not written, as their .error says.
 * Context:  engine lock held. Some microseconds a page.
 */
size_t patch_write_new(struct patch_byte *bytes, size_t count);

/**
 * Write one byte in the place of an int3, where old and new byte are both right for every thread.
 *
 * @return   false: a sandbox forbids each way to do so.
 * Context:  TRAP_PATH, all signals blocked; three system calls.
 */
EP_TRAP_PATH bool patch_restore(uint64_t address, uint8_t byte);

/**
 * The same at the lowest level, for a process that is about to die. A file of program text, or a
 * negative errno; what it cannot write is left.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH long patch_open(void);
EP_TRAP_PATH void patch_close(long fd);
EP_TRAP_PATH bool patch_write_raw(long fd, uint64_t address, const uint8_t *bytes, size_t size);

/**
 * Is this page not executable just now because its bytes are being changed? (Only where
 * /proc/self/mem cannot be written.) A thread that faults there tries again.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool patch_is_busy(uint64_t address);

/**
 * Has that ever been so? Then a thread may have faulted there and find the page whole by now.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool patch_was_busy(void);

/* For tests: behave as if /proc/self/mem could not be written. */
void patch_force_mprotect(bool force);

#endif
