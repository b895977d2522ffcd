/* SPDX-License-Identifier: MIT */
/*
 * An int3 kills the process when SIGTRAP is blocked or ignored, and whatever signal finds a thread
 * in a slot must show the program the original address. So wherever the program sets a handler the
 * kernel gets ours, with the flags that the program asked for, and we remember here what it set.
 * SIGTRAP and the faults have our handler always, and no mask has them in it. Our handlers begin
 * with all other signals blocked: nothing interrupts the hit path, or finds a frame that is not
 * yet translated.
 */
#include "probe/guest/signals.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "probe/guest/actions.h"
#include "probe/guest/guest.h"
#include "probe/guest/masks.h"
#include "probe/thread/thread.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/copy.h"
#include "sys/memory.h"

#define SIGNALS 64
/* What the kernel keeps of sa_flags: UAPI_SA_FLAGS (linux/signal_types.h), since 5.11. */
#define KEPT_FLAGS 0xdc000807u

void signals_restorer(void);

static struct signals_ours ours;

EP_TRAP_PATH static bool is_owned(int sig)
{
	return sig > 0 && sig <= SIGNALS && (SIGNALS_OWNED & SIGNALS_BIT(sig));
}

/* How restorer.S tells unwinders where a frame has the registers, and that RSP is at rsp + 160. */
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs) == 40 && 40 + 8 * REG_RSP == 160 &&
		       REG_R8 == 0 && REG_R15 == 7 && REG_RDI == 8 && REG_RSI == 9 &&
		       REG_RBP == 10 && REG_RBX == 11 && REG_RDX == 12 && REG_RAX == 13 &&
		       REG_RCX == 14 && REG_RIP == 16,
	       "see restorer.S");
_Static_assert(SYS_rt_sigreturn == 15, "see restorer.S");

EP_TRAP_PATH static long kernel_set(int sig, const struct signals_action *action)
{
	return sys4(SYS_rt_sigaction, sig, action, NULL, SYS_SIGSET_SIZE);
}

/* What the kernel gets for SIGTRAP and the faults, given what the program wants. */
EP_TRAP_PATH static void owned_action(int sig, const struct signals_action *wanted,
				      struct signals_action *ret)
{
	*ret = (struct signals_action){
		.handler = sig == SIGTRAP ? ours.trap : ours.fault,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART | SYS_SA_RESTORER,
		.restorer = signals_restorer,
		.mask = SIGNALS_HELD,
	};
	if (sig != SIGTRAP && signals_is_handler(wanted)) {
		ret->flags &= ~(uint64_t)(SA_ONSTACK | SA_RESTART);
		ret->flags |= wanted->flags & (SA_ONSTACK | SA_RESTART);
	}
}

/* And for all others. */
EP_TRAP_PATH static void other_action(const struct signals_action *wanted,
				      struct signals_action *ret)
{
	actions_copy(ret, wanted);
	if (!signals_is_handler(wanted))
		return;
	ret->handler = ours.asynchronous;
	ret->mask = SIGNALS_HELD;
	ret->flags |= SA_SIGINFO | SYS_SA_RESTORER;
	ret->restorer = signals_restorer; /* libc's could be probed */
}

EP_TRAP_PATH static long install(int sig, const struct signals_action *wanted)
{
	struct signals_action action;

	if (is_owned(sig))
		owned_action(sig, wanted, &action);
	else
		other_action(wanted, &action);
	return kernel_set(sig, &action);
}

/* A guest's actions are in the kernel, but for those that we own: these stay ours until it executes
   another program. */
EP_TRAP_PATH static long change_of_guest(struct guest *guest, int sig,
					 const struct signals_action *wanted)
{
	if (!is_owned(sig))
		return kernel_set(sig, wanted);
	actions_copy(guest_action(guest, sig), wanted);
	return 0;
}

