/* SPDX-License-Identifier: MIT */
/*
 * What a program may do with signals, and what it must find then. SIGTRAP above all, since it is
 * the one that the engine lives on: handled, ignored, blocked, pending, waited for.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

static volatile sig_atomic_t calls, last_sig, last_code;
static volatile int blocked_inside;

static void count_call(int sig)
{
	calls++;
	last_sig = sig;
}

static void note_info(int sig, siginfo_t *info, void *context)
{
	sigset_t now;

	(void)context;
	calls++;
	last_sig = sig;
	last_code = info->si_code;
	sigprocmask(SIG_BLOCK, NULL, &now);
	blocked_inside = sigismember(&now, SIGTRAP);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	CHECK(sigaction(sig, &action, NULL) == 0);
}

static sigset_t set_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	if (a)
		sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

static void block(int sig)
{
	sigset_t set = set_of(sig, 0);

	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

static void unblock(int sig)
{
	sigset_t set = set_of(sig, 0);

	CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static bool is_blocked(int sig)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, sig);
}

static bool is_pending(int sig)
{
	sigset_t set;

	CHECK(sigpending(&set) == 0);
	return sigismember(&set, sig);
}

/* How a child that runs @what ends: exit status, or 128 + signal. */
static int end_of(void (*what)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		what();
		_exit(check_failures ? 99 : 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- actions ------------------------------------------------------------------------------- */

static void trap_handler_is_called(void)
{
	signal(SIGTRAP, count_call);
	raise(SIGTRAP);
	CHECK(calls == 1 && last_sig == SIGTRAP);
	kill(getpid(), SIGTRAP);
	CHECK(calls == 2);
	__asm__ volatile("int3");
	CHECK(calls == 3);
	__asm__ volatile(".byte 0xcd, 0x03"); /* int $3, the long form */
	CHECK(calls == 4);
}

static void trap_info_is_right(void)
{
	union sigval value = {.sival_int = 42};

	handle(SIGTRAP, note_info, 0);
	raise(SIGTRAP);
	CHECK(calls == 1 && last_code == SI_TKILL && blocked_inside);
	kill(getpid(), SIGTRAP);
	CHECK(calls == 2 && last_code == SI_USER);
	sigqueue(getpid(), SIGTRAP, value);
	CHECK(calls == 3 && last_code == SI_QUEUE);
	__asm__ volatile("int3");
	CHECK(calls == 4 && last_code == SI_KERNEL);
	handle(SIGTRAP, note_info, SA_NODEFER);
	raise(SIGTRAP);
	CHECK(calls == 5 && !blocked_inside);
}

static void trap_action_is_what_was_set(void)
{
	struct sigaction old, action = {.sa_handler = count_call, .sa_flags = SA_RESTART};

	sigaddset(&action.sa_mask, SIGTRAP);
	sigaddset(&action.sa_mask, SIGUSR1);
	CHECK(sigaction(SIGTRAP, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
	CHECK(sigaction(SIGTRAP, NULL, &old) == 0);
	CHECK(old.sa_handler == count_call && (old.sa_flags & SA_RESTART));
	CHECK(sigismember(&old.sa_mask, SIGTRAP) && sigismember(&old.sa_mask, SIGUSR1));
	CHECK(!sigismember(&old.sa_mask, SIGUSR2));
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0);
	CHECK(old.sa_handler == count_call && sigismember(&old.sa_mask, SIGTRAP));
	CHECK(signal(SIGTRAP, SIG_IGN) == count_call);
	CHECK(signal(SIGTRAP, SIG_DFL) == SIG_IGN);
	CHECK(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
	CHECK(sigaction(65, &action, NULL) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4) == -1 && errno == EINVAL);
}

static void reset_hand_resets(void)
{
	struct sigaction old;

	handle(SIGTRAP, note_info, (int)SA_RESETHAND);
	raise(SIGTRAP);
	CHECK(calls == 1);
	CHECK(sigaction(SIGTRAP, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	handle(SIGUSR1, note_info, (int)SA_RESETHAND);
	raise(SIGUSR1);
	CHECK(calls == 2);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
}

static void raise_trap(void)
{
	raise(SIGTRAP);
}

static void execute_int3(void)
{
	__asm__ volatile("int3");
}

static void ignore_and_raise(void)
{
	signal(SIGTRAP, SIG_IGN);
	raise(SIGTRAP);
	kill(getpid(), SIGTRAP);
}

static void ignore_and_int3(void)
{
	signal(SIGTRAP, SIG_IGN);
	execute_int3();
}

static void block_and_int3(void)
{
	signal(SIGTRAP, count_call);
	block(SIGTRAP);
	execute_int3();
}

static void block_and_segv(void)
{
	signal(SIGSEGV, count_call);
	block(SIGSEGV);
	*(volatile int *)16 = 1;
}

static void default_actions_kill(void)
{
	CHECK(end_of(raise_trap) == 128 + SIGTRAP);
	CHECK(end_of(execute_int3) == 128 + SIGTRAP);
	CHECK(end_of(ignore_and_raise) == 0);
	CHECK(end_of(ignore_and_int3) == 128 + SIGTRAP);
	CHECK(end_of(block_and_int3) == 128 + SIGTRAP);
	CHECK(end_of(block_and_segv) == 128 + SIGSEGV);
}

static void abort_aborts(void)
{
	CHECK(end_of(abort) == 128 + SIGABRT);
}

/* ---- masks --------------------------------------------------------------------------------- */

static void masks_are_what_was_set(void)
{
	sigset_t all, old, empty = set_of(0, 0);

	CHECK(!is_blocked(SIGTRAP));
	sigfillset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, &old) == 0 && !sigismember(&old, SIGTRAP));
	CHECK(is_blocked(SIGTRAP) && is_blocked(SIGSEGV) && is_blocked(SIGUSR1));
	CHECK(!is_blocked(SIGKILL) && !is_blocked(SIGSTOP));
	unblock(SIGUSR1);
	CHECK(is_blocked(SIGTRAP) && !is_blocked(SIGUSR1));
	CHECK(pthread_sigmask(SIG_SETMASK, &empty, &old) == 0 && sigismember(&old, SIGTRAP));
	CHECK(!is_blocked(SIGTRAP) && !is_blocked(SIGSEGV));
	CHECK(pthread_sigmask(42, &empty, NULL) == EINVAL);
	CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8) == -1 && errno == EFAULT);
}

static void blocked_trap_is_pending(void)
{
	signal(SIGTRAP, count_call);
	block(SIGTRAP);
	CHECK(!is_pending(SIGTRAP));
	raise(SIGTRAP);
	CHECK(calls == 0 && is_pending(SIGTRAP));
	raise(SIGTRAP);
	unblock(SIGTRAP);
	CHECK(calls == 1 && !is_pending(SIGTRAP)); /* standard signals do not queue */
	block(SIGTRAP);
	kill(getpid(), SIGTRAP);
	raise(SIGTRAP);
	CHECK(calls == 1 && is_pending(SIGTRAP));
	signal(SIGTRAP, SIG_IGN); /* discards it (POSIX, sigaction) */
	CHECK(!is_pending(SIGTRAP));
	signal(SIGTRAP, count_call);
	unblock(SIGTRAP);
	CHECK(calls == 1);
}

static void blocked_fault_signal_is_pending(void)
{
	signal(SIGSEGV, count_call);
	block(SIGSEGV);
	raise(SIGSEGV);
	CHECK(calls == 0 && is_pending(SIGSEGV));
	unblock(SIGSEGV);
	CHECK(calls == 1 && !is_pending(SIGSEGV));
}

static void pending_trap_kills_when_unblocked(void)
{
	block(SIGTRAP);
	raise(SIGTRAP);
	unblock(SIGTRAP);
}

static void unblocking_delivers_the_default(void)
{
	CHECK(end_of(pending_trap_kills_when_unblocked) == 128 + SIGTRAP);
}

static volatile int mask_inside[2];

static void look_at_mask(int sig, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;

	(void)sig;
	(void)info;
	calls++;
	mask_inside[0] = is_blocked(SIGTRAP);
	mask_inside[1] = sigismember(&interrupted->uc_sigmask, SIGTRAP);
}

static void handlers_mask_blocks_trap(void)
{
	struct sigaction action = {.sa_sigaction = look_at_mask, .sa_flags = SA_SIGINFO};

	sigaddset(&action.sa_mask, SIGTRAP);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	raise(SIGUSR1);
	CHECK(calls == 1 && mask_inside[0] && !mask_inside[1]);
	CHECK(!is_blocked(SIGTRAP));
	block(SIGTRAP);
	raise(SIGUSR1);
	CHECK(calls == 2 && mask_inside[0] && mask_inside[1]);
	CHECK(is_blocked(SIGTRAP));
}

static void edit_mask(int sig, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;

	(void)sig;
	(void)info;
	if (calls++ % 2 == 0)
		sigaddset(&interrupted->uc_sigmask, SIGTRAP);
	else
		sigdelset(&interrupted->uc_sigmask, SIGTRAP);
}

static void handler_edits_the_mask(void)
{
	handle(SIGUSR1, edit_mask, 0);
	raise(SIGUSR1);
	CHECK(calls == 1 && is_blocked(SIGTRAP));
	raise(SIGUSR1);
	CHECK(calls == 2 && !is_blocked(SIGTRAP));
	handle(SIGTRAP, edit_mask, 0);
	raise(SIGTRAP);
	CHECK(calls == 3 && is_blocked(SIGTRAP));
}

static void raise_in_handler(int sig)
{
	if (calls++ < 3)
		raise(sig);
}

static void trap_raised_in_its_handler_comes_after_it(void)
{
	signal(SIGTRAP, raise_in_handler);
	raise(SIGTRAP);
	CHECK(calls == 4 && !is_blocked(SIGTRAP));
}

static sigjmp_buf jump_target;

static void jump_away(int sig)
{
	calls++;
	siglongjmp(jump_target, sig);
}

static void handlers_jump_away(void)
{
	signal(SIGTRAP, jump_away);
	signal(SIGUSR1, jump_away);
	if (sigsetjmp(jump_target, 1) == 0)
		raise(SIGTRAP);
	CHECK(calls == 1 && !is_blocked(SIGTRAP));
	if (sigsetjmp(jump_target, 1) == 0)
		execute_int3();
	CHECK(calls == 2 && !is_blocked(SIGTRAP));
	block(SIGTRAP);
	if (sigsetjmp(jump_target, 1) == 0)
		raise(SIGUSR1);
	CHECK(calls == 3 && is_blocked(SIGTRAP) && !is_blocked(SIGUSR1));
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void *send_soon(void *to)
{
	const struct timespec pause = {.tv_nsec = 30000000};
	pthread_t thread = *(pthread_t *)to;

	nanosleep(&pause, NULL);
	pthread_kill(thread, SIGUSR1);
	return NULL;
}

static void waits_take_their_masks(void)
{
	const struct timespec some = {.tv_sec = 5};
	struct epoll_event event;
	sigset_t all, but_usr1;
	pthread_t self = pthread_self(), sender;
	int poller = epoll_create1(0);

	signal(SIGUSR1, count_call);
	sigfillset(&all);
	but_usr1 = all;
	sigdelset(&but_usr1, SIGUSR1);
	sigdelset(&but_usr1, SIGALRM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 4; i++) {
		CHECK(pthread_create(&sender, NULL, send_soon, &self) == 0);
		errno = 0;
		if (i == 0)
			CHECK(sigsuspend(&but_usr1) == -1);
		else if (i == 1)
			CHECK(ppoll(NULL, 0, &some, &but_usr1) == -1);
		else if (i == 2)
			CHECK(pselect(0, NULL, NULL, NULL, &some, &but_usr1) == -1);
		else
			CHECK(epoll_pwait(poller, &event, 1, 5000, &but_usr1) == -1);
		CHECK(errno == EINTR && calls == i + 1);
		CHECK(is_blocked(SIGTRAP) && is_blocked(SIGUSR1));
		pthread_join(sender, NULL);
	}
	CHECK(ppoll(NULL, 0, &(struct timespec){.tv_nsec = 1000}, &all) == 0);
	CHECK(pselect(0, NULL, NULL, NULL, &(struct timespec){.tv_nsec = 1000}, &all) == 0);
	CHECK(epoll_pwait(poller, &event, 1, 1, &all) == 0);
	CHECK(ppoll(NULL, 0, &(struct timespec){.tv_nsec = 1000}, (void *)8) == -1 &&
	      errno == EFAULT);
}

static void sigwait_takes_other_signals(void)
{
	sigset_t set = set_of(SIGUSR1, SIGTRAP);
	siginfo_t info;
	int sig = 0;

	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	CHECK(sigwait(&set, &sig) == 0 && sig == SIGUSR1);
	kill(getpid(), SIGUSR1);
	CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_USER);
	CHECK(sigtimedwait(&set, &info, &(struct timespec){0}) == -1 && errno == EAGAIN);
}

static void sigwait_takes_a_pending_trap(void)
{
	union sigval value = {.sival_int = 7};
	sigset_t set = set_of(SIGTRAP, 0);
	siginfo_t info;
	int sig = 0;

	block(SIGTRAP);
	raise(SIGTRAP);
	CHECK(sigwait(&set, &sig) == 0 && sig == SIGTRAP && !is_pending(SIGTRAP));
	sigqueue(getpid(), SIGTRAP, value);
	CHECK(sigwaitinfo(&set, &info) == SIGTRAP && info.si_code == SI_QUEUE &&
	      info.si_value.sival_int == 7);
	CHECK(sigtimedwait(&set, &info, &(struct timespec){0}) == -1 && errno == EAGAIN);
	CHECK(sigtimedwait(&set, &info, &(struct timespec){.tv_nsec = -1}) == -1 &&
	      errno == EINVAL);
	CHECK(sigtimedwait(&set, &info, &(struct timespec){.tv_sec = -1}) == -1 && errno == EINVAL);
}

static void *send_trap(void *to)
{
	const struct timespec pause = {.tv_nsec = 30000000};

	(void)to;
	nanosleep(&pause, NULL);
	kill(getpid(), SIGTRAP);
	return NULL;
}

static void sigwait_waits_for_a_trap(void)
{
	sigset_t set = set_of(SIGTRAP, 0);
	pthread_t sender;
	siginfo_t info;

	block(SIGTRAP);
	CHECK(pthread_create(&sender, NULL, send_trap, NULL) == 0);
	CHECK(sigtimedwait(&set, &info, &(struct timespec){.tv_sec = 5}) == SIGTRAP);
	CHECK(info.si_code == SI_USER && info.si_pid == getpid());
	pthread_join(sender, NULL);
	CHECK(!is_pending(SIGTRAP));
}

static void *wait_for_trap(void *ret)
{
	sigset_t set = set_of(SIGTRAP, 0);

	*(int *)ret = sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 5});
	return NULL;
}

