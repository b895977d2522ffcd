/* SPDX-License-Identifier: MIT */
/* Answers of threads: every hit is in one, no key that comes often gets lost, and all is distrusted. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "trace/session/answers.h"

TestSuite(trace_answers, .timeout = 400);

#define HEAP_SIZE (64ul << 20)
#define THREADS	  4
#define HITS	  100000

static const struct trace_shape shape = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = HEAP_SIZE, .heap_max = 2};
static struct trace_session session;
static struct trace_memory memory;
static struct trace_arena arena, sum_arena;
static struct trace_questions questions;
static struct trace_answer answers[TRACE_QUESTIONS_MAX];
static struct trace_answer_sum sums[TRACE_QUESTIONS_MAX];
static struct trace_arg args[] = {
	{.name = "size", .type = {TRACE_UNSIGNED, 8, 0, 0, 0, 0}},
	{.name = "result", .type = {TRACE_SIGNED, 8, 0, 0, 0, 0}},
	{.name = "flags", .type = {TRACE_HEX, 4, 0, 0, 0, 0}},
};

static void ask(const char *text)
{
	const struct trace_definition definition = {.event = "m", .args = args, .arg_count = 3};
	const struct trace_definitions definitions = {(struct trace_definition *)&definition, 1};
	struct trace_answers *list;
	struct ep_error_at error = {0};

	cr_assert_eq(trace_questions_parse(text, &arena, &questions, &error), 0, "%s",
		     error.message);
	cr_assert_eq(trace_questions_resolve(&questions, &definitions, &arena, &list, &error), 0,
		     "%s", error.message);
	cr_assert_eq(list[0].count, questions.count);
	memcpy(answers, list[0].list, questions.count * sizeof(answers[0]));
}

static void setup(void)
{
	int fd;

	cr_assert_eq(trace_session_create(&shape, "", 0, &fd, &session), 0);
	close(fd);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	trace_memory_init(&memory, &session, 0);
}

static struct trace_process *entry(void)
{
	return trace_session_process(&session, 0);
}

static const struct trace_answer_sum *read_sum(uint32_t question)
{
	memset(sums, 0, sizeof(sums));
	cr_assert_eq(trace_answer_read(&session, 0, &questions, &sum_arena, sums), 0);
	return &sums[question];
}

static uint64_t random_state = 88172645463325252;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Values of any size, and those at the edges of buckets. */
static uint64_t next_value(void)
{
	uint64_t random = next_random();

	return random % 4 ? next_random() >> random % 64
			  : (1ull << random / 4 % 64) + random / 256 % 3 - 1;
}

/* The last one is a text, whatever its type. */
static void make_text(uint32_t question, uint32_t field)
{
	questions.list[question].fields[field].form = TRACE_FORM_TEXT;
	answers[question].texts |= (uint8_t)(1u << field);
}

static void add_value(struct trace_answer_table *table, uint32_t question, uint64_t value)
{
	const struct trace_field_value values[3] = {{.number = value}, {.number = value}, {0}};

	if (answers[question].kind == TRACE_QUESTION_TOP)
		trace_answer_top_add(&memory, table, &answers[question], values, value);
	else
		trace_answer_histogram_add(&memory, table, &answers[question], value);
}

/* ---- histograms ---------------------------------------------------------------------------- */

static bool is_in_power(uint32_t bucket, uint64_t value, bool is_signed)
{
	if (is_signed && (int64_t)value < 0)
		return bucket >= TRACE_POWER_NEGATIVE &&
		       -value >> (bucket - TRACE_POWER_NEGATIVE) == 1;
	if (value == 0)
		return bucket == 0;
	return bucket > 0 && bucket < TRACE_POWER_NEGATIVE && value >> (bucket - 1) == 1;
}

static uint32_t only_bucket(const struct trace_answer_sum *sum)
{
	uint32_t ret = TRACE_POWERS;

	for (uint32_t i = 0; i < TRACE_POWERS; i++)
		if (sum->buckets[i] == 1)
			ret = i;
	return ret;
}

