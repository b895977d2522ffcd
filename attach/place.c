/* SPDX-License-Identifier: MIT */
/*
 * The borrowed thread calls pthread_create(), which allocates memory and takes locks of libc. If it
 * was interrupted in the middle of just that, it would wait for itself, or spoil what it was doing. No
 * list says what it holds, but where it is does:
 *
 *	in a system call that waits for something outside   malloc() and the dynamic linker make no such
 *	                                                     call while they hold anything
 *	in code of the program                              not in libc, the dynamic linker, an allocator
 *
 * Both would be wrong inside of a signal handler that has interrupted malloc(): so the stack is looked
 * through for what the kernel writes there for a handler, and what that has interrupted is asked the
 * same. A frame that is not there any more may be found, too; that costs a try.
 */
#include "attach/place.h"

#include <asm/unistd.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <ucontext.h>

#ifndef __NR_epoll_pwait2
#define __NR_epoll_pwait2 441
#endif
#define USER_CODE 0x33 /* the code segment of 64-bit programs */
#define STACK_MAX (256ul << 10)
#define NEAR	  512 /* bytes of the stack that belong to the innermost functions */

/* ptrace(2), since Linux 5.13. */
#define GET_RSEQ_CONFIGURATION 0x420f

struct rseq_configuration {
	uint64_t pointer;
	uint32_t size, signature, flags, pad;
};

static const short waits[] = {
	__NR_read,
	__NR_readv,
	__NR_poll,
	__NR_ppoll,
	__NR_select,
	__NR_pselect6,
	__NR_epoll_wait,
	__NR_epoll_pwait,
	__NR_epoll_pwait2,
	__NR_nanosleep,
	__NR_pause,
	__NR_accept,
	__NR_accept4,
	__NR_recvfrom,
	__NR_recvmsg,
	__NR_recvmmsg,
	__NR_sendto,
	__NR_sendmsg,
	__NR_write,
	__NR_writev,
	__NR_wait4,
	__NR_waitid,
	__NR_futex,
	__NR_semop,
	__NR_semtimedop,
	__NR_msgrcv,
	__NR_msgsnd,
	__NR_flock,
	__NR_rt_sigsuspend,
	__NR_connect,
	__NR_rt_sigtimedwait,
	__NR_clock_nanosleep,
	__NR_restart_syscall,
	__NR_io_getevents,
	__NR_io_pgetevents,
	__NR_io_uring_enter,
	__NR_mq_timedreceive,
};

static bool is_wait(long number)
{
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		if (waits[i] == number)
			return true;
	return false;
}

bool place_is_waiting(int pid, int tid)
{
	char path[64];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%ld", &number) != 1) /* "running" */
		number = -1;
	if (file)
		fclose(file);
	return is_wait(number);
}

/* An engine that is there may have a jump, or an int3, where it was. */
static bool is_behind_syscall(const struct target *target, uint64_t rip)
{
	static const unsigned char syscall[] = {0x0f, 0x05};
	unsigned char bytes[sizeof(syscall)];
	uint64_t at = rip - sizeof(bytes);

	return (target_read_file(target, at, bytes, sizeof(bytes)) ||
		target_read(target, at, bytes, sizeof(bytes))) &&
	       memcmp(bytes, syscall, sizeof(bytes)) == 0;
}

static bool is_system_call(const struct tracee *tracee)
{
	const struct user_regs_struct *regs = &tracee->state.regs;

	return (long)regs->orig_rax >= 0 && is_behind_syscall(tracee->target, regs->rip);
}

/* Of the program, or of a library that is none of those. */
static bool is_programs(const struct target *target, uint64_t at)
{
	const struct target_mapping *mapping = target_find(target, at);

	return mapping && mapping->executable && strcmp(mapping->path, "[vdso]") != 0 &&
	       !target_is_in(target, target->libc, at) &&
	       !target_is_in(target, target->loader, at) &&
	       !target_is_in(target, target->allocator, at) &&
	       !target_is_in(target, target->ours, at) && !target->allocates_itself;
}

