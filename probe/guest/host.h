/* SPDX-License-Identifier: MIT */
/* Can probes work in this process at all? */
#ifndef EMUPROBE_PROBE_GUEST_HOST_H
#define EMUPROBE_PROBE_GUEST_HOST_H

/**
 * Asked before anything is changed; the answer is kept.
 *
 * @return   0, -EP_VALGRIND, -EP_UNSUPPORTED, -EP_SANDBOXED or -EP_TRACED.
 * Context:  any thread; two that ask at once get the same answer.
 */
int host_check(void);

#endif
