/* SPDX-License-Identifier: MIT */
/*
 * A guest: a process of its own that runs in its parent's memory, as the thread that made it, until
 * it executes another program (vfork, posix_spawn). Its signal mask and actions are its own.
 */
#ifndef EMUPROBE_PROBE_GUEST_GUEST_H
#define EMUPROBE_PROBE_GUEST_GUEST_H

#include "probe/thread/thread.h"

/**
 * The caller's own mask and actions, if it is a guest: at first those that it has inherited.
 *
 * @return   NULL: it is not.
 * Context:  TRAP_PATH; a system call.
 */
EP_TRAP_PATH struct guest *guest_self(void);

/** Does a guest that runs as @thread, or did, block a signal that we own? Context: TRAP_PATH. */
EP_TRAP_PATH bool guest_may_block(const struct probe_thread *thread);

/** The action of @sig, which we own. Context: TRAP_PATH. */
EP_TRAP_PATH struct signals_action *guest_action(struct guest *guest, int sig);

#endif