/* The classic: all threads block it, one waits. */
static void signal_thread_gets_the_trap(void)
{
	pthread_t waiter;
	int got = 0;

	block(SIGTRAP);
	CHECK(pthread_create(&waiter, NULL, wait_for_trap, &got) == 0);
	send_trap(NULL);
	pthread_join(waiter, NULL);
	CHECK(got == SIGTRAP);
}

static void *open_for_trap(void *arg)
{
	(void)arg;
	unblock(SIGTRAP);
	for (int i = 0; i < 500 && !calls; i++)
		usleep(10000);
	return NULL;
}

static void another_thread_handles_the_trap(void)
{
	pthread_t other;

	signal(SIGTRAP, count_call);
	block(SIGTRAP);
	CHECK(pthread_create(&other, NULL, open_for_trap, NULL) == 0);
	usleep(20000);
	kill(getpid(), SIGTRAP);
	pthread_join(other, NULL);
	CHECK(calls == 1 && is_blocked(SIGTRAP));
}

static void signalfd_takes_other_signals(void)
{
	sigset_t set = set_of(SIGUSR1, SIGTRAP);
	struct signalfd_siginfo info = {0};
	int fd;

	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	raise(SIGUSR1);
	CHECK(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1);
	close(fd);
}

/* ---- children, threads, contexts ----------------------------------------------------------- */

