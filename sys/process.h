/* SPDX-License-Identifier: MIT */
/* Who the calling thread is; without libc, for the reasons in files.h. TRAP_PATH. */
#ifndef EMUPROBE_SYS_PROCESS_H
#define EMUPROBE_SYS_PROCESS_H

#include <errno.h>
#include <linux/prctl.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/call.h"

#define SYS_COMM_SIZE	 16 /* PR_GET_NAME in prctl(2) */
#define SYS_PROCESS_CALL static inline __attribute__((always_inline))

SYS_PROCESS_CALL int sys_getpid(void)
{
	return (int)sys0(SYS_getpid);
}

SYS_PROCESS_CALL int sys_getppid(void)
{
	return (int)sys0(SYS_getppid);
}

/* End the process at once: no exit handler and no destructor runs. */
_Noreturn SYS_PROCESS_CALL void sys_exit(int status)
{
	for (;;)
		sys1(SYS_exit_group, status);
}

/* Has the thread @tid of the process @pid ended? False also where a filter forbids asking. */
SYS_PROCESS_CALL bool sys_is_dead(int pid, uint32_t tid)
{
	return sys3(SYS_tgkill, pid, tid, 0) == -ESRCH;
}

/* Its name, of SYS_COMM_SIZE bytes. */
SYS_PROCESS_CALL void sys_get_comm(char *ret)
{
	sys2(SYS_prctl, PR_GET_NAME, ret);
}

#endif
