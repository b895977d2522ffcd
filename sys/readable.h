/* SPDX-License-Identifier: MIT */
/*
 * Pointers that a program hands to execve() may be invalid. The system call then returns an error,
 * so our look at them, before the call, must not end the program.
 * Context:  TRAP_PATH, all of it; a system call for each page.
 */
#ifndef EMUPROBE_SYS_READABLE_H
#define EMUPROBE_SYS_READABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/** Can the page of @address be read? */
EP_TRAP_PATH bool sys_readable_page(uint64_t address);

/** Can all of @text be read, its end included, and no longer than the kernel takes? */
EP_TRAP_PATH bool sys_readable_string(const char *text);

/** Can all of @vector be read, its end and its strings included? NULL is an empty one. */
EP_TRAP_PATH bool sys_readable_vector(char *const *vector);

#endif
