/* SPDX-License-Identifier: MIT */
/* Can an unwinder go on at a return address, and how? Asked in a hit, of what is loaded. */
#ifndef EMUPROBE_PROBE_IMAGE_CALLERS_H
#define EMUPROBE_PROBE_IMAGE_CALLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "probe/image/live.h"

/**
 * Begin to keep what callers_can_be_unwound() looks at; until then its answer is false. Nothing
 * happens when it is called again.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held, the engine has the signals of faults. Some microseconds an object.
 */
int callers_start(void);

/**
 * Objects were loaded or unloaded: look again, if anybody has begun. Without memory for that no
 * caller can be unwound.
 * Context:  engine lock held. Some microseconds an object.
 */
void callers_refresh(void);

/**
 * Is @address, where a call returns to, in the code of a loaded object that says how to unwind
 * there? It is looked up as unwinders do, by the byte in front of it: that of the call. False for
 * the vDSO, for objects without a table of FDEs (.eh_frame_hdr), and for memory of no object.
 *
 * Context:  TRAP_PATH: any thread, while objects come and go. No system call; 70 ns, or some
 *           hundred where nobody has asked of that object lately.
 */
EP_TRAP_PATH bool callers_can_be_unwound(uint64_t address);

/*
 * The same step by step, for who wants to know more: what callers_find() says by the version that
 * callers_version() has told holds if callers_were_right() afterwards. Of the vDSO, too.
 */

/** Begins to be another one whenever objects come and go. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t callers_version(void);

/** The FDE of the instruction at @address. Context: TRAP_PATH; some hundred ns. */
EP_TRAP_PATH bool callers_find(uint64_t version, uint64_t address, struct live_fde *ret);

/** Has the list of @version been there all the time? Context: TRAP_PATH. */
EP_TRAP_PATH bool callers_were_right(uint64_t version);

#endif
