/* SPDX-License-Identifier: MIT */
/*
 * A thread that blocks SIGTRAP dies of the first int3 that it meets. Once libc's system calls are
 * guarded no thread can block it any more, but when the first probe is made in a program that runs
 * already, threads may be blocking it for good (workers that leave signals to others) or for some
 * microseconds (in pthread_create(), say), and the guards are int3s themselves. So all threads
 * are held just once, at a moment when they can take a signal, and get SIGTRAP unblocked there.
 *
 * The signal is SIGSETXID, libc's own for changing user IDs in all threads: programs cannot block
 * it, libc does only for moments, and its handler ignores what it did not send. It is put back
 * right after. What stands still may hold any lock, so nothing here allocates meanwhile.
 */
#include "probe/guest/park.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "probe/guest/masks.h"
#include "probe/guest/signals.h"
#include "probe/guest/task.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/interrupted.h"
#include "sys/mapping.h"
#include "sys/memory.h"

#define THREADS_MAX 65536u
#define PAUSE	    500000l	/* nanoseconds */
#define CHANCE_MAX  1000000000l /* nanoseconds for them to come, when they have a processor */
#define ROUNDS_MAX  20000	/* pauses in all, when they get none */

#define SYSCALL_SIZE 2

struct linux_dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

enum state { NOT_ASKED, ASKED, PARKED, LEFT };

struct parked {
	int32_t tid;
	_Atomic uint8_t state;
	struct task task;      /* when it was last looked at */
	struct task_call call; /* that it was in, when it was asked */
};

static struct parked *threads;
static _Atomic uint32_t thread_count;
static _Atomic uint32_t attempt;  /* from 1 on: one that fails is made again */
static _Atomic uint32_t released; /* the last attempt that is over; futex */
static _Atomic uint32_t undone;	  /* the last one that failed */
static const char magic;

void signals_restorer(void);

EP_TRAP_PATH static bool read_ours(const void *data, uint64_t at, void *ret, size_t size)
{
	(void)data;
	return sys_read_memory(ret, at, size);
}

/* ---- in the other threads ------------------------------------------------------------------ */

EP_TRAP_PATH static struct parked *find(int32_t tid)
{
	for (uint32_t i = 0; i < thread_count; i++)
		if (threads[i].tid == tid)
			return &threads[i];
	return NULL;
}

/*
 * The kernel has blocked for the handler what the thread had blocked before; that ends when the handler
 * returns, but this thread may get no processor for long. The attempt may not be the one in which it was
 * found: the table is another one then.
 */
EP_TRAP_PATH static void leave(void)
{
	const uint64_t owned = SIGNALS_OWNED;
	struct parked *self = find((int32_t)sys0(SYS_gettid));
	uint8_t parked = PARKED;

	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &owned, NULL, SYS_SIGSET_SIZE);
	if (self)
		atomic_compare_exchange_strong(&self->state, &parked, LEFT);
}

/*
 * The kernel ends a call that a handler interrupts by EINTR, where it has no other way to begin it anew:
 * poll(), nanosleep(), sigsuspend(). The program has no handler to expect that of. So it begins anew, with
 * what it was asked for; one that was to wait for a time waits all of it again, if the call has not
 * written what was left of it.
 */
EP_TRAP_PATH static void begin_anew(const struct parked *self, ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP], rsp = (uint64_t)regs[REG_RSP];
	long number = self->call.number;

	if (regs[REG_RAX] != -EINTR)
		return;
	/* It was in another one when it was asked. */
	if (number < 0 || rip != self->call.rip || rsp != self->call.rsp)
		number = sys_interrupted_call(rip, rsp, read_ours, NULL);
	if (number < 0)
		return;
	regs[REG_RAX] = number;
	regs[REG_RIP] -= SYSCALL_SIZE;
}

EP_TRAP_PATH static void on_park(int sig, siginfo_t *info, void *ucontext)
{
	uint64_t *mask = signals_mask(ucontext), before = *mask;
	struct parked *self = find((int32_t)sys0(SYS_gettid));
	uint32_t mine = atomic_load(&attempt), over;

	(void)sig;
	if (info->si_code != SI_QUEUE || info->si_value.sival_ptr != &magic)
		return;
	masks_adopt(*mask);
	*mask &= ~SIGNALS_OWNED;
	if (!self)
		return;
	begin_anew(self, ucontext);
	atomic_store(&self->state, PARKED);
	while ((over = atomic_load(&released)) < mine)
		sys4(SYS_futex, &released, 0 /* FUTEX_WAIT */, over, NULL);
	if (atomic_load(&undone) == mine)
		*mask = before;
	else
		leave();
}

/* ---- in the caller ------------------------------------------------------------------------- */