static void *report_blocked(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)is_blocked(SIGTRAP);
}

static void threads_inherit_the_mask(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t set = set_of(SIGTRAP, 0);
	void *blocked;

	CHECK(pthread_create(&thread, NULL, report_blocked, NULL) == 0);
	CHECK(pthread_join(thread, &blocked) == 0 && !blocked);
	pthread_attr_init(&attr);
	pthread_attr_setsigmask_np(&attr, &set);
	CHECK(pthread_create(&thread, &attr, report_blocked, NULL) == 0);
	CHECK(pthread_join(thread, &blocked) == 0 && blocked);
	block(SIGTRAP);
	CHECK(pthread_create(&thread, NULL, report_blocked, NULL) == 0);
	CHECK(pthread_join(thread, &blocked) == 0 && blocked);
}

static void forks_inherit_the_mask(void)
{
	int status;
	pid_t pid;

	block(SIGTRAP);
	for (int i = 0; i < 3; i++) {
		fflush(stdout);
		pid = i == 0 ? fork() : i == 1 ? (pid_t)syscall(SYS_fork) : _Fork();
		if (pid == 0)
			_exit(is_blocked(SIGTRAP));
		CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 1);
		CHECK(is_blocked(SIGTRAP));
	}
}

/* The signals that "sh -c" finds ignored or blocked, as a bit mask of /proc/self/status. */
static unsigned long spawned(const char *field, const posix_spawnattr_t *attr)
{
	extern char **environ;
	char command[128], text[64] = "";
	char *const argv[] = {(char *)"sh", (char *)"-c", command, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], status;
	pid_t pid = 0;

	CHECK(pipe(ends) == 0);
	snprintf(command, sizeof(command),
		 "while read k v; do [ $k = %s: ] && echo $v; done "
		 "</proc/self/status; exit 0",
		 field);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	CHECK(posix_spawn(&pid, "/bin/sh", &actions, attr, argv, environ) == 0);
	close(ends[1]);
	CHECK(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	return strtoul(text, NULL, 16);
}

static void spawn_attributes_hold(void)
{
	const unsigned long usr1 = 1ul << (SIGUSR1 - 1);
	sigset_t set = set_of(SIGUSR1, 0), trap = set_of(SIGTRAP, 0);
	posix_spawnattr_t attr;
	struct sigaction old;

	signal(SIGUSR1, SIG_IGN);
	CHECK(spawned("SigIgn", NULL) & usr1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setsigmask(&attr, &trap);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	CHECK(!(spawned("SigIgn", &attr) & usr1));
	CHECK(!is_blocked(SIGTRAP));
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_IGN);
	signal(SIGUSR1, count_call);
	CHECK(!(spawned("SigIgn", NULL) & usr1));
	raise(SIGUSR1);
	CHECK(calls == 1);
}

/* What is ignored and blocked at execve() is so in the next program. */
static void exec_keeps_ignored_and_blocked(void)
{
	extern char **environ;
	char *const argv[] = {(char *)"signals", (char *)"was-inherited", NULL};
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		signal(SIGTRAP, SIG_IGN);
		signal(SIGSEGV, SIG_IGN);
		block(SIGTRAP);
		execve("/no/such/file", argv, environ);
		if (!is_blocked(SIGTRAP) || signal(SIGTRAP, SIG_IGN) != SIG_IGN)
			_exit(90);
		execve("/proc/self/exe", argv, environ);
		_exit(91);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int was_inherited(void)
{
	struct sigaction trap, segv;

	sigaction(SIGTRAP, NULL, &trap);
	sigaction(SIGSEGV, NULL, &segv);
	return !(trap.sa_handler == SIG_IGN && segv.sa_handler == SIG_IGN && is_blocked(SIGTRAP) &&
		 !is_blocked(SIGSEGV));
}

static ucontext_t main_context, other_context;
static volatile int steps;

static void other_function(void)
{
	for (int i = 0; i < 3; i++) {
		CHECK(!is_blocked(SIGTRAP));
		steps++;
		swapcontext(&other_context, &main_context);
	}
	steps = 100;
}

static void contexts_have_masks(void)
{
	static char stack[65536];

	CHECK(getcontext(&other_context) == 0);
	other_context.uc_stack.ss_sp = stack;
	other_context.uc_stack.ss_size = sizeof(stack);
	other_context.uc_link = &main_context;
	makecontext(&other_context, other_function, 0);
	block(SIGTRAP);
	for (int i = 1; i <= 3; i++) {
		CHECK(swapcontext(&main_context, &other_context) == 0);
		CHECK(steps == i && is_blocked(SIGTRAP));
		CHECK(sigismember(&main_context.uc_sigmask, SIGTRAP));
	}
	swapcontext(&main_context, &other_context);
	CHECK(steps == 100 && is_blocked(SIGTRAP));
}

__attribute__((unused)) static void raw_system_calls_are_the_same(void)
{
	uint64_t all = ~0ul, old = 0, trap = 1ul << (SIGTRAP - 1);
	struct timespec now = {0};
	siginfo_t info;

	signal(SIGTRAP, count_call);
	CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8) == 0 && !(old & trap));
	raise(SIGTRAP);
	CHECK(calls == 0);
	CHECK(syscall(SYS_rt_sigpending, &old, 8) == 0 && (old & trap));
	CHECK(syscall(SYS_rt_sigtimedwait, &all, &info, &now, 8) == SIGTRAP);
	CHECK(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &all, &old, 8) == 0 && (old & trap));
	raise(SIGTRAP);
	CHECK(calls == 1);
}

