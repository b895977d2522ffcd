/* SPDX-License-Identifier: MIT */
/*
 * Answers to questions (trace/language/answers.h), in the session's heap: a histogram or a table of keys
 * for each thread and question, so that they outlive the program. A thread adds to its own without a
 * lock; a signal handler of the same thread may add in between.
 */
#ifndef EMUPROBE_TRACE_SESSION_ANSWERS_H
#define EMUPROBE_TRACE_SESSION_ANSWERS_H

#include "trace/base/arena.h"
#include "trace/language/answers.h"
#include "trace/session/memory.h"

/* What a text in a key may have; what is longer is cut, and says so. */
#define TRACE_KEY_TEXT_MAX 256u
#define TRACE_KEY_CUT	   (1ull << 32)
/* In words of 8 bytes: which fields are absent; of each field its number, or a length and a text. */
#define TRACE_KEY_WORDS_MAX (1 + TRACE_QUESTION_KEYS_MAX * (1 + TRACE_KEY_TEXT_MAX / 8))

/* ---- the calling thread's ------------------------------------------------------------------- */

/* The value of a field in a hit. */
struct trace_field_value {
	uint64_t number;
	const void *bytes; /* of a text, which is readable */
	uint32_t size;	   /* of these */
	bool absent;
	bool cut; /* it is longer */
};

/* A thread's answers; in units of 64 bytes from the beginning of the process's heap, 0: none yet. */
struct trace_answer_table {
	struct trace_owned owned;
	uint32_t answers[TRACE_QUESTIONS_MAX];
};

/* What each begins with: whose it is, so that nothing is counted twice. */
struct trace_answer_head {
	uint32_t table; /* its place */
	uint32_t index; /* of the question */
	uint64_t sum;	/* of a histogram: of all values */
	/* Of a top: hits, their sum, and how often a key was given up for another. */
	uint64_t fallen, fallen_sum, fallen_keys;
	uint64_t unused[3];
};

struct trace_answer_histogram {
	struct trace_answer_head head;
	uint64_t buckets[]; /* trace_question_buckets() */
};

/* Of a key's tally: its version counts from this bit on. */
#define TRACE_TALLY_VERSION (1ull << 48)
#define TRACE_TALLY_HITS    (TRACE_TALLY_VERSION - 1)

#define TRACE_TOP_WAYS 7u   /* keys of a set */
#define TRACE_TOP_SETS 512u /* 3,584 keys */

struct trace_top_key {
	/* A version, odd while the key is written, << 48 | hits; the sum of values. Both change at once. */
	_Alignas(64) uint64_t tally[2];
	uint64_t before; /* hits that the keys had that were given up for it */
	uint16_t words;	 /* of the key */
	uint16_t room;	 /* of what is at .place, in words */
	uint32_t place;	 /* of the key, where there is no room for it here; 0: none yet */
	uint64_t key[4];
};

struct trace_top_set {
	uint64_t hashes[TRACE_TOP_WAYS]; /* 0: nothing is to be found there */
	uint32_t top, index;		 /* whose set it is: the place of that, and which one */
	struct trace_top_key keys[TRACE_TOP_WAYS];
};

/* The version is odd. */
static inline __attribute__((always_inline)) bool trace_tally_is_written(uint64_t tally)
{
	return tally & TRACE_TALLY_VERSION;
}

struct trace_answer_top {
	struct trace_answer_head head;
	uint32_t sets[TRACE_TOP_SETS];
};

/**
 * Answers for the calling thread: those of a thread that is no more go on, or new ones.
 *
 * @return   NULL: there is no memory.
 * Context:  TRAP_PATH; some system calls.
 */
EP_TRAP_PATH struct trace_answer_table *trace_answer_take(const struct trace_memory *memory);

static inline __attribute__((always_inline)) uint32_t trace_answer_power(uint64_t value,
									 bool is_signed)
{
	if (is_signed && (int64_t)value < 0)
		return TRACE_POWER_NEGATIVE + 63 - (uint32_t)__builtin_clzll(-value);
	return value ? 64 - (uint32_t)__builtin_clzll(value) : 0;
}

