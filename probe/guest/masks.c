/* SPDX-License-Identifier: MIT */
/*
 * A thread that blocks SIGTRAP would die of the next int3, so in the kernel none does. That the
 * program wanted it so is remembered here, for each thread; a signal that was sent and should have
 * waited is kept, as the kernel would have kept it: one of each kind for the thread, and one for
 * the process. When it is unblocked it is sent again, with all that it carried. The same for the
 * faults, since those of an emulated access and of a boundary are ours.
 *
 * The kernel gives a signal for the process to any thread that does not block it, and it thinks
 * that none does. So the thread that gets it looks for one that really wants it, and sends that
 * one a hint to come and take it.
 */
#include "probe/guest/masks.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "probe/guest/guest.h"
#include "probe/thread/thread.h"
#include "sys/abi.h"
#include "sys/call.h"

#define MOMENT	10000000l /* nanoseconds */
#define SECOND	1000000000l
#define FOREVER (1l << 32) /* seconds */

static _Atomic uint64_t process_pending;
static siginfo_t process_info[SIGNALS_OWNED_COUNT];
static const char hint;

EP_TRAP_PATH static inline void copy_info(siginfo_t *to, const siginfo_t *from)
{
	const uint64_t *source = (const uint64_t *)(const void *)from;
	volatile uint64_t *target = (volatile uint64_t *)(void *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*source); i++)
		target[i] = source[i];
}

/* ---- blocked ------------------------------------------------------------------------------- */

EP_TRAP_PATH uint64_t masks_blocked(void)
{
	struct probe_thread *thread = probe_thread_self();
	const struct guest *guest;

	if (!thread || !(thread->blocked || guest_may_block(thread)))
		return 0;
	guest = guest_self();
	return guest ? guest->blocked : thread->blocked;
}

EP_TRAP_PATH void masks_set_blocked(uint64_t blocked)
{
	struct probe_thread *thread = probe_thread_self();
	struct guest *guest = guest_self();

	blocked &= SIGNALS_OWNED;
	if (guest)
		guest->blocked = blocked;
	if (!thread || guest)
		return;
	/* Who blocks everything for a moment and then restores what was, as libc does, has not said
	   that it wants this blocked. */
	thread->adopted &= blocked;
	probe_thread_block(thread, blocked);
}

EP_TRAP_PATH void masks_adopt(uint64_t blocked)
{
	struct probe_thread *thread = probe_thread_self();

	masks_set_blocked(blocked);
	if (thread)
		thread->adopted = blocked & SIGNALS_FAULTS;
}

EP_TRAP_PATH bool masks_forget_adopted(int sig)
{
	struct probe_thread *thread = probe_thread_self();

	if (!thread || !(thread->adopted & SIGNALS_BIT(sig)))
		return false;
	thread->adopted &= ~SIGNALS_BIT(sig);
	masks_set_blocked(masks_blocked() & ~SIGNALS_BIT(sig));
	return true;
}

/* ---- pending ------------------------------------------------------------------------------- */

EP_TRAP_PATH static bool hint_to(struct probe_thread *thread, void *data)
{
	uint64_t bit = *(const uint64_t *)data;
	siginfo_t info = {.si_signo = __builtin_ctzl(bit) + 1, .si_code = SI_QUEUE};

	if ((thread->blocked & bit) && !(thread->waiting & bit))
		return false;
	info.si_value.sival_ptr = (void *)&hint;
	/* One that only waits for it may have come back from that: others are told, too. */
	return sys4(SYS_rt_tgsigqueueinfo, sys0(SYS_getpid), thread->tid, info.si_signo, &info) ==
		       0 &&
	       !(thread->waiting & bit);
}

/* What is kept for a wait of masks_wait() ends it, if it is only about to begin. */
EP_TRAP_PATH static void end_wait(struct probe_thread *thread)
{
	if (thread && thread->wait_timeout && (masks_pending() & thread->waiting))
		*thread->wait_timeout = (struct timespec){0, 0};
}

EP_TRAP_PATH void masks_take_hint(void)
{
	masks_redeliver();
	end_wait(probe_thread_self());
}

EP_TRAP_PATH void masks_leave(struct masks_left *ret)
{
	struct probe_thread *thread = probe_thread_self();

	*ret = (struct masks_left){.guarding = NULL};
	if (!thread)
		return;
	ret->guarding = thread->guarding;
	ret->wait_timeout = thread->wait_timeout;
	ret->waiting = thread->waiting;
	ret->lent = thread->lent;
	thread->lent = false;
	thread->guarding = NULL;
	thread->wait_timeout = NULL;
	thread->waiting = 0;
}

