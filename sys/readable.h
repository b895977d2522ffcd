/* SPDX-License-Identifier: MIT */
/*
 * What a program hands to execve() may be nothing that can be read: that is an error of the system
 * call, so it must not end the program when we look at it first.
 * Context:  TRAP_PATH, all of it; a system call for each page.
 */
#ifndef EMUPROBE_SYS_READABLE_H
#define EMUPROBE_SYS_READABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/** Is the page of @address there? */
EP_TRAP_PATH bool sys_readable_page(uint64_t address);

/** Is all of @text there, its end included, and no longer than the kernel takes? */
EP_TRAP_PATH bool sys_readable_string(const char *text);

/** Is all of @vector there, its end and its strings included? NULL is an empty one. */
EP_TRAP_PATH bool sys_readable_vector(char *const *vector);

#endif
