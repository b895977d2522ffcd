/* SPDX-License-Identifier: MIT */
/*
 * System calls that the engine guards do what they did without it: waits have the mask that was
 * asked for, children the signal actions that were asked for, and a call takes next to no stack.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

__attribute__((visibility("default"))) int be_stepped(bool (*step)(void));

/* ---- masks ---------------------------------------------------------------------------------- */

static uint64_t bits_of(const sigset_t *set)
{
	uint64_t ret;

	memcpy(&ret, set, sizeof(ret));
	return ret;
}

static uint64_t bit(int sig)
{
	return 1ul << (sig - 1);
}

static sigset_t set_of(uint64_t bits)
{
	sigset_t ret;

	sigemptyset(&ret);
	for (int sig = 1; sig < 65; sig++)
		if (bits & bit(sig))
			sigaddset(&ret, sig);
	return ret;
}

static uint64_t mask_now(void)
{
	sigset_t set;

	sigprocmask(SIG_SETMASK, NULL, &set);
	return bits_of(&set);
}

static void set_mask(uint64_t bits)
{
	sigset_t set = set_of(bits);

	sigprocmask(SIG_SETMASK, &set, NULL);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), uint64_t mask)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	action.sa_mask = set_of(mask);
	sigaction(sig, &action, NULL);
}

/* ---- waits ---------------------------------------------------------------------------------- */

/* Each waits with @mask; -1 and EINTR after a signal. Some through a register, by syscall(). */
static int by_sigsuspend(const sigset_t *mask)
{
	return sigsuspend(mask);
}

static int by_ppoll(const sigset_t *mask)
{
	const struct timespec timeout = {.tv_sec = 5};

	return ppoll(NULL, 0, &timeout, mask);
}

static int by_pselect(const sigset_t *mask)
{
	const struct timespec timeout = {.tv_sec = 5};

	return pselect(0, NULL, NULL, NULL, &timeout, mask);
}

static int by_epoll(const sigset_t *mask)
{
	static int fd = -1;
	struct epoll_event event;

	if (fd < 0)
		fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_pwait(fd, &event, 1, 5000, mask);
}

static int by_syscall(const sigset_t *mask)
{
	return (int)syscall(SYS_rt_sigsuspend, mask, 8L);
}

static int by_syscall_ppoll(const sigset_t *mask)
{
	struct timespec timeout = {.tv_sec = 5};

	return (int)syscall(SYS_ppoll, NULL, 0L, &timeout, mask, 8L);
}

static int (*const waits[])(const sigset_t *mask) = {
	by_sigsuspend, by_ppoll, by_pselect, by_epoll, by_syscall, by_syscall_ppoll,
};

enum { WAITS = sizeof(waits) / sizeof(waits[0]) };

/* Once with SIGTRAP, which the engine cannot let the kernel block, and once without. */
static const uint64_t extras[] = {0, 1ul << (SIGTRAP - 1), ~0ul};

#define EACH_WAIT(wait, extra)                                                                     \
	for (int wait = 0; wait < WAITS; wait++)                                                   \
		for (int extra = 0; extra < 3; extra++)

static volatile struct {
	uint64_t inside, saved, rip;
	int calls, nested;
} seen;

static void note(int sig, siginfo_t *info, void *data)
{
	const ucontext_t *context = data;

	(void)sig;
	(void)info;
	seen.calls++;
	seen.inside = mask_now();
	seen.saved = bits_of(&context->uc_sigmask);
	seen.rip = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
}

static void note_nested(int sig, siginfo_t *info, void *data)
{
	(void)sig;
	(void)info;
	(void)data;
	seen.nested = seen.calls + 1;
}

#define ALL_BUT_KILL (~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1)))
#define LIBC_OWN     (3ul << 31) /* libc never blocks its own two */

static uint64_t wanted_mask(uint64_t extra)
{
	return extra == ~0ul ? ALL_BUT_KILL & ~LIBC_OWN & ~bit(SIGALRM) : extra;
}

