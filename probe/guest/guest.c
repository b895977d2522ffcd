/* SPDX-License-Identifier: MIT */
/*
 * The thread that made a guest stands still meanwhile, and lends it its record: what the guest does
 * to its own signals must not be taken for the doing of the thread. So it is kept apart, and begun
 * anew when another guest comes.
 */
#include "probe/guest/guest.h"

#include "probe/guest/actions.h"

#include "probe/thread/thread.h"
#include "sys/call.h"

EP_TRAP_PATH struct signals_action *guest_action(struct guest *guest, int sig)
{
	return &guest->actions[signals_index(sig)];
}

EP_TRAP_PATH static void begin(struct guest *guest, int32_t pid, uint64_t blocked)
{
	guest->pid = pid;
	guest->blocked = blocked;
	for (int sig = 1; sig <= SIGSEGV; sig++)
		if (SIGNALS_OWNED & SIGNALS_BIT(sig))
			actions_get(sig, guest_action(guest, sig));
}

EP_TRAP_PATH struct guest *guest_self(void)
{
	struct probe_thread *thread;
	int32_t pid;

	if (!probe_thread_is_guest())
		return NULL;
	thread = probe_thread_self();
	if (!thread)
		return NULL;
	pid = (int32_t)sys0(SYS_getpid);
	if (thread->guest.pid != pid)
		begin(&thread->guest, pid, thread->blocked);
	return &thread->guest;
}
