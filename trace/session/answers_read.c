/* SPDX-License-Identifier: MIT */
/*
 * The reader may look at any time, and believes nothing: each piece says whose it is, so that what the
 * program has scribbled leads to no more than there is memory. A key whose version changes while it is
 * copied has been given up for another one: then its hits are among those that fell out, when they are next
 * looked at.
 */
#include <string.h>

#include "trace/session/answers.h"
#include "trace/session/walk.h"

#define FORGET_AFTER 2048u /* pieces that the reader has looked at */

/* ---- reading: rows ------------------------------------------------------------------------- */

bool trace_key_next(const uint64_t *key, uint32_t words, uint32_t field, bool is_text, uint32_t *at,
		    struct trace_key_field *ret)
{
	uint64_t word;

	if (!*at)
		*at = 1;
	if (*at >= words)
		return false;
	word = key[(*at)++];
	*ret = (struct trace_key_field){.absent = key[0] >> field & 1};
	if (!is_text || ret->absent) {
		ret->number = word;
		return true;
	}
	ret->cut = word & TRACE_KEY_CUT;
	ret->size = (uint32_t)word;
	ret->text = (const char *)&key[*at];
	*at += (ret->size + 7) / 8;
	return ret->size <= TRACE_KEY_TEXT_MAX && *at <= words;
}

static uint64_t hash_of(const uint64_t *key, uint32_t words)
{
	uint64_t ret = 0;

	for (uint32_t i = 0; i < words; i++) {
		ret = (ret ^ key[i]) * 0xbf58476d1ce4e5b9;
		ret ^= ret >> 32;
	}
	return ret;
}

static bool is_key(const struct trace_question *question, const uint64_t *key, uint32_t words)
{
	struct trace_key_field field;
	uint32_t at = 0;

	if (key[0] >> question->field_count)
		return false;
	for (uint32_t i = 0; i < question->field_count; i++)
		if (!trace_key_next(key, words, i, question->fields[i].form == TRACE_FORM_TEXT, &at,
				    &field))
			return false;
	return at == words;
}

static struct trace_answer_row *find_row(const struct trace_answer_sum *sum, uint64_t hash,
					 const uint64_t *key, uint32_t words)
{
	struct trace_answer_row *row = sum->rows[hash % TRACE_ANSWER_ROW_LISTS];

	while (row && (row->hash != hash || row->words != words ||
		       memcmp(row->key, key, 8ul * words) != 0))
		row = row->next;
	return row;
}

static struct trace_answer_row *add_row(struct trace_answer_sum *sum, uint64_t hash,
					const uint64_t *key, uint32_t words,
					struct trace_arena *arena)
{
	struct trace_answer_row *row = trace_arena_alloc(arena, sizeof(*row) + 8ul * words);

	if (!row)
		return NULL;
	row->hash = hash;
	row->words = words;
	memcpy(row->key, key, 8ul * words);
	row->next = sum->rows[hash % TRACE_ANSWER_ROW_LISTS];
	sum->rows[hash % TRACE_ANSWER_ROW_LISTS] = row;
	sum->row_count++;
	return row;
}

static bool add_to_rows(struct trace_answer_sum *sum, const uint64_t *key, uint32_t words,
			const uint64_t *tally, struct trace_arena *arena)
{
	struct trace_answer_row *row = NULL;
	uint64_t hash = hash_of(key, words), hits = tally[0] & TRACE_TALLY_HITS;

	if (!sum->rows)
		sum->rows = trace_arena_alloc(arena, TRACE_ANSWER_ROW_LISTS *
							     sizeof(struct trace_answer_row *));
	if (sum->rows)
		row = find_row(sum, hash, key, words);
	if (sum->rows && !row)
		row = add_row(sum, hash, key, words, arena);
	sum->hits += hits;
	sum->sum += tally[1];
	if (row) {
		row->hits += hits;
		row->sum += tally[1];
		return true;
	}
	sum->fallen += hits;
	sum->fallen_sum += tally[1];
	sum->fallen_keys++;
	return false;
}

/* ---- reading: what a thread has ------------------------------------------------------------ */

struct reader {
	const struct trace_session *session;
	const struct trace_questions *questions;
	struct trace_arena *arena;
	struct trace_answer_sum *sums;
	uint64_t process; /* index of its entry */
	uint64_t heap;	  /* where that of the table begins */
	uint32_t pieces;  /* that were looked at */
	bool incomplete;
};

/* What is looked at becomes the reader's memory, and the program says where to look. */
static void looked_at(struct reader *reader)
{
	const struct trace_layout *layout = &reader->session->layout;

	if (++reader->pieces % FORGET_AFTER == 0)
		trace_session_forget(reader->session,
				     (char *)reader->session->shared + layout->heap,
				     layout->heap_max * layout->heap_size);
}

/* In the same heap as the table. */
static const void *read_at(struct reader *reader, uint32_t place, uint64_t size)
{
	uint64_t within = TRACE_MEMORY_UNIT * place, heap_size = reader->session->layout.heap_size;

	if (!place || within > heap_size || size > heap_size - within)
		return NULL;
	looked_at(reader);
	return trace_session_at(reader->session, reader->heap + within, size);
}

