/* SPDX-License-Identifier: MIT */
/*
 * A thread's answers are found by its table and the question's index. All is in the process's heap:
 *
 *	process.answers -> table -> answer -> histogram
 *	                     |         +----> top -> set -> 7 keys
 *	                     v
 *	                   table -> ...
 *
 * A top is bounded: a key can be in the one set that its hash says. Where that is full, the new key takes
 * the place of the one with the fewest hits, and what that had counts for the new one too when it is asked
 * again who has the fewest: so whoever has more than 1/7 of the hits of a set stays in it at the end,
 * however many others come and go (the SpaceSaving algorithm, for each set). What is reported of a key are
 * only the hits since it came in; all others are in the numbers of what fell out. None is lost.
 *
 * A hit may be interrupted by another one of the same thread, which may give up the very key that is about
 * to be counted. So hits, their sum and a version of the key change at once: one instruction, without a
 * lock, since nobody else writes. A key that is being written has an odd version, and is nobody's.
 */
#include "trace/session/answers.h"

#define TRIES 8u /* of a hit that is interrupted by others again and again */

_Static_assert(sizeof(struct trace_answer_table) % 8 == 0 && sizeof(struct trace_answer_head) == 64,
	       "the head is a cache line");
_Static_assert(sizeof(struct trace_top_key) == 64 && sizeof(struct trace_top_set) == 512,
	       "a key is a cache line, and no memory is wasted");
_Static_assert(TRACE_POWERS == 2 * 64 + 1 && TRACE_POWER_NEGATIVE == 65, "a bucket for each power");

/* ---- a thread's table ---------------------------------------------------------------------- */

EP_TRAP_PATH struct trace_answer_table *trace_answer_take(const struct trace_memory *memory)
{
	struct trace_process *process = trace_memory_process(memory);

	return process ? trace_memory_take(memory, &process->answers,
					   sizeof(struct trace_answer_table))
		       : NULL;
}

EP_TRAP_PATH void trace_answer_clear(struct trace_process *process)
{
	process->answers = (struct trace_owners){.first = 0};
}

EP_TRAP_PATH static void lose(const struct trace_memory *memory)
{
	atomic_fetch_add(&memory->session.shared->lost_answers, 1);
}

EP_TRAP_PATH __attribute__((noinline)) static void *make_answer(const struct trace_memory *memory,
								struct trace_answer_table *table,
								uint32_t index, uint32_t size)
{
	struct trace_answer_head *ret = trace_memory_get(memory, &table->answers[index], size);

	if (!ret)
		return NULL;
	ret->table = (uint32_t)(((char *)table - memory->heap) / (long)TRACE_MEMORY_UNIT);
	ret->index = index;
	return ret;
}

EP_TRAP_PATH static inline void *answer_of(const struct trace_memory *memory,
					   struct trace_answer_table *table, uint32_t index,
					   uint32_t size)
{
	void *ret = trace_memory_at(memory, table->answers[index], size);

	return ret ? ret : make_answer(memory, table, index, size);
}

/* ---- histograms ---------------------------------------------------------------------------- */

EP_TRAP_PATH void trace_answer_histogram_make(const struct trace_memory *memory,
					      struct trace_answer_table *table,
					      const struct trace_answer *answer, uint64_t value)
{
	struct trace_answer_histogram *histogram =
		make_answer(memory, table, answer->index, trace_answer_histogram_size(answer));

	if (histogram)
		trace_answer_bucket_add(histogram, answer, value);
	else
		lose(memory);
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* The words of a key, one after the other: they are nowhere put together. */
struct words {
	const struct trace_field_value *values;
	const uint8_t *fields;
	uint32_t left;	      /* fields */
	uint32_t texts;	      /* bits: which of them are */
	const uint8_t *bytes; /* of a text that has begun */
	uint32_t rest;	      /* of these */
};

/* As the first word. */
EP_TRAP_PATH static inline uint64_t words_begin(struct words *words,
						const struct trace_answer *answer,
						const struct trace_field_value *values)
{
	uint64_t absent = 0;

	*words =
		(struct words){values, answer->fields, answer->field_count, answer->texts, NULL, 0};
	for (uint32_t i = 0; i < answer->field_count && i < TRACE_QUESTION_KEYS_MAX; i++)
		absent |= (uint64_t)values[answer->fields[i]].absent << i;
	return absent;
}

typedef uint64_t __attribute__((aligned(1), may_alias)) unaligned;

/* Eight bytes of a text, or what is left. */
EP_TRAP_PATH static uint64_t next_of_text(struct words *words)
{
	const uint8_t *from = words->bytes;
	uint64_t ret = 0;

	if (words->rest >= 8) {
		words->bytes += 8;
		words->rest -= 8;
		return *(const unaligned *)from;
	}
	for (uint32_t i = 0; i < words->rest; i++)
		ret |= (uint64_t)from[i] << 8 * i;
	words->rest = 0;
	return ret;
}

EP_TRAP_PATH static uint64_t begin_text(struct words *words, const struct trace_field_value *value)
{
	uint32_t size = value->size < TRACE_KEY_TEXT_MAX ? value->size : TRACE_KEY_TEXT_MAX;

	if (!value->bytes)
		return 0;
	words->bytes = value->bytes;
	words->rest = size;
	return size | (value->cut || value->size > size ? TRACE_KEY_CUT : 0);
}

EP_TRAP_PATH static inline bool words_next(struct words *words, uint64_t *ret)
{
	const struct trace_field_value *value;

	if (words->rest) {
		*ret = next_of_text(words);
		return true;
	}
	if (!words->left)
		return false;
	words->left--;
	value = &words->values[*words->fields++];
	if (value->absent)
		*ret = 0;
	else
		*ret = words->texts & 1 ? begin_text(words, value) : value->number;
	words->texts >>= 1;
	return true;
}

EP_TRAP_PATH static inline uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xbf58476d1ce4e5b9;
	return hash ^ hash >> 32;
}

