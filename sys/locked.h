/* SPDX-License-Identifier: MIT */
/*
 * Has the program locked its memory (mlockall)? Then memory of the engine's is unlocked as it
 * grows: otherwise it would count against the program's limit, and the program could not make a
 * thread any more.
 */
#ifndef EMUPROBE_SYS_LOCKED_H
#define EMUPROBE_SYS_LOCKED_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/** The program calls mlockall(). Context: TRAP_PATH. */
EP_TRAP_PATH void sys_note_mlockall(void);

/**
 * Unlock the engine's memory [@at, @at + @size), if the program has locked all. Context: TRAP_PATH;
 * a system call, seldom.
 */
EP_TRAP_PATH void sys_unlock(uint64_t at, uint64_t size);

#endif
