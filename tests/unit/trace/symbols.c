/* SPDX-License-Identifier: MIT */
/* Names of addresses: what was there at that time, and what its file says of it, if it can be believed. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trace/clock/clock.h"
#include "trace/report/symbols.h"

TestSuite(trace_symbols, .timeout = 400);

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 20, .heap_max = 1};
static struct trace_session session;
static struct trace_process *process;
static struct trace_arena arena;
static struct trace_symbols *symbols;
static char folder[] = "/tmp/emuprobe-symbols-XXXXXX";

static void setup(void)
{
	int fd;

	cr_assert_eq(trace_session_create(&small, "", 0, &fd, &session), 0);
	close(fd);
	session.shared->clock = TRACE_CLOCK_MONOTONIC;
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	process = trace_session_process(&session, 0);
	symbols = trace_symbols_create(&session, &arena);
	cr_assert_not_null(symbols);
}

static const char *name_at(uint64_t address, uint64_t time)
{
	static char ret[160];

	return trace_symbols_name(symbols, 0, address, false, time, ret, sizeof(ret)) ? ret : "";
}

static uint64_t now(void)
{
	uint32_t cpu;

	return trace_clock_read(TRACE_CLOCK_MONOTONIC, &cpu);
}

/* ---- this program -------------------------------------------------------------------------- */

uint64_t symbols_callee(void);
uint64_t symbols_caller(void);

__attribute__((noinline)) uint64_t symbols_callee(void)
{
	return (uint64_t)__builtin_return_address(0);
}

__attribute__((noinline)) uint64_t symbols_caller(void)
{
	uint64_t ret = symbols_callee();

	__asm__ volatile("" : "+r"(ret));
	return ret;
}

Test(trace_symbols, name_where_a_call_returns_to, .init = setup)
{
	uint64_t address = symbols_caller();
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "unit-trace:symbols_caller+0x%lx",
		 address - (uint64_t)symbols_caller);
	cr_expect_str_eq(name_at(address, now()), "", "nothing is published yet");
	trace_objects_loaded(&session, process, 0, UINT64_MAX);
	cr_expect_str_eq(name_at(address, now()), wanted);
	cr_expect_str_eq(name_at(address, now()), wanted, "once more");
	cr_expect_str_eq(name_at((uint64_t)&address, now()), "", "on the stack");
	cr_expect(strstr(name_at((uint64_t)dlsym(RTLD_DEFAULT, "getppid") + 4, now()),
			 "libc.so.6:getppid+0x4"),
		  "%s", name_at((uint64_t)dlsym(RTLD_DEFAULT, "getppid") + 4, now()));
}

/* Even if what has been there was mapped again somewhere else. */
Test(trace_symbols, are_those_of_their_time, .init = setup)
{
	uint64_t address = symbols_caller(), page = address & ~4095ul, times[5];

	times[0] = now();
	trace_objects_loaded(&session, process, 0, UINT64_MAX);
	times[1] = now();
	trace_objects_unloaded(&session, process, page, page + 4096);
	times[2] = now();
	trace_objects_loaded(&session, process, 0, UINT64_MAX);
	times[3] = now();
	trace_objects_unloaded(&session, process, page, page + 4096);
	times[4] = now();
	for (int again = 0; again < 2; again++) {
		cr_expect_str_eq(name_at(address, times[0]), "");
		cr_expect(strstr(name_at(address, times[1]), "symbols_caller"));
		cr_expect_str_eq(name_at(address, times[2]), "");
		cr_expect(strstr(name_at(address, times[3]), "symbols_caller"));
		cr_expect_str_eq(name_at(address, times[4]), "");
	}
}

/* Children of a fork share what their parent has published. */
Test(trace_symbols, of_children_are_copied_once, .init = setup)
{
	uint64_t address = symbols_caller();
	char name[160];
	size_t before;

	trace_objects_loaded(&session, process, 0, UINT64_MAX);
	cr_expect(strstr(name_at(address, now()), "symbols_caller"));
	before = trace_arena_size(&arena);
	cr_assert_eq(trace_session_add_process(&session, 2, 1), 1);
	process[1].objects = process[0].objects;
	cr_expect(trace_symbols_name(symbols, 1, address, false, now(), name, sizeof(name)));
	cr_expect_eq(trace_arena_size(&arena), before);
	cr_expect_not(trace_symbols_name(symbols, 2, address, false, now(), name, sizeof(name)));
	cr_expect_not(trace_symbols_name(symbols, 77, address, false, now(), name, sizeof(name)));
}

