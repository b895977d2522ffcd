/* SPDX-License-Identifier: MIT */
/*
 * Two kinds. Within the process, whoever changes code or removes a probe makes all other threads
 * see it before it goes on (G1, G5). Between processes, whoever reads their rings makes sure that
 * no record is about to appear that is older than those read (trace/session/snapshot.c).
 */
#include "sys/barrier.h"

#include <linux/membarrier.h>
#include <stddef.h>

#include "sys/call.h"

static bool is_registered;

bool sys_barrier_register(void)
{
	is_registered =
		!sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) &&
		!sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	return is_registered;
}

bool sys_barrier(void)
{
	if (!is_registered)
		return false;
	return !sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) &&
	       !sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

bool sys_barrier_register_shared(void)
{
	return !sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

EP_TRAP_PATH bool sys_barrier_shared(void)
{
	return !sys3(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}
