// SPDX-License-Identifier: MIT
/*
 * Wrapping sigprocmask() and friends does not help where libc blocks all signals by itself, with
 * raw system calls: while it starts and ends threads, forks, spawns, aborts. An int3 that is
 * reached there would kill the process. So it is the `syscall` instructions that are guarded, with
 * sites of the engine's own: the trap performs the call for the program, or lets it pass with
 * SIGTRAP taken out of the mask. One mechanism covers libc's exported functions and its internals.
 *
 * Which instructions: the bytes of a `syscall` shortly behind a `mov $NUMBER, %eax` of one of our
 * numbers, at an instruction boundary. Guarding one too many does no harm, since the number is
 * looked at again when it is executed.
 */
#include "probe/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/deliver.h"
#include "probe/masks.h"
#include "probe/objects.h"
#include "probe/park.h"
#include "probe/patch.h"
#include "probe/registry.h"
#include "probe/signals.h"
#include "probe/sites.h"
#include "probe/syscall.h"
#include "probe/thread.h"
#include "x86/encode.h"

#define LOOK_BACK 64u /* bytes between the number and the call */
#define MOV_SIZE  5u
#define LOOK_FAR  512u /* where the number is kept in a register for several calls */

#define GUARDS_MAX 256

static size_t count, failed;
static _Atomic int32_t traced_guest; /* to be traced from its execve() on; 0: none */

static const uint32_t numbers[] = {
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigsuspend, SYS_ppoll,	      SYS_pselect6,
	SYS_epoll_pwait,  SYS_epoll_pwait2,   SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_execve,
	SYS_execveat,	  SYS_rt_sigreturn,   SYS_ptrace,
};

/* Where each waiting call has its mask: as a pointer, or behind one. */
EP_TRAP_PATH static uint64_t *mask_argument(struct ep_regs *regs)
{
	switch (regs->rax) {
	case SYS_rt_sigsuspend:
		return &regs->rdi;
	case SYS_ppoll:
		return &regs->r10;
	case SYS_pselect6:
		return &regs->r9;
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		return &regs->r8;
	}
	return NULL;
}

EP_TRAP_PATH static long call(const struct ep_regs *regs)
{
	return sys6((long)regs->rax, (long)regs->rdi, (long)regs->rsi, (long)regs->rdx,
		    (long)regs->r10, (long)regs->r8, (long)regs->r9);
}

/* What waits already is delivered at once, with the mask of the wait. */
EP_TRAP_PATH static long wait_or_deliver(const struct ep_regs *regs, uint64_t mask,
					 ucontext_t *context)
{
	uint64_t blocked = masks_blocked();
	siginfo_t info;
	long ret;
	int sig;

	masks_set_blocked(mask);
	sig = masks_take(SIGNALS_OWNED & ~mask, &info);
	if (sig) {
		deliver_to_program(sig, &info, context);
		ret = -EINTR;
	} else {
		ret = call(regs);
	}
	masks_set_blocked(blocked);
	return ret;
}

/*
 * Wait with a mask of our own, from inside the trap. The program's handlers run on top of our
 * frame, which holds nothing: they may return or jump away.
 */
EP_TRAP_PATH static bool wait_unblocked(struct ep_regs *regs, ucontext_t *context)
{
	struct ep_regs changed = *regs;
	uint64_t *argument = mask_argument(&changed);
	uint64_t mask, wanted, pair[2];

	if (!argument || !*argument)
		return false;
	if (regs->rax == SYS_pselect6) {
		if (!emu_read_memory(pair, *argument, sizeof(pair)) || !pair[0] ||
		    !emu_read_memory(&mask, pair[0], sizeof(mask)))
			return false;
		pair[0] = (uint64_t)&mask;
		*argument = (uint64_t)pair;
	} else {
		if (!emu_read_memory(&mask, *argument, sizeof(mask)))
			return false;
		*argument = (uint64_t)&mask;
	}
	if (!((mask | masks_blocked()) & SIGNALS_OWNED))
		return false;
	wanted = mask;
	mask &= ~SIGNALS_OWNED;
	regs->rax = (uint64_t)wait_or_deliver(&changed, wanted, context);
	return true;
}

