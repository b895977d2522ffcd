/* SPDX-License-Identifier: MIT */
/*
 * What is asked of an event, to be answered by numbers and not by a line for each: the distribution of a
 * field, the keys that come most often.
 */
#ifndef EMUPROBE_TRACE_LANGUAGE_ANSWERS_H
#define EMUPROBE_TRACE_LANGUAGE_ANSWERS_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"

#define TRACE_QUESTIONS_MAX	  64   /* of a session */
#define TRACE_QUESTION_KEYS_MAX	  4    /* fields of a key */
#define TRACE_QUESTION_LINEAR_MAX 1000 /* steps of a linear histogram */
#define TRACE_ANSWER_LINE_MAX	  1024 /* bytes of a question */

/* Of the powers of two: 0, 1, 2 to 3, 4 to 7, ...; then -1, -2 to -3, -4 to -7, ... */
#define TRACE_POWERS	     129u
#define TRACE_POWER_NEGATIVE 65u

enum trace_question_kind {
	TRACE_QUESTION_POWERS, /* a histogram, each bucket a power of two wide */
	TRACE_QUESTION_LINEAR, /* one of steps of the same width */
	TRACE_QUESTION_TOP,    /* a count and a sum for each key */
	TRACE_QUESTION_KINDS
};

/* How a value is to be read, and shown. */
enum trace_form {
	TRACE_FORM_UNSIGNED,
	TRACE_FORM_SIGNED,
	TRACE_FORM_HEX,
	TRACE_FORM_CHAR,
	TRACE_FORM_TEXT,
};

struct trace_question_field {
	const char *name;
	enum trace_form form; /* known behind trace_questions_resolve() */
};

/* As it was asked. */
struct trace_question {
	enum trace_question_kind kind;
	const char *text;  /* of the option */
	const char *event; /* of one definition, or more */
	/* Of a histogram one field; of a top, its keys. */
	struct trace_question_field fields[TRACE_QUESTION_KEYS_MAX];
	uint32_t field_count;
	struct trace_question_field value; /* of a top: what is summed up; no name: nothing */
	int64_t low;			   /* of linear ones: where the first step begins */
	uint64_t step, steps;		   /* how wide they are, and how many */
};

/** How many buckets it has; of linear ones: below, the steps, above. */
static inline uint32_t trace_question_buckets(const struct trace_question *question)
{
	return question->kind == TRACE_QUESTION_LINEAR ? (uint32_t)question->steps + 2
						       : TRACE_POWERS;
}

struct trace_questions {
	struct trace_question *list;
	uint32_t count;
};

#define TRACE_NO_FIELD UINT8_MAX

/* A question of one definition, as a hit needs it: fields are indices of the definition's. */
struct trace_answer {
	uint8_t kind;  /* enum trace_question_kind */
	uint8_t index; /* of the question */
	uint8_t field_count;
	uint8_t fields[TRACE_QUESTION_KEYS_MAX];
	uint8_t value;		/* TRACE_NO_FIELD: none is summed up */
	uint8_t texts;		/* bits: which fields of the key are */
	bool is_signed;		/* of a histogram: its field is */
	uint8_t times;		/* bits: which fields are counts of the session's clock */
	bool value_is_time;	/* likewise */
	uint32_t buckets;	/* of a histogram */
	uint64_t low, span;	/* of all steps */
	uint64_t step, inverse; /* as near as can be to 2^64 / step, and not more */
};

/* All of one definition. */
struct trace_answers {
	const struct trace_answer *list;
	uint32_t count;
};

/**
 * Parse questions, one a line: "hist EVENT:FIELD[,LOW,HIGH,STEP]" or "top EVENT:KEY[,KEY...][:VALUE]".
 * Their texts are what stands behind the first blank. Other lines are passed over.
 *
 * @error    Its column is in the line that is wrong, behind the first blank.
 *
 * @return   0, -EP_SYNTAX with @error filled, or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_questions_parse(const char *text, struct trace_arena *arena, struct trace_questions *ret,
			  struct ep_error_at *error);

/**
 * Find the events and fields that @questions mean. An event is a definition's EVENT; where it has none,
 * its symbol.
 *
 * @ret      One for each definition.
 * @error    The message of the first one that means nothing; its column is the question's index.
 *
 * @return   0, -EP_SYNTAX with @error filled, or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_questions_resolve(struct trace_questions *questions,
			    const struct trace_definitions *definitions, struct trace_arena *arena,
			    struct trace_answers **ret, struct ep_error_at *error);

#endif
