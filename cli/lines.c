/* SPDX-License-Identifier: MIT */
/*
 * elfutils' libdw reads debug information, and finds it where it was split off. It is loaded when lines
 * are asked for: the launcher starts without it, and can be installed without it.
 */
#include "cli/lines.h"

#include <stddef.h>

#ifndef EP_HAS_LIBDW

enum lines_outcome lines_each(const char *path,
			      void (*visit)(const struct lines_row *row, void *data), void *data)
{
	(void)path;
	(void)visit;
	(void)data;
	return LINES_NO_LIBRARY;
}

#else

#include <dlfcn.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>

#define FUNCTIONS(X)                                                                               \
	X(dwfl_begin)                                                                              \
	X(dwfl_report_offline)                                                                     \
	X(dwfl_report_end)                                                                         \
	X(dwfl_module_getdwarf)                                                                    \
	X(dwfl_module_getelf)                                                                      \
	X(dwfl_standard_find_debuginfo)                                                            \
	X(dwfl_offline_section_address)                                                            \
	X(dwfl_end)                                                                                \
	X(dwarf_nextcu)                                                                            \
	X(dwarf_offdie)                                                                            \
	X(dwarf_getsrclines)                                                                       \
	X(dwarf_onesrcline)                                                                        \
	X(dwarf_lineaddr)                                                                          \
	X(dwarf_lineno)                                                                            \
	X(dwarf_linesrc)                                                                           \
	X(dwarf_lineendsequence)                                                                   \
	X(elf64_getehdr)                                                                           \
	X(elf64_getphdr)

#define DECLARE(name) __typeof__(&(name)) name;
static struct {
	FUNCTIONS(DECLARE)
} dw;

static bool load(void)
{
	static void *library;

	if (library)
		return true;
	library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return false;
#define FIND(name)                                                                                 \
	dw.name = (__typeof__(dw.name))dlsym(library, #name);                                      \
	if (!dw.name)                                                                              \
		return false;
	FUNCTIONS(FIND)
	return true;
}

struct walk {
	void (*visit)(const struct lines_row *row, void *data);
	void *data;
	const Elf64_Phdr *phdrs;
	size_t phdr_count;
	uint64_t first_at;  /* the last address that a row stands for, */
	unsigned int first; /* and the line of the first row there */
};

/* Debug information has addresses; the rest of us has offsets in the file. 0: it is not of the file. */
static uint64_t offset_of(const struct walk *walk, uint64_t address)
{
	for (size_t i = 0; i < walk->phdr_count; i++) {
		const Elf64_Phdr *phdr = &walk->phdrs[i];

		if (phdr->p_type == PT_LOAD && address >= phdr->p_vaddr &&
		    address - phdr->p_vaddr < phdr->p_filesz)
			return address - phdr->p_vaddr + phdr->p_offset;
	}
	return 0;
}

/* Of rows with one address, only the last has code. */
static void note_first(struct walk *walk, uint64_t address, unsigned int line)
{
	if (walk->first && walk->first_at == address)
		return;
	walk->first_at = address;
	walk->first = line;
}

/* A row ends where the next one begins. */
static void visit_row(struct walk *walk, Dwarf_Line *from, Dwarf_Line *to)
{
	struct lines_row row;
	Dwarf_Addr start, end;
	bool is_end = true;
	int line;

	if (dw.dwarf_lineendsequence(from, &is_end) || is_end || dw.dwarf_lineaddr(from, &start) ||
	    dw.dwarf_lineaddr(to, &end) || dw.dwarf_lineno(from, &line) || line <= 0)
		return;
	note_first(walk, start, (unsigned int)line);
	if (end <= start)
		return;
	row.start = offset_of(walk, start);
	row.end = row.start + (end - start);
	row.file = dw.dwarf_linesrc(from, NULL, NULL);
	row.line = (unsigned int)line;
	row.first = walk->first;
	if (row.start && row.file)
		walk->visit(&row, walk->data);
}

static void visit_unit(struct walk *walk, Dwarf_Die *unit)
{
	Dwarf_Lines *lines;
	size_t count;

	if (dw.dwarf_getsrclines(unit, &lines, &count))
		return;
	walk->first = 0;
	for (size_t i = 0; i + 1 < count; i++)
		visit_row(walk, dw.dwarf_onesrcline(lines, i), dw.dwarf_onesrcline(lines, i + 1));
}

static void visit_units(struct walk *walk, Dwarf *dwarf)
{
	Dwarf_Off at = 0, next;
	size_t header;
	Dwarf_Die unit;

	for (; dw.dwarf_nextcu(dwarf, at, &next, &header, NULL, NULL, NULL) == 0; at = next)
		if (dw.dwarf_offdie(dwarf, at + header, &unit))
			visit_unit(walk, &unit);
}

static enum lines_outcome visit_module(struct walk *walk, Dwfl_Module *module)
{
	GElf_Addr bias;
	Elf *elf = module ? dw.dwfl_module_getelf(module, &bias) : NULL;
	Dwarf *dwarf = elf ? dw.dwfl_module_getdwarf(module, &bias) : NULL;

	if (!dwarf)
		return LINES_NONE;
	walk->phdrs = dw.elf64_getphdr(elf);
	walk->phdr_count = walk->phdrs ? dw.elf64_getehdr(elf)->e_phnum : 0;
	visit_units(walk, dwarf);
	return LINES_THERE;
}

enum lines_outcome lines_each(const char *path,
			      void (*visit)(const struct lines_row *row, void *data), void *data)
{
	struct walk walk = {.visit = visit, .data = data};
	Dwfl_Callbacks callbacks = {0};
	enum lines_outcome ret;
	Dwfl *dwfl;

	if (!load())
		return LINES_NO_LIBRARY;
	callbacks.find_debuginfo = dw.dwfl_standard_find_debuginfo;
	callbacks.section_address = dw.dwfl_offline_section_address;
	dwfl = dw.dwfl_begin(&callbacks);
	if (!dwfl)
		return LINES_NONE;
	ret = visit_module(&walk, dw.dwfl_report_offline(dwfl, "", path, -1));
	dw.dwfl_report_end(dwfl, NULL, NULL);
	dw.dwfl_end(dwfl);
	return ret;
}

#endif