/* The handler's mask is the wait's, and the frame's the one of before. */
static void masks_in_handlers(void)
{
	EACH_WAIT(w, e)
	{
		uint64_t wanted = wanted_mask(extras[e]), before = bit(SIGALRM) | bit(SIGHUP);
		sigset_t mask = set_of(wanted);

		if (e)
			before |= bit(SIGTRAP);
		handle(SIGALRM, note, bit(SIGUSR2));
		set_mask(before);
		seen.calls = 0;
		raise(SIGALRM);
		errno = 0;
		CHECK(waits[w](&mask) == -1 && errno == EINTR);
		CHECK(seen.calls == 1);
		CHECK(seen.inside == (wanted | bit(SIGALRM) | bit(SIGUSR2)));
		CHECK(seen.saved == before);
		CHECK(mask_now() == before);
		set_mask(0);
	}
}

static void nest(int sig, siginfo_t *info, void *data)
{
	note(sig, info, data);
	seen.nested = 0;
	raise(SIGUSR1); /* open in the wait, blocked before: it comes at once */
	seen.calls += seen.nested == seen.calls + 1;
}

static void signals_nest_in_waits(void)
{
	EACH_WAIT(w, e)
	{
		sigset_t mask =
			set_of(extras[e] == ~0ul ? wanted_mask(~0ul) & ~bit(SIGUSR1) : extras[e]);

		handle(SIGALRM, nest, 0);
		handle(SIGUSR1, note_nested, 0);
		set_mask(bit(SIGALRM) | bit(SIGUSR1));
		seen.calls = 0;
		raise(SIGALRM);
		CHECK(waits[w](&mask) == -1);
		CHECK(seen.calls == 2);
		set_mask(0);
	}
}

static void waits_are_seen_in_libc(void)
{
	EACH_WAIT(w, e)
	{
		sigset_t mask = set_of(wanted_mask(extras[e]));
		Dl_info found, libc;

		handle(SIGALRM, note, 0);
		set_mask(bit(SIGALRM));
		raise(SIGALRM);
		waits[w](&mask);
		set_mask(0);
		CHECK(dladdr((void *)seen.rip, &found) && dladdr((void *)getenv, &libc));
		CHECK(found.dli_fbase == libc.dli_fbase);
	}
}

static void edit(int sig, siginfo_t *info, void *data)
{
	ucontext_t *context = data;

	(void)sig;
	(void)info;
	sigaddset(&context->uc_sigmask, SIGHUP);
	sigdelset(&context->uc_sigmask, SIGALRM);
}

static void edited_masks_hold(void)
{
	EACH_WAIT(w, e)
	{
		sigset_t mask = set_of(wanted_mask(extras[e]));
		uint64_t before = bit(SIGALRM) | (e ? bit(SIGTRAP) : 0);

		handle(SIGALRM, edit, 0);
		set_mask(before);
		raise(SIGALRM);
		waits[w](&mask);
		CHECK(mask_now() == ((before | bit(SIGHUP)) & ~bit(SIGALRM)));
		set_mask(0);
	}
}

static jmp_buf out;

static void jump(int sig, siginfo_t *info, void *data)
{
	(void)sig;
	(void)info;
	(void)data;
	_longjmp(out, 1);
}

static void jumps_out_of_waits_take_the_mask_along(void)
{
	for (volatile int w = 0; w < WAITS; w++) {
		for (volatile int e = 0; e < 3; e++) {
			sigset_t mask = set_of(wanted_mask(extras[e]));

			handle(SIGALRM, jump, bit(SIGUSR2));
			set_mask(bit(SIGALRM) | bit(SIGHUP));
			raise(SIGALRM);
			if (_setjmp(out) == 0)
				waits[w](&mask);
			CHECK(mask_now() == (bits_of(&mask) | bit(SIGALRM) | bit(SIGUSR2)));
			set_mask(0);
		}
	}
}

/* A trap that was sent while it was blocked ends a wait that opens it. */
static void kept_traps_end_waits(void)
{
	for (int w = 0; w < WAITS; w++) {
		sigset_t mask = set_of(0);

		handle(SIGTRAP, note, 0);
		set_mask(bit(SIGTRAP) | bit(SIGHUP));
		seen.calls = 0;
		if (w % 2)
			raise(SIGTRAP);
		else
			kill(getpid(), SIGTRAP);
		CHECK(seen.calls == 0);
		CHECK(waits[w](&mask) == -1 && errno == EINTR);
		CHECK(seen.calls == 1 && seen.inside == bit(SIGTRAP));
		CHECK(seen.saved == (bit(SIGTRAP) | bit(SIGHUP)));
		CHECK(mask_now() == (bit(SIGTRAP) | bit(SIGHUP)));
		set_mask(0);
	}
}

