/* SPDX-License-Identifier: MIT */
/*
 * A trap needs room for a signal frame: some kilobytes, which a coroutine, a thread with a small
 * stack, or the rest of an alternate stack may not have, and whose owner never expected a signal. So
 * each thread gets a stack of ours by sigaltstack(), and sees there what it has set itself:
 *
 *	kernel		our stack: SIGTRAP, and each signal with SA_ONSTACK
 *	program		mine.seen: what sigaltstack() says, uc_stack shows, and rt_sigreturn() sets
 *
 * The frame of a signal for which the program has a handler is moved to where the kernel would have
 * put it, before anything else is done, and our handler begins again there: from then on all is as
 * if the kernel had known the program's stack.
 *
 * A stack outlives its thread, and is taken over by another one when that is dead. One that has none
 * (no memory, a process that shares its parent's, or a thread that is on its own alternate stack
 * just now) goes on with what the kernel has.
 */
#include "probe/thread/altstack.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "probe/thread/area.h"
#include "probe/thread/legacy.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/locked.h"
#include "sys/memory.h"
#include "sys/process.h"

#define RED_ZONE 128u
#define OWN_USE	 448u /* bytes, of our handlers below the frame: tests/system/programs/stack_use.c */
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

/* At the top of the stack itself. */
struct area {
	struct legacy legacy; /* owners with the process's ID */
};

#define USED_SIZE (ALTSTACK_SIZE - 64)

static struct legacies areas;
static bool enabled;
static _Atomic uint64_t next_page; /* 0: a thread is using it */

static __thread struct {
	uint64_t own; /* 0: none */
	stack_t seen;
	bool never; /* none can be had */
} mine;

EP_TRAP_PATH static struct area *area_of(uint64_t own)
{
	return (struct area *)(own + USED_SIZE);
}

/* ---- stacks -------------------------------------------------------------------------------- */

/* The process, too: in a child of fork() its parent's threads would look dead. */
EP_TRAP_PATH static uint64_t owner_self(void)
{
	return (uint64_t)sys0(SYS_getpid) << 32 | (uint64_t)sys0(SYS_gettid);
}

/*
 * After mlockall(MCL_FUTURE) what is mapped is filled and counts against the program's limit; what is
 * moved and made larger stays as it was. So there is a page, mapped early, that becomes the next stack,
 * and brings the page for the one after it.
 *
 *	| nobody can touch | stack | next |
 */
