/* SPDX-License-Identifier: MIT */
/* What the kernel says of this process: who traces it, whether it has a seccomp filter. */
#ifndef EMUPROBE_SYS_STATUS_H
#define EMUPROBE_SYS_STATUS_H

/**
 * The number behind "@name:" in /proc/self/status.
 *
 * @return   0, too, if there is no such line or the file cannot be read.
 * Context:  any thread, at any time after libc's relocation; three system calls. Not in a trap.
 */
unsigned long sys_status(const char *name);

#endif
