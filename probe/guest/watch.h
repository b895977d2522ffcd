/* SPDX-License-Identifier: MIT */
/* Would a trap be served now? Looks for what has changed without a guard noticing. */
#ifndef EMUPROBE_PROBE_GUEST_WATCH_H
#define EMUPROBE_PROBE_GUEST_WATCH_H

/**
 * Is SIGTRAP's handler ours, and does no thread block it? A system call that is not guarded, in
 * generated code say, may have changed either. What was found holds for some milliseconds, so that
 * many probes made one by one do not look at all threads each time.
 *
 * @return   0; -EP_SIGNAL_TAKEN; -EP_SIGNALS_BLOCKED. 0 as well without /proc.
 * Context:  engine lock held, engine started. A few microseconds for each thread.
 */
int watch_traps(void);

#endif
