/* SPDX-License-Identifier: MIT */
#include "tests/support/uprobes.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PMU_TYPE   "/sys/bus/event_source/devices/uprobe/type"
#define PAGE	   4096ul
#define RING_PAGES 1024ul
#define REGS_DI	   5 /* asm/perf_regs.h: PERF_REG_X86_DI */
#define REGS_AX	   0
#define RETURNS	   1 /* config:0 of this PMU, "retprobe" */

/* ---- offsets ------------------------------------------------------------------------------- */

static uint64_t offset_of(const Elf64_Ehdr *file, uint64_t address)
{
	const Elf64_Phdr *phdr = (const void *)((const char *)file + file->e_phoff);

	for (int i = 0; i < file->e_phnum; i++)
		if (phdr[i].p_type == PT_LOAD && address - phdr[i].p_vaddr < phdr[i].p_filesz)
			return address - phdr[i].p_vaddr + phdr[i].p_offset;
	return 0;
}

static const void *map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *ret;

	if (fd < 0 || fstat(fd, &status))
		return NULL;
	ret = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return ret == MAP_FAILED ? NULL : ret;
}

static uint64_t find_symbol(const Elf64_Ehdr *file, const char *symbol)
{
	const char *bytes = (const char *)file;
	const Elf64_Shdr *sections = (const void *)(bytes + file->e_shoff);

	for (int i = 0; i < file->e_shnum; i++) {
		const Elf64_Sym *symbols = (const void *)(bytes + sections[i].sh_offset);
		const char *names;

		if (sections[i].sh_type != SHT_DYNSYM && sections[i].sh_type != SHT_SYMTAB)
			continue;
		names = bytes + sections[sections[i].sh_link].sh_offset;
		for (size_t k = 0; k < sections[i].sh_size / sizeof(*symbols); k++)
			if (ELF64_ST_TYPE(symbols[k].st_info) == STT_FUNC && symbols[k].st_shndx &&
			    strcmp(names + symbols[k].st_name, symbol) == 0)
				return offset_of(file, symbols[k].st_value);
	}
	return 0;
}

const char *uprobes_path(const char *library)
{
	void *handle = dlopen(library, RTLD_NOW);
	struct link_map *linked;

	if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &linked))
		return NULL;
	return linked->l_name;
}

uint64_t uprobes_offset(const char *path, const char *library, const char *symbol)
{
	const void *file = map(path);
	void *handle = library ? dlopen(library, RTLD_NOW) : NULL;
	void *address = handle ? dlsym(handle, symbol) : NULL;
	struct link_map *linked;

	if (!file)
		return 0;
	if (!library)
		return find_symbol(file, symbol);
	if (!address || dlinfo(handle, RTLD_DI_LINKMAP, &linked))
		return 0;
	return offset_of(file, (uint64_t)address - linked->l_addr);
}

/* ---- events -------------------------------------------------------------------------------- */

static long pmu_type(void)
{
	FILE *file = fopen(PMU_TYPE, "re");
	long ret = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &ret) != 1)
		ret = -1;
	fclose(file);
	return ret;
}

