/* SPDX-License-Identifier: MIT */
/*
 * Everything is read while the process runs, and it may be in the middle of changing it: what is found
 * is a guess until a thread of it is held. Nothing here changes anything.
 */
#include "attach/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/emuprobe-attach.h"

/* ---- /proc/PID/status ---------------------------------------------------------------------- */

static FILE *open_file(int pid, int tid, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	return fopen(path, "re");
}

static bool read_status(int pid, int tid, const char *name, char *ret, size_t size)
{
	FILE *file = open_file(pid, tid, "status");
	size_t length = strlen(name);
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		found = strncmp(line, name, length) == 0 && line[length] == ':';
		if (found)
			snprintf(ret, size, "%s",
				 line + length + 1 + strspn(line + length + 1, "\t "));
	}
	if (file)
		fclose(file);
	return found;
}

unsigned long target_status(int pid, int tid, const char *name, int base)
{
	char text[256];

	return read_status(pid, tid, name, text, sizeof(text)) ? strtoul(text, NULL, base) : 0;
}

char target_state(int pid, int tid)
{
	char text[256];

	return read_status(pid, tid, "State", text, sizeof(text)) ? text[0] : '\0';
}

/* ---- memory -------------------------------------------------------------------------------- */

bool target_read(const struct target *target, uint64_t at, void *ret, size_t size)
{
	return pread(target->memory, ret, size, (off_t)at) == (ssize_t)size;
}

bool target_write(const struct target *target, uint64_t at, const void *data, size_t size)
{
	return pwrite(target->memory, data, size, (off_t)at) == (ssize_t)size;
}

/* By its path where the process sees it: to follow what /proc has of mappings takes root. */
static int open_mapped(int pid, const struct target_mapping *mapping)
{
	char path[sizeof(mapping->path) + 64];
	struct stat status;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/root%s", pid, mapping->path);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file >= 0 && (fstat(file, &status) || status.st_ino != mapping->inode)) {
		close(file);
		return -1; /* it was replaced since */
	}
	return file;
}

bool target_read_file(const struct target *target, uint64_t at, void *ret, size_t size)
{
	const struct target_mapping *mapping = target_find(target, at);
	int file = mapping && mapping->inode ? open_mapped(target->pid, mapping) : -1;
	bool is_read;

	if (file < 0)
		return false;
	is_read = pread(file, ret, size, (off_t)(mapping->offset + (at - mapping->start))) ==
		  (ssize_t)size;
	close(file);
	return is_read;
}

/* ---- mappings ------------------------------------------------------------------------------ */

static bool parse(const char *line, struct target_mapping *ret)
{
	char rights[8];
	int path = 0;

	*ret = (struct target_mapping){0};
	if (sscanf(line, "%lx-%lx %7s %lx %*s %lu %n", &ret->start, &ret->end, rights, &ret->offset,
		   &ret->inode, &path) < 5)
		return false;
	ret->readable = rights[0] == 'r';
	ret->writable = rights[1] == 'w';
	ret->executable = rights[2] == 'x';
	if (path)
		snprintf(ret->path, sizeof(ret->path), "%.*s", (int)strcspn(line + path, "\n"),
			 line + path);
	return true;
}

static bool append(struct target *target, const struct target_mapping *mapping, size_t *room)
{
	if (target->count == *room) {
		struct target_mapping *more;

		*room = *room ? *room * 2 : 256;
		more = realloc(target->mappings, *room * sizeof(*more));
		if (!more)
			return false;
		target->mappings = more;
	}
	target->mappings[target->count++] = *mapping;
	return true;
}