bool park_each_task(long fd, void (*visit)(int32_t tid))
{
	_Alignas(8) char buf[4096];
	long size;

	if (sys3(SYS_lseek, fd, 0, SEEK_SET)) /* else there seems to be nobody */
		return false;
	while ((size = sys3(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < size;) {
			const struct linux_dirent64 *entry = (const void *)(buf + at);
			int32_t tid = 0;

			for (const char *c = entry->name; *c >= '0' && *c <= '9'; c++)
				tid = tid * 10 + (*c - '0');
			if (tid)
				visit(tid);
			at += entry->size;
		}
	}
	return size == 0;
}

static int32_t self_tid;
static uint32_t not_parked;
static uint64_t chance; /* of that one of them which had most, since the last round */

/* Behind a handler, the number that a call goes on with after an interruption means nothing. */
static void look_at_call(struct parked *thread)
{
	struct task_call *call = &thread->call;

	task_read_call(thread->tid, call);
	if (call->number == SYS_restart_syscall)
		call->number = sys_interrupted_call(call->rip, call->rsp, read_ours, NULL);
}

static void ask(struct parked *thread)
{
	siginfo_t info = {.si_signo = PARK_SIGNAL, .si_code = SI_QUEUE};
	long pid = sys0(SYS_getpid);

	info.si_pid = (pid_t)pid;
	info.si_value.sival_ptr = (void *)&magic;
	look_at_call(thread);
	atomic_store(&thread->state, ASKED);
	if (sys4(SYS_rt_tgsigqueueinfo, pid, thread->tid, PARK_SIGNAL, &info))
		atomic_store(&thread->state, NOT_ASKED); /* no room in its queue: later */
}

static void note_chance(uint64_t nanoseconds)
{
	if (chance < nanoseconds)
		chance = nanoseconds;
}

/* It was there in an earlier round, and has not come. Could it have? */
static void wonder_about(struct parked *thread)
{
	struct task before = thread->task;

	if (!task_read(thread->tid, &thread->task)) {
		note_chance(PAUSE);
	} else if (task_has_ended(&thread->task)) {
		not_parked--;
	} else if (before.state) {
		note_chance(task_chance(&before, &thread->task, PAUSE));
	}
}

static struct parked *add(int32_t tid)
{
	struct parked *thread = &threads[thread_count];

	if (thread_count == THREADS_MAX)
		return NULL;
	thread->tid = tid;
	thread->task.state = 0;
	atomic_store(&thread->state, NOT_ASKED);
	atomic_fetch_add(&thread_count, 1);
	return thread;
}

static void visit_task(int32_t tid)
{
	struct parked *thread = find(tid);

	if (tid == self_tid || (thread && atomic_load(&thread->state) == PARKED))
		return;
	not_parked++;
	if (thread)
		wonder_about(thread);
	else
		thread = add(tid);
	if (!thread)
		note_chance(PAUSE);
	else if (atomic_load(&thread->state) == NOT_ASKED)
		ask(thread);
}

/* Until a whole round finds nobody new and nobody running. */
static int gather(long fd)
{
	const struct timespec pause = {0, PAUSE};
	uint64_t chances = 0;

	for (int round = 0; round < ROUNDS_MAX && chances < CHANCE_MAX; round++) {
		uint32_t known = thread_count;

		not_parked = 0;
		chance = 0;
		if (!park_each_task(fd, visit_task))
			return -EP_UNSUPPORTED;
		if (!not_parked && known == thread_count)
			return 0;
		chances += known == thread_count ? chance : PAUSE;
		sys2(SYS_nanosleep, &pause, NULL);
	}
	return -EP_SIGNALS_BLOCKED;
}

static void release(int error)
{
	if (error)
		atomic_store(&undone, attempt);
	atomic_store(&released, attempt);
	sys3(SYS_futex, &released, 1 /* FUTEX_WAKE */, INT32_MAX);
}

static int hold(long fd, void (*action)(void))
{
	struct signals_action old,
		park = {
			.handler = on_park,
			.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SYS_SA_RESTORER,
			.restorer = signals_restorer,
			.mask = ~SIGNALS_OWNED,
		};
	int error;

	sys4(SYS_rt_sigaction, PARK_SIGNAL, &park, &old, SYS_SIGSET_SIZE);
	error = gather(fd);
	if (!error)
		action();
	release(error);
	sys4(SYS_rt_sigaction, PARK_SIGNAL, &old, NULL, SYS_SIGSET_SIZE);
	return error;
}

static uint32_t task_count;

static void count_task(int32_t tid)
{
	(void)tid;
	task_count++;
}

/* Never unmapped: a thread that was asked may come late. */
static int make_table(void)
{
	size_t bytes = THREADS_MAX * sizeof(threads[0]);
	long memory;

	if (threads)
		return 0;
	memory = sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(memory))
		return -EP_NO_MEMORY;
	threads = (void *)memory;
	return 0;
}

static int hold_all(long fd, void (*action)(void))
{
	int error = make_table();

	if (error)
		return error;
	thread_count = 0;
	atomic_fetch_add(&attempt, 1);
	return hold(fd, action);
}

bool park_is_leaving(int32_t tid)
{
	const struct parked *thread = find(tid);

	return thread && atomic_load(&thread->state) == PARKED;
}

/* Not knowing whether there are others, guards must not be written. */
int park_others(void (*action)(void))
{
	long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		       0);
	bool is_whole = false;
	int error = 0;

	self_tid = (int32_t)sys0(SYS_gettid);
	task_count = 0;
	if (fd >= 0)
		is_whole = park_each_task(fd, count_task);
	if (!is_whole)
		error = -EP_UNSUPPORTED;
	else if (task_count == 1)
		action();
	else
		error = hold_all(fd, action);
	if (fd >= 0)
		sys1(SYS_close, fd);
	return error;
}