static void *send_later(void *data)
{
	const pthread_t *to = data;

	usleep(20000);
	pthread_kill(*to, SIGTRAP);
	usleep(20000);
	pthread_kill(*to, SIGALRM);
	return NULL;
}

/* Sent to a thread that waits with a mask which has it, or one that ignores it: the wait goes on. */
static void blocked_and_ignored_traps_do_not_end_waits(void)
{
	for (int ignored = 0; ignored < 2; ignored++) {
		for (int w = 0; w < WAITS; w++) {
			sigset_t mask = set_of(ignored ? 0 : bit(SIGTRAP));
			pthread_t self = pthread_self(), thread;

			handle(SIGALRM, note, 0);
			if (ignored)
				signal(SIGTRAP, SIG_IGN);
			else
				handle(SIGTRAP, note_nested, 0);
			set_mask(bit(SIGALRM));
			seen.calls = seen.nested = 0;
			CHECK(pthread_create(&thread, NULL, send_later, &self) == 0);
			CHECK(waits[w](&mask) == -1 && errno == EINTR);
			CHECK(seen.calls == 1);
			pthread_join(thread, NULL);
			set_mask(0);
			CHECK(seen.nested == (ignored ? 0 : 2)); /* it came afterwards */
		}
	}
}

static void waits_that_are_wrong_fail_as_ever(void)
{
	const struct timespec now = {0, 0};
	sigset_t mask = set_of(bit(SIGTRAP));

	CHECK(syscall(SYS_rt_sigsuspend, &mask, 4L) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_rt_sigsuspend, 8L, 8L) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_ppoll, NULL, 0L, &now, &mask, 16L) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_ppoll, NULL, 0L, &now, 8L, 8L) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_rt_sigprocmask, 77L, &mask, NULL, 8L) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_rt_sigprocmask, 0L, 8L, NULL, 8L) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_rt_sigaction, 5L, 8L, NULL, 8L) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_rt_sigaction, 99L, NULL, NULL, 8L) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_clone3, NULL, 0L) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_clone3, 8L, sizeof(struct clone_args)) == -1 && errno == EFAULT);
	CHECK(ppoll(NULL, 0, &now, &mask) == 0 && ppoll(NULL, 0, &now, NULL) == 0);
	CHECK(mask_now() == 0);
}

/* ---- calls that libc only passes on ----------------------------------------------------------- */

struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

__attribute__((noinline)) static long work(long x)
{
	return labs(-x) + 1;
}

static long raw_action(int sig, const struct kernel_action *new, struct kernel_action *old)
{
	return syscall(SYS_rt_sigaction, (long)sig, new, old, 8L);
}

static void raw_calls_are_seen(void)
{
	const struct kernel_action reset = {.handler = SIG_DFL};
	struct kernel_action old = {.flags = 1};
	uint64_t all = ~0ul, none = 0, got = 0;

	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			CHECK(raw_action(sig, &reset, NULL) == 0);
	CHECK(raw_action(SIGTRAP, NULL, &old) == 0 && old.handler == SIG_DFL && old.flags == 0);
	CHECK(work(3) == 4);
	CHECK(syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &all, NULL, 8L) == 0);
	CHECK(work(4) == 5);
	CHECK(syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &none, &got, 8L) == 0);
	CHECK(got == ALL_BUT_KILL);
	CHECK(mask_now() == 0);
}

static long barrier(int command)
{
	return syscall(SYS_membarrier, (long)command, 0L, 0L) < 0 ? -errno : 0;
}

static void barriers_have_to_be_registered_for(void)
{
	CHECK(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == -EPERM);
	CHECK(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) == -EPERM);
	CHECK(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
	CHECK(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
	CHECK(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) == -EPERM);
	CHECK(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) == 0);
	CHECK(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) == 0);
	CHECK(barrier(-5) == -EINVAL);
}