/* An allocator that waits for a lock of its own may hold another one. */
static bool is_called_by_allocator(const struct target *target, const uint64_t *stack, size_t words)
{
	for (size_t i = 0; target->allocator && i < words && i < NEAR / sizeof(*stack); i++)
		if (target_is_in(target, target->allocator, stack[i]))
			return true;
	return false;
}

/* ---- handlers ------------------------------------------------------------------------------ */

/* What follows the address that a handler returns to. */
static bool is_context(const struct target *target, const ucontext_t *context)
{
	const greg_t *regs = context->uc_mcontext.gregs;

	return context->uc_flags < 8 && !context->uc_link &&
	       (regs[REG_CSGSFS] & 0xffff) == USER_CODE &&
	       target_find(target, (uint64_t)regs[REG_RIP]);
}

/* Of a handler that has interrupted what must not be interrupted. */
static bool is_unsafe_frame(const struct target *target, const ucontext_t *context)
{
	uint64_t rip = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
	uint64_t near[NEAR / sizeof(uint64_t)];

	if (!is_context(target, context) || is_programs(target, rip))
		return false;
	if (target_read(target, (uint64_t)context->uc_mcontext.gregs[REG_RSP], near,
			sizeof(near)) &&
	    is_called_by_allocator(target, near, NEAR / sizeof(*near)))
		return true;
	return !is_behind_syscall(target, rip) || target_is_in(target, target->loader, rip);
}

static bool has_unsafe_frame(const struct target *target, const uint64_t *stack, size_t words)
{
	const size_t needed = (offsetof(ucontext_t, uc_sigmask) + 7) / 8;

	for (size_t i = 0; i + needed < words; i++) {
		ucontext_t context = {0};

		if (stack[i] >= 8 || stack[i + 1])
			continue;
		memcpy(&context, &stack[i], needed * 8);
		if (is_unsafe_frame(target, &context))
			return true;
	}
	return false;
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* The kernel watches over a few instructions that are not to be interrupted. */
static bool is_in_sequence(const struct tracee *tracee)
{
	struct rseq_configuration rseq = {0};
	uint64_t section = 0;

	if (ptrace((enum __ptrace_request)GET_RSEQ_CONFIGURATION, tracee->tid, sizeof(rseq),
		   &rseq) <= 0 ||
	    !rseq.pointer)
		return false;
	return target_read(tracee->target, rseq.pointer + 8, &section, sizeof(section)) && section;
}

/* A thread that libc has made: it knows its own thread area. */
static bool is_libcs(const struct tracee *tracee)
{
	uint64_t area = tracee->state.regs.fs_base, words[3];

	return area && target_read(tracee->target, area, words, sizeof(words)) &&
	       words[0] == area && words[2] == area;
}

static size_t read_stack(const struct tracee *tracee, uint64_t *ret)
{
	uint64_t rsp = tracee->state.regs.rsp & ~7ull;
	const struct target_mapping *mapping = target_find(tracee->target, rsp);
	size_t size = mapping ? mapping->end - rsp : 0;

	if (size > STACK_MAX)
		size = STACK_MAX;
	return target_read(tracee->target, rsp, ret, size) ? size / sizeof(*ret) : 0;
}

bool place_is_safe(const struct tracee *tracee)
{
	static uint64_t stack[STACK_MAX / 8];
	const struct user_regs_struct *regs = &tracee->state.regs;
	const struct target *target = tracee->target;
	size_t words;

	if (regs->cs != USER_CODE || !is_libcs(tracee) || is_in_sequence(tracee))
		return false;
	if (is_system_call(tracee)) {
		if (!is_wait((long)regs->orig_rax) ||
		    target_is_in(target, target->loader, regs->rip))
			return false;
	} else if (!is_programs(target, regs->rip)) {
		return false;
	}
	words = read_stack(tracee, stack);
	return words && !is_called_by_allocator(target, stack, words) &&
	       !has_unsafe_frame(target, stack, words);
}