Test(trace_answers, of_powers_are_in_the_bucket_of_their_power, .init = setup)
{
	ask("hist m:size\nhist m:result");
	for (int i = 0; i < 4000; i++) {
		uint64_t value = next_value();
		struct trace_answer_table *table;

		trace_answer_clear(entry());
		table = trace_answer_take(&memory);
		add_value(table, 0, value);
		add_value(table, 1, value);
		for (uint32_t k = 0; k < 2; k++)
			cr_assert(is_in_power(only_bucket(read_sum(k)), value, k), "%lx",
				  (unsigned long)value);
		cr_assert_eq(sums[0].hits, 1);
		cr_assert_eq(sums[1].sum, value);
	}
}

static const struct linear {
	const char *text;
	int64_t low, high, step;
} linear[] = {
	{"hist m:size,0,100,10", 0, 100, 10},
	{"hist m:size,7,1007,1", 7, 1007, 1},
	{"hist m:result,-50,50,5", -50, 50, 5},
	{"hist m:result,-9223372036854775807,9223372036854775801,18446744073709551608", 0, 0, 0},
	{"hist m:result,-9000000000000000000,9000000000000000000,18000000000000000",
	 -9000000000000000000, 9000000000000000000, 18000000000000000},
	{"hist m:size,0,9000000000000000000,9000000000000000", 0, 9000000000000000000,
	 9000000000000000},
};

/* By a division. */
static uint64_t expected_step(const struct linear *of, uint64_t value, bool is_signed)
{
	uint64_t within = value - (uint64_t)of->low, step = (uint64_t)of->step;
	uint64_t span = (uint64_t)of->high - (uint64_t)of->low;

	if (is_signed ? (int64_t)value < of->low : value < (uint64_t)of->low)
		return 0;
	return within >= span ? span / step + 1 : 1 + within / step;
}

static void check_linear(const struct linear *of)
{
	uint64_t expected[TRACE_QUESTION_LINEAR_MAX + 2] = {0};
	uint64_t span = (uint64_t)of->high - (uint64_t)of->low;
	struct trace_answer_table *table;

	ask(of->text);
	trace_answer_clear(entry());
	table = trace_answer_take(&memory);
	for (int i = 0; i < HITS; i++) {
		uint64_t value = (uint64_t)of->low + next_random() % span + next_random() % 3 - 1;

		if (i % 2)
			value = next_value();
		if (i % 3 == 0) /* an edge */
			value = (uint64_t)of->low + value % 1000 * (uint64_t)of->step - i % 2;
		expected[expected_step(of, value, answers[0].is_signed)]++;
		add_value(table, 0, value);
	}
	cr_expect_eq(read_sum(0)->hits, HITS);
	cr_expect_arr_eq(sums[0].buckets, expected, 8 * (answers[0].buckets), "%s", of->text);
}

Test(trace_answers, of_steps_are_where_a_division_says, .init = setup)
{
	for (size_t i = 0; i < sizeof(linear) / sizeof(linear[0]); i++) {
		if (linear[i].step)
			check_linear(&linear[i]);
		else
			cr_expect_eq(
				trace_questions_parse(linear[i].text, &arena, &questions, NULL),
				-EP_SYNTAX, "%s", linear[i].text);
	}
}

/* ---- tops ---------------------------------------------------------------------------------- */

static const struct trace_answer_row *find_row(const struct trace_answer_sum *sum,
					       const uint64_t *key, uint32_t words)
{
	for (uint32_t i = 0; sum->rows && i < 4096; i++)
		for (const struct trace_answer_row *row = sum->rows[i]; row; row = row->next)
			if (row->words == words && memcmp(row->key, key, 8ul * words) == 0)
				return row;
	return NULL;
}

static uint64_t hits_of_number(const struct trace_answer_sum *sum, uint64_t number)
{
	const uint64_t key[2] = {0, number};
	const struct trace_answer_row *row = find_row(sum, key, 2);

	return row ? row->hits : 0;
}