/* Never 0; *ret_count: words. */
EP_TRAP_PATH static inline uint64_t hash_of(const struct trace_answer *answer,
					    const struct trace_field_value *values,
					    uint32_t *ret_count)
{
	struct words words;
	uint64_t ret = mix(0, words_begin(&words, answer, values)), word;

	*ret_count = 1;
	while (words_next(&words, &word)) {
		ret = mix(ret, word);
		++*ret_count;
	}
	return ret | 1;
}

EP_TRAP_PATH static inline bool equals(const uint64_t *key, const struct trace_answer *answer,
				       const struct trace_field_value *values)
{
	struct words words;
	uint64_t word = words_begin(&words, answer, values);

	do
		if (*key++ != word)
			return false;
	while (words_next(&words, &word));
	return true;
}

EP_TRAP_PATH static void store(uint64_t *key, const struct trace_answer *answer,
			       const struct trace_field_value *values)
{
	struct words words;
	uint64_t word = words_begin(&words, answer, values);

	do
		__atomic_store_n(key++, word, __ATOMIC_RELAXED);
	while (words_next(&words, &word));
}

/* Where a key of @words is; NULL: nowhere. */
EP_TRAP_PATH static inline uint64_t *key_at(const struct trace_memory *memory,
					    struct trace_top_key *key, uint32_t words)
{
	if (words <= sizeof(key->key) / 8)
		return key->key;
	if (words > key->room)
		return NULL;
	return trace_memory_at(memory, key->place, 8ul * key->room);
}

/* ---- tops ---------------------------------------------------------------------------------- */

/* A hit on its way into a top. */
struct hit {
	const struct trace_memory *memory;
	struct trace_answer_top *top;
	const struct trace_answer *answer;
	const struct trace_field_value *values;
	uint64_t number; /* to be added to the sum */
	uint64_t hash;
	uint32_t words; /* of the key */
};

enum outcome {
	COUNTED,
	AGAIN, /* another hit has come in between */
	NO_SUCH_KEY,
	NO_MEMORY,
};

/* All at once, as far as this thread is concerned. @old is what stands there afterwards, if it fails. */
EP_TRAP_PATH static inline bool exchange(uint64_t *tally, uint64_t *old, uint64_t first,
					 uint64_t second)
{
	bool ret;

	__asm__ volatile("cmpxchg16b %1"
			 : "=@ccz"(ret), "+m"(*(unsigned __int128 *)(void *)tally), "+a"(old[0]),
			   "+d"(old[1])
			 : "b"(first), "c"(second)
			 : "memory");
	return ret;
}

/* If it is that key. */
EP_TRAP_PATH static inline enum outcome count_in(const struct hit *hit, struct trace_top_key *key)
{
	uint64_t old[2] = {__atomic_load_n(&key->tally[0], __ATOMIC_RELAXED),
			   __atomic_load_n(&key->tally[1], __ATOMIC_RELAXED)};
	const uint64_t *words;

	if (trace_tally_is_written(old[0]) || key->words != hit->words)
		return NO_SUCH_KEY;
	words = key_at(hit->memory, key, hit->words);
	if (!words || !equals(words, hit->answer, hit->values))
		return NO_SUCH_KEY;
	return exchange(key->tally, old, old[0] + 1, old[1] + hit->number) ? COUNTED : AGAIN;
}

EP_TRAP_PATH static inline enum outcome count(const struct hit *hit, struct trace_top_set *set)
{
	for (uint32_t i = 0; i < TRACE_TOP_WAYS; i++) {
		enum outcome outcome;

		if (set->hashes[i] != hit->hash)
			continue;
		outcome = count_in(hit, &set->keys[i]);
		if (outcome != NO_SUCH_KEY)
			return outcome;
	}
	return NO_SUCH_KEY;
}