static void registrations_are_the_programs_own(void)
{
	enum { GET = 1 << 9 };
	long none = syscall(SYS_membarrier, (long)GET, 0L, 0L);

	if (none < 0 && errno == EINVAL) {
		puts("skipped: the kernel does not tell registrations (before Linux 6.3)");
		return;
	}
	CHECK(none == 0);
	CHECK(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
	CHECK(syscall(SYS_membarrier, (long)GET, 0L, 0L) ==
	      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

/* ---- registers ------------------------------------------------------------------------------- */

/*
 * The call @number with three arguments, all other registers filled, and the red zone: returns what
 * of these has changed, as bits; the result in @ret.
 */
uint64_t call_filled(long number, const void *a, const void *b, long *ret);
__asm__(".pushsection .text\n"
	".globl call_filled\n"
	".type call_filled, @function\n"
	"call_filled:\n\t"
	".irp reg, rbx, rbp, r12, r13, r14, r15\n\t"
	"push %\\reg\n\t"
	".endr\n\t"
	"push %rcx\n\t"
	"mov %rdi, %rax\n\t"
	"mov $2, %edi\n\t" /* SIG_SETMASK, or a signal */
	"mov $8, %r10d\n\t"
	"movabs $0x1122334455667788, %rbx\n\t"
	"lea 1(%rbx), %rbp\n\t"
	"lea 2(%rbx), %r12\n\t"
	"lea 3(%rbx), %r13\n\t"
	"lea 4(%rbx), %r14\n\t"
	"lea 5(%rbx), %r15\n\t"
	"lea 6(%rbx), %r8\n\t"
	"lea 7(%rbx), %r9\n\t"
	"mov %rbx, -8(%rsp)\n\t"
	"mov %rbx, -64(%rsp)\n\t"
	"mov %rbx, -128(%rsp)\n\t"
	"stc\n\t" /* CF, and the other flags clear */
	"syscall\n"
	"1:\n\t"
	"pushfq\n\t" /* over what lay at -8 */
	"pop %r11\n\t"
	"mov (%rsp), %rdi\n\t"
	"mov %rax, (%rdi)\n\t"
	"xor %eax, %eax\n\t"
	"lea 1b(%rip), %rdx\n\t"
	".macro differs a, b, n\n\t"
	"cmp \\a, \\b\n\t"
	"je 2f\n\t"
	"or $(1 << \\n), %eax\n"
	"2:\n\t"
	".endm\n\t"
	"differs %rdx, %rcx, 0\n\t"
	"and $1, %r11d\n\t"
	"mov $1, %edx\n\t"
	"differs %rdx, %r11, 1\n\t"
	"movabs $0x1122334455667788, %rdx\n\t"
	"differs %rdx, %rbx, 2\n\t"
	"differs %rdx, -64(%rsp), 3\n\t"
	"differs %rdx, -128(%rsp), 4\n\t"
	"inc %rdx\n\t"
	"differs %rdx, %rbp, 5\n\t"
	"inc %rdx\n\t"
	"differs %rdx, %r12, 6\n\t"
	"inc %rdx\n\t"
	"differs %rdx, %r13, 7\n\t"
	"inc %rdx\n\t"
	"differs %rdx, %r14, 8\n\t"
	"inc %rdx\n\t"
	"differs %rdx, %r15, 9\n\t"
	"inc %rdx\n\t"
	"differs %rdx, %r8, 10\n\t"
	"inc %rdx\n\t"
	"differs %rdx, %r9, 11\n\t"
	"mov $8, %edx\n\t"
	"differs %rdx, %r10, 12\n\t"
	"pop %rcx\n\t"
	".irp reg, r15, r14, r13, r12, rbp, rbx\n\t"
	"pop %\\reg\n\t"
	".endr\n\t"
	"ret\n"
	".size call_filled, . - call_filled\n"
	".popsection");

static void registers_and_red_zone_are_kept(void)
{
	uint64_t trap = bit(SIGTRAP), none = 0;
	struct kernel_action old;
	long ret = 1;

	/* The number is an argument here: whoever scans for it finds none. */
	CHECK(call_filled(SYS_rt_sigprocmask, &trap, NULL, &ret) == 0 && ret == 0);
	CHECK(mask_now() == trap);
	CHECK(call_filled(SYS_rt_sigprocmask, &none, &none, &ret) == 0 && ret == 0);
	CHECK(none == trap);
	CHECK(call_filled(SYS_rt_sigaction, NULL, &old, &ret) == 0 && ret == 0);
	CHECK(call_filled(SYS_membarrier, NULL, NULL, &ret) == 0 && ret == 0);
	CHECK(call_filled(SYS_getpid, NULL, NULL, &ret) == 0 && ret == getpid());
	none = 0;
	CHECK(call_filled(SYS_rt_sigprocmask, &none, NULL, &ret) == 0 && mask_now() == 0);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static ucontext_t home, one;

static void swap_ten_times(void)
{
	for (int i = 0; i < 10; i++)
		swapcontext(&one, &home);
}

/* swapcontext() changes the mask by a guarded call. */
static void small_stacks_are_enough(void)
{
	static char memory[65536];
	volatile int low = 32768;

	memset(memory, 0x5a, sizeof(memory));
	getcontext(&one);
	one.uc_stack = (stack_t){.ss_sp = memory + 32768, .ss_size = 1024};
	one.uc_link = &home;
	makecontext(&one, swap_ten_times, 0);
	for (int i = 0; i < 11; i++)
		swapcontext(&home, &one);
	while (low > 0 && memory[low - 1] == 0x5a)
		low--;
	CHECK(low == 0); /* nothing was written below */
}

/* ---- children -------------------------------------------------------------------------------- */

static const int owned[] = {SIGFPE, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGUSR1};

enum { OWNED = sizeof(owned) / sizeof(owned[0]) };

/* In a program of its own: exit status, which of them are ignored. */
static int tell_ignored(void)
{
	int ret = 0;

	for (int i = 0; i < OWNED; i++) {
		struct sigaction action;

		sigaction(owned[i], NULL, &action);
		ret |= (action.sa_handler == SIG_IGN) << i;
	}
	return ret;
}

static int status_of(pid_t pid)
{
	int status = -1;

	if (pid <= 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static char *tell[] = {(char *)"guards", (char *)"tell-ignored", NULL};

static void vfork_children_ignore_what_they_set(void)
{
	for (volatile int i = 0; i < OWNED; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			signal(owned[i], SIG_IGN);
			execv("/no/such/program", tell);
			execv("/proc/self/exe", tell);
			_exit(99);
		}
		CHECK(status_of(pid) == 1 << i);
		CHECK(tell_ignored() == 0);
	}
	for (int i = 0; i < OWNED; i++)
		signal(owned[i], SIG_IGN);
	pid_t pid = vfork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		execv("/proc/self/exe", tell);
		_exit(99);
	}
	CHECK(status_of(pid) == ((1 << OWNED) - 1) - 2);
	CHECK(tell_ignored() == (1 << OWNED) - 1);
	for (int i = 0; i < OWNED; i++)
		signal(owned[i], SIG_DFL);
}

/* Each child of vfork() makes another, down to @depth, which ignores what all ignore, and one signal more. */
static void execute_below(int depth, int limit)
{
	sigset_t set = set_of(bit(owned[depth]));
	pid_t pid = vfork();

	if (pid == 0) {
		signal(owned[depth], SIG_IGN);
		sigprocmask(SIG_BLOCK, &set, NULL);
		if (depth + 1 < limit)
			execute_below(depth + 1, limit);
		sigprocmask(SIG_BLOCK, NULL, &set);
		if (!sigismember(&set, owned[depth]) || sigismember(&set, owned[depth + 1]))
			_exit(98);
		execv("/proc/self/exe", tell);
		_exit(99);
	}
	if (status_of(pid) != (1 << (depth + 1)) - 1)
		_exit(97);
}

static void vfork_children_in_one_another(void)
{
	for (volatile int limit = 1; limit <= 4; limit++) {
		execute_below(0, limit);
		CHECK(tell_ignored() == 0);
	}
}

static void spawned_children_ignore_what_is_ignored(void)
{
	posix_spawnattr_t attributes;
	sigset_t defaults = set_of(bit(SIGFPE) | bit(SIGTRAP));
	char *none[] = {NULL};
	pid_t pid;

	for (int i = 0; i < OWNED; i++)
		signal(owned[i], SIG_IGN);
	CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, tell, environ) == 0);
	CHECK(status_of(pid) == (1 << OWNED) - 1);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, &attributes, tell, none) == 0);
	CHECK(status_of(pid) == (1 << OWNED) - 1 - 1 - 16);
	CHECK(posix_spawn(&pid, "/no/such/program", NULL, NULL, tell, environ) == ENOENT);
	for (int i = 0; i < OWNED; i++)
		signal(owned[i], SIG_DFL);
	CHECK(WEXITSTATUS(system("exit 5")) == 5);
}