/* ---- lists that lie ------------------------------------------------------------------------ */

static struct trace_object *last_object(void)
{
	return trace_session_at(&session, atomic_load(&process->objects), 512);
}

Test(trace_symbols, lists_that_lie_are_rejected, .init = setup)
{
	struct trace_known_objects known = {.arena = &arena};
	struct trace_known_object *last = NULL;
	uint64_t good, at;

	for (int i = 0; i < 3; i++)
		trace_objects_unloaded(&session, process, 1, 2);
	good = last_object()->before;
	at = atomic_load(&process->objects);
	last_object()->before = at; /* no end */
	cr_expect_eq(trace_objects_read(&known, &session, process, &last), -EP_INVALID);
	last_object()->before = UINT64_MAX - 7;
	cr_expect_eq(trace_objects_read(&known, &session, process, &last), -EP_INVALID);
	last_object()->before = 4;
	cr_expect_eq(trace_objects_read(&known, &session, process, &last), -EP_INVALID);
	last_object()->before = good;
	last_object()->number = 2; /* as the one before it */
	cr_expect_eq(trace_objects_read(&known, &session, process, &last), -EP_INVALID);
	cr_expect_null(last);
	last_object()->number = 3;
	cr_expect_eq(trace_objects_read(&known, &session, process, &last), 0);
	cr_assert_not_null(last);
	cr_expect_eq(last->object.number, 3);
	cr_expect_eq(last->before->before->object.number, 1);
	cr_expect_null(last->before->before->before);
	/* A new one that says it is older than those before it. */
	trace_objects_unloaded(&session, process, 1, 2);
	last_object()->number = 3;
	cr_expect_eq(trace_objects_read(&known, &session, process, &last), -EP_INVALID);
}

/* And are not read again, nor kept in more memory than there may be. */
Test(trace_symbols, list_without_end_is_given_up, .init = setup)
{
	char path[TRACE_OBJECT_PATH];

	memset(path, 'p', sizeof(path));
	trace_objects_unloaded(&session, process, 0, UINT64_MAX);
	memcpy(last_object()->path, path, sizeof(path)); /* without a zero */
	last_object()->time = 0;
	cr_expect_eq(strlen(name_at(0x1000, 1)), 159);
	arena.limit = trace_arena_size(&arena);
	for (int i = 0; i < 1000; i++)
		trace_objects_unloaded(&session, process, 0, UINT64_MAX);
	cr_expect_str_eq(name_at(0x2000, 1), "", "no memory");
	arena.limit = 0;
	cr_expect_str_eq(name_at(0x2000, 1), "", "given up");
}

/* ---- files --------------------------------------------------------------------------------- */

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr sections[3];
	Elf64_Sym symbols[5];
	char strings[32];
};

#define FUNCTION(binding) ELF64_ST_INFO(binding, STT_FUNC)

static struct image make_image(void)
{
	return (struct image){
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			   .e_phoff = offsetof(struct image, segment),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1,
			   .e_shoff = offsetof(struct image, sections),
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 3},
		.segment = {.p_type = PT_LOAD,
			    .p_offset = 0x1000,
			    .p_vaddr = 0x401000,
			    .p_filesz = 0x1000},
		.sections = {{.sh_type = SHT_NULL},
			     {.sh_type = SHT_SYMTAB,
			      .sh_link = 2,
			      .sh_entsize = sizeof(Elf64_Sym),
			      .sh_offset = offsetof(struct image, symbols),
			      .sh_size = 5 * sizeof(Elf64_Sym)},
			     {.sh_type = SHT_STRTAB,
			      .sh_offset = offsetof(struct image, strings),
			      .sh_size = 32}},
		.symbols = {{0},
			    {1, FUNCTION(STB_LOCAL), 0, 1, 0x401100, 0x20},
			    {7, FUNCTION(STB_GLOBAL), 0, 1, 0x401100, 0x20},
			    {13, FUNCTION(STB_GLOBAL), 0, 1, 0x401200, 0},
			    {17, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 1, 0x401210, 8}},
		.strings = "\0local\0first\0end\0data",
	};
}

