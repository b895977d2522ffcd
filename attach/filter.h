/* SPDX-License-Identifier: MIT */
/* What a thread's system call filter says of the calls that loading a library takes. */
#ifndef EMUPROBE_ATTACH_FILTER_H
#define EMUPROBE_ATTACH_FILTER_H

/**
 * Look at the filters of thread @tid, which is stopped.
 *
 * @return   0, EP_ATTACH_SANDBOXED, or EP_ATTACH_FILTER_UNKNOWN: the kernel does not show them.
 */
int filter_check(int tid);

#endif