EP_TRAP_PATH static long change(int sig, const struct signals_action *wanted)
{
	struct guest *guest = guest_self();
	long error;

	if (guest)
		return change_of_guest(guest, sig, wanted);
	if (signals_is_handler(wanted) || is_owned(sig))
		actions_set(sig, wanted);
	error = install(sig, wanted);
	if (!error)
		actions_set(sig, wanted);
	if (is_owned(sig) && (uint64_t)wanted->handler == (uint64_t)SIG_IGN)
		masks_discard(sig);
	return error;
}

EP_TRAP_PATH void signals_reset(int sig)
{
	struct signals_action reset;

	actions_get(sig, &reset);
	reset.handler = NULL; /* SIG_DFL; all else stays, as in the kernel */
	actions_set(sig, &reset);
	if (is_owned(sig))
		install(sig, &reset);
}

EP_TRAP_PATH void signals_get_own(int sig, struct signals_action *ret)
{
	struct guest *guest = is_owned(sig) ? guest_self() : NULL;

	if (guest)
		actions_copy(ret, guest_action(guest, sig));
	else
		actions_get(sig, ret);
}

EP_TRAP_PATH void signals_clear(void)
{
	static const struct signals_action reset;

	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct signals_action action;

		signals_get_own(sig, &action);
		if (signals_is_handler(&action))
			change(sig, &reset);
	}
}

EP_TRAP_PATH void signals_lend(void)
{
	bool alone = guest_self() || probe_thread_is_alone();

	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct signals_action action;

		if (!is_owned(sig) || (sig == SIGTRAP && !alone))
			continue; /* others would die of it meanwhile */
		signals_get_own(sig, &action);
		if ((uint64_t)action.handler == (uint64_t)SIG_IGN)
			kernel_set(sig, &action);
	}
}

EP_TRAP_PATH void signals_return(void)
{
	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct signals_action action;

		if (!is_owned(sig))
			continue;
		signals_get_own(sig, &action);
		if ((uint64_t)action.handler == (uint64_t)SIG_IGN)
			install(sig, &action);
	}
}

/* The kernel knows best whether there is a handler, we know which, and with what flags. */
EP_TRAP_PATH static long get(int sig, struct signals_action *ret)
{
	struct signals_action kernel = {.flags = 0};
	long error = sys4(SYS_rt_sigaction, sig, NULL, &kernel, SYS_SIGSET_SIZE);

	signals_get_own(sig, ret);
	if (!error && !is_owned(sig) && kernel.handler != ours.asynchronous &&
	    kernel.handler != ret->handler)
		actions_copy(ret, &kernel);
	return error;
}

EP_TRAP_PATH long signals_sigaction(int sig, uint64_t act, uint64_t old, uint64_t size)
{
	struct signals_action wanted = {.flags = 0}, previous = {.flags = 0};
	long error;

	if (size != SYS_SIGSET_SIZE || sig < 1 || sig > SIGNALS)
		return -EINVAL;
	if (act && !sys_read_memory(&wanted, act, sizeof(wanted)))
		return -EFAULT;
	wanted.mask &= ~(SIGNALS_BIT(SIGKILL) | SIGNALS_BIT(SIGSTOP));
	wanted.flags &= KEPT_FLAGS;
	error = get(sig, &previous);
	if (!error && act)
		error = change(sig, &wanted);
	if (!error && old && !sys_write_memory(old, &previous, sizeof(previous)))
		error = -EFAULT;
	return error;
}

EP_TRAP_PATH static long new_mask(int how, uint64_t mask, uint64_t set, uint64_t *ret)
{
	switch (how) {
	case SIG_BLOCK:
		*ret = mask | set;
		return 0;
	case SIG_UNBLOCK:
		*ret = mask & ~set;
		return 0;
	case SIG_SETMASK:
		*ret = set;
		return 0;
	}
	return -EINVAL;
}

