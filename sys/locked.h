/* SPDX-License-Identifier: MIT */
/*
 * Has the program locked its memory (mlockall)? Then what is ours grows only when it has been unlocked:
 * else it would count against the program's limit, and a thread of its own could not be made any more.
 */
#ifndef EMUPROBE_SYS_LOCKED_H
#define EMUPROBE_SYS_LOCKED_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/** It calls mlockall(). Context: TRAP_PATH. */
EP_TRAP_PATH void sys_note_mlockall(void);

/** Unlock [@at, @at + @size), of ours, if need be. Context: TRAP_PATH; a system call, seldom. */
EP_TRAP_PATH void sys_unlock(uint64_t at, uint64_t size);

#endif
