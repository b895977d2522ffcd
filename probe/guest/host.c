/* SPDX-License-Identifier: MIT */
/*
 * Some hosts kill a process for what arming needs. A seccomp filter can answer a system call with
 * death, and there is no asking it: so a child tries, and if it dies, so would we. The child is a
 * plain fork by a bare system call that sends no signal when it ends, and is made only where
 * there is a filter, as in every container. A filter that comes later is the program's decision.
 * Valgrind runs another copy of the program's instructions, and dies of our traps. A tracer sees
 * each trap first, and may keep it. And a few early 64-bit processors have no lahf and sahf, which
 * detours and the emulator keep the flags with.
 */
#include "probe/guest/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
#include <linux/wait.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "include/emuprobe.h"
#include "probe/guest/sandbox.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/status.h"
#include "x86/cpu.h"

#define ON_VALGRIND_ 0x1001 /* valgrind.h: VG_USERREQ__RUNNING_ON_VALGRIND */

/* As the kernel's rt_sigaction() wants it. */
struct host_action {
	void (*handler)(int sig);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

void signals_restorer(void);

/* ---- valgrind ------------------------------------------------------------------------------ */

/* The request of valgrind.h: to a processor these instructions do nothing. */
static bool is_valgrind(void)
{
	const uint64_t request[6] = {ON_VALGRIND_};
	uint64_t answer = 0;

	__asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(request), "m"(request)
			 : "cc", "memory");
	return answer != 0;
}

/* ---- seccomp ------------------------------------------------------------------------------- */

static void try_memory(void)
{
	const struct rlimit *none = NULL;
	struct rlimit limit;
	long fd = sys2(SYS_memfd_create, "emuprobe", MFD_CLOEXEC);
	long at = sys6(SYS_mmap, 0, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, none, &limit);
	sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, &limit, none);
	sys2(SYS_ftruncate, fd, SYS_PAGE_SIZE);
	sys6(SYS_mmap, 0, SYS_PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	sys3(SYS_madvise, at, SYS_PAGE_SIZE, MADV_WIPEONFORK);
	sys1(SYS_close, fd);
	sys2(SYS_munmap, at, SYS_PAGE_SIZE);
}

/* As the launcher's session and text are opened, and text is written. */
static void try_text(void)
{
	static const uint8_t byte = 0x5a; /* what is written over itself */
	long fd = sys4(SYS_openat, AT_FDCWD, "/proc/thread-self/mem", O_RDWR | O_CLOEXEC, 0);

	if (fd >= 0)
		sys4(SYS_pwrite64, fd, &byte, 1, &byte);
	sys1(SYS_close, fd);
	sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}

static void try_signals(void)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} action;
	uint64_t none = 0;
	long pid = sys0(SYS_getpid), tid = sys0(SYS_gettid);

	sys4(SYS_rt_sigaction, SIGTRAP, NULL, &action, SYS_SIGSET_SIZE);
	sys4(SYS_rt_sigaction, SIGTRAP, &action, NULL, SYS_SIGSET_SIZE);
	sys2(SYS_rt_sigpending, &none, SYS_SIGSET_SIZE);
	sys3(SYS_tgkill, pid, tid, 0);
	sys3(SYS_futex, &none, FUTEX_WAKE, 0);
}

static void do_nothing(int sig)
{
	(void)sig;
}

/* As a trap is left, unless it does without (sandbox.h). */
static void try_return(void)
{
	struct host_action action = {do_nothing, SYS_SA_RESTORER, signals_restorer, ~0ul};
	uint64_t usr1 = 1ul << (SIGUSR1 - 1);

	sys4(SYS_rt_sigaction, SIGUSR1, &action, NULL, SYS_SIGSET_SIZE);
	sys3(SYS_tgkill, sys0(SYS_getpid), sys0(SYS_gettid), SIGUSR1);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &usr1, NULL, SYS_SIGSET_SIZE);
}

/* A handler of the program's for SIGSYS must not run: blocked, it kills. */
_Noreturn static void try_all(bool returns)
{
	uint64_t all = ~0ul;

	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, SYS_SIGSET_SIZE);
	try_memory();
	try_text();
	try_signals();
	if (returns)
		try_return();
	for (;;)
		sys1(SYS_exit_group, 0);
}

/* Does it kill for what we need? With the return from a handler, or without. */
static bool kills(bool returns)
{
	int status = 0;
	long pid = sys6(SYS_clone, 0, 0, 0, 0, 0, 0), ended;

	if (pid == 0)
		try_all(returns);
	if (pid < 0)
		return false; /* nobody can tell */
	do
		ended = sys4(SYS_wait4, pid, &status, __WCLONE, NULL);
	while (ended == -EINTR);
	return ended == pid && status != 0;
}

/* Whether a tracer keeps our traps is asked by a handler, which has to return. */
static int ask_filter(bool traced)
{
	if (!kills(true))
		return 0;
	if (traced || kills(false))
		return -EP_SANDBOXED;
	sandbox_forbids_return();
	return 0;
}

/* ---- tracers ------------------------------------------------------------------------------- */

static volatile bool has_arrived;

static void on_trap(int sig)
{
	(void)sig;
	has_arrived = true;
}

/* Does a tracer keep the program's SIGTRAP for itself, as debuggers do until they are told? */
static bool is_taken(void)
{
	struct host_action ours = {on_trap, SYS_SA_RESTORER, signals_restorer, ~0ul}, old;
	uint64_t trap = 1ul << (SIGTRAP - 1), mask = 0;

	sys4(SYS_rt_sigaction, SIGTRAP, &ours, &old, SYS_SIGSET_SIZE);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &trap, &mask, SYS_SIGSET_SIZE);
	__asm__ volatile("int3" ::: "memory");
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, SYS_SIGSET_SIZE);
	sys4(SYS_rt_sigaction, SIGTRAP, &old, NULL, SYS_SIGSET_SIZE);
	return !has_arrived;
}

/* -------------------------------------------------------------------------------------------- */

static int ask(void)
{
	bool traced = sys_status("TracerPid") != 0;
	int ret = 0;

	if (is_valgrind())
		return -EP_VALGRIND;
	if (!x86_cpu_has(X86_CPU_LAHF))
		return -EP_UNSUPPORTED;
	if (sys_status("Seccomp") == SECCOMP_MODE_FILTER)
		ret = ask_filter(traced);
	return ret == 0 && traced && is_taken() ? -EP_TRACED : ret;
}

int host_check(void)
{
	static _Atomic int answer = 1; /* 1: not asked yet */

	if (answer > 0)
		answer = ask();
	return answer;
}
