/* SPDX-License-Identifier: MIT */
/* What functions of libraries take and return, as C declares it: for values of calls to be shown as what they are. */
#ifndef EMUPROBE_CLI_PROTOTYPES_H
#define EMUPROBE_CLI_PROTOTYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "trace/base/arena.h"

#define PROTOTYPE_ARGS_MAX 8 /* that are shown; a function may have more */

enum prototype_kind {
	PROTOTYPE_NONE, /* void */
	PROTOTYPE_NUMBER,
	PROTOTYPE_FLOAT,
	PROTOTYPE_STRING,
	PROTOTYPE_FILE,
	PROTOTYPE_FLAGS, /* a number whose values have names */
};

struct prototype_flags;

struct prototype_type {
	enum prototype_kind kind;
	const char *fetch; /* a type of the definitions' language: "s32" */
	const struct prototype_flags *flags;
};

struct prototype {
	const char *name;
	struct prototype_type result, args[PROTOTYPE_ARGS_MAX];
	uint32_t arg_count;
	bool is_variadic; /* or has more arguments than are shown */
};

struct prototypes {
	struct prototype *list;
	size_t count, room;
};

/**
 * Add the declarations in @text. Of a function that is there already nothing is taken.
 *
 * @path     For the message.
 * @error    Its message has the path and the line.
 *
 * @return   0, -EP_SYNTAX with @error filled, or -EP_NO_MEMORY.
 */
int prototypes_add(struct prototypes *prototypes, const char *text, const char *path,
		   struct trace_arena *arena, struct ep_error_at *error);

/** The file @path, and then what emuprobe itself knows. NULL: that alone. -EP_IO: it cannot be read. */
int prototypes_read(struct prototypes *prototypes, const char *path, struct trace_arena *arena,
		    struct ep_error_at *error);

/** The names of @value: "O_RDWR|O_CREAT", "SIGINT"; what has none is a number. */
void prototypes_flags(const struct prototype_flags *flags, uint64_t value, char *ret, size_t size);

#endif