/* Of any other the kernel says EINVAL. */
EP_TRAP_PATH static bool is_valid(const struct timespec *timeout)
{
	return timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < 1000000000;
}

EP_TRAP_PATH static bool wait_for_signal(struct ep_regs *regs, ucontext_t *context)
{
	struct timespec timeout;
	siginfo_t info;
	uint64_t set;
	long ret;

	if (regs->r10 != sizeof(set) || !emu_read_memory(&set, regs->rdi, sizeof(set)) ||
	    !(set & SIGNALS_OWNED))
		return false;
	if (regs->rdx &&
	    (!emu_read_memory(&timeout, regs->rdx, sizeof(timeout)) || !is_valid(&timeout)))
		return false;
	ret = masks_wait(set, *signals_mask(context), &info, regs->rdx ? &timeout : NULL);
	if (ret > 0 && regs->rsi && !emu_write_memory(regs->rsi, &info, sizeof(info)))
		ret = -EFAULT;
	regs->rax = (uint64_t)ret;
	return true;
}

EP_TRAP_PATH static bool add_pending(struct ep_regs *regs)
{
	uint64_t pending = 0, kept = masks_pending() & masks_blocked();
	long ret;

	if (!kept || regs->rsi != sizeof(pending))
		return false;
	ret = sys2(SYS_rt_sigpending, &pending, sizeof(pending));
	pending |= kept;
	if (!ret && !emu_write_memory(regs->rdi, &pending, sizeof(pending)))
		ret = -EFAULT;
	regs->rax = (uint64_t)ret;
	return true;
}

/*
 * A handler that was running when the engine started returns to a mask of before, by libc's code;
 * those that came later return by ours.
 */
EP_TRAP_PATH static void return_from_handler(const struct ep_regs *regs)
{
	uint64_t at = regs->rsp + offsetof(ucontext_t, uc_sigmask), mask;

	if (!emu_read_memory(&mask, at, sizeof(mask)))
		return;
	masks_set_blocked(mask);
	mask &= ~SIGNALS_OWNED;
	emu_write_memory(at, &mask, sizeof(mask));
	masks_redeliver();
}

/*
 * PTRACE_TRACEME, from a child that is about to execute something: from here on each of our traps
 * would stop it, and its parent waits for the one of execve(). A child with memory of its own gets
 * the original text back. That of vfork() shares its parent's, which cannot do anything until the
 * execve(): so it becomes traced there.
 */
EP_TRAP_PATH static bool trace_me(struct ep_regs *regs)
{
	if (regs->rdi != PTRACE_TRACEME)
		return false;
	if (!probe_thread_is_guest()) {
		sites_restore_text();
		return false;
	}
	traced_guest = (int32_t)sys0(SYS_getpid);
	regs->rax = 0;
	return true;
}

