/* SPDX-License-Identifier: MIT */
/* The code of an ELF file: its functions, and the bytes at an address. */
#ifndef EMUPROBE_TESTS_ORACLE_OBJECTS_H
#define EMUPROBE_TESTS_ORACLE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct function {
	uint64_t start, end; /* as linked; end is exclusive */
};

struct object {
	const uint8_t *file;
	size_t size;
	struct function *functions; /* sorted, none twice, none overlapping */
	size_t count;
	uint64_t first, last; /* of the code */
};

/**
 * Functions are those of .symtab, .dynsym and the FDEs of .eh_frame.
 * @return false: it cannot be read.
 */
bool object_open(const char *path, struct object *ret);
void object_close(struct object *object);

/** The bytes at @address, and how many follow in its section; NULL: none. */
const uint8_t *object_code(const struct object *object, uint64_t address, size_t *ret);

/** Where /usr/lib keeps the libraries that tests walk. NULL ends the list. */
extern const char *const real_objects[];

#endif
