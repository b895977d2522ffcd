/* SPDX-License-Identifier: MIT */
/*
 * Objects that are changed a little, and that the loader takes all the same: with the engine in the
 * process they are loaded, looked at and probed, and nothing dies. "fuzz-loaded COUNT SEED OBJECT...".
 * What the loader itself writes by, relocations and loaded segments, is left as it is: it would
 * spoil the process before we see it.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"
#include "probe/image/callers.h"
#include "probe/image/exits.h"
#include "probe/image/walk.h"

#define OBJECT_MAX  (64u << 10)
#define RANGES_MAX  64
#define CHANGES_MAX 4

struct range {
	size_t start, size;
};

static uint8_t original[OBJECT_MAX], changed[OBJECT_MAX];
static size_t object_size;
static struct range ranges[RANGES_MAX];
static size_t range_count;
static char path[32];
static int file;
static uint64_t state;

static uint64_t below(uint64_t limit)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1du % limit;
}

/* ---- what is changed ----------------------------------------------------------------------- */

static void add_range(size_t start, size_t size)
{
	if (size && size < object_size && start <= object_size - size && range_count < RANGES_MAX)
		ranges[range_count++] = (struct range){start, size};
}

static bool may_change(const Elf64_Shdr *section)
{
	return section->sh_type == SHT_GNU_HASH || section->sh_type == SHT_HASH ||
	       section->sh_type == SHT_NOTE || section->sh_type == SHT_SYMTAB ||
	       section->sh_type == SHT_STRTAB || section->sh_type == SHT_DYNSYM ||
	       (section->sh_type == SHT_PROGBITS && !(section->sh_flags & SHF_EXECINSTR) &&
		!(section->sh_flags & SHF_WRITE));
}

static void find_ranges(void)
{
	const Elf64_Ehdr *header = (const void *)original;
	const Elf64_Phdr *phdrs = (const void *)(original + header->e_phoff);
	const Elf64_Shdr *sections = (const void *)(original + header->e_shoff);

	range_count = 0;
	add_range(header->e_shoff, header->e_shnum * sizeof(*sections));
	add_range(offsetof(Elf64_Ehdr, e_shoff), sizeof(header->e_shoff));
	add_range(offsetof(Elf64_Ehdr, e_shentsize), 6);
	for (int i = 0; i < header->e_phnum; i++)
		if (phdrs[i].p_type != PT_LOAD && phdrs[i].p_type != PT_DYNAMIC &&
		    phdrs[i].p_type != PT_GNU_RELRO)
			add_range((size_t)((const uint8_t *)&phdrs[i] - original) +
					  sizeof(phdrs[i].p_type),
				  sizeof(phdrs[i]) - sizeof(phdrs[i].p_type));
	for (int i = 0; i < header->e_shnum; i++)
		if (may_change(&sections[i]))
			add_range(sections[i].sh_offset, sections[i].sh_size);
}

static void change(void)
{
	const struct range *range = &ranges[below(range_count)];
	uint64_t value = 1ull << below(64), values[] = {value, value - 1, -value, below(256)};
	size_t at = below(range->size), size = 1ul << below(4);

	if (size > range->size - at)
		size = range->size - at;
	memcpy(changed + range->start + at, &values[below(4)], size);
}

/* ---- in children --------------------------------------------------------------------------- */

static int count(const struct ep_match *match, void *data)
{
	(void)match;
	++*(int *)data;
	return 0;
}

static void look_for_exits(uint64_t at)
{
	struct exits exits;

	engine_lock();
	exits_find(at, &exits);
	engine_unlock();
}

/* From there, with a stack of nonsense. */
static void walk_from(uint64_t at)
{
	uint64_t stack[16], frames[8];
	struct ep_regs regs = {.rip = at, .rsp = (uint64_t)stack, .rbp = (uint64_t)&stack[8]};

	for (int i = 0; i < 16; i++)
		stack[i] = i % 2 ? at + below(64) : (uint64_t)&stack[below(16)];
	walk_stack(&regs, frames, 8);
}

