/* SPDX-License-Identifier: MIT */
/*
 * A program is probed because LD_PRELOAD is in its environment, and that is whatever its parent
 * gives it: an empty one, none at all, another LD_PRELOAD. And there are programs that must not get
 * ours, as it ends them. So the functions of libc that execute something carry a probe, which looks
 * at the file and hands execve() another environment where it has to.
 *
 *	posix_spawn(), system(), execvp(), ... ──> execve(path, argv, envp)
 *	                                             probe: envp := a copy, completed or cleaned
 *
 * The copy must live until the kernel has read it, which nobody tells us. But a thread that comes
 * back here has seen execve() fail, or was its child's parent in vfork(), and was held up until the
 * child had executed: so each thread has one block, to be used again. It is known by the address of
 * its thread-local storage, which a child of vfork() has in common with its parent.
 */
#include "trace/execute/execute.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/process.h"
#include "sys/readable.h"
#include "trace/base/text.h"
#include "trace/execute/executable.h"

#define BLOCK_SIZE 16384ul

static struct trace_execute own;
static struct ep_probe *probes[4];

/* ---- memory -------------------------------------------------------------------------------- */

struct block {
	struct block *next;
	uint64_t owner;
	uint64_t size; /* all of it */
	uint64_t unused;
};

static struct block *_Atomic blocks;

EP_TRAP_PATH static uint64_t this_thread(void)
{
	uint64_t ret = 0;

	sys6(SYS_arch_prctl, ARCH_GET_FS, (long)&ret, 0, 0, 0, 0);
	return ret;
}

EP_TRAP_PATH static struct block *make_block(uint64_t size)
{
	struct block *block;
	long at;

	size = (2 * size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
	at = sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0);
	if ((uint64_t)at > (uint64_t)-4096)
		return NULL;
	block = (struct block *)at;
	block->owner = this_thread();
	block->size = size;
	block->next = atomic_load(&blocks);
	while (!atomic_compare_exchange_weak(&blocks, &block->next, block))
		;
	return block;
}

/* This thread's, of at least @size bytes; NULL: there is no memory. */
EP_TRAP_PATH static void *memory(uint64_t size)
{
	uint64_t thread = this_thread();
	struct block *block = atomic_load(&blocks);

	size += sizeof(*block);
	while (block && (block->owner != thread || block->size < size))
		block = block->next;
	if (!block)
		block = make_block(size);
	return block ? block + 1 : NULL;
}

/* ---- what is executed ---------------------------------------------------------------------- */

EP_TRAP_PATH static bool may(int folder, const char *path, int mode)
{
	return sys6(SYS_faccessat, folder, (long)path, mode, 0, 0, 0) == 0;
}

/* As the user would call it; @room: for the target of a link. */
EP_TRAP_PATH static const char *name_of(int folder, const char *path, char *room, size_t size)
{
	const char *ret = path;

	if (!*path) {
		struct trace_text link = {room, size, 0};
		long length;

		trace_text_string(&link, "/proc/self/fd/");
		trace_text_unsigned(&link, (uint64_t)(uint32_t)folder, 1, '0');
		trace_text_char(&link, '\0');
		length = sys6(SYS_readlinkat, AT_FDCWD, (long)room, (long)room, (long)size - 1, 0,
			      0);
		if (length < 0)
			return "?";
		room[length] = '\0';
		ret = path = room;
	}
	for (; *path; path++)
		if (*path == '/' && path[1])
			ret = path + 1;
	return ret;
}

EP_TRAP_PATH static enum trace_unprobed look(int folder, const char *path)
{
	struct trace_executable executable;
	enum trace_unprobed why = trace_executable_look(folder, path, &executable);

	if (!why && !may(AT_FDCWD, own.environment.library, R_OK))
		why = TRACE_UNPROBED_NO_LIBRARY;
	if (!why && own.launcher && !may(AT_FDCWD, own.launcher, R_OK | W_OK))
		why = TRACE_UNPROBED_NO_LAUNCHER;
	return why;
}

/* Its end will not be seen: so it is not taken for a crash. */
EP_TRAP_PATH static void note_unprobed(enum trace_unprobed why, const char *name)
{
	trace_session_add_unprobed(&own.session, why, name);
	if (own.session.shared->keep)
		trace_session_note_end(&own.session, sys_getpid());
}

