/* SPDX-License-Identifier: MIT */
/* A probe definition, as it was read. */
#ifndef EMUPROBE_TRACE_LANGUAGE_DEFINITION_H
#define EMUPROBE_TRACE_LANGUAGE_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define TRACE_NAME_MAX	63 /* bytes of a group or event name, as in the kernel */
#define TRACE_ARGS_MAX	32
#define TRACE_CALLS_MAX 4096 /* that MAXACTIVE can ask for, as in the kernel */

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
	X(char, 1)                                                                                 \
	X(symbol, 8)

enum trace_type {
#define TRACE_TYPE_ENUM(name, size) TRACE_TYPE_##name,
	TRACE_TYPES(TRACE_TYPE_ENUM)
#undef TRACE_TYPE_ENUM
		TRACE_TYPE_COUNT
};

/* What is kept of a call from its entry to its end, in ep_call.words; what follows is free. */
enum trace_call_word {
	TRACE_CALL_TIME, /* of the session's clock */
	TRACE_CALL_ARGS, /* $arg1 and so on, those that are wanted */
	TRACE_CALL_FREE = TRACE_CALL_ARGS + 6,
};

/* Where a value comes from. Those behind REGISTER are of calls only. */
enum trace_fetch {
	TRACE_FETCH_REGISTER, /* at the hit; of a call, when it returns: else there is none */
	TRACE_FETCH_ENTRY,    /* a register at the call's entry */
	TRACE_FETCH_LATENCY,  /* from the call's entry to its end */
	TRACE_FETCH_CALLER,   /* where the call returns to */
	TRACE_FETCH_COUNT
};

struct trace_arg {
	const char *name;
	uint8_t offset; /* in struct ep_regs */
	uint8_t size;	/* bytes of the register that are meant */
	uint8_t type;	/* enum trace_type */
	uint8_t fetch;	/* enum trace_fetch */
	uint8_t word;	/* of ENTRY: where it is kept, enum trace_call_word */
};

struct trace_definition {
	const char *text;    /* the definition as it was written */
	size_t column;	     /* of it, in the list */
	size_t place_column; /* of the place, in the list */
	size_t loc_column;   /* of what comes behind the object there */
	const char *group;   /* "uprobes" where none was given */
	const char *event;   /* NULL where none was given */
	struct ep_place place;
	bool optional;	     /* no error where the place is not found */
	bool is_return;	     /* of calls of a function, not of hits of an instruction */
	uint32_t max_active; /* calls at once that were asked for; 0: no limit of its own */
	struct trace_arg *args;
	uint32_t arg_count;
};

struct trace_definitions {
	struct trace_definition *list;
	size_t count;
};

#endif
