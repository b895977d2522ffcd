/* SPDX-License-Identifier: MIT */
/*
 * What a hit does: values are fetched, a filter decides, the rest is fetched. A list of steps that only
 * goes forward, so it ends after as many steps as it has at most.
 *
 * Values are numbered: first the numbers that are recorded, then the addresses of what is copied into the
 * record (strings, arrays), which is read when that is written, then those that only the filter looks at.
 * A step that reads memory which is not there marks its value as faulty, and goes on behind the steps of
 * that value.
 */
#ifndef EMUPROBE_TRACE_LANGUAGE_PROGRAM_H
#define EMUPROBE_TRACE_LANGUAGE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define TRACE_VALUES_MAX 192 /* recorded ones, and those of the filter */
#define TRACE_STEPS_MAX	 16384
#define TRACE_NEST_MAX	 32 /* dereferences in one another */

#define TRACE_RECORD_WORDS 1024 /* of 8 bytes, that an event's values may take */

#define TRACE_STEP_UNPLACED                                                                        \
	0x80000000u /* in trace_link.step, as long as the program is being made */

enum trace_step_code {
	/* value .to becomes ... */
	TRACE_STEP_REGISTER,	    /* register .from, a word of struct ep_regs, narrowed */
	TRACE_STEP_REGISTER_SIGNED, /* the same, with its sign */
	TRACE_STEP_WORD,	    /* word .from of what was kept of the call */
	TRACE_STEP_VECTOR,	    /* 8 bytes from byte .number on of xmm register .from */
	TRACE_STEP_RETVAL_VECTOR,   /* the lower 8 bytes of xmm0, as the call returns it */
	TRACE_STEP_CALLER,	    /* where the call returns to */
	TRACE_STEP_FROM_PROGRAM,    /* 1 if that is in the executable, else 0 */
	TRACE_STEP_LATENCY,	    /* nanoseconds since the call's entry */
	TRACE_STEP_TIME,	    /* of CLOCK_MONOTONIC, in nanoseconds */
	TRACE_STEP_TID,
	TRACE_STEP_PID,
	TRACE_STEP_CPU,
	TRACE_STEP_COMM,   /* the address of the thread's name */
	TRACE_STEP_NUMBER, /* .number */
	/* of value .to: */
	TRACE_STEP_ADD,	   /* add .number */
	TRACE_STEP_LOAD_1, /* read there, .number bytes further on */
	TRACE_STEP_LOAD_2,
	TRACE_STEP_LOAD_4,
	TRACE_STEP_LOAD_8,
	TRACE_STEP_NARROW,	  /* .left and .right: shift it so, without its sign */
	TRACE_STEP_NARROW_SIGNED, /* or with it */
	/* of the filter: go on .skip steps further if what is said of .to is .wanted */
	TRACE_STEP_IF,	     /* compared with .number */
	TRACE_STEP_IF_VALUE, /* compared with value .from */
	TRACE_STEP_IF_TEXT,  /* the text at this address, compared with pattern .number */
	TRACE_STEP_REJECT,   /* no event */
	TRACE_STEP_ACCEPT,   /* the end */
	TRACE_STEP_COUNT
};

/* Either side may be signed: then both are. Floats compare as such; what is no number is never true. */
enum trace_compare {
	TRACE_EQUAL,
	TRACE_UNEQUAL,
	TRACE_LESS,
	TRACE_LESS_EQUAL,
	TRACE_GREATER,
	TRACE_GREATER_EQUAL,
	TRACE_HAS_BITS, /* one of them, at least */
	TRACE_COMPARE_COUNT
};

enum trace_number {
	TRACE_NUMBER_UNSIGNED,
	TRACE_NUMBER_SIGNED,
	TRACE_NUMBER_F32,
	TRACE_NUMBER_F64,
	TRACE_NUMBER_COUNT
};

struct trace_step {
	uint8_t code; /* enum trace_step_code */
	uint8_t to, from;
	uint8_t compare; /* enum trace_compare; of a text EQUAL or UNEQUAL */
	uint8_t left, right;
	uint8_t numbers; /* enum trace_number: what is compared */
	bool wanted : 1, is_glob : 1;
	uint32_t skip; /* how many steps; of what fetches: if it is not to be had */
	uint64_t number;
};

/* What is copied into the record. */
struct trace_bulk {
	uint8_t kind;	   /* enum trace_kind */
	uint16_t elements; /* 0: no array */
	uint16_t size;	   /* bytes of an element; of a text: at most */
};

/* In front of what is copied: how many bytes follow, and why they are not all. */
#define TRACE_BULK_CUT	  (1ull << 32) /* it is longer */
#define TRACE_BULK_FAULTY (1ull << 33) /* it cannot be read: there, or from there on */

/* What is kept of a call at its entry, in ep_call.words; the word before them is the time. */
enum trace_keep_kind {
	TRACE_KEEP_REGISTER, /* .number: a word of struct ep_regs */
	TRACE_KEEP_VECTOR,   /* the lower 8 bytes of xmm register .number */
	TRACE_KEEP_STACK,    /* the word .number bytes above rsp */
	TRACE_KEEP_DEPTH,    /* how many calls the thread is in of which this is kept */
};

#define TRACE_CALL_TIME 0 /* in ep_call.words */
#define TRACE_CALL_KEPT 1
#define TRACE_KEPT_MAX	(EP_CALL_WORDS - TRACE_CALL_KEPT)

struct trace_keep {
	uint8_t kind; /* enum trace_keep_kind */
	uint16_t number;
};

/* An address that is known when it runs only. */
struct trace_link {
	struct trace_link *next;
	const char *symbol; /* NULL: .offset is one in the object's file */
	uint64_t offset;
	uint32_t step; /* whose .number becomes the address */
	size_t column; /* in the list */
};

struct trace_program {
	struct trace_step *steps; /* the last one is ACCEPT */
	uint32_t step_count;
	uint8_t value_count;
	uint8_t recorded; /* numbers: the first values; then come the bulks */
	bool has_filter;
	bool is_plain; /* of a hit; its steps fetch registers, one for each value, in their order */
	bool asks_latency; /* at the hit: trace_run_init() comes first */
	bool may_fault;	   /* the record says which of its values are faulty */
	bool is_timed;	   /* the entry's time is wanted */
	bool asks_program; /* where its code is: trace_run_set_program() comes first */
	bool counts_depth; /* one of what is kept is the depth */
	uint8_t kept_count, bulk_count;
	uint32_t bulk_words; /* of the record, at most */
	struct trace_keep kept[TRACE_KEPT_MAX];
	const struct trace_bulk *bulks;
	struct trace_link *links;
};

/* Words of the record that say which values are faulty, a bit each. */
static inline __attribute__((always_inline)) uint32_t
trace_program_fault_words(const struct trace_program *program)
{
	return program->may_fault ? (program->recorded + 63u) / 64u : 0;
}

/**
 * Can it run? All values, words and registers that it names are there, and every jump ends inside, further on.
 * What the parser makes can.
 * Context:  any.
 */
bool trace_program_is_sound(const struct trace_program *program);

#endif