static void nothing(int sig, siginfo_t *info, void *data)
{
	(void)sig;
	(void)info;
	(void)data;
}

/* Bits 0..: signals that have a handler; 16..: those that are ignored. */
static unsigned int dispositions(void)
{
	unsigned int ret = 0;

	for (int i = 0; i < OWNED; i++) {
		struct sigaction action;

		sigaction(owned[i], NULL, &action);
		if (action.sa_handler == SIG_IGN)
			ret |= 1u << (16 + i);
		else if (action.sa_handler != SIG_DFL)
			ret |= 1u << i;
	}
	return ret;
}

struct child_memory {
	unsigned int before, after;
	long result;
	volatile uint32_t done;
};

/* By the number of @flags: with memory of its own or not, waited for or not, on a new stack. */
static void clear_handlers(uint64_t flags, void *stack, size_t size)
{
	struct child_memory *memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct clone_args args = {
		.flags = CLONE_CLEAR_SIGHAND | flags,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)stack,
		.stack_size = size,
	};
	long pid;

	for (int i = 0; i < OWNED; i++)
		handle(owned[i], nothing, 0);
	signal(SIGBUS, SIG_IGN);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		memory->before = dispositions();
		memory->result = work(41);
		sigset_t mask = set_of(~0ul);
		sigprocmask(SIG_BLOCK, &mask, NULL);
		memory->result += work(0) == 1;
		_exit(7);
	}
	CHECK(status_of((pid_t)pid) == 7);
	CHECK(memory->before == 1u << (16 + 2));
	CHECK(memory->result == 43);
	CHECK(dispositions() == (((1u << OWNED) - 1 - 4) | 1u << (16 + 2)));
	CHECK(mask_now() == 0);
	for (int i = 0; i < OWNED; i++)
		signal(owned[i], SIG_DFL);
	munmap(memory, 4096);
}