static void make_folder(void)
{
	setup();
	cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	cr_assert_eq(system(command), 0);
}

static void write_image(const char *name, const struct image *image)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert_eq(write(fd, image, sizeof(*image)), (ssize_t)sizeof(*image));
	close(fd);
}

/* Now is later than when they were written, by the clock of files, too. */
static void begin(void)
{
	usleep(50000);
	symbols = trace_symbols_create(&session, &arena);
	cr_assert_not_null(symbols);
}

/* It is mapped from 0x7000 on, its second page first. */
static void publish_image(const char *name)
{
	struct trace_object *object;

	trace_objects_unloaded(&session, process, 0x7000, 0x8000);
	object = last_object();
	object->offset = 0x1000;
	object->time = 0;
	snprintf(object->path, sizeof(object->path), "%s/%s", folder, name);
}

Test(trace_symbols, are_functions_that_are_long_enough, .init = make_folder, .fini = remove_folder)
{
	const struct image image = make_image();

	write_image("a.so", &image);
	begin();
	publish_image("a.so");
	cr_expect_str_eq(name_at(0x7101, 1), "a.so:first+0x1");
	cr_expect_str_eq(name_at(0x7120, 1), "a.so:first+0x20", "behind a call at its end");
	cr_expect_str_eq(name_at(0x7100, 1), "a.so:0x1100", "no call is in front of it");
	cr_expect_str_eq(name_at(0x7121, 1), "a.so:0x1121");
	cr_expect_str_eq(name_at(0x7220, 1), "a.so:end+0x20");
	cr_expect_str_eq(name_at(0x7000, 1), "", "another object");
	cr_expect_str_eq(name_at(0x8000, 1), "a.so:end+0xe00");
	cr_expect_str_eq(name_at(0x8001, 1), "");
}

Test(trace_symbols, of_a_file_that_may_be_another_are_not_believed, .init = make_folder,
     .fini = remove_folder)
{
	const struct image image = make_image();

	write_image("a.so", &image);
	begin();
	usleep(50000);
	write_image("a.so", &image);
	publish_image("a.so");
	cr_expect_str_eq(name_at(0x7101, 1), "a.so:0x1101");
	publish_image("gone.so (deleted)");
	cr_expect_str_eq(name_at(0x7101, 1), "gone.so:0x1101");
	publish_image(".");
	cr_expect_str_eq(name_at(0x7101, 1), ".:0x1101");
}

/* It costs a program nothing to have a file that is large. */
Test(trace_symbols, of_too_large_a_file_are_not_read, .init = make_folder, .fini = remove_folder)
{
	struct image image = make_image();
	char path[128];

	image.sections[1].sh_size = 1ul << 30;
	write_image("large", &image);
	snprintf(path, sizeof(path), "%s/large", folder);
	cr_assert_eq(truncate(path, 1l << 31), 0);
	begin();
	publish_image("large");
	cr_expect_str_eq(name_at(0x7101, 1), "large:0x1101");
}

/* Every byte, replaced: nothing may be read out of bounds (see the asan preset). */
Test(trace_symbols, of_a_broken_file_do_no_harm, .init = make_folder, .fini = remove_folder)
{
	static const unsigned char values[] = {0, 1, 0x7f, 0xff};
	char name[32];

	for (size_t i = 0; i < sizeof(struct image) * sizeof(values); i++) {
		struct image image = make_image();

		((unsigned char *)&image)[i / sizeof(values)] = values[i % sizeof(values)];
		snprintf(name, sizeof(name), "%zu", i);
		write_image(name, &image);
	}
	begin();
	for (size_t i = 0; i < sizeof(struct image) * sizeof(values); i++) {
		snprintf(name, sizeof(name), "%zu", i);
		publish_image(name);
		for (uint64_t address = 0x7001; address < 0x8000; address += 0x7f)
			cr_expect_eq(strncmp(name_at(address, 1), name, strlen(name)), 0);
		if (i % 256 == 255) /* so that the list does not grow */
			process->objects = 0;
	}
}
