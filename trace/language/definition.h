/* SPDX-License-Identifier: MIT */
/* A probe definition, as it was read. */
#ifndef EMUPROBE_TRACE_LANGUAGE_DEFINITION_H
#define EMUPROBE_TRACE_LANGUAGE_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "trace/language/program.h"

#define TRACE_NAME_MAX	63    /* bytes of a group or event name, as in the kernel */
#define TRACE_ARGS_MAX	128   /* as in the kernel */
#define TRACE_ARGS_TEXT 65536 /* bytes that all of an event take when they are printed, at most */
#define TRACE_CALLS_MAX 4096  /* that MAXACTIVE can ask for, as in the kernel */

/* How a value is shown. */
enum trace_kind {
	TRACE_UNSIGNED,
	TRACE_SIGNED,
	TRACE_HEX,
	TRACE_CHAR,
	TRACE_FLOAT,
	TRACE_SYMBOL, /* an address */
	TRACE_STRING, /* the rest lie in memory, and are copied as they are */
	TRACE_DUMP,   /* bytes, in hexadecimal */
	TRACE_SOCKADDR,
	TRACE_KIND_COUNT
};

#define TRACE_ELEMENTS_MAX 64	/* of an array, as in the kernel */
#define TRACE_BYTES_MAX	   4096 /* of a string or dump */
#define TRACE_STRING_BYTES 256	/* of a string, unless its type says how many */

struct trace_type {
	uint8_t kind;	   /* enum trace_kind */
	uint8_t size;	   /* bytes that one value has in memory, up to 8; of what is copied: 0 */
	uint8_t bits;	   /* of a bitfield: how many; else 0 */
	uint8_t shift;	   /* of a bitfield: how many bits of the value lie below it */
	uint16_t elements; /* of an array; else 0 */
	uint16_t limit;	   /* bytes of what is copied: what is longer is cut, and marked */
};

/* Of sockaddr(2type), whose numbers are the kernel's: how much of it there is, and how it is shown. */
enum trace_family { TRACE_FAMILY_UNIX = 1, TRACE_FAMILY_IPV4 = 2, TRACE_FAMILY_IPV6 = 10 };

/* Who has the value. */
enum trace_origin {
	TRACE_OF_PROGRAM, /* the event's program: it is in the record */
	TRACE_OF_LATENCY, /* likewise, but what is recorded is when the call began */
	TRACE_OF_TIME,	  /* the reader: these are in every event, asked for or not */
	TRACE_OF_TID,
	TRACE_OF_PID,
	TRACE_OF_CPU,
	TRACE_OF_COMM,
	TRACE_ORIGIN_COUNT
};

/* An argument, as the reader and the printer of records know it. */
struct trace_arg {
	const char *name;
	struct trace_type type;
	uint8_t origin; /* enum trace_origin */
	uint8_t value;	/* of OF_PROGRAM and OF_LATENCY: which one of the record's */
	bool is_return_address;
	bool needs_return; /* of a call: there is none unless it has returned */
};

#define TRACE_IMPORTED "plt" /* in place of a version: what an object imports */

struct trace_definition {
	const char *text;	 /* the definition as it was written */
	size_t args_at;		 /* where in there its arguments begin */
	size_t column;		 /* of it, in the list */
	size_t place_column;	 /* of the place, in the list */
	size_t loc_column;	 /* of what comes behind the object there */
	size_t version_column;	 /* of the symbol's version, if there is one */
	size_t semaphore_column; /* of the reference counter, if there is one */
	const char *group;	 /* "uprobes" where none was given */
	const char *event;	 /* NULL where none was given */
	struct ep_place place;
	bool optional;	     /* no error where the place is not found */
	bool is_return;	     /* of calls of a function, not of hits of an instruction */
	bool is_timed;	     /* of calls: how long they take is recorded, asked for or not */
	bool is_deletion;    /* of those before it; never in a list that was parsed */
	uint32_t max_active; /* calls at once that were asked for; 0: no limit of its own */
	struct trace_arg *args;
	uint32_t arg_count;
	struct trace_program program; /* what a hit does */
};

struct trace_definitions {
	struct trace_definition *list;
	size_t count;
};

#endif