/* The division is a multiplication, whose result may be one too small. */
static inline __attribute__((always_inline)) uint32_t
trace_answer_step(const struct trace_answer *answer, uint64_t value)
{
	uint64_t within = value - answer->low, step;

	if (answer->is_signed ? (int64_t)value < (int64_t)answer->low : value < answer->low)
		return 0;
	if (within >= answer->span)
		return answer->buckets - 1;
	step = (uint64_t)((unsigned __int128)within * answer->inverse >> 64);
	return 1 + (uint32_t)step + (within - step * answer->step >= answer->step);
}

static inline __attribute__((always_inline)) uint32_t
trace_answer_histogram_size(const struct trace_answer *answer)
{
	return (uint32_t)sizeof(struct trace_answer_histogram) + 8 * answer->buckets;
}

static inline __attribute__((always_inline)) void
trace_answer_bucket_add(struct trace_answer_histogram *histogram, const struct trace_answer *answer,
			uint64_t value)
{
	uint32_t at = answer->kind == TRACE_QUESTION_LINEAR
			      ? trace_answer_step(answer, value)
			      : trace_answer_power(value, answer->is_signed);

	TRACE_ADD(histogram->buckets[at], 1);
	TRACE_ADD(histogram->head.sum, value);
}

/* The first value of a thread. */
EP_TRAP_PATH void trace_answer_histogram_make(const struct trace_memory *memory,
					      struct trace_answer_table *table,
					      const struct trace_answer *answer, uint64_t value);

/** Count @value. What finds no memory is counted in the session as lost. Context: TRAP_PATH. */
static inline __attribute__((always_inline)) void
trace_answer_histogram_add(const struct trace_memory *memory, struct trace_answer_table *table,
			   const struct trace_answer *answer, uint64_t value)
{
	struct trace_answer_histogram *histogram = trace_memory_at(
		memory, table->answers[answer->index], trace_answer_histogram_size(answer));

	if (__builtin_expect(histogram != NULL, 1))
		trace_answer_bucket_add(histogram, answer, value);
	else
		trace_answer_histogram_make(memory, table, answer, value);
}

/**
 * Count a key, and add to its sum. Of a set that is full, the key with the fewest hits is given up, and
 * is said to have fallen out, with its hits.
 *
 * @values  Of the definition's fields, of which @answer says which make the key.
 * @number  To add to the sum.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_answer_top_add(const struct trace_memory *memory,
				       struct trace_answer_table *table,
				       const struct trace_answer *answer,
				       const struct trace_field_value *values, uint64_t number);

/**
 * Forget all answers of @process, in the child of a fork, whose memory is its own.
 * Context:  TRAP_PATH; trace_answer_take() comes next, in every thread.
 */
EP_TRAP_PATH void trace_answer_clear(struct trace_process *process);

/* ---- all of them ---------------------------------------------------------------------------- */

#define TRACE_ANSWER_ROW_LISTS 4096u

struct trace_answer_row {
	struct trace_answer_row *next;
	uint64_t hits, sum, hash;
	uint32_t words;
	uint64_t key[]; /* as above: it is whole */
};

/* The answer to a question, of any number of threads and processes. Zeroed memory is an empty one. */
struct trace_answer_sum {
	uint64_t hits, sum;
	uint64_t *buckets;		/* of a histogram; NULL: all of them are 0 */
	struct trace_answer_row **rows; /* of a top: lists of them, hashed */
	uint64_t row_count;
	uint64_t fallen, fallen_sum,
		fallen_keys; /* as above; the hits are among those above, too */
};

/**
 * Add what @process has answered so far, believing nothing that stands in the session.
 *
 * @process  Index of its entry.
 * @ret      One for each question.
 *
 * @return   0 or -EP_NO_MEMORY: there is no more in @arena. Keys are left out, and said to have fallen out;
 *           or a histogram is.
 * Context:  any thread.
 */
int trace_answer_read(const struct trace_session *session, uint64_t process,
		      const struct trace_questions *questions, struct trace_arena *arena,
		      struct trace_answer_sum *ret);

/* One field of a row's key. */
struct trace_key_field {
	uint64_t number;
	const char *text; /* NULL: it is a number */
	uint32_t size;	  /* of the text */
	bool absent;
	bool cut;
};

/**
 * The next field of a key.
 *
 * @at    Where it begins, in words; 0: the first one. Set to where it ends.
 * @return   false: it is not whole.
 * Context:  any.
 */
bool trace_key_next(const uint64_t *key, uint32_t words, uint32_t field, bool is_text, uint32_t *at,
		    struct trace_key_field *ret);

#endif