EP_TRAP_PATH char *const *trace_execute_environment(int folder, const char *path, char *const *envp)
{
	enum trace_unprobed why;
	char *const *ret = NULL;
	char room[256];
	size_t size;
	void *block;

	/* The kernel says what is wrong. */
	if (!sys_readable_string(path))
		return envp;
	/* It will fail: execvp() looks into many folders. */
	if (*path && !may(folder, path, X_OK))
		return envp;
	if (!sys_readable_vector(envp))
		return envp;
	why = look(folder, path);
	if (why)
		note_unprobed(why, name_of(folder, path, room, sizeof(room)));
	if (why && !trace_executable_is_hurt(why))
		return envp;
	size = trace_environment_size(envp, &own.environment);
	block = memory(size);
	if (block && why)
		ret = trace_environment_clean(envp, block, size);
	else if (block)
		ret = trace_environment_complete(envp, &own.environment, block, size);
	return ret ? ret : envp;
}

/* ---- libc's functions ---------------------------------------------------------------------- */

EP_TRAP_PATH static uint64_t replaced(int folder, uint64_t path, uint64_t envp)
{
	return (uint64_t)trace_execute_environment(folder, (const char *)path, (char *const *)envp);
}

/* execve(path, argv, envp) */
EP_TRAP_PATH static void on_execve(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	regs->rdx = replaced(AT_FDCWD, regs->rdi, regs->rdx);
}

/* execveat(folder, path, argv, envp, flags) */
EP_TRAP_PATH static void on_execveat(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	regs->rcx = replaced((int)regs->rdi, regs->rsi, regs->rcx);
}

/* fexecve(file, argv, envp), which insists on an envp. */
EP_TRAP_PATH static void on_fexecve(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	static const char empty[] = "";

	(void)probe;
	(void)cookie;
	if (regs->rdx && (int)regs->rdi >= 0)
		regs->rdx = replaced((int)regs->rdi, (uint64_t)empty, regs->rdx);
}

/* syscall(number, ...), which is asked for one of these two. */
EP_TRAP_PATH static void on_syscall(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	if (regs->rdi == SYS_execve)
		regs->rcx = replaced(AT_FDCWD, regs->rsi, regs->rcx);
	else
		regs->r8 = replaced((int)regs->rsi, regs->rdx, regs->r8);
}

static const struct ep_condition executes[] = {
	{EP_CONDITION_REG(rdi), 8, 0, EP_EQUAL, EP_TAKE, 1, 0, SYS_execve},
	{EP_CONDITION_REG(rdi), 8, 0, EP_EQUAL, EP_TAKE, EP_LEAVE, 0, SYS_execveat},
};

static int take_first(const struct ep_match *match, void *data)
{
	*(const void **)data = match->addr;
	return 1;
}

static int watch(const char *symbol, ep_handler handler, const struct ep_condition *conditions,
		 size_t condition_count, struct ep_probe **ret)
{
	const struct ep_place place = {.object = "libc.so.6", .symbol = symbol};
	const struct ep_options options = {
		.size = sizeof(options),
		.handler = handler,
		.flags = EP_GENERAL_REGS_ONLY,
		.conditions = conditions,
		.condition_count = condition_count,
	};
	const void *addr;
	int error = ep_resolve(&place, take_first, &addr);

	return error == 1 ? ep_probe_create(addr, &options, ret) : error;
}

int trace_execute_watch(const struct trace_execute *setup)
{
	int error;

	own = *setup;
	error = watch("execve", on_execve, NULL, 0, &probes[0]);
	if (!error)
		error = watch("execveat", on_execveat, NULL, 0, &probes[1]);
	if (!error)
		error = watch("fexecve", on_fexecve, NULL, 0, &probes[2]);
	if (!error)
		error = watch("syscall", on_syscall, executes,
			      sizeof(executes) / sizeof(executes[0]), &probes[3]);
	return error;
}

void trace_execute_stop(void)
{
	ep_probe_remove_batch(probes, sizeof(probes) / sizeof(probes[0]));
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		probes[i] = NULL;
}