/* Who has the fewest hits; TRACE_TOP_WAYS: all of them are being written. */
EP_TRAP_PATH static uint32_t find_least(const struct trace_top_set *set)
{
	uint32_t ret = TRACE_TOP_WAYS;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < TRACE_TOP_WAYS; i++) {
		const struct trace_top_key *key = &set->keys[i];
		uint64_t tally = __atomic_load_n(&key->tally[0], __ATOMIC_RELAXED);

		if (trace_tally_is_written(tally) ||
		    (tally & TRACE_TALLY_HITS) + key->before >= least)
			continue;
		least = (tally & TRACE_TALLY_HITS) + key->before;
		ret = i;
	}
	return ret;
}

EP_TRAP_PATH static void note_fallen(const struct hit *hit, uint64_t hits, uint64_t sum)
{
	if (!hits)
		return;
	TRACE_ADD(hit->top->head.fallen, hits);
	TRACE_ADD(hit->top->head.fallen_sum, sum);
	TRACE_ADD(hit->top->head.fallen_keys, 1);
}

/* Twice as much each time: what is given up is no more than what is used. */
EP_TRAP_PATH static bool make_key_room(const struct hit *hit, struct trace_top_key *key)
{
	uint32_t room = 8, place;

	if (key_at(hit->memory, key, hit->words))
		return true;
	while (room < hit->words)
		room *= 2;
	place = trace_memory_make(hit->memory, 8ul * room);
	if (!place)
		return false;
	key->place = place;
	key->room = (uint16_t)room;
	return key_at(hit->memory, key, hit->words);
}

/* From here on it is nobody's, until its version is even again. */
EP_TRAP_PATH static enum outcome replace(const struct hit *hit, struct trace_top_set *set,
					 uint32_t way)
{
	struct trace_top_key *key = &set->keys[way];
	uint64_t old[2] = {__atomic_load_n(&key->tally[0], __ATOMIC_RELAXED),
			   __atomic_load_n(&key->tally[1], __ATOMIC_RELAXED)};
	uint64_t version = old[0] & ~TRACE_TALLY_HITS;
	bool has_room;

	if (trace_tally_is_written(version) ||
	    !exchange(key->tally, old, version + TRACE_TALLY_VERSION, 0))
		return AGAIN;
	__atomic_store_n(&set->hashes[way], 0, __ATOMIC_RELAXED);
	note_fallen(hit, old[0] & TRACE_TALLY_HITS, old[1]);
	key->before += old[0] & TRACE_TALLY_HITS;
	has_room = make_key_room(hit, key);
	if (has_room) {
		key->words = (uint16_t)hit->words;
		store(key_at(hit->memory, key, hit->words), hit->answer, hit->values);
		__atomic_store_n(&set->hashes[way], hit->hash, __ATOMIC_RELAXED);
		__atomic_store_n(&key->tally[1], hit->number, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&key->tally[0], version + 2 * TRACE_TALLY_VERSION + has_room,
			 __ATOMIC_RELEASE);
	return has_room ? COUNTED : NO_MEMORY;
}

EP_TRAP_PATH __attribute__((noinline)) static enum outcome add_key(const struct hit *hit,
								   struct trace_top_set *set)
{
	uint32_t way = find_least(set);

	return way < TRACE_TOP_WAYS ? replace(hit, set, way) : AGAIN;
}

EP_TRAP_PATH __attribute__((noinline)) static struct trace_top_set *make_set(const struct hit *hit,
									     uint32_t index)
{
	struct trace_top_set *ret =
		trace_memory_get(hit->memory, &hit->top->sets[index], sizeof(*ret));

	if (!ret)
		return NULL;
	ret->top = (uint32_t)(((char *)hit->top - hit->memory->heap) / (long)TRACE_MEMORY_UNIT);
	ret->index = index;
	return ret;
}

EP_TRAP_PATH static inline struct trace_top_set *set_of(const struct hit *hit)
{
	uint32_t index = (uint32_t)(hit->hash >> 32) % TRACE_TOP_SETS;
	struct trace_top_set *ret =
		trace_memory_at(hit->memory, hit->top->sets[index], sizeof(*ret));

	return ret ? ret : make_set(hit, index);
}

EP_TRAP_PATH static void put_in(const struct hit *hit)
{
	struct trace_top_set *set = set_of(hit);
	enum outcome outcome = set ? AGAIN : NO_MEMORY;

	for (uint32_t i = 0; outcome == AGAIN && i < TRIES; i++) {
		outcome = count(hit, set);
		if (outcome == NO_SUCH_KEY)
			outcome = add_key(hit, set);
	}
	if (outcome == AGAIN)
		note_fallen(hit, 1, hit->number);
	else if (outcome == NO_MEMORY)
		lose(hit->memory);
}

EP_TRAP_PATH void trace_answer_top_add(const struct trace_memory *memory,
				       struct trace_answer_table *table,
				       const struct trace_answer *answer,
				       const struct trace_field_value *values, uint64_t number)
{
	struct hit hit = {
		.memory = memory,
		.top = answer_of(memory, table, answer->index, sizeof(struct trace_answer_top)),
		.answer = answer,
		.values = values,
		.number = number};

	if (__builtin_expect(!hit.top, 0)) {
		lose(memory);
		return;
	}
	hit.hash = hash_of(answer, values, &hit.words);
	put_in(&hit);
}
