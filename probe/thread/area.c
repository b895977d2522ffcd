/* SPDX-License-Identifier: MIT */
/* The mark by which static TLS of ours is known. */
#include "probe/thread/area.h"

__thread uint64_t probe_thread_mark = XOL_THREAD_MARK;
__thread struct probe_thread_here probe_thread_here;