Test(trace_answers, of_keys_are_exact_where_there_is_room, .init = setup)
{
	struct trace_answer_table *table = trace_answer_take(&memory);
	uint64_t hits[300] = {0};

	ask("top m:size:result");
	for (int i = 0; i < HITS; i++) {
		uint64_t key = next_random() % 300;

		hits[key]++;
		add_value(table, 0, key);
	}
	cr_expect_eq(read_sum(0)->hits, HITS);
	cr_expect_eq(sums[0].fallen, 0);
	cr_expect_eq(sums[0].row_count, 300);
	for (uint64_t i = 0; i < 300; i++) {
		const uint64_t key[2] = {0, i};
		const struct trace_answer_row *row = find_row(&sums[0], key, 2);

		cr_assert(row);
		cr_assert_eq(row->hits, hits[i]);
		cr_assert_eq(row->sum, hits[i] * i);
	}
}

/* Of every length, cut or not; what differs in the last byte only is another one. */
Test(trace_answers, have_texts_as_keys, .init = setup)
{
	struct trace_answer_table *table = trace_answer_take(&memory);
	char text[300];
	struct trace_field_value values[3] = {
		{.number = 7}, {.bytes = text}, {.number = 9, .absent = true}};

	ask("top m:size,result,flags");
	make_text(0, 1);
	for (uint32_t size = 0; size < sizeof(text); size++)
		for (int twice = 0; twice < 2 * (size ? 2 : 1); twice++) {
			memset(text, 'a', sizeof(text));
			if (size)
				text[size - 1] = (char)('a' + twice / 2);
			values[1].size = size;
			trace_answer_top_add(&memory, table, &answers[0], values, 1);
		}
	cr_expect_eq(read_sum(0)->hits, 2 + 4 * 299);
	/* Up to 256 bytes, two of each; behind that it is cut, and the same. */
	cr_expect_eq(sums[0].row_count, 1 + 2 * 256 + 1);
	for (uint32_t i = 0; i < 4096; i++)
		for (const struct trace_answer_row *row = sums[0].rows[i]; row; row = row->next) {
			struct trace_key_field field;
			uint32_t at = 0;

			cr_assert(trace_key_next(row->key, row->words, 0, false, &at, &field));
			cr_assert_eq(field.number, 7);
			cr_assert(trace_key_next(row->key, row->words, 1, true, &at, &field));
			cr_assert_eq(row->hits, field.cut ? 43 * 4 : 2);
			cr_assert(field.size <= 256 && (!field.size || field.text[0] >= 'a'));
			cr_assert(trace_key_next(row->key, row->words, 2, false, &at, &field));
			cr_assert(field.absent);
			cr_assert_eq(at, row->words);
		}
}

/* Ten keys that come often, from the middle on, and 300,000 that come once. */
Test(trace_answers, that_come_often_do_not_fall_out, .init = setup)
{
	struct trace_answer_table *table = trace_answer_take(&memory);
	uint64_t often[10] = {0}, all = 300000;

	ask("top m:size:result");
	for (uint64_t i = 0; i < 300000; i++) {
		add_value(table, 0, 1000000 + i);
		if (i > 100000 && i % 10 == 0) {
			often[i / 10 % 10]++;
			all++;
			add_value(table, 0, i / 10 % 10);
		}
	}
	read_sum(0);
	cr_expect_leq(sums[0].row_count, TRACE_TOP_SETS * TRACE_TOP_WAYS);
	cr_expect_gt(sums[0].fallen, 290000);
	cr_expect_eq(sums[0].hits, all);
	for (uint64_t i = 0; i < 10; i++) {
		cr_expect_geq(hits_of_number(&sums[0], i), often[i] * 9 / 10, "%lu: %lu of %lu",
			      (unsigned long)i, (unsigned long)hits_of_number(&sums[0], i),
			      (unsigned long)often[i]);
		cr_expect_leq(hits_of_number(&sums[0], i), often[i]);
	}
}

/* ---- threads, signals ---------------------------------------------------------------------- */

static _Atomic uint64_t done;

