/* SPDX-License-Identifier: MIT */
/*
 * When the program ends, no more of the calls that its last thread is in will return. Those of the other
 * threads go on until the kernel ends them, and only their own threads may look at their records.
 */
#include "include/counting.h"
#include "probe/site/calls.h"

void ep_end_calls(void)
{
	struct probe_thread *thread = probe_thread_self();

	/* The child of a vfork() ends, not the thread whose memory it is in. */
	if (thread && !probe_thread_is_guest())
		calls_exit(thread);
}