static char alternate[65536];
static volatile uintptr_t stack_inside;

static void note_stack(int sig)
{
	(void)sig;
	calls++;
	stack_inside = (uintptr_t)__builtin_frame_address(0);
}

static void alternate_stack_is_used(void)
{
	const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	static const int signals[] = {SIGTRAP, SIGSEGV, SIGUSR1};

	CHECK(sigaltstack(&stack, NULL) == 0);
	for (int i = 0; i < 6; i++) {
		struct sigaction action = {.sa_handler = note_stack,
					   .sa_flags = i % 2 ? SA_ONSTACK : 0};
		bool on_it;

		CHECK(sigaction(signals[i / 2], &action, NULL) == 0);
		raise(signals[i / 2]);
		on_it = stack_inside - (uintptr_t)alternate < sizeof(alternate);
		CHECK(calls == i + 1);
		if (signals[i / 2] != SIGTRAP || i % 2)
			CHECK(on_it == (i % 2));
	}
}

static void note_step(int sig, siginfo_t *info, void *context)
{
	(void)context;
	calls++;
	last_sig = sig;
	last_code = info->si_code;
}

/* A program that steps itself gets on, whatever its instructions have been replaced with. */
static void steps_lead_on(void)
{
	volatile pid_t parent = getppid();
	long number = strtol("12", NULL, 10);

	calls = 0;
	handle(SIGTRAP, note_step, 0);
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" : : : "memory", "cc");
	parent -= getppid();
	number += strtol("30", NULL, 10);
	__asm__ volatile("pushfq; andl $~0x100, (%%rsp); popfq" : : : "memory", "cc");
	CHECK(parent == 0 && number == 42);
	CHECK(calls > 20 && last_sig == SIGTRAP && last_code == TRAP_TRACE);
	signal(SIGTRAP, SIG_DFL);
}