static void *add_for_a_while(void *data)
{
	struct trace_answer_table *table = trace_answer_take(&memory);
	uint64_t state = (uint64_t)data + 1;

	for (int i = 0; i < HITS; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		add_value(table, 0, state >> 40);
		add_value(table, 1, state >> 60);
		add_value(table, 2, state >> 48);
	}
	atomic_fetch_add(&done, 1);
	return NULL;
}

/* Each at its own pace, and read meanwhile. */
Test(trace_answers, of_threads_are_all_there, .init = setup)
{
	pthread_t threads[THREADS];

	ask("hist m:size\ntop m:size:result\ntop m:size");
	for (uint64_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, add_for_a_while, (void *)i), 0);
	while (atomic_load(&done) < THREADS)
		cr_assert_leq(read_sum(0)->hits, THREADS * HITS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	read_sum(0);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(sums[i].hits, THREADS * HITS);
	cr_expect_eq(sums[1].row_count, 16);
	cr_expect_eq(sums[1].fallen, 0);
	cr_expect_gt(sums[2].fallen, 0);
}

Test(trace_answers, go_on_where_a_dead_thread_was, .init = setup)
{
	unsigned int tables = 0;

	ask("top m:size\nhist m:size\nhist m:size");
	for (uint64_t i = 0; i < 100; i++) {
		pthread_t thread;

		cr_assert_eq(pthread_create(&thread, NULL, add_for_a_while, (void *)i), 0);
		pthread_join(thread, NULL);
	}
	cr_expect_eq(read_sum(0)->hits, 100 * HITS);
	for (uint64_t at = atomic_load(&entry()->answers.first); at; tables++)
		at = ((struct trace_owned *)trace_session_at(&session, at,
							     sizeof(struct trace_owned)))
			     ->next;
	cr_expect_leq(tables, 8); /* a thread may be joined a moment before the kernel forgets it */
}

#define RIVALS 12 /* for the places of one set */

static struct trace_answer_table *interrupted;
static uint64_t rivals[RIVALS];
static volatile uint64_t by_signals, signal_count;

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xbf58476d1ce4e5b9;
	return hash ^ hash >> 32;
}

static void find_rivals(void)
{
	uint32_t count = 0;

	for (uint64_t i = 1; count < RIVALS; i++)
		if ((uint32_t)(mix(mix(0, 0), i) >> 32) % TRACE_TOP_SETS == 7)
			rivals[count++] = i;
}

static void add_some(int sig)
{
	(void)sig;
	signal_count++;
	for (int i = 0; i < 50; i++) {
		uint64_t value = rivals[next_random() % RIVALS];

		add_value(interrupted, 0, value);
		by_signals += value;
	}
}

/* What was added to another key shows in the sum, until that key falls out. */
static void check_rows(void)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	read_sum(0);
	for (uint32_t i = 0; i < 4096; i++)
		for (const struct trace_answer_row *row = sums[0].rows[i]; row; row = row->next)
			cr_assert_eq(row->sum, row->hits * row->key[1], "%lu hits of %lu: %lu",
				     (unsigned long)row->hits, (unsigned long)row->key[1],
				     (unsigned long)row->sum);
	trace_arena_deinit(&sum_arena);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Keys fall out all the time, and those that are about to be counted, too. */