EP_TRAP_PATH void masks_come_back(const struct masks_left *left)
{
	struct probe_thread *thread = probe_thread_self();

	if (!thread)
		return;
	thread->guarding = left->guarding;
	thread->waiting = left->waiting;
	thread->wait_timeout = left->wait_timeout;
	thread->lent = left->lent;
	end_wait(thread);
}

EP_TRAP_PATH void masks_note_delivery(void)
{
	struct probe_thread *thread = probe_thread_self();

	if (thread)
		thread->delivered++;
}

EP_TRAP_PATH void masks_note_signal(void)
{
	struct probe_thread *thread = probe_thread_self();

	if (thread)
		thread->noticed++;
}

EP_TRAP_PATH bool masks_is_hint(const siginfo_t *info)
{
	return info->si_code == SI_QUEUE && info->si_value.sival_ptr == &hint;
}

EP_TRAP_PATH static bool is_for_thread(const siginfo_t *info)
{
	return info->si_code == SI_TKILL;
}

EP_TRAP_PATH static void keep_for_process(int sig, const siginfo_t *info)
{
	uint64_t bit = SIGNALS_BIT(sig);

	if (process_pending & bit)
		return;
	copy_info(&process_info[signals_index(sig)], info);
	atomic_fetch_or(&process_pending, bit);
	probe_thread_each(hint_to, &bit);
}

EP_TRAP_PATH static void keep_for_thread(struct probe_thread *thread, int sig,
					 const siginfo_t *info)
{
	if (thread->pending & SIGNALS_BIT(sig))
		return;
	copy_info(&thread->kept[signals_index(sig)], info);
	atomic_fetch_or(&thread->pending, SIGNALS_BIT(sig));
}

EP_TRAP_PATH void masks_keep(int sig, const siginfo_t *info)
{
	struct probe_thread *thread = probe_thread_self();

	if (thread && is_for_thread(info))
		keep_for_thread(thread, sig, info);
	else
		keep_for_process(sig, info);
	/* It may be about to wait: see masks_wait(). */
	if (thread && thread->wait_timeout)
		*thread->wait_timeout = (struct timespec){0, 0};
}

EP_TRAP_PATH uint64_t masks_pending(void)
{
	struct probe_thread *thread = probe_thread_self();

	return process_pending | (thread ? thread->pending : 0);
}

EP_TRAP_PATH static int take_from(_Atomic uint64_t *pending, const siginfo_t *kept, uint64_t set,
				  siginfo_t *ret)
{
	uint64_t found = *pending & set, bit = found & -found;
	int sig = __builtin_ctzl(bit | 1ul << 63) + 1;

	if (!found)
		return 0;
	copy_info(ret, &kept[signals_index(sig)]);
	return atomic_fetch_and(pending, ~bit) & bit ? sig : 0;
}

EP_TRAP_PATH int masks_take(uint64_t set, siginfo_t *ret)
{
	struct probe_thread *thread = probe_thread_self();
	int sig = thread ? take_from(&thread->pending, thread->kept, set, ret) : 0;

	return sig ? sig : take_from(&process_pending, process_info, set, ret);
}

EP_TRAP_PATH static void send(int sig, siginfo_t *info)
{
	sys4(SYS_rt_tgsigqueueinfo, sys0(SYS_getpid), sys0(SYS_gettid), sig, info);
}

EP_TRAP_PATH static void block(uint64_t set)
{
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, SYS_SIGSET_SIZE);
}

EP_TRAP_PATH void masks_send(uint64_t set)
{
	siginfo_t info;
	int sig;

	if (!(masks_pending() & set) || probe_thread_is_guest())
		return;
	block(SIGNALS_OWNED);
	while ((sig = masks_take(set, &info)))
		send(sig, &info);
}

EP_TRAP_PATH void masks_redeliver(void)
{
	if (masks_pending())
		masks_send(~masks_blocked());
}

EP_TRAP_PATH void masks_defer(int sig, siginfo_t *info, uint64_t *mask)
{
	*mask |= SIGNALS_BIT(sig);
	block(SIGNALS_BIT(sig));
	send(sig, info);
}