static bool has_clear_sighand(void)
{
	struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		status_of((pid_t)pid);
	else
		puts("skipped: no CLONE_CLEAR_SIGHAND (before Linux 5.5, or refused in a "
		     "container)");
	return pid > 0;
}

static void children_begin_with_default_handlers(void)
{
	if (!has_clear_sighand())
		return;
	clear_handlers(0, NULL, 0);
	clear_handlers(CLONE_VFORK, NULL, 0);
}

/* As posix_spawn() does it: its parent's memory, a stack of its own, and another program. */
static int run_child(void *data)
{
	struct child_memory *memory = data;

	memory->before = dispositions();
	memory->result = work(41);
	signal(SIGFPE, SIG_IGN);
	execv("/proc/self/exe", tell);
	_exit(99);
}

extern long clone3_to(struct clone_args *args, size_t size, int (*run)(void *), void *data);
__asm__(".pushsection .text\n"
	".type clone3_to, @function\n"
	"clone3_to:\n\t"
	"mov %rdx, %r8\n\t"
	"mov %rcx, %r9\n\t"
	"mov $435, %eax\n\t"
	"syscall\n\t"
	"test %rax, %rax\n\t"
	"jz 1f\n\t"
	"ret\n"
	"1:\n\t"
	"mov %r9, %rdi\n\t"
	"call *%r8\n\t"
	"hlt\n"
	".size clone3_to, . - clone3_to\n"
	".popsection");

static void children_on_stacks_of_their_own(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct child_memory memory = {0};
	struct clone_args args = {
		.flags = CLONE_CLEAR_SIGHAND | CLONE_VM | CLONE_VFORK,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)stack,
		.stack_size = sizeof(stack),
	};

	if (!has_clear_sighand())
		return;
	for (int i = 0; i < OWNED; i++)
		handle(owned[i], nothing, 0);
	signal(SIGBUS, SIG_IGN);
	CHECK(status_of((pid_t)clone3_to(&args, sizeof(args), run_child, &memory)) == 1 + 4);
	CHECK(memory.before == 1u << (16 + 2));
	CHECK(memory.result == 42);
	CHECK(dispositions() == (((1u << OWNED) - 1 - 4) | 1u << (16 + 2)));
	for (int i = 0; i < OWNED; i++)
		signal(owned[i], SIG_DFL);
}