Test(trace_answers, are_exact_where_signals_interrupt, .init = setup)
{
	const struct itimerspec often = {{0, 20000}, {0, 20000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	const struct sigaction action = {.sa_handler = add_some};
	uint64_t sum = 0;
	timer_t timer;

	find_rivals();
	ask("top m:size:result");
	interrupted = trace_answer_take(&memory);
	sigaction(SIGUSR1, &action, NULL);
	cr_assert_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	cr_assert_eq(timer_settime(timer, 0, &often, NULL), 0);
	for (uint64_t seen = 0; seen < 10000; seen = signal_count) {
		for (int i = 0; seen == signal_count; i++) {
			uint64_t value = rivals[i / 4 % RIVALS];

			sum += value;
			add_value(interrupted, 0, value);
		}
		check_rows();
	}
	timer_delete(timer);
	read_sum(0);
	cr_expect_eq(sums[0].sum, sum + by_signals);
	cr_expect_gt(sums[0].fallen, 1000);
	cr_expect_eq(atomic_load(&session.shared->lost_answers), 0);
}

/* ---- no memory, nonsense ------------------------------------------------------------------- */

Test(trace_answers, that_find_no_memory_are_counted, .init = setup)
{
	struct trace_answer_table *table = trace_answer_take(&memory);
	uint64_t in_answers = 0;

	ask("top m:size\nhist m:size");
	for (uint64_t size = 16ul << 20; size >= 64; size /= 2)
		while (trace_session_alloc(&session, size))
			;
	for (uint64_t i = 0; i < 1000; i++) {
		add_value(table, 0, i);
		add_value(table, 1, i);
	}
	in_answers = read_sum(0)->hits + sums[1].hits;
	cr_expect_eq(in_answers + atomic_load(&session.shared->lost_answers), 2000);
	cr_expect_lt(in_answers, 2000);
}

Test(trace_answers, of_a_reader_without_memory_are_said_to_be_missing, .init = setup)
{
	struct trace_answer_table *table = trace_answer_take(&memory);
	struct trace_arena small = {.limit = 256 << 10};
	char text[256] = {0};
	const struct trace_field_value values[2] = {{.bytes = text, .size = 256}, {0}};

	ask("top m:size");
	make_text(0, 0);
	for (uint32_t i = 0; i < 2000; i++) {
		memcpy(text, &i, sizeof(i));
		trace_answer_top_add(&memory, table, &answers[0], values, 0);
	}
	memset(sums, 0, sizeof(sums));
	cr_expect_eq(trace_answer_read(&session, 0, &questions, &small, sums), -EP_NO_MEMORY);
	cr_expect_eq(sums[0].hits, 2000);
	cr_expect_eq(sums[0].fallen + sums[0].row_count, 2000);
	cr_expect_leq(trace_arena_size(&small), 256 << 10);
	trace_arena_deinit(&small);
}

static uint64_t wrong_word(const uint64_t *near)
{
	switch (next_random() % 6) {
	case 0:
		return next_random();
	case 1:
		return *near ^ 1ull << next_random() % 64;
	case 2:
		return next_random() % 1000;
	case 3:
		return (next_random() % 2000) << 32 | next_random() % 2000;
	case 4:
		return near[next_random() % 64];
	default:
		return next_random() % 2 ? 0 : UINT64_MAX;
	}
}

/* Whatever is written over them: nobody dies, and the reader ends. */
Test(trace_answers, are_distrusted, .init = setup)
{
	struct trace_answer_table *table = trace_answer_take(&memory);
	char text[200] = "abc";
	const struct trace_field_value values[3] = {
		{.number = 5}, {.bytes = text, .size = 200}, {.number = 6}};
	uint64_t *heap = trace_session_at(&session, 0, HEAP_SIZE);

	ask("top m:size,result\nhist m:size\nhist m:result,-10,10,1\ntop m:flags:size");
	make_text(0, 1);
	for (int i = 0; i < 5000; i++) {
		struct trace_arena some = {.limit = 1 << 20};
		uint64_t used = heap[0] / 8, at = 8 + next_random() % (i % 2 ? 512 : used);

		heap[at] = wrong_word(&heap[at > 64 ? at - 32 : at]);
		memcpy(text, &i, i % 2 ? 1 : 4);
		trace_answer_top_add(&memory, table, &answers[0], values, 1);
		trace_answer_histogram_add(&memory, table, &answers[1], (uint64_t)i);
		trace_answer_histogram_add(&memory, table, &answers[2], (uint64_t)i % 30);
		trace_answer_top_add(&memory, table, &answers[3], values, 1);
		if (i % 100 == 0)
			atomic_store(&entry()->answers.first, next_random() % (8 * used) & ~7ull);
		if (i % 64 == 0)
			table = trace_answer_take(&memory);
		if (!table)
			break;
		memset(sums, 0, sizeof(sums));
		trace_answer_read(&session, 0, &questions, &some, sums);
		trace_arena_deinit(&some);
	}
}
