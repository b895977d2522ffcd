/* SPDX-License-Identifier: MIT */
/* A kernel uprobe stands at a file offset; the section headers lead to it. Trusts the file. */
#include "perf/symbol.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool to_offset(const char *file, uint64_t address, uint64_t *ret)
{
	const Elf64_Ehdr *header = (const void *)file;
	const Elf64_Phdr *segment = (const void *)(file + header->e_phoff);

	for (int i = 0; i < header->e_phnum; i++, segment++) {
		if (segment->p_type != PT_LOAD || address - segment->p_vaddr >= segment->p_filesz)
			continue;
		*ret = address - segment->p_vaddr + segment->p_offset;
		return true;
	}
	return false;
}

static bool find(const char *file, const char *name, uint64_t *ret)
{
	const Elf64_Ehdr *header = (const void *)file;
	const Elf64_Shdr *sections = (const void *)(file + header->e_shoff), *dynsym = sections;
	const char *strings;
	const Elf64_Sym *symbol;

	while (dynsym < sections + header->e_shnum && dynsym->sh_type != SHT_DYNSYM)
		dynsym++;
	if (dynsym == sections + header->e_shnum)
		return false;
	strings = file + sections[dynsym->sh_link].sh_offset;
	symbol = (const void *)(file + dynsym->sh_offset);
	for (uint64_t i = 0; i < dynsym->sh_size / sizeof(*symbol); i++)
		if (symbol[i].st_shndx != SHN_UNDEF &&
		    strcmp(strings + symbol[i].st_name, name) == 0)
			return to_offset(file, symbol[i].st_value, ret);
	return false;
}

bool symbol_offset(const char *path, const char *name, uint64_t *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	bool found = false;
	void *file;

	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && status.st_size > (off_t)sizeof(Elf64_Ehdr)) {
		file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		found = file != MAP_FAILED && find(file, name, ret);
		if (file != MAP_FAILED)
			munmap(file, (size_t)status.st_size);
	}
	close(fd);
	return found;
}
