/* SPDX-License-Identifier: MIT */
/*
 * By which instructions a function is left, and whether it would notice if its return address were
 * another one.
 */
#ifndef EMUPROBE_PROBE_IMAGE_EXITS_H
#define EMUPROBE_PROBE_IMAGE_EXITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXITS_MAX	  128
#define EXITS_EXTENTS_MAX 16

enum exits_kind {
	EXITS_RET,
	EXITS_JUMP,	      /* jmp rel, to another function or to the own start */
	EXITS_JUMP_IF,	      /* jcc rel: left only where it is taken */
	EXITS_JUMP_INDIRECT,  /* jmp r/m, which is no jump table */
	EXITS_JUMP_UNDECIDED, /* jmp r/m: left where it leads out of all extents, or to the start */
};

struct exits_way {
	uint64_t address;
	enum exits_kind kind;
};

/* [start, end) */
struct exits_extent {
	uint64_t start, end;
};

/* name, text: what a function has to do with its return address. */
#define EXITS_READINGS(X)                                                                          \
	X(NONE, "leaves its return address alone")                                                 \
	X(ACCESS, "accesses its return address")                                                   \
	X(ADDRESS, "takes the address of its return address")                                      \
	X(STACK, "moves its stack in ways that unwind information does not tell")                  \
	X(RULE, "has unwind information that does not tell where its return address is")           \
	X(TAIL, "goes on in a function that uses the return address")                              \
	X(NO_FDE, "has no unwind information")                                                     \
	X(UNDECODABLE, "has bytes that are no instructions")                                       \
	X(TOO_LARGE, "is too large to be read as a whole")                                         \
	X(GO, "is a program's in Go, which moves its stacks")

/* name, text: why it is not known by which instructions it is left. */
#define EXITS_REFUSALS(X)                                                                          \
	X(NONE, "can be served")                                                                   \
	X(NO_EXTENT, "nothing says where the function ends")                                       \
	X(NOT_A_START, "it is not where a function begins, going by unwind information")           \
	X(UNDECODABLE, "has bytes that are no instructions")                                       \
	X(TOO_MANY, "has too many ways out, or parts")                                             \
	X(TOO_LARGE, "is too large to be read as a whole")                                         \
	X(END, "goes on behind its end")                                                           \
	X(FRAME, "jumps out with its frame still there")                                           \
	X(OTHER, "is left by a far transfer")                                                      \
	X(GO, "is a program's in Go")

#define EXITS_READING_ENUM(name, text) EXITS_READING_##name,
#define EXITS_REFUSAL_ENUM(name, text) EXITS_REFUSAL_##name,
enum exits_reading { EXITS_READINGS(EXITS_READING_ENUM) EXITS_READING_COUNT };
enum exits_refusal { EXITS_REFUSALS(EXITS_REFUSAL_ENUM) EXITS_REFUSAL_COUNT };

struct exits {
	enum exits_reading reading;
	enum exits_refusal refusal;
	uint64_t reading_at, refusal_at; /* the instruction that shows it, 0: none does */
	/*
	 * It may go on in a function that nobody knows, which finds the same return address: through
	 * a pointer in a register, or in memory that is found by one. (Where one at a fixed place leads
	 * is known, also of a PLT which is not bound yet; if it is not, the function is taken to go on in
	 * one that uses it.)
	 */
	bool tail_is_unknown;
	size_t count, extent_count;
	struct exits_way ways[EXITS_MAX]; /* ascending in each extent; none: it does not return */
	struct exits_extent extents[EXITS_EXTENTS_MAX]; /* its own first, then parts split off */
};

/**
 * Look at all code of the function that begins at @function.
 *
 * Where @ret->reading is anything but EXITS_READING_NONE, the function must find its return address as
 * its caller left it. Where @ret->refusal is anything but EXITS_REFUSAL_NONE, @ret->ways are not all.
 * What is not seen: an address of the return address that is made of another one by way of memory,
 * and functions that look at their callers' return addresses, by following frame pointers.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held. 50 to 300 ns for each instruction of the function, of those that it
 *           jumps to, and of the parts split off from it.
 */
int exits_find(uint64_t function, struct exits *ret);

/** Texts for people, "accesses its return address". */
const char *exits_reading_text(enum exits_reading reading);
const char *exits_refusal_text(enum exits_refusal refusal);

#endif