EP_TRAP_PATH static uint64_t find_room(void)
{
	uint64_t page = atomic_exchange(&next_page, 0);
	long memory;

	if (page) {
		sys_unlock(page, SYS_PAGE_SIZE);
		memory = sys4(SYS_mremap, page, SYS_PAGE_SIZE, ALTSTACK_SIZE + 2 * SYS_PAGE_SIZE,
			      MREMAP_MAYMOVE);
		if (memory < 0)
			atomic_store(&next_page, page);
	} else { /* another thread has it just now */
		memory =
			sys6(SYS_mmap, 0, ALTSTACK_SIZE + 2 * SYS_PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	}
	return memory < 0 ? 0 : (uint64_t)memory;
}

EP_TRAP_PATH static struct area *make(uint64_t self)
{
	uint64_t memory = find_room();
	struct area *area;

	if (!memory)
		return NULL;
	sys3(SYS_mprotect, memory, SYS_PAGE_SIZE, PROT_NONE);
	atomic_store(&next_page, memory + SYS_PAGE_SIZE + ALTSTACK_SIZE);
	area = area_of(memory + SYS_PAGE_SIZE);
	legacy_add(&areas, &area->legacy, self);
	return area;
}

EP_TRAP_PATH static stack_t ours(void)
{
	return (stack_t){.ss_sp = (void *)mine.own, .ss_size = USED_SIZE};
}

/* A frame that is left by a jump would stay on the shadow stack. */
EP_TRAP_PATH static bool has_shadow_stack(void)
{
	uint64_t pointer = 0;

	__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8" : "+a"(pointer)); /* rdsspq %rax */
	return pointer != 0;
}

/* As the kernel keeps it. */
EP_TRAP_PATH static void see(const stack_t *stack)
{
	bool disabled = stack->ss_flags & SS_DISABLE;

	mine.seen.ss_flags = stack->ss_flags;
	mine.seen.ss_sp = disabled ? NULL : stack->ss_sp;
	mine.seen.ss_size = disabled ? 0 : stack->ss_size;
}

EP_TRAP_PATH static void set_up(struct area *area)
{
	stack_t stack = {.ss_sp = (char *)area - USED_SIZE, .ss_size = USED_SIZE}, before;

	if (sys2(SYS_sigaltstack, &stack, &before)) {
		area->legacy.owner = 0; /* it is on its own just now: later */
		return;
	}
	see(&before);
	mine.own = (uint64_t)stack.ss_sp;
}

void altstack_enable(void)
{
	long page = sys6(SYS_mmap, 0, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (page < 0)
		return;
	next_page = (uint64_t)page;
	enabled = true;
	altstack_install();
}

EP_TRAP_PATH void altstack_stop(void)
{
	enabled = false;
}

EP_TRAP_PATH void altstack_install(void)
{
	struct area *area;
	uint64_t self;

	if (!enabled || !probe_thread_has_area() || *(const volatile bool *)&mine.never)
		return;
	self = owner_self();
	if (mine.own) {
		if (area_of(mine.own)->legacy.owner >> 32 != self >> 32)
			area_of(mine.own)->legacy.owner = self; /* it was our parent's */
		return;
	}
	mine.never = has_shadow_stack();
	if (mine.never)
		return;
	area = (struct area *)legacy_take(&areas, self);
	if (!area)
		area = make(self);
	if (area)
		set_up(area);
	else
		mine.never = true;
}

EP_TRAP_PATH bool altstack_is_missing(void)
{
	return enabled && probe_thread_has_area() && !*(const volatile uint64_t *)&mine.own &&
	       !*(const volatile bool *)&mine.never;
}

EP_TRAP_PATH bool altstack_is_ours(void)
{
	if (!probe_thread_has_area())
		return false;
	return *(const volatile uint64_t *)&mine.own != 0; /* clang would load it before */
}

/* Not where a thread or a process was made that has its parent's static TLS. */
EP_TRAP_PATH static bool is_callers(void)
{
	return altstack_is_ours() && area_of(mine.own)->legacy.owner == owner_self();
}

EP_TRAP_PATH bool altstack_is_hidden(bool changes)
{
	uint64_t self;

	if (!altstack_is_ours())
		return false;
	self = owner_self();
	return is_callers() || (!changes && area_of(mine.own)->legacy.owner >> 32 != self >> 32);
}

/* ---- what the program has set ---------------------------------------------------------------- */

/* on_sig_stack() of the kernel. */
EP_TRAP_PATH static bool is_on(const stack_t *stack, uint64_t rsp)
{
	uint64_t start = (uint64_t)stack->ss_sp;

	return !((unsigned int)stack->ss_flags & SS_AUTODISARM) && rsp > start &&
	       rsp - start <= stack->ss_size;
}

EP_TRAP_PATH bool altstack_has(uint64_t rsp)
{
	return altstack_is_ours() && rsp - (uint64_t)mine.seen.ss_sp < mine.seen.ss_size;
}

EP_TRAP_PATH static stack_t shown_to(uint64_t rsp)
{
	stack_t ret = {.ss_sp = mine.seen.ss_sp, .ss_size = mine.seen.ss_size};

	if (!ret.ss_size)
		ret.ss_flags = SS_DISABLE;
	else if (is_on(&mine.seen, rsp))
		ret.ss_flags = SS_ONSTACK;
	ret.ss_flags |= (int)((unsigned int)mine.seen.ss_flags & SS_AUTODISARM);
	return ret;
}

/* What the kernel would say to it, it says itself. */
EP_TRAP_PATH static long set(const stack_t *wanted, uint64_t rsp)
{
	stack_t stack = ours();
	long error;

	if (is_on(&mine.seen, rsp))
		return -EPERM;
	error = sys2(SYS_sigaltstack, wanted, NULL);
	if (error)
		return error;
	sys2(SYS_sigaltstack, &stack, NULL);
	see(wanted);
	return 0;
}

EP_TRAP_PATH long altstack_sigaltstack(uint64_t wanted, uint64_t old, uint64_t rsp)
{
	stack_t before = shown_to(rsp), stack;
	long error = 0;

	if (wanted && !sys_read_memory(&stack, wanted, sizeof(stack)))
		return -EFAULT;
	if (wanted)
		error = set(&stack, rsp);
	if (!error && old && !sys_write_memory(old, &before, sizeof(before)))
		error = -EFAULT;
	return error;
}

/* ---- frames -------------------------------------------------------------------------------- */

EP_TRAP_PATH static bool is_own(const ucontext_t *context)
{
	return (uint64_t)context->uc_stack.ss_sp == mine.own;
}

EP_TRAP_PATH bool altstack_show(ucontext_t *context)
{
	if (!altstack_is_ours() || !is_own(context))
		return false;
	context->uc_stack = mine.seen;
	if ((unsigned int)mine.seen.ss_flags & SS_AUTODISARM)
		mine.seen = (stack_t){.ss_flags = SS_DISABLE};
	return true;
}

EP_TRAP_PATH void altstack_take(ucontext_t *context)
{
	if (!is_on(&mine.seen, (uint64_t)context))
		see(&context->uc_stack);
	context->uc_stack = ours();
}

EP_TRAP_PATH static bool is_seen(const ucontext_t *context)
{
	uint64_t sp =
		context->uc_stack.ss_flags & SS_DISABLE ? 0 : (uint64_t)context->uc_stack.ss_sp;

	return sp == (uint64_t)mine.seen.ss_sp;
}

/*
 * It began before the thread had a stack of ours; or there was a call of sigaltstack() that no guard
 * has seen. Who makes these asks in the same way, and must find what it has set.
 */
EP_TRAP_PATH void altstack_leave(ucontext_t *context)
{
	if (!altstack_is_ours() || is_own(context) || !is_callers())
		return;
	if (is_seen(context)) {
		altstack_take(context);
	} else {
		mine.own = 0;
		mine.never = true;
	}
}

/* The kernel's frame: return address, ucontext, siginfo, and above them what XRSTOR loads. */
EP_TRAP_PATH static uint64_t end_of(const ucontext_t *context)
{
	const uint8_t *state = (const uint8_t *)context->uc_mcontext.fpregs;
	const uint32_t *said;

	if (!state)
		return (uint64_t)context + sizeof(*context) + sizeof(siginfo_t);
	said = (const uint32_t *)(const void *)(state + SYS_XSAVE_SOFTWARE);
	return (uint64_t)state + (said[0] == SYS_XSAVE_MAGIC ? said[1] : SYS_XSAVE_LEGACY);
}

/* Where the kernel would have begun; @ret_low: what it may not go below, since the rest is needed here. */
EP_TRAP_PATH static uint64_t target(bool on_stack, uint64_t rsp, uint64_t *ret_low)
{
	uint64_t from = rsp - RED_ZONE;

	*ret_low = 0;
	if (!on_stack || !mine.seen.ss_size)
		return from;
	*ret_low = (uint64_t)mine.seen.ss_sp + OWN_USE;
	return is_on(&mine.seen, from) ? from : (uint64_t)mine.seen.ss_sp + mine.seen.ss_size;
}

EP_TRAP_PATH static bool is_on_own(uint64_t address)
{
	return address - mine.own < ALTSTACK_SIZE;
}

EP_TRAP_PATH enum altstack_moved altstack_move(bool on_stack, const ucontext_t *context,
					       uint64_t *ret_shift)
{
	uint64_t start = (uint64_t)context - sizeof(void *), rsp, end, low, shift;
	ucontext_t *moved;

	rsp = (uint64_t)context->uc_mcontext.gregs[REG_RSP];
	if (!altstack_is_ours() || !is_on_own(start) || is_on_own(rsp))
		return ALTSTACK_STAYS;
	end = end_of(context);
	shift = (target(on_stack, rsp, &low) - end) & -64ul; /* XRSTOR wants it aligned */
	if (start + shift < low ||
	    !sys_write_memory(start + shift, (const void *)start, end - start))
		return ALTSTACK_FULL;
	moved = (ucontext_t *)((uint64_t)context + shift);
	if (moved->uc_mcontext.fpregs)
		moved->uc_mcontext.fpregs =
			(fpregset_t)((uint64_t)moved->uc_mcontext.fpregs + shift);
	*ret_shift = shift;
	return ALTSTACK_MOVED;
}

EP_TRAP_PATH bool altstack_is_used(uint64_t rsp)
{
	return altstack_is_ours() && is_on_own(rsp);
}
