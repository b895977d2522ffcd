/* SPDX-License-Identifier: MIT */
/*
 * The kernel counts hits of a uprobe for us when it is opened as a perf event that samples nothing
 * (perf_event_open(2), "config1" and "config2": path and offset). It needs CAP_PERFMON or a low
 * kernel.perf_event_paranoid, so every way to fail has a text of its own.
 */
#include "perf/baseline.h"

#include <errno.h>
#include <link.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "perf/shapes.h"
#include "perf/symbol.h"

/* As the kernel has it: the C library would put another sa_restorer in the engine's place. */
struct kernel_sigaction {
	void (*handler)(int signal, siginfo_t *info, void *context);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

#define SA_RESTORER 0x04000000

static struct kernel_sigaction engine_action;

static void exchange_action(const struct kernel_sigaction *new, struct kernel_sigaction *old)
{
	if (syscall(SYS_rt_sigaction, SIGTRAP, new, old, sizeof(new->mask)) != 0)
		abort();
}

static void do_nothing(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
}

void baseline_trap_begin(void)
{
	const struct kernel_sigaction action = {.handler = do_nothing,
						.flags = SA_SIGINFO | SA_RESTORER,
						.restorer = shape_restorer};

	exchange_action(&action, &engine_action);
}

void baseline_trap_end(void)
{
	exchange_action(&engine_action, NULL);
}

struct search {
	uint64_t address, offset;
	const char *path;
};

static int find_offset(struct dl_phdr_info *object, size_t size, void *data)
{
	struct search *search = data;

	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uint64_t start = object->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD || search->address - start >= segment->p_filesz)
			continue;
		search->offset = search->address - start + segment->p_offset;
		search->path = object->dlpi_name[0] ? object->dlpi_name : "/proc/self/exe";
		return 1;
	}
	return 0;
}

static int uprobe_type(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	int type = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &type) != 1)
		type = -1;
	fclose(file);
	return type;
}

static const char *refusal(int error)
{
	if (error == EACCES || error == EPERM)
		return "kernel uprobes need root or CAP_PERFMON here";
	return error == ENOSYS ? "no perf_event_open()" : "perf_event_open() failed";
}

static const char *open_event(struct baseline_uprobe *uprobe, const char *path, uint64_t offset,
			      int pid, struct perf_event_attr attr)
{
	int type = uprobe_type();

	if (type < 0)
		return "the kernel has no uprobes";
	attr.size = sizeof(attr);
	attr.type = (uint32_t)type;
	attr.uprobe_path = (uint64_t)path;
	attr.probe_offset = offset;
	uprobe->fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return uprobe->fd < 0 ? refusal(errno) : NULL;
}

const char *baseline_uprobe_begin(struct baseline_uprobe *uprobe, void (*function)(void))
{
	struct search search = {.address = (uint64_t)function};

	if (dl_iterate_phdr(find_offset, &search) != 1)
		return "the function is in no file";
	return open_event(uprobe, search.path, search.offset, 0, (struct perf_event_attr){0});
}

const char *baseline_uprobe_begin_at_exec(struct baseline_uprobe *uprobe, const char *path,
					  const char *symbol, int pid)
{
	struct perf_event_attr attr = {.disabled = 1, .enable_on_exec = 1};
	uint64_t offset;

	if (!symbol_offset(path, symbol, &offset))
		return "the library or the function is not there";
	return open_event(uprobe, path, offset, pid, attr);
}

uint64_t baseline_uprobe_end(struct baseline_uprobe *uprobe)
{
	uint64_t count = 0;

	if (read(uprobe->fd, &count, sizeof(count)) != sizeof(count))
		count = 0;
	close(uprobe->fd);
	return count;
}
