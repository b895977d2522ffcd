/* SPDX-License-Identifier: MIT */
/* The public API: call stacks. */
#include "probe/image/walk.h"

EP_TRAP_PATH size_t ep_backtrace(const struct ep_regs *regs, uint64_t *ret, size_t max)
{
	return walk_stack(regs, ret, max);
}