/* At each byte of its code. */
static void use_code(uint64_t start, size_t size)
{
	const struct ep_options options = {.size = sizeof(options)};

	for (uint64_t at = start; at < start + size; at++) {
		struct ep_info info = {.size = sizeof(info)};
		struct ep_probe *probe;

		callers_can_be_unwound(at);
		walk_from(at);
		if (at % 8 == 0)
			look_for_exits(at);
		if (ep_check((const void *)at, &options, &info) || at % 8)
			continue;
		if (ep_probe_create((const void *)at, &options, &probe) == 0)
			ep_probe_remove(probe);
	}
}

/* All names are looked at, and none is found: what says that it is a resolver would be called. */
static void use_engine(uint64_t base)
{
	const struct ep_place place = {.object = "*", .symbol = "*no?such*name*"};
	const Elf64_Ehdr *header = (const void *)original;
	const Elf64_Shdr *sections = (const void *)(original + header->e_shoff);
	int found = 0;

	ep_resolve(&place, count, &found);
	for (int i = 0; i < header->e_shnum; i++)
		if (sections[i].sh_flags & SHF_EXECINSTR)
			use_code(base + sections[i].sh_addr, sections[i].sh_size);
}

static void start_engine(void)
{
	const struct ep_options options = {.size = sizeof(options)};
	struct ep_probe *probe;

	if (ep_probe_create((const void *)(uintptr_t)getppid, &options, &probe))
		_exit(3);
	engine_lock();
	if (walk_start())
		_exit(4);
	engine_unlock();
}

#define REFUSED 2   /* of the child, if the loader does not take it */
#define FEW	100 /* one in so many */

static int status_of(bool with_engine)
{
	struct link_map *object;
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		alarm(300);
		if (with_engine)
			start_engine();
		object = dlopen(path, RTLD_LAZY);
		if (!object)
			_exit(REFUSED);
		if (with_engine)
			use_engine(object->l_addr);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* ---- all of them --------------------------------------------------------------------------- */

static void keep_crash(void)
{
	FILE *crash = fopen("fuzz-crash", "w");

	if (crash) {
		fwrite(changed, 1, object_size, crash);
		fclose(crash);
	}
}

/*
 * Where a name lies outside of its table it is what happens to be there, and something else beside another
 * library: the loader takes the object or not as it likes.
 */
static long refused;

/* 1: the loader took it, 0: it did not, -1: it did, and with the engine something died. */
static int try_one(void)
{
	int status;

	memcpy(changed, original, object_size);
	for (uint64_t left = 1 + below(CHANGES_MAX); left--;)
		change();
	if (pwrite(file, changed, object_size, 0) != (ssize_t)object_size)
		return -1;
	if (status_of(false))
		return 0;
	status = status_of(true);
	if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED) {
		refused++;
		return 0;
	}
	if (status) {
		printf("status %#x; the object is in ./fuzz-crash\n", (unsigned)status);
		keep_crash();
	}
	return status ? -1 : 1;
}

static bool read_object(const char *name)
{
	FILE *in = fopen(name, "r");

	if (!in)
		return false;
	object_size = fread(original, 1, sizeof(original), in);
	fclose(in);
	find_ranges();
	return range_count > 0;
}

int main(int argc, char **argv)
{
	long runs = argc > 3 ? atol(argv[1]) : 0, taken = 0;

	state = argc > 3 ? 0x9e3779b97f4a7c15u * (2 * strtoull(argv[2], NULL, 0) + 1) : 0;
	for (int i = 3; i < argc; i++) {
		file = memfd_create("fuzz", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		if (file < 0 || !read_object(argv[i]))
			return 2;
		for (long k = 0; k < runs; k++) {
			int result = try_one();

			if (result < 0)
				return 1;
			taken += result;
		}
		close(file);
	}
	printf("%ld of %ld objects were loaded; %ld only without the engine\n", taken,
	       runs * (argc - 3), refused);
	return taken == 0 || refused * FEW > taken;
}