/* ---- a signal at every instruction ------------------------------------------------------------ */

enum { STEPS_MAX = 900 };

static int stepped_errors;

__attribute__((noinline)) static void on_step(int sig, siginfo_t *info, void *data)
{
	const ucontext_t *context = data;
	void *frames[64];
	Dl_info found;
	int count, i;

	(void)sig;
	(void)info;
	seen.calls++;
	seen.saved = bits_of(&context->uc_sigmask);
	seen.inside = mask_now();
	if (!dladdr((void *)context->uc_mcontext.gregs[REG_RIP], &found) ||
	    strstr(found.dli_fname, "libemuprobe"))
		stepped_errors |= 1; /* in code that is not the program's */
	count = backtrace(frames, 64);
	for (i = 0; i < count; i++)
		if (dladdr(frames[i], &found) && found.dli_saddr == (void *)be_stepped)
			break;
	if (i == count)
		stepped_errors |= 2; /* no way back */
}

/*
 * Each does guarded calls, and returns whether all went well. With SIGFPE, which the engine owns,
 * too: the kernel unblocks SIGTRAP in a thread that is stepped.
 */
static sigset_t fpe_and_hup, fpe;

static bool step_mask(void)
{
	sigset_t old, set;

	return sigprocmask(SIG_BLOCK, &fpe_and_hup, &old) == 0 &&
	       sigprocmask(SIG_SETMASK, &old, &set) == 0 && bits_of(&old) == 0 &&
	       bits_of(&set) == bits_of(&fpe_and_hup);
}

static bool step_action(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN}, old;

	return sigaction(SIGHUP, &action, &old) == 0 && old.sa_handler == SIG_DFL;
}

static bool step_wait(void)
{
	const struct timespec now = {0, 0};
	int calls = seen.calls, ret = ppoll(NULL, 0, &now, &fpe);

	return ret == 0 || (ret < 0 && errno == EINTR && seen.calls == calls + 1);
}

static bool (*const steps[])(void) = {step_mask, step_action, step_wait};

/* 0: all is well; the child of one run. */
__attribute__((noinline)) int be_stepped(bool (*step)(void))
{
	bool ok;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	handle(SIGUSR1, on_step, 0);
	backtrace((void *[1]){NULL}, 1); /* it loads a library at first */
	fpe = set_of(bit(SIGFPE));
	fpe_and_hup = set_of(bit(SIGFPE) | bit(SIGHUP));
	step();
	signal(SIGHUP, SIG_DFL);
	kill(getpid(), SIGSTOP);
	ok = step();
	signal(SIGUSR1, SIG_IGN);
	return (ok ? 0 : 4) | stepped_errors;
}

/* Let @count instructions pass, then give it SIGUSR1. False: it has come to its end before. */
static bool step_and_signal(pid_t pid, int count, int *status)
{
	for (int i = 0; i < count; i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, 0L);
		waitpid(pid, status, 0);
		if (!WIFSTOPPED(*status))
			return false;
		while (WSTOPSIG(*status) == SIGTRAP) { /* of an int3: it is the engine's */
			siginfo_t info;

			ptrace(PTRACE_GETSIGINFO, pid, NULL, &info);
			if (info.si_code != SI_KERNEL)
				break;
			ptrace(PTRACE_SINGLESTEP, pid, NULL, (long)SIGTRAP);
			waitpid(pid, status, 0);
		}
	}
	ptrace(PTRACE_CONT, pid, NULL, (long)SIGUSR1);
	return true;
}

/*
 * What a stop is about, to be passed on. Stepping leaves TF in the flags that an instruction saves,
 * and the thread traps when it loads them again: that is not to be seen.
 */
