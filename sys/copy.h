/* SPDX-License-Identifier: MIT */
/*
 * Copies memory of this process that may not be mapped. Works before the engine has started, too.
 */
#ifndef EMUPROBE_SYS_COPY_H
#define EMUPROBE_SYS_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Copy @size bytes from @from, or as many of them as can be read.
 *
 * @return   How many were.
 * Context:  any thread; up to three system calls, or one for each page.
 */
size_t sys_copy(uint64_t from, void *to, size_t size);

/**
 * From now on the engine's handlers catch faults (@caught), or do so no longer. As long as they do
 * not, sys_copy_all() has the kernel copy, which costs system calls.
 */
void sys_copy_rely_on_faults(bool caught);

/**
 * Copy all of it, by plain reads where a fault is caught.
 *
 * @return   false: it cannot be read.
 * Context:  as sys_copy().
 */
bool sys_copy_all(uint64_t from, void *to, size_t size);

/* For tests: as if /proc were not there. */
void sys_copy_forget_proc(bool forget);

#endif
