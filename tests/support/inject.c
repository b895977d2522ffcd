/* SPDX-License-Identifier: MIT */
#include "tests/support/inject.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/patience.h"

const char *const inject_names[INJECT_KINDS] = {
	[INJECT_NOTHING] = "nothing",
	[INJECT_ALLOCATION] = "allocation",
	[INJECT_ALLOCATIONS] = "allocations from",
	[INJECT_SYSTEM_CALL] = "system call",
	[INJECT_SYSTEM_CALLS] = "system calls from",
	[INJECT_SIGNAL] = "signal at",
};

/* Shared between the child and its parent. */
static struct shared {
	_Atomic bool active;
	_Atomic int seen;
	_Atomic long done; /* -1: nothing yet */
	_Atomic bool ever_done;
} * shared;

static enum inject_kind kind;
static int wanted, actions;

/* Those that the engine makes and that can fail, with what they fail with. */
static const struct refusal {
	int number, error;
} refusals[] = {
	{SYS_mmap, ENOMEM},
	{SYS_mprotect, ENOMEM},
	{SYS_madvise, EINVAL},
	{SYS_membarrier, EPERM},
	{SYS_memfd_create, EMFILE},
	{SYS_ftruncate, ENOSPC},
	{SYS_open, EMFILE},
	{SYS_openat, EMFILE},
	{SYS_pwrite64, EIO},
	{SYS_pread64, EIO},
	{SYS_read, EIO},
	{SYS_prlimit64, EPERM},
	{SYS_rt_sigaction, EPERM},
	{SYS_getdents64, EPERM},
	{SYS_lseek, EPERM},
	{SYS_readlink, EACCES},
	{SYS_newfstatat, EACCES},
	{SYS_fstat, EACCES},
	{SYS_rt_tgsigqueueinfo, EPERM},
};

#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

/* ---- allocations --------------------------------------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static __thread bool counting;

static bool is_refused(void)
{
	int seen;

	if (!counting || (kind != INJECT_ALLOCATION && kind != INJECT_ALLOCATIONS))
		return false;
	seen = atomic_fetch_add(&shared->seen, 1) + 1;
	if (seen < wanted || (seen > wanted && kind == INJECT_ALLOCATION))
		return false;
	atomic_store(&shared->done, 0);
	atomic_store(&shared->ever_done, true);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return is_refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return is_refused() ? NULL : __libc_realloc(old, size);
}

/* ---- in the child -------------------------------------------------------------------------- */

void inject_start(void)
{
	atomic_store(&shared->seen, 0);
	atomic_store(&shared->done, -1);
	atomic_store(&shared->active, true);
	counting = true;
}

void inject_stop(void)
{
	counting = false;
	atomic_store(&shared->active, false);
}

long inject_done(void)
{
	return atomic_load(&shared->done);
}

long inject_refused(void)
{
	return kind == INJECT_SYSTEM_CALL || kind == INJECT_SYSTEM_CALLS ? inject_done() : -1;
}

/* A descriptor of what is asked, or -1. */
static int watch_own_calls(void)
{
	struct sock_filter filter[REFUSALS + 4];
	struct sock_fprog program = {.filter = filter};

	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	for (size_t i = 0; i < REFUSALS; i++)
		filter[program.len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, refusals[i].number, (uint8_t)(REFUSALS - i), 0);
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[program.len++] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

struct message {
	struct msghdr header;
	struct iovec part;
	char byte;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

static void message_init(struct message *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->part = (struct iovec){&ret->byte, 1};
	ret->header = (struct msghdr){.msg_iov = &ret->part,
				      .msg_iovlen = 1,
				      .msg_control = ret->control,
				      .msg_controllen = sizeof(ret->control)};
}

static bool send_fd(int to, int fd)
{
	struct message message;
	struct cmsghdr *control;

	message_init(&message);
	control = CMSG_FIRSTHDR(&message.header);
	*control = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(fd)),
	};
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	return sendmsg(to, &message.header, 0) == 1;
}

static int receive_fd(int from)
{
	struct message message;
	int fd = -1;

	message_init(&message);
	if (recvmsg(from, &message.header, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message.header))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message.header)), sizeof(fd));
	return fd;
}

static _Noreturn void child(int to, int (*run)(void))
{
	int fd = watch_own_calls();

	if (fd < 0 || !send_fd(to, fd))
		_exit(99);
	close(fd);
	close(to);
	alarm(patience(30));
	_exit(run() != 0);
}

/* ---- in the parent ------------------------------------------------------------------------- */

static int error_of(int number)
{
	for (size_t i = 0; i < REFUSALS; i++)
		if (refusals[i].number == number)
			return refusals[i].error;
	return 0;
}

/* What the call is answered with: 0, it is made. */
static int judge(int number, pid_t pid)
{
	static int refused;
	int seen;

	if (!atomic_load(&shared->active) || kind < INJECT_SYSTEM_CALL)
		return 0;
	if (number == SYS_rt_sigaction && ++actions % 13)
		return 0; /* there is one for each signal, all alike */
	seen = atomic_fetch_add(&shared->seen, 1) + 1;
	if (seen == wanted) {
		refused = number;
		atomic_store(&shared->done, number);
		atomic_store(&shared->ever_done, true);
		if (kind != INJECT_SIGNAL)
			return error_of(number);
		kill(pid, SIGUSR1);
	}
	return kind == INJECT_SYSTEM_CALLS && seen > wanted && number == refused ? error_of(number)
										 : 0;
}

static void answer_all(int fd, pid_t pid)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	while (poll(&one, 1, -1) > 0 && (one.revents & POLLIN)) {
		struct seccomp_notif asked;
		struct seccomp_notif_resp answer;
		int error;

		memset(&asked, 0, sizeof(asked));
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked))
			continue;
		error = judge(asked.data.nr, pid);
		answer = (struct seccomp_notif_resp){
			.id = asked.id,
			.error = -error,
			.flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE,
		};
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

static int run_child(int (*run)(void))
{
	int sockets[2], fd, status = -1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(sockets[0]);
		child(sockets[1], run);
	}
	close(sockets[1]);
	fd = receive_fd(sockets[0]);
	close(sockets[0]);
	if (fd >= 0)
		answer_all(fd, pid);
	close(fd);
	waitpid(pid, &status, 0);
	return status;
}

int inject_run(enum inject_kind of_kind, int n, int (*run)(void))
{
	int status;

	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	kind = of_kind;
	wanted = n;
	actions = 0;
	*shared = (struct shared){.done = -1};
	status = run_child(run);
	if (status)
		printf("%s %d (%ld): status %#x\n", inject_names[kind], n,
		       atomic_load(&shared->done), (unsigned int)status);
	return status ? -1 : atomic_load(&shared->ever_done);
}

static int nothing(void)
{
	return 0;
}

bool inject_can(void)
{
	return inject_run(INJECT_NOTHING, 1, nothing) == 0;
}