EP_TRAP_PATH void masks_set_waiting(uint64_t set)
{
	struct probe_thread *thread = probe_thread_self();

	if (thread && thread->waiting != set)
		thread->waiting = set;
}

EP_TRAP_PATH static bool discard_from(struct probe_thread *thread, void *data)
{
	atomic_fetch_and(&thread->pending, ~*(const uint64_t *)data);
	return false;
}

EP_TRAP_PATH void masks_discard(int sig)
{
	uint64_t bit = SIGNALS_BIT(sig);
	struct probe_thread *thread = probe_thread_self();

	atomic_fetch_and(&process_pending, ~bit);
	if (thread)
		discard_from(thread, &bit);
	probe_thread_each(discard_from, &bit);
}

/* ---- waiting ------------------------------------------------------------------------------- */

EP_TRAP_PATH static int64_t now(void)
{
	struct timespec time = {0, 0};

	sys2(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

/*
 * The kernel takes a signal of @set that comes while it waits, blocked or not. One that comes
 * between our look at what is kept and the call goes to our handler, which then sets the timeout,
 * which the kernel has not yet read, to zero.
 */
EP_TRAP_PATH static long wait_once(struct probe_thread *thread, uint64_t set, siginfo_t *info,
				   int64_t nanoseconds)
{
	volatile struct timespec *left = thread->wait_timeout;
	long ret;

	*left = (struct timespec){nanoseconds / SECOND, nanoseconds % SECOND};
	atomic_signal_fence(memory_order_seq_cst);
	ret = masks_take(set & SIGNALS_OWNED, info);
	if (!ret)
		ret = sys4(SYS_rt_sigtimedwait, &set, info, left, SYS_SIGSET_SIZE);
	if (ret <= 0 || !masks_is_hint(info))
		return ret;
	thread->noticed++; /* it was one of ours */
	return -EINTR;
}

/* Hints that came to this thread while it took another signal: give them to other threads. */
EP_TRAP_PATH static void pass_on(void)
{
	for (uint64_t left = process_pending; left; left &= left - 1) {
		uint64_t bit = left & -left;

		probe_thread_each(hint_to, &bit);
	}
}

/*
 * What another thread got first, and has kept or is about to keep, interrupts us, too: that is not
 * for the program to see, but what one of its handlers interrupted is. So is SIGSTOP, or a debugger: an
 * interruption without a handler, of ours or the program's. It is not told from what is about to be
 * kept, so the wait goes on for a moment, in case that comes.
 */
EP_TRAP_PATH static long wait_until(struct probe_thread *thread, uint64_t set, siginfo_t *info,
				    int64_t deadline)
{
	uint32_t delivered = thread->delivered;
	bool is_stopped = false;

	for (;;) {
		int64_t left = deadline - now();
		uint32_t noticed = thread->noticed;
		long ret;

		if (is_stopped && left > MOMENT)
			left = MOMENT;
		ret = wait_once(thread, set, info, left > 0 ? left : 0);
		if (ret != -EINTR && ret != -EAGAIN) {
			pass_on();
			return ret;
		}
		if (masks_pending() & set & SIGNALS_OWNED)
			continue;
		if (is_stopped || (ret == -EINTR && thread->delivered != delivered))
			return -EINTR;
		is_stopped = ret == -EINTR && thread->noticed == noticed;
		if (left <= 0 && !is_stopped)
			return -EAGAIN;
	}
}

EP_TRAP_PATH static int64_t deadline_of(const struct timespec *timeout)
{
	if (!timeout || timeout->tv_sec >= FOREVER)
		return INT64_MAX;
	return now() + timeout->tv_sec * SECOND + timeout->tv_nsec;
}

EP_TRAP_PATH long masks_wait(uint64_t set, uint64_t mask, siginfo_t *info,
			     const struct timespec *timeout)
{
	struct probe_thread *thread = probe_thread_self();
	volatile struct timespec left = {0, 0};
	uint64_t old;
	long ret;

	if (!thread)
		return -EAGAIN;
	/* While signals are open: one of ours that comes is dealt with, not put off. */
	thread->waiting = set & SIGNALS_OWNED;
	thread->wait_timeout = &left;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, SYS_SIGSET_SIZE);
	ret = wait_until(thread, set, info, deadline_of(timeout));
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, SYS_SIGSET_SIZE);
	thread->wait_timeout = NULL;
	thread->waiting = 0;
	return ret;
}
