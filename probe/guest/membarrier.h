/* SPDX-License-Identifier: MIT */
/*
 * What the program has registered for with membarrier(2): it must not see the engine's
 * registration.
 */
#ifndef EMUPROBE_PROBE_GUEST_MEMBARRIER_H
#define EMUPROBE_PROBE_GUEST_MEMBARRIER_H

#include <stdbool.h>

#include "include/emuprobe.h"

/**
 * Ask the kernel what the program has registered for. Context: before the engine registers itself.
 */
void membarrier_look(void);

/**
 * The program calls membarrier(@command, @flags). True: @ret is what it would get without us; else
 * the kernel's answer is.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool membarrier_answer(unsigned int command, unsigned int flags, long *ret);

#endif
