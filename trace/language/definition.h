/* SPDX-License-Identifier: MIT */
/* A probe definition, as it was read. */
#ifndef EMUPROBE_TRACE_LANGUAGE_DEFINITION_H
#define EMUPROBE_TRACE_LANGUAGE_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define TRACE_NAME_MAX 63 /* bytes of a group or event name, as in the kernel */
#define TRACE_ARGS_MAX 32

/* name, bytes */
#define TRACE_TYPES(X)                                                                             \
	X(u8, 1)                                                                                   \
	X(u16, 2)                                                                                  \
	X(u32, 4)                                                                                  \
	X(u64, 8)                                                                                  \
	X(s8, 1)                                                                                   \
	X(s16, 2)                                                                                  \
	X(s32, 4)                                                                                  \
	X(s64, 8)                                                                                  \
	X(x8, 1)                                                                                   \
	X(x16, 2)                                                                                  \
	X(x32, 4)                                                                                  \
	X(x64, 8)                                                                                  \
	X(char, 1)

enum trace_type {
#define TRACE_TYPE_ENUM(name, size) TRACE_TYPE_##name,
	TRACE_TYPES(TRACE_TYPE_ENUM)
#undef TRACE_TYPE_ENUM
		TRACE_TYPE_COUNT
};

struct trace_arg {
	const char *name;
	uint8_t offset; /* in struct ep_regs */
	uint8_t size;	/* bytes of the register that are meant */
	uint8_t type;	/* enum trace_type */
};

struct trace_definition {
	const char *text;    /* the definition as it was written */
	size_t column;	     /* of it, in the list */
	size_t place_column; /* of the place, in the list */
	size_t loc_column;   /* of what comes behind the object there */
	const char *group;   /* "uprobes" where none was given */
	const char *event;   /* NULL where none was given */
	struct ep_place place;
	bool optional; /* no error where the place is not found */
	struct trace_arg *args;
	uint32_t arg_count;
};

struct trace_definitions {
	struct trace_definition *list;
	size_t count;
};

#endif
