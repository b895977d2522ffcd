/* SPDX-License-Identifier: MIT */
/* Starting in a program that runs already: include/emuprobe-attach.h. */
#ifndef EMUPROBE_PRELOAD_ATTACHED_H
#define EMUPROBE_PRELOAD_ATTACHED_H

#include "include/emuprobe-attach.h"

/* How the name begins by which this library is loaded then. */
#define ATTACHED_NAME "/proc/thread-self/fd/../fd/"

/** The program was started with probes: nobody is to attach to it. */
void attached_forbid(void);

/**
 * The function that ep_attach() is to call; .descriptor: of the session; .text: the path of this library,
 * a newline, and that of the session for what the program executes. Returns when nothing of the program
 * is probed any more.
 */
__attribute__((visibility("default"))) void *emuprobe_attached(struct ep_attached *attached);

#endif
