/* SPDX-License-Identifier: MIT */
/*
 * A process registers before it may use the fast barriers, which the engine does for its own sake.
 * From then on the kernel would let the program use them, too, where it would have said EPERM: a
 * library that finds out in that way what its host has prepared takes another road. So what the
 * program has registered is kept here, and a call that the kernel would have refused is refused.
 */
#include "probe/guest/membarrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdatomic.h>

#include "sys/call.h"

#define GET_REGISTRATIONS (1u << 9) /* MEMBARRIER_CMD_GET_REGISTRATIONS, Linux 6.3 */

static const struct {
	unsigned int registers, allows;
} commands[] = {
	{MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0},
	{MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_PRIVATE_EXPEDITED},
	{MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static _Atomic unsigned int registered; /* by the program */
static bool can_be_asked;

void membarrier_look(void)
{
	long now = sys3(SYS_membarrier, GET_REGISTRATIONS, 0, 0);

	can_be_asked = now >= 0;
	if (can_be_asked)
		atomic_store(&registered, (unsigned int)now);
	for (unsigned int i = 0; i < COMMANDS && !can_be_asked; i++)
		if (commands[i].allows && !sys3(SYS_membarrier, commands[i].allows, 0, 0))
			atomic_fetch_or(&registered, commands[i].registers);
}

EP_TRAP_PATH bool membarrier_answer(unsigned int command, unsigned int flags, long *ret)
{
	unsigned int now = atomic_load_explicit(&registered, memory_order_relaxed);

	if (command == GET_REGISTRATIONS && !flags) {
		*ret = (long)now;
		return can_be_asked;
	}
	for (unsigned int i = 0; i < COMMANDS && !flags; i++) {
		if (command == commands[i].registers)
			atomic_fetch_or(&registered, command);
		if (command && command == commands[i].allows && !(now & commands[i].registers)) {
			*ret = -EPERM;
			return true;
		}
	}
	return false;
}
