/* SPDX-License-Identifier: MIT */
/*
 * The thread that made a guest stands still meanwhile, and lends it its record: what the guest does
 * to its own signals must not be taken for the doing of the thread. So it is kept apart. A guest may make
 * another one, and go on when that has executed a program: so there is a row of them, each made by
 * the one before it, and what is behind a guest is begun anew when that makes another.
 */
#include "probe/guest/guest.h"

#include "probe/guest/actions.h"

#include "probe/thread/thread.h"
#include "sys/call.h"

EP_TRAP_PATH struct signals_action *guest_action(struct guest *guest, int sig)
{
	return &guest->actions[signals_index(sig)];
}

/* With what its parent had: a guest, too, or the process. */
EP_TRAP_PATH static void begin(struct guest *guest, int32_t pid, struct guest *parent,
			       uint64_t blocked)
{
	guest->pid = pid;
	guest->blocked = parent ? parent->blocked : blocked;
	for (int sig = 1; sig <= SIGSEGV; sig++) {
		if (!(SIGNALS_OWNED & SIGNALS_BIT(sig)))
			continue;
		if (parent)
			actions_copy(guest_action(guest, sig), guest_action(parent, sig));
		else
			actions_get(sig, guest_action(guest, sig));
	}
}

EP_TRAP_PATH static int find(const struct guest *guests, int32_t pid)
{
	for (int i = 0; i < GUESTS; i++)
		if (pid && guests[i].pid == pid)
			return i;
	return -1;
}

EP_TRAP_PATH static struct guest *add(struct probe_thread *thread, int32_t pid)
{
	int parent = find(thread->guests, (int32_t)sys0(SYS_getppid));
	int i = parent + 1 < GUESTS ? parent + 1 : GUESTS - 1;

	for (int later = i + 1; later < GUESTS; later++) {
		thread->guests[later].pid = 0;
		thread->guests[later].blocked = 0;
	}
	/* Where the row is full its last one takes the place of its parent. */
	begin(&thread->guests[i], pid, parent < 0 ? NULL : &thread->guests[parent],
	      thread->blocked);
	return &thread->guests[i];
}

EP_TRAP_PATH struct guest *guest_self(void)
{
	struct probe_thread *thread;
	int32_t pid;
	int i;

	if (!probe_thread_is_guest())
		return NULL;
	thread = probe_thread_self();
	if (!thread)
		return NULL;
	pid = (int32_t)sys0(SYS_getpid);
	i = find(thread->guests, pid);
	return i >= 0 ? &thread->guests[i] : add(thread, pid);
}

EP_TRAP_PATH bool guest_may_block(const struct probe_thread *thread)
{
	uint64_t blocked = 0;

	for (int i = 0; i < GUESTS; i++)
		blocked |= thread->guests[i].blocked;
	return blocked != 0;
}