static const struct check_case cases[] = {
	{"trap_handler_is_called", trap_handler_is_called},
	{"trap_info_is_right", trap_info_is_right},
	{"trap_action_is_what_was_set", trap_action_is_what_was_set},
	{"reset_hand_resets", reset_hand_resets},
	{"steps_lead_on", steps_lead_on},
	{"default_actions_kill", default_actions_kill},
	{"abort_aborts", abort_aborts},
	{"masks_are_what_was_set", masks_are_what_was_set},
	{"blocked_trap_is_pending", blocked_trap_is_pending},
	{"blocked_fault_signal_is_pending", blocked_fault_signal_is_pending},
	{"unblocking_delivers_the_default", unblocking_delivers_the_default},
	{"handlers_mask_blocks_trap", handlers_mask_blocks_trap},
	{"handler_edits_the_mask", handler_edits_the_mask},
	{"trap_raised_in_its_handler_comes_after_it", trap_raised_in_its_handler_comes_after_it},
	{"handlers_jump_away", handlers_jump_away},
	{"waits_take_their_masks", waits_take_their_masks},
	{"sigwait_takes_other_signals", sigwait_takes_other_signals},
	{"sigwait_takes_a_pending_trap", sigwait_takes_a_pending_trap},
	{"sigwait_waits_for_a_trap", sigwait_waits_for_a_trap},
	{"signal_thread_gets_the_trap", signal_thread_gets_the_trap},
	{"another_thread_handles_the_trap", another_thread_handles_the_trap},
	{"signalfd_takes_other_signals", signalfd_takes_other_signals},
	{"threads_inherit_the_mask", threads_inherit_the_mask},
	{"forks_inherit_the_mask", forks_inherit_the_mask},
	{"spawn_attributes_hold", spawn_attributes_hold},
	{"exec_keeps_ignored_and_blocked", exec_keeps_ignored_and_blocked},
	{"contexts_have_masks", contexts_have_masks},
	/*RAW*/
	{"alternate_stack_is_used", alternate_stack_is_used},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc > 1 && strcmp(argv[1], "was-inherited") == 0)
		return was_inherited();
	return check_main(argc, argv, cases);
}