static long signal_of(pid_t pid, int status)
{
	struct user_regs_struct regs;
	siginfo_t info;

	if (status >> 16)
		return 0;
	ptrace(PTRACE_GETSIGINFO, pid, NULL, &info);
	if (WSTOPSIG(status) != SIGTRAP || info.si_code == SI_KERNEL)
		return WSTOPSIG(status);
	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	regs.eflags &= ~0x100ul;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	return 0;
}

/* Exit status; 0 with *ret_end: there were no more instructions. */
static int run_stepped(bool (*step)(void), int count, bool *ret_end)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(be_stepped(step));
	ptrace(PTRACE_SEIZE, pid, NULL, 0L);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGSTOP && status >> 16 == 0)
			*ret_end = !step_and_signal(pid, count, &status);
		else
			ptrace(PTRACE_CONT, pid, NULL, signal_of(pid, status));
		if (WIFEXITED(status))
			break;
	}
	return status;
}

static void signals_at_every_instruction(void)
{
	alarm(300);
	for (int s = 0; s < 3; s++) {
		bool end = false;
		int count = 1;

		for (; !end && count < STEPS_MAX && check_failures < 10; count += 1 + count / 400) {
			int status = run_stepped(steps[s], count, &end);

			if (status)
				printf("call %d, step %d: status %#x\n", s, count,
				       (unsigned)status);
			CHECK(status == 0);
		}
		CHECK(end || count >= STEPS_MAX);
	}
}

static const struct check_case stepped[] = {
	{"signals_at_every_instruction", signals_at_every_instruction},
	{NULL, NULL},
};

/* Where nothing has to trap. */
static const struct check_case without_traps[] = {
	{"small_stacks_are_enough", small_stacks_are_enough},
	{NULL, NULL},
};

static int wait_for_owned(void)
{
	const struct timespec timeout = {30, 0};
	sigset_t set = set_of(bit(SIGTRAP) | bit(SIGFPE));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, NULL, &timeout) < 0 && errno == EINTR ? 0 : 1;
}

/* Stopped and continued until it has noticed: it may not yet have waited. */
static void stops_end_waits_for_owned_signals(void)
{
	int status = -1, tries = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(wait_for_owned());
	for (; tries < 100 && waitpid(pid, &status, WNOHANG) == 0; tries++) {
		kill(pid, SIGSTOP);
		usleep(20000);
		kill(pid, SIGCONT);
		usleep(80000);
	}
	kill(pid, SIGKILL);
	CHECK(tries < 100 && status == 0);
}

static const struct check_case cases[] = {
	{"masks_in_handlers", masks_in_handlers},
	{"signals_nest_in_waits", signals_nest_in_waits},
	{"waits_are_seen_in_libc", waits_are_seen_in_libc},
	{"edited_masks_hold", edited_masks_hold},
	{"jumps_out_of_waits_take_the_mask_along", jumps_out_of_waits_take_the_mask_along},
	{"kept_traps_end_waits", kept_traps_end_waits},
	{"blocked_and_ignored_traps_do_not_end_waits", blocked_and_ignored_traps_do_not_end_waits},
	{"stops_end_waits_for_owned_signals", stops_end_waits_for_owned_signals},
	{"waits_that_are_wrong_fail_as_ever", waits_that_are_wrong_fail_as_ever},
	{"raw_calls_are_seen", raw_calls_are_seen},
	{"barriers_have_to_be_registered_for", barriers_have_to_be_registered_for},
	{"registrations_are_the_programs_own", registrations_are_the_programs_own},
	{"registers_and_red_zone_are_kept", registers_and_red_zone_are_kept},
	{"vfork_children_ignore_what_they_set", vfork_children_ignore_what_they_set},
	{"vfork_children_in_one_another", vfork_children_in_one_another},
	{"spawned_children_ignore_what_is_ignored", spawned_children_ignore_what_is_ignored},
	{"children_begin_with_default_handlers", children_begin_with_default_handlers},
	{"children_on_stacks_of_their_own", children_on_stacks_of_their_own},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc > 1 && strcmp(argv[1], "tell-ignored") == 0)
		return tell_ignored();
	if (argc > 1 && strcmp(argv[1], "without-traps") == 0)
		return check_main(1, argv, without_traps);
	if (argc > 1 && strcmp(argv[1], "stepped") == 0)
		return check_main(1, argv, stepped);
	return check_main(argc, argv, cases);
}