EP_TRAP_PATH static void become_traced(const struct ep_regs *regs)
{
	if (traced_guest == 0 || traced_guest != (int32_t)sys0(SYS_getpid))
		return;
	if (regs->rax == SYS_execve && sys4(SYS_faccessat, AT_FDCWD, regs->rdi, X_OK, 0))
		return; /* it will come back, and try another path */
	traced_guest = 0;
	sys4(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

/* The next program inherits what is blocked and ignored, so for a moment it is in the kernel. */
EP_TRAP_PATH static bool execute(struct ep_regs *regs, ucontext_t *context)
{
	uint64_t blocked = masks_blocked(), mask = *signals_mask(context) | blocked, old = 0;
	bool lent = signals_lend(probe_thread_is_guest() || probe_thread_is_alone());

	become_traced(regs);
	if (!lent && !blocked)
		return false;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof(mask));
	regs->rax = (uint64_t)call(regs);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	if (lent)
		signals_return();
	return true;
}

EP_TRAP_PATH static bool intercept(const struct probe_site *site, struct ep_regs *regs,
				   void *ucontext)
{
	switch (regs->rax) {
	case SYS_rt_sigaction:
		regs->rax = (uint64_t)signals_sigaction((int)regs->rdi, regs->rsi, regs->rdx,
							regs->r10);
		break;
	case SYS_rt_sigprocmask:
		regs->rax = (uint64_t)signals_sigprocmask(ucontext, (int)regs->rdi, regs->rsi,
							  regs->rdx, regs->r10);
		break;
	case SYS_rt_sigtimedwait:
		if (!wait_for_signal(regs, ucontext))
			return false;
		break;
	case SYS_rt_sigpending:
		if (!add_pending(regs))
			return false;
		break;
	case SYS_execve:
	case SYS_execveat:
		if (!execute(regs, ucontext))
			return false;
		break;
	case SYS_rt_sigreturn:
		return_from_handler(regs);
		return false;
	case SYS_ptrace:
		if (!trace_me(regs))
			return false;
		break;
	default:
		if (!wait_unblocked(regs, ucontext))
			return false;
	}
	/* As the instruction leaves them (Intel SDM, SYSCALL). */
	regs->rip = x86_insn_end(&site->insn);
	regs->rcx = regs->rip;
	regs->r11 = regs->rflags;
	return true;
}

static bool is_our_number(const uint8_t *immediate)
{
	uint32_t number;

	memcpy(&number, immediate, sizeof(number));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (number == numbers[i])
			return true;
	return false;
}

/* The last such number loaded into @reg in front of @at; NULL: there is none. */
static const uint8_t *number_in(unsigned reg, const uint8_t *at, const uint8_t *from)
{
	for (const uint8_t *mov = at - MOV_SIZE; mov >= from; mov--)
		if (*mov == (0xb8 | (reg & 7)) && is_our_number(mov + 1) && /* mov $imm32, %r32 */
		    (reg < 8 || (mov > from && mov[-1] == 0x41)))
			return reg < 8 ? mov : mov - 1;
	return NULL;
}

static const uint8_t *back(const uint8_t *at, size_t bytes, const uint8_t *start)
{
	return (size_t)(at - start) > bytes ? at - bytes : start;
}

/*
 * Where several calls have the same number, gcc may keep it: mov $14, %r15d; ...; mov %r15d, %eax;
 * syscall. Debian 12's aio does.
 */
static const uint8_t *kept_number(const uint8_t *at, const uint8_t *start)
{
	const uint8_t *from = back(at, LOOK_BACK, start), *number;

	for (const uint8_t *mov = at - 2; mov >= from; mov--) {
		if (mov[0] != 0x89 || (mov[1] & 0xc7) != 0xc0) /* mov %r32, %eax */
			continue;
		number = number_in((mov[1] >> 3 & 7) |
					   (mov > start && (mov[-1] & 0xf5) == 0x44 ? 8 : 0),
				   mov, back(mov, LOOK_FAR, start));
		if (number)
			return number;
	}
	return NULL;
}

/* Where the number of the call @at comes from; NULL: it is none of ours. */
static const uint8_t *our_number(const uint8_t *at, const uint8_t *start)
{
	const uint8_t *mov = number_in(0, at, back(at, LOOK_BACK, start));

	return mov ? mov : kept_number(at, start);
}

/* Decoding from @mov leads to @at: only code looks like that, whoever knows its function. */
static bool leads_to(const uint8_t *mov, const uint8_t *at)
{
	struct x86_insn insn;

	for (; mov < at; mov += insn.length)
		if (x86_decode(mov, X86_INSN_MAX, (uint64_t)mov, &insn) ||
		    x86_insn_flow(&insn) > X86_FLOW_JCC || x86_insn_flow(&insn) == X86_FLOW_JMP)
			return false;
	return mov == at;
}

/* mov $15, %rax: debuggers know by these bytes what handlers return to. It is in no function. */
static bool is_restorer(const uint8_t *at, const uint8_t *start)
{
	const size_t size = 7;
	struct x86_insn mov;

	return (size_t)(at - start) >= size &&
	       x86_decode(at - size, size, (uint64_t)(at - size), &mov) == 0 &&
	       mov.length == size && mov.opcode == 0xc7 && mov.modrm == 0xc0 &&
	       mov.imm == SYS_rt_sigreturn;
}

/* The sites, ready; written by park_others(), when nothing may be allocated. */
static struct patch_byte bytes[GUARDS_MAX];

static int prepare(uint64_t address, bool is_known)
{
	struct probe_site *site;
	int error;

	if (count == GUARDS_MAX)
		return 0;
	error = is_known ? sites_get_known(address, EP_PLAN_AUTO, &site)
			 : sites_get(address, EP_PLAN_AUTO, &site);
	if (error)
		return error;
	site->intercept = intercept;
	bytes[count++] = (struct patch_byte){address, X86_INT3, 0};
	return 0;
}

/* A number of ours in any register, and maybe in %eax later. */
static bool is_near_number(const uint8_t *at, const uint8_t *start)
{
	const uint8_t *from = (size_t)(at - start) > LOOK_FAR ? at - LOOK_FAR : start;

	for (const uint8_t *mov = at - MOV_SIZE; mov >= from; mov--)
		if ((*mov & 0xf8) == 0xb8 && is_our_number(mov + 1)) /* mov $imm32, %r32 */
			return true;
	return false;
}

/* In libc a function's start is known, and decoding from there is the better proof. */
static int consider(const uint8_t *at, const uint8_t *start, bool is_libc)
{
	const uint8_t *mov = our_number(at, start);

	if (at > start && at[-1] == X86_SYSCALL_MARK)
		return 0;
	if (is_libc && is_restorer(at, start))
		return prepare((uint64_t)at, true);
	if (!is_libc && mov && leads_to(mov, at))
		return prepare((uint64_t)at, true);
	return mov || (!is_libc && is_near_number(at, start)) ? prepare((uint64_t)at, false) : 0;
}

static int scan(const uint8_t *start, size_t size, bool is_libc)
{
	const uint8_t *at = start, *end = start + size;
	int error = 0;

	while ((at = memchr(at, 0x05, (size_t)(end - at)))) { /* faster than memmem() */
		if (at > start && at[-1] == 0x0f)	      /* syscall */
			error = consider(at - 1, start, is_libc);
		if (error == -EP_NO_MEMORY || error == -EP_OUT_OF_REACH)
			return error; /* a gap in the guard kills; not so what is no instruction */
		at++;
	}
	return 0;
}

static void write_all(void)
{
	for (size_t i = 0; i < count; i++)
		atomic_store(&registry_find(bytes[i].address)->armed, true);
	failed = patch_write(bytes, count);
	for (size_t i = 0; failed && i < count; i++)
		if (bytes[i].error)
			atomic_store(&registry_find(bytes[i].address)->armed, false);
}

static int scan_object(const struct objects_object *object, bool is_libc)
{
	int error = 0;

	for (size_t i = 0; object && i < object->phdr_count && !error; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & (PF_R | PF_X)) == (PF_R | PF_X))
			error = scan((const uint8_t *)(object->base + phdr->p_vaddr),
				     phdr->p_filesz, is_libc);
	}
	return error;
}