static const char *name_of(const struct target_mapping *mapping)
{
	const char *slash = strrchr(mapping->path, '/');

	return slash ? slash + 1 : mapping->path;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* A path as in LD_PRELOAD, or "/memfd:NAME (deleted)". */
static bool is_called(const struct target_mapping *mapping, const char *name)
{
	const char *own = name_of(mapping);

	if (begins(own, "memfd:"))
		own += strlen("memfd:");
	return begins(own, name) && (own[strlen(name)] == '\0' || own[strlen(name)] == ' ');
}

static bool is_object(const struct target *target, const struct target_mapping *mapping)
{
	unsigned char magic[SELFMAG];

	return mapping->offset == 0 && mapping->inode && mapping->readable &&
	       target_read(target, mapping->start, magic, sizeof(magic)) &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* Whose malloc() is found first is everybody's. */
static bool may_allocate(const struct target_mapping *mapping)
{
	return strstr(mapping->path, ".so") && !begins(name_of(mapping), "libc.") &&
	       (strstr(mapping->path, "malloc") || strstr(mapping->path, "asan") ||
		strstr(mapping->path, "tsan"));
}

static void recognize(struct target *target)
{
	target->libc = target->loader = target->allocator = target->ours = NULL;
	for (size_t i = 0; i < target->count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		const char *name = name_of(mapping);

		if (!is_object(target, mapping))
			continue;
		if (!target->libc && (begins(name, "libc.so.6") || begins(name, "libc-2.")))
			target->libc = mapping;
		else if (!target->loader && begins(name, "ld-"))
			target->loader = mapping;
		else if (!target->ours && is_called(mapping, target->library))
			target->ours = mapping;
		else if (!target->allocator && may_allocate(mapping))
			target->allocator = mapping;
	}
}

bool target_look(struct target *target)
{
	FILE *file = open_file(target->pid, target->pid, "maps");
	struct target_mapping mapping;
	char *line = NULL;
	size_t size = 0, room = 0;
	bool ret = file;

	free(target->mappings);
	target->mappings = NULL;
	target->count = 0;
	while (ret && getline(&line, &size, file) > 0)
		if (parse(line, &mapping))
			ret = append(target, &mapping, &room);
	free(line);
	if (file)
		fclose(file);
	recognize(target);
	return ret && target->count;
}

const struct target_mapping *target_find(const struct target *target, uint64_t at)
{
	for (size_t i = 0; i < target->count; i++)
		if (at >= target->mappings[i].start && at < target->mappings[i].end)
			return &target->mappings[i];
	return NULL;
}

bool target_is_in(const struct target *target, const struct target_mapping *object, uint64_t at)
{
	const struct target_mapping *mapping = target_find(target, at);

	return object && mapping && mapping->inode == object->inode &&
	       strcmp(mapping->path, object->path) == 0;
}

/* @length: of @in, then where it is. */
static bool find(const char *in, const void *bytes, size_t size, size_t *length)
{
	const char *at = memmem(in, *length, bytes, size);

	*length = at ? (size_t)(at - in) : 0;
	return at;
}

uint64_t target_bytes(const struct target *target, const void *bytes, size_t size)
{
	for (size_t i = 0; i < target->count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		size_t length = mapping->end - mapping->start;
		char *copy;
		bool found;

		if (!mapping->executable || !mapping->inode || length > 256ul << 20)
			continue;
		copy = malloc(length);
		found = copy && target_read(target, mapping->start, copy, length) &&
			find(copy, bytes, size, &length);
		free(copy);
		if (found)
			return mapping->start + length;
	}
	return 0;
}

/* ---- symbols ------------------------------------------------------------------------------- */

struct dynamic {
	uint64_t base, symbols, strings, hash;
};

/* glibc writes addresses over the offsets; others do not. */
static uint64_t absolute(uint64_t base, uint64_t value)
{
	return value < base ? base + value : value;
}

static bool read_dynamic(const struct target *target, uint64_t at, struct dynamic *ret)
{
	Elf64_Dyn entry;

	for (int i = 0; i < 256; i++, at += sizeof(entry)) {
		if (!target_read(target, at, &entry, sizeof(entry)))
			return false;
		if (entry.d_tag == DT_NULL)
			return ret->symbols && ret->strings && ret->hash;
		if (entry.d_tag == DT_SYMTAB)
			ret->symbols = absolute(ret->base, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_STRTAB)
			ret->strings = absolute(ret->base, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_GNU_HASH)
			ret->hash = absolute(ret->base, entry.d_un.d_ptr);
	}
	return false;
}

static bool find_dynamic(const struct target *target, const struct target_mapping *object,
			 struct dynamic *ret)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	*ret = (struct dynamic){.base = object->start};
	if (!target_read(target, object->start, &header, sizeof(header)))
		return false;
	for (unsigned int i = 0; i < header.e_phnum; i++)
		if (target_read(target, object->start + header.e_phoff + i * sizeof(segment),
				&segment, sizeof(segment)) &&
		    segment.p_type == PT_DYNAMIC)
			return read_dynamic(target, object->start + segment.p_vaddr, ret);
	return false;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	while (*name)
		hash = hash * 33 + (unsigned char)*name++;
	return hash;
}

static bool is_named(const struct target *target, uint64_t at, const char *name)
{
	char text[64] = "";
	size_t size = strlen(name) + 1;

	return size <= sizeof(text) && target_read(target, at, text, size) &&
	       memcmp(text, name, size) == 0;
}

static uint64_t value_of(const struct target *target, const struct dynamic *dynamic, uint32_t index,
			 const char *name)
{
	Elf64_Sym symbol;

	if (!target_read(target, dynamic->symbols + index * sizeof(symbol), &symbol,
			 sizeof(symbol)) ||
	    symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
	    !is_named(target, dynamic->strings + symbol.st_name, name))
		return 0;
	return dynamic->base + symbol.st_value;
}

uint64_t target_symbol(const struct target *target, const struct target_mapping *object,
		       const char *name)
{
	uint32_t header[4], index, hash = hash_of(name), entry; /* buckets, first, bloom, shift */
	struct dynamic dynamic;
	uint64_t buckets, chains, found;

	if (!find_dynamic(target, object, &dynamic) ||
	    !target_read(target, dynamic.hash, header, sizeof(header)) || !header[0])
		return 0;
	buckets = dynamic.hash + sizeof(header) + header[2] * sizeof(uint64_t);
	chains = buckets + header[0] * sizeof(uint32_t);
	if (!target_read(target, buckets + hash % header[0] * sizeof(index), &index,
			 sizeof(index)) ||
	    index < header[1])
		return 0;
	for (;; index++) {
		if (!target_read(target, chains + (index - header[1]) * sizeof(entry), &entry,
				 sizeof(entry)))
			return 0;
		found = (entry | 1) == (hash | 1) ? value_of(target, &dynamic, index, name) : 0;
		if (found || (entry & 1))
			return found;
	}
}

/* ---- may it be attached to? ---------------------------------------------------------------- */

static bool is_there(int pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return access(path, F_OK) == 0 && target_state(pid, pid);
}

static bool has_yama(void)
{
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	if (file && fscanf(file, "%d", &scope) != 1)
		scope = 0;
	if (file)
		fclose(file);
	return scope > 0;
}

static int why_denied(int pid)
{
	unsigned long uid = target_status(pid, pid, "Uid", 10);

	return has_yama() && uid == getuid() ? EP_ATTACH_YAMA : EP_ATTACH_NOT_PERMITTED;
}

static int check_state(int pid)
{
	char state = target_state(pid, pid);

	if (state == 'Z' || state == 'X')
		return EP_ATTACH_ZOMBIE;
	if (target_status(pid, pid, "TracerPid", 10))
		return EP_ATTACH_TRACED;
	if (state == 'T')
		return EP_ATTACH_STOPPED;
	/* No memory of its own. */
	return target_status(pid, pid, "VmSize", 10) ? 0 : EP_ATTACH_KERNEL_THREAD;
}

/* Where the kernel has loaded the dynamic linker; 0: there is none. */
static bool has_loader(int pid)
{
	FILE *file = open_file(pid, pid, "auxv");
	Elf64_auxv_t entry;
	bool ret = false;

	while (file && fread(&entry, sizeof(entry), 1, file) == 1)
		if (entry.a_type == AT_BASE)
			ret = entry.a_un.a_val != 0;
	if (file)
		fclose(file);
	return ret;
}

static bool is_x86_64(int pid)
{
	char path[64];
	Elf64_Ehdr header = {0};
	int fd;
	bool ret;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true; /* its memory will tell */
	ret = read(fd, &header, sizeof(header)) == (ssize_t)sizeof(header) &&
	      header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_machine == EM_X86_64;
	close(fd);
	return ret;
}

static bool has_proc(int pid)
{
	struct stat status;
	char path[64];

	/* What it leads to depends on who looks: there may be no number for us in there. */
	snprintf(path, sizeof(path), "/proc/%d/root/proc/self", pid);
	return lstat(path, &status) == 0;
}

static bool has_engine(const struct target *target)
{
	for (size_t i = 0; i < target->count; i++)
		if (begins(name_of(&target->mappings[i]), "libemuprobe.so"))
			return true;
	return false;
}

/* The executable is searched first. */
static bool exports_malloc(const struct target *target)
{
	char path[64], exe[200];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/exe", target->pid);
	size = readlink(path, exe, sizeof(exe) - 1);
	exe[size > 0 ? size : 0] = '\0';
	for (size_t i = 0; size > 0 && i < target->count; i++)
		if (strcmp(target->mappings[i].path, exe) == 0 &&
		    is_object(target, &target->mappings[i]))
			return target_symbol(target, &target->mappings[i], "malloc");
	return false;
}

static int check_memory(struct target *target)
{
	if (!target_look(target))
		return target_state(target->pid, target->pid) ? EP_ATTACH_KERNEL_THREAD
							      : EP_ATTACH_NO_PROCESS;
	if (!is_x86_64(target->pid))
		return EP_ATTACH_OTHER_MACHINE;
	if (!has_loader(target->pid) && !target->libc)
		return EP_ATTACH_STATIC;
	target->is_starting =
		!target->libc && target->loader && begins(name_of(target->loader), "ld-linux");
	if (!target->libc)
		return EP_ATTACH_NOT_GLIBC;
	target->allocates_itself = exports_malloc(target);
	if (has_engine(target))
		return EP_ATTACH_OTHER_ENGINE;
	return has_proc(target->pid) ? 0 : EP_ATTACH_NO_PROC;
}

int target_open(int pid, const char *library, struct target *ret)
{
	char path[64];
	int error;

	*ret = (struct target){.pid = pid, .library = library, .memory = -1, .pidfd = -1};
	if (pid <= 0 || !is_there(pid))
		return EP_ATTACH_NO_PROCESS;
	if (pid == getpid())
		return EP_ATTACH_SELF;
	error = check_state(pid);
	if (error)
		return error;
	ret->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ret->pidfd < 0)
		return errno == ENOSYS ? EP_ATTACH_KERNEL : EP_ATTACH_NO_PROCESS;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	ret->memory = open(path, O_RDWR | O_CLOEXEC);
	if (ret->memory < 0)
		return why_denied(pid);
	ret->is_filtered = target_status(pid, pid, "Seccomp", 10) == 2;
	return check_memory(ret);
}

void target_close(struct target *target)
{
	free(target->mappings);
	if (target->memory >= 0)
		close(target->memory);
	if (target->pidfd >= 0)
		close(target->pidfd);
}