static void copy(uint64_t *to, const uint64_t *from, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* Its words; 0: they cannot be had, or were given up for another meanwhile. */
static uint32_t copy_key(struct reader *reader, const struct trace_top_key *from, uint64_t *ret,
			 uint64_t *ret_tally)
{
	uint64_t again;
	uint32_t words = __atomic_load_n(&from->words, __ATOMIC_RELAXED);
	const uint64_t *key = from->key;

	copy(ret_tally, from->tally, 2);
	if (trace_tally_is_written(ret_tally[0]) || !(ret_tally[0] & TRACE_TALLY_HITS) || !words ||
	    words > TRACE_KEY_WORDS_MAX)
		return 0;
	if (words > sizeof(from->key) / 8)
		key = read_at(reader, __atomic_load_n(&from->place, __ATOMIC_RELAXED), 8ul * words);
	if (!key)
		return 0;
	copy(ret, key, words);
	again = __atomic_load_n(&from->tally[0], __ATOMIC_ACQUIRE);
	return (again ^ ret_tally[0]) & ~TRACE_TALLY_HITS ? 0 : words;
}

static void read_set(struct reader *reader, uint32_t question, const struct trace_top_set *set)
{
	for (uint32_t i = 0; i < TRACE_TOP_WAYS; i++) {
		uint64_t key[TRACE_KEY_WORDS_MAX], tally[2];
		uint32_t words = copy_key(reader, &set->keys[i], key, tally);

		if (words && is_key(&reader->questions->list[question], key, words) &&
		    !add_to_rows(&reader->sums[question], key, words, tally, reader->arena))
			reader->incomplete = true;
	}
}

static uint64_t load(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static void read_top(struct reader *reader, uint32_t question, uint32_t place)
{
	struct trace_answer_sum *sum = &reader->sums[question];
	const struct trace_answer_top *top = read_at(reader, place, sizeof(*top));

	if (!top)
		return;
	sum->fallen += load(&top->head.fallen);
	sum->hits += load(&top->head.fallen);
	sum->fallen_sum += load(&top->head.fallen_sum);
	sum->sum += load(&top->head.fallen_sum);
	sum->fallen_keys += load(&top->head.fallen_keys);
	for (uint32_t i = 0; i < TRACE_TOP_SETS; i++) {
		uint32_t at = __atomic_load_n(&top->sets[i], __ATOMIC_RELAXED);
		const struct trace_top_set *set = read_at(reader, at, sizeof(*set));

		if (set && set->top == place && set->index == i)
			read_set(reader, question, set);
	}
}

static void read_histogram(struct reader *reader, uint32_t question, uint32_t place)
{
	struct trace_answer_sum *sum = &reader->sums[question];
	uint32_t count = trace_question_buckets(&reader->questions->list[question]);
	const struct trace_answer_histogram *histogram =
		read_at(reader, place, sizeof(*histogram) + 8ul * count);

	if (!histogram)
		return;
	if (!sum->buckets)
		sum->buckets = trace_arena_alloc(reader->arena, 8ul * count);
	if (!sum->buckets) {
		reader->incomplete = true;
		return;
	}
	sum->sum += load(&histogram->head.sum);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hits = load(&histogram->buckets[i]);

		sum->buckets[i] += hits;
		sum->hits += hits;
	}
}

static void read_table(struct reader *reader, uint64_t at, const struct trace_answer_table *table)
{
	uint32_t own = (uint32_t)((at - reader->heap) / TRACE_MEMORY_UNIT);

	for (uint32_t i = 0; i < reader->questions->count; i++) {
		uint32_t place = __atomic_load_n(&table->answers[i], __ATOMIC_RELAXED);
		const struct trace_answer_head *head = read_at(reader, place, sizeof(*head));

		if (!head || head->table != own || head->index != i)
			continue;
		if (reader->questions->list[i].kind == TRACE_QUESTION_TOP)
			read_top(reader, i, place);
		else
			read_histogram(reader, i, place);
	}
}

static const struct trace_answer_table *table_at(const struct trace_session *session, uint64_t at)
{
	return at && at % TRACE_MEMORY_UNIT == 0
		       ? trace_session_at(session, at, sizeof(struct trace_answer_table))
		       : NULL;
}

int trace_answer_read(const struct trace_session *session, uint64_t process,
		      const struct trace_questions *questions, struct trace_arena *arena,
		      struct trace_answer_sum *ret)
{
	struct reader reader = {.session = session,
				.questions = questions,
				.arena = arena,
				.sums = ret,
				.process = process};
	const struct trace_process *entry = trace_session_process(session, process);
	uint64_t at = entry ? atomic_load(&entry->answers.first) : 0;
	const struct trace_answer_table *table = table_at(session, at);
	struct trace_walk walk = {0};

	/* One that is another's is not looked at twice: no list leads into those of all others. */
	while (table && table->owned.process == process && !trace_walk_is_ring(&walk, at)) {
		uint64_t next = __atomic_load_n(&table->owned.next, __ATOMIC_RELAXED);

		reader.heap = at / session->layout.heap_size * session->layout.heap_size;
		read_table(&reader, at, table);
		looked_at(&reader);
		at = next;
		table = table_at(session, at);
	}
	return reader.incomplete ? -EP_NO_MEMORY : 0;
}