/* Runtimes that ask the kernel themselves: Go's, sanitizers'. */
static void scan_others(const struct objects_object *libc)
{
	const struct objects_object *ours = objects_find((uint64_t)scan_others);
	struct objects_object **objects;
	size_t object_count;

	if (objects_list(&objects, &object_count))
		return;
	for (size_t i = 0; i < object_count; i++)
		if (objects[i] != libc && objects[i] != ours && !objects[i]->is_vdso)
			scan_object(objects[i], false);
}

void guard_object(const struct objects_object *object)
{
	size_t before = count;

	count = 0;
	scan_object(object, strcmp(object->name, "libc.so.6") == 0);
	write_all();
	count += before;
}

/* The guard has a gap, and a gap kills: take away what could be written. */
static void take_away(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		bytes[i].byte = registry_find(bytes[i].address)->insn.bytes[0];
	patch_write(bytes, count);
	for (size_t i = 0; i < count; i++) {
		struct probe_site *site = registry_find(bytes[i].address);

		if (bytes[i].error && registry_stands(site))
			kept++;
		else
			atomic_store(&site->armed, false);
	}
	count = kept;
}

int guard_arm(void)
{
	/* libc, whoever wraps its functions. */
	const struct objects_object *libc = objects_find((uint64_t)gnu_get_libc_version);
	int error;

	count = failed = 0;
	error = libc ? scan_object(libc, true) : -EP_NO_MEMORY;
	if (error)
		count = 0;
	else
		scan_others(libc);
	if (!error)
		error = park_others(write_all);
	if (!error && failed)
		error = -EP_NOT_WRITABLE;
	if (error)
		take_away();
	return error;
}

size_t guard_count(void)
{
	return count;
}