EP_TRAP_PATH long signals_sigprocmask(uint64_t *mask, int how, uint64_t set, uint64_t old,
				      uint64_t size)
{
	uint64_t seen = *mask | masks_blocked(), wanted = 0, changed = seen;
	long error = 0;

	if (size != SYS_SIGSET_SIZE)
		return -EINVAL;
	if (set && !sys_read_memory(&wanted, set, SYS_SIGSET_SIZE))
		return -EFAULT;
	if (set)
		error = new_mask(how, seen, wanted, &changed);
	if (error)
		return error;
	changed &= ~(SIGNALS_BIT(SIGKILL) | SIGNALS_BIT(SIGSTOP));
	*mask = changed & ~SIGNALS_OWNED;
	if (set)
		masks_set_blocked(changed);
	if (old && !sys_write_memory(old, &seen, SYS_SIGSET_SIZE))
		return -EFAULT;
	return 0;
}

static bool is_handler_of_ours(const struct signals_action *action)
{
	return action->handler && (action->handler == ours.trap || action->handler == ours.fault ||
				   action->handler == ours.asynchronous);
}

/* What the program set before us. */
static long adopt(int sig)
{
	struct signals_action action = {.flags = 0};
	long error = sys4(SYS_rt_sigaction, sig, NULL, &action, SYS_SIGSET_SIZE);

	if (error == -EINVAL || (!error && is_handler_of_ours(&action)))
		return 0; /* not a signal of this kernel; left from an attempt that failed */
	if (error)
		return error;
	actions_set(sig, &action);
	return is_owned(sig) || signals_is_handler(&action) ? install(sig, &action) : 0;
}

/* What is pending arrives now, and is kept. */
static void adopt_mask(void)
{
	uint64_t owned = SIGNALS_OWNED, old = 0;

	sys4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &old, SYS_SIGSET_SIZE);
	masks_adopt(old);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &owned, NULL, SYS_SIGSET_SIZE);
}

/*
 * The other engine answers for the kernel when it sees this call, but not if the number has more
 * bits than it has to; kernels ignore them (those before 5.14 do not know the call then).
 */
static long ask_kernel(int sig, struct signals_action *ret)
{
	long error = sys4(SYS_rt_sigaction | 1l << 32, sig, NULL, ret, SYS_SIGSET_SIZE);

	return error == -ENOSYS ? sys4(SYS_rt_sigaction, sig, NULL, ret, SYS_SIGSET_SIZE) : error;
}

bool signals_are_taken(void)
{
	enum { SIZE = 16 }; /* signals_restorer(), and what makes it ours */
	struct signals_action action = {.flags = 0};
	uint8_t found[SIZE];

	return !ask_kernel(SIGTRAP, &action) && action.restorer &&
	       action.restorer != signals_restorer &&
	       sys_copy((uint64_t)action.restorer, found, SIZE) == SIZE &&
	       memcmp(found, (const void *)(uint64_t)signals_restorer, SIZE) == 0;
}

int signals_init(const struct signals_ours *handlers)
{
	int error = 0;

	ours = *handlers;
	for (int sig = 1; sig <= SIGNALS && !error; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && adopt(sig))
			error = -EP_UNSUPPORTED;
	adopt_mask();
	sys_copy_rely_on_faults(!error);
	if (error)
		signals_deinit();
	return error;
}

void signals_adopt_rest(int held_by)
{
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != held_by)
			adopt(sig);
}

bool signals_have_trap(void)
{
	struct signals_action action = {.flags = 0};

	return sys4(SYS_rt_sigaction, SIGTRAP, NULL, &action, SYS_SIGSET_SIZE) ||
	       action.handler == ours.trap;
}

void signals_deinit(void)
{
	uint64_t blocked = masks_blocked();

	sys_copy_rely_on_faults(false);
	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct signals_action action = {.flags = 0};

		if (sys4(SYS_rt_sigaction, sig, NULL, &action, SYS_SIGSET_SIZE) ||
		    !is_handler_of_ours(&action))
			continue;
		actions_get(sig, &action);
		kernel_set(sig, &action);
	}
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, NULL, SYS_SIGSET_SIZE);
}