static int open_event(struct perf_event_attr *attr, pid_t pid, const char *path, uint64_t offset)
{
	attr->size = sizeof(*attr);
	attr->type = (uint32_t)pmu_type();
	attr->uprobe_path = (uint64_t)path;
	attr->probe_offset = offset;
	return (int)syscall(SYS_perf_event_open, attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int uprobes_count(pid_t pid, const char *path, uint64_t offset)
{
	struct perf_event_attr attr = {0};

	return open_event(&attr, pid, path, offset);
}

int uprobes_count_returns(pid_t pid, const char *path, uint64_t offset)
{
	struct perf_event_attr attr = {.config = RETURNS};

	return open_event(&attr, pid, path, offset);
}

uint64_t uprobes_read(int fd)
{
	uint64_t ret = UINT64_MAX;

	return read(fd, &ret, sizeof(ret)) == (ssize_t)sizeof(ret) ? ret : UINT64_MAX;
}

const char *uprobes_missing(void)
{
	static char why[128];
	uint64_t offset = uprobes_offset("/proc/self/exe", NULL, "main");
	int fd;

	if (pmu_type() < 0)
		return "this kernel has no uprobes for perf_event_open()";
	fd = uprobes_count(0, "/proc/self/exe", offset);
	if (fd < 0) {
		snprintf(why, sizeof(why), "perf_event_open() of a uprobe: %s", strerror(errno));
		return why;
	}
	close(fd);
	return NULL;
}

/* ---- values -------------------------------------------------------------------------------- */

static int record(struct perf_event_attr *attr, pid_t pid, const char *path, uint64_t offset,
		  struct uprobes_log *ret)
{
	attr->sample_type = PERF_SAMPLE_REGS_USER;
	attr->sample_period = 1;
	ret->fd = open_event(attr, pid, path, offset);
	if (ret->fd < 0)
		return -1;
	ret->page =
		mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ret->fd, 0);
	return ret->page == MAP_FAILED ? -1 : 0;
}

int uprobes_record(pid_t pid, const char *path, uint64_t offset, struct uprobes_log *ret)
{
	struct perf_event_attr attr = {.sample_regs_user = 1ull << REGS_DI};

	return record(&attr, pid, path, offset, ret);
}

int uprobes_record_returns(pid_t pid, const char *path, uint64_t offset, struct uprobes_log *ret)
{
	struct perf_event_attr attr = {.config = RETURNS, .sample_regs_user = 1ull << REGS_AX};

	return record(&attr, pid, path, offset, ret);
}

struct sample {
	struct perf_event_header header;
	uint64_t abi, value;
};

long uprobes_values(const struct uprobes_log *log, uint64_t *ret, size_t size)
{
	const char *data = (const char *)log->page + log->page->data_offset;
	uint64_t head = __atomic_load_n(&log->page->data_head, __ATOMIC_ACQUIRE);
	size_t count = 0;

	/* Sizes are multiples of 8, so a header never wraps, but a sample may. */
	for (uint64_t at = 0; at < head;) {
		struct sample sample = {0};

		for (size_t i = 0; i < sizeof(sample); i++)
			((char *)&sample)[i] = data[(at + i) % log->page->data_size];
		if (sample.header.type == PERF_RECORD_LOST)
			return -1;
		if (sample.header.type == PERF_RECORD_SAMPLE && count < size)
			ret[count++] = sample.value;
		at += sample.header.size;
	}
	return head > log->page->data_size ? -1 : (long)count;
}

/* ---- everywhere ---------------------------------------------------------------------------- */

#define TRACING "/sys/kernel/tracing"

static char group[32];
static pid_t guardian;
static int leash = -1; /* the guardian holds the other end */

static int put(const char *file, int flags, const char *text)
{
	char path[256];
	ssize_t written;
	int fd;

	snprintf(path, sizeof(path), TRACING "/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return -1;
	written = write(fd, text, strlen(text));
	close(fd);
	return written < 0 ? -1 : 0;
}

static void remove_all(void)
{
	char text[128];

	snprintf(text, sizeof(text), "events/%s/enable", group);
	put(text, 0, "0");
	for (unsigned int i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "-:%s/%s_%u", group, group, i);
		put("uprobe_events", O_APPEND, text);
	}
}

/* Waits for the end of the test, which closes the pipe, and cleans up. */
static int start_guardian(void)
{
	int ends[2];
	char byte;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	snprintf(group, sizeof(group), "emuprobe_%d", (int)getpid());
	guardian = fork();
	if (guardian == 0) {
		setsid();
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_IGN);
		close(ends[1]);
		while (read(ends[0], &byte, 1) < 0)
			;
		remove_all();
		_exit(0);
	}
	close(ends[0]);
	leash = ends[1];
	return guardian < 0 ? -1 : 0;
}

int uprobes_count_everywhere(unsigned int number, const char *path, uint64_t offset)
{
	char text[512];

	if (access(TRACING "/uprobe_events", W_OK) && mount("tracefs", TRACING, "tracefs", 0, NULL))
		return -1;
	if (!guardian && start_guardian())
		return -1;
	snprintf(text, sizeof(text), "p:%s/%s_%u %s:0x%lx", group, group, number, path,
		 (unsigned long)offset);
	if (put("uprobe_events", O_APPEND, text))
		return -1;
	snprintf(text, sizeof(text), "events/%s/%s_%u/enable", group, group, number);
	return put(text, 0, "1");
}

uint64_t uprobes_read_everywhere(unsigned int number)
{
	FILE *file = fopen(TRACING "/uprobe_profile", "re");
	uint64_t ret = UINT64_MAX;
	unsigned long hits;
	char line[1024], name[64], event[64];

	snprintf(name, sizeof(name), "%s_%u", group, number);
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %63s %lu", event, &hits) == 2 && strcmp(event, name) == 0)
			ret = hits;
	if (file)
		fclose(file);
	return ret;
}

void uprobes_stop_everywhere(void)
{
	if (!guardian)
		return;
	close(leash);
	waitpid(guardian, NULL, 0);
	guardian = 0;
}
