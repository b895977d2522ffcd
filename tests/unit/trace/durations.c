/* SPDX-License-Identifier: MIT */
/* Histograms of threads and probes: nothing is lost, everything is where it belongs, and distrusted. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/session/durations.h"

TestSuite(trace_durations, .timeout = 400);

#define HEAP_SIZE (8ul << 20)
#define THREADS	  4
#define CALLS	  200000
#define PROBES	  600

static const struct trace_shape shape = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = HEAP_SIZE, .heap_max = 2};
static struct trace_session session;
static struct trace_memory all;
static struct trace_arena arena;
static struct trace_duration_sum *sums[PROBES], *all_sums[TRACE_DURATION_PROBES];

static void setup(void)
{
	int fd;

	cr_assert_eq(trace_session_create(&shape, "", 0, &fd, &session), 0);
	close(fd);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	trace_memory_init(&all, &session, 0);
}

static struct trace_process *entry(void)
{
	return trace_session_process(&session, 0);
}

static void add(struct trace_duration_table *table, uint32_t probe, uint64_t value)
{
	struct trace_duration_entry *found;
	struct trace_histogram *histogram = trace_durations_find(&all, table, probe, &found);

	if (!histogram)
		abort();
	trace_durations_add(&all, histogram, value, value / 2, value % 2);
}

static const struct trace_duration_sum *read_sum(uint32_t probe)
{
	memset(sums, 0, sizeof(sums));
	cr_assert_eq(trace_durations_read(&session, 0, PROBES, &arena, sums), 0);
	return sums[probe];
}

static uint64_t count_buckets(const struct trace_duration_sum *sum)
{
	uint64_t ret = 0;

	for (uint32_t i = 0; i < TRACE_OCTAVES; i++)
		for (uint32_t k = 0; sum->octaves[i] && k < TRACE_OCTAVE_BUCKETS; k++)
			ret += sum->octaves[i][k];
	return ret;
}

static uint64_t random_state = 88172645463325252;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* ---- buckets ------------------------------------------------------------------------------- */

static void check_bucket(uint64_t value)
{
	uint32_t octave = trace_octave_of(value), bucket = trace_bucket_of(value, octave);
	uint64_t low = trace_bucket_low(octave, bucket),
		 high = trace_bucket_low(octave, bucket + 1);

	cr_assert_lt(octave, TRACE_OCTAVES, "%lu", value);
	cr_assert_lt(bucket, TRACE_OCTAVE_BUCKETS, "%lu", value);
	cr_assert(low <= value && value < high, "%lu is not from %lu to %lu", value, low, high);
	cr_assert(high - low == 1 || (high - low) <= low / 16, "%lu to %lu", low, high);
}

Test(trace_durations, a_bucket_is_a_sixteenth_wide_at_the_most)
{
	for (uint64_t i = 0; i < 100000; i++)
		check_bucket(i);
	for (uint32_t bit = 0; bit < 63; bit++) {
		check_bucket(1ul << bit);
		check_bucket((1ul << bit) - 1);
		check_bucket((1ul << bit) + 1);
		for (int i = 0; i < 1000; i++)
			check_bucket(next_random() >> (63 - bit) >> 1);
	}
	check_bucket(TRACE_DURATION_MAX);
	for (uint32_t i = 1; i < TRACE_OCTAVES; i++)
		cr_expect_eq(trace_bucket_low(i, 0), trace_bucket_low(i - 1, TRACE_OCTAVE_BUCKETS));
}

/* ---- adding -------------------------------------------------------------------------------- */

static void expect_value(uint64_t value, uint64_t kept)
{
	const struct trace_duration_sum *sum;

	setup();
	add(trace_durations_take(&all), 0, value);
	sum = read_sum(0);
	cr_expect_eq(sum->count, 1);
	cr_expect_eq(sum->sum, kept);
	cr_expect_eq(sum->longest, kept);
	cr_expect_eq(~sum->shortest_inverted, kept);
	cr_expect_eq(trace_durations_percentile(sum, 500), kept);
}

Test(trace_durations, one_call_is_exact)
{
	expect_value(0, 0);
	expect_value(1, 1);
	expect_value(123456789, 123456789);
	expect_value(TRACE_DURATION_MAX, TRACE_DURATION_MAX);
	expect_value(UINT64_MAX, TRACE_DURATION_MAX);
}

Test(trace_durations, of_probes_are_apart, .init = setup)
{
	struct trace_duration_table *table = trace_durations_take(&all);

	for (uint32_t i = 0; i < PROBES; i += 7)
		for (uint32_t k = 0; k <= i; k++)
			add(table, i, i);
	read_sum(0);
	for (uint32_t i = 0; i < PROBES; i++) {
		if (i % 7) {
			cr_expect_null(sums[i]);
			continue;
		}
		cr_expect_eq(sums[i]->count, i + 1);
		cr_expect_eq(sums[i]->sum, (uint64_t)i * (i + 1));
		cr_expect_eq(sums[i]->nested, i % 2 ? (uint64_t)i * (i + 1) : 0);
		cr_expect_eq(sums[i]->self, (uint64_t)(i / 2) * (i + 1));
	}
}

Test(trace_durations, beyond_the_table_are_not_kept, .init = setup)
{
	struct trace_duration_table *table = trace_durations_take(&all);
	struct trace_duration_entry *found;

	cr_expect_not_null(trace_durations_find(&all, table, TRACE_DURATION_PROBES - 1, &found));
	cr_expect_null(trace_durations_find(&all, table, TRACE_DURATION_PROBES, &found));
	cr_expect_null(trace_durations_find(&all, table, UINT32_MAX, &found));
}

/* ---- threads and their signal handlers ------------------------------------------------------ */

static __thread struct trace_duration_table *own_table;
static __thread volatile uint64_t handled;
static _Atomic uint64_t handled_by_all, finished;
static pthread_t threads[THREADS];

/* Values and probes are those that the thread adds, and others. */
static void on_signal(int sig)
{
	(void)sig;
	for (uint32_t i = 0; i < 8; i++)
		add(own_table, i % 2, 1ul << i * 5);
	handled++;
}

/* By turns, so that there is always something to be raised. */
static void *add_many(void *data)
{
	sigset_t set;

	own_table = trace_durations_take(&all);
	add(own_table, 2, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	for (uint64_t i = 0; i < CALLS; i++) {
		add(own_table, i % 2, 1000 + i);
		add(own_table, i % 2, 1ul << i % 40);
	}
	while (!handled)
		sched_yield(); /* it was done before anybody raised one */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	atomic_fetch_add(&handled_by_all, handled);
	atomic_fetch_add(&finished, 1);
	return data;
}

static uint64_t sum_of_handler(void)
{
	uint64_t ret = 0;

	for (uint32_t i = 0; i < 8; i++)
		ret += 1ul << i * 5;
	return ret;
}

static uint64_t sum_of_thread(void)
{
	uint64_t ret = 0;

	for (uint64_t i = 0; i < CALLS; i++)
		ret += 1000 + i + (1ul << i % 40);
	return ret;
}

static void expect_all_there(void)
{
	uint64_t count = THREADS * 2ul * CALLS + handled_by_all * 8;
	uint64_t sum = THREADS * sum_of_thread() + handled_by_all * sum_of_handler();

	read_sum(0);
	cr_expect_eq(sums[0]->count + sums[1]->count, count);
	cr_expect_eq(count_buckets(sums[0]) + count_buckets(sums[1]), count);
	cr_expect_eq(sums[0]->unplaced + sums[1]->unplaced, 0);
	cr_expect_eq(sums[0]->sum + sums[1]->sum, sum);
	cr_expect_eq(sums[1]->longest, 1ul << 39);
	cr_expect_eq(~sums[0]->shortest_inverted, 1);
	cr_expect_eq(sums[2]->count, THREADS);
}

Test(trace_durations, of_threads_that_are_interrupted_are_all_there, .init = setup)
{
	const struct sigaction action = {.sa_handler = on_signal};
	sigset_t set;

	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, add_many, NULL);
	while (atomic_load(&finished) < THREADS)
		for (int i = 0; i < THREADS; i++)
			pthread_kill(threads[i], SIGUSR1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_gt(handled_by_all, 0);
	expect_all_there();
}

/* ---- between any two instructions ----------------------------------------------------------- */

#define TRAP_FLAG 0x100ul
#define VALUE	  1000

static uint64_t at_step, added_by_handler;
static uint32_t stepped_probe;

static void on_step(int sig)
{
	(void)sig;
	if (handled++ == at_step)
		add(own_table, stepped_probe, added_by_handler);
}

__attribute__((noinline)) static void set_trap_flag(bool on)
{
	uint64_t flags = __builtin_ia32_readeflags_u64();

	__builtin_ia32_writeeflags_u64(on ? flags | TRAP_FLAG : flags & ~TRAP_FLAG);
}

/* For the first time, or not: the page is a new one each time, and the histogram, and the octave. */
static void expect_both(uint64_t by_handler, bool first)
{
	const struct trace_duration_sum *sum;
	uint64_t count = first ? 2 : 3, rest = first ? 0 : VALUE / 2;
	uint64_t least = first ? VALUE : VALUE / 2;

	if (!stepped_probe || stepped_probe + TRACE_DURATION_PAGE + 1 >= TRACE_DURATION_PROBES) {
		setup();
		own_table = trace_durations_take(&all);
		stepped_probe = 0;
	}
	stepped_probe += TRACE_DURATION_PAGE + 1;
	added_by_handler = by_handler;
	if (!first)
		add(own_table, stepped_probe, VALUE / 2);
	handled = 0;
	set_trap_flag(true);
	add(own_table, stepped_probe, VALUE);
	set_trap_flag(false);
	if (handled <= at_step)
		return;
	memset(all_sums, 0, sizeof(all_sums));
	cr_assert_eq(trace_durations_read(&session, 0, TRACE_DURATION_PROBES, &arena, all_sums), 0);
	sum = all_sums[stepped_probe];
	cr_assert_eq(sum->count, count, "step %lu", at_step);
	cr_assert_eq(count_buckets(sum), count, "step %lu", at_step);
	cr_assert_eq(sum->sum, VALUE + by_handler + rest, "step %lu", at_step);
	cr_assert_eq(sum->longest, by_handler > VALUE ? by_handler : VALUE, "step %lu", at_step);
	cr_assert_eq(~sum->shortest_inverted, by_handler < least ? by_handler : least, "step %lu",
		     at_step);
}

static void expect_both_at_each_step(uint64_t by_handler, bool first)
{
	stepped_probe = 0;
	for (at_step = 0; !at_step || handled >= at_step; at_step++)
		expect_both(by_handler, first);
	cr_expect_gt(at_step, 30);
}

Test(trace_durations, what_comes_between_any_two_instructions_is_there)
{
	const struct sigaction action = {.sa_handler = on_step};

	sigaction(SIGTRAP, &action, NULL);
	expect_both_at_each_step(VALUE, true);
	expect_both_at_each_step(2 * VALUE, false);
	expect_both_at_each_step(1, false);
}

/* -------------------------------------------------------------------------------------------- */

static void *call_and_stay_inside(void *data)
{
	struct trace_duration_table *table = trace_durations_take(&all);
	struct trace_duration_entry *found;

	trace_durations_find(&all, table, 0, &found);
	cr_expect_eq(found->depth, 0);
	found->depth++;
	add(table, 0, 100);
	return data;
}

/* Thousands of threads, one after the other, need the memory of a few. */
Test(trace_durations, of_a_thread_that_is_gone_go_on, .init = setup)
{
	uint64_t tables = 0;
	pthread_t thread;

	for (int i = 0; i < 1000; i++) {
		pthread_create(&thread, NULL, call_and_stay_inside, NULL);
		pthread_join(thread, NULL);
	}
	cr_expect_eq(read_sum(0)->count, 1000);
	for (uint64_t at = atomic_load(&entry()->tables.first); at; tables++)
		at = ((struct trace_duration_table *)trace_session_at(
			      &session, at, sizeof(struct trace_duration_table)))
			     ->owned.next;
	cr_expect_leq(tables, 3); /* a thread may be joined a moment before the kernel forgets it */
}

/* Of a function that takes between once and four times as long; of one that is not hit, next to nothing. */
Test(trace_durations, cost_less_than_a_kilobyte_each, .init = setup)
{
	struct trace_duration_table *table = trace_durations_take(&all);
	uint64_t before = trace_session_alloc(&session, 64), used;

	for (uint32_t i = 0; i < 4000; i++)
		for (uint64_t took = 100; took < 400; took += 10)
			add(table, i, took);
	used = trace_session_alloc(&session, 64) - before;
	cr_expect_lt(used, 4000 * 1024);
	before = used;
	add(table, TRACE_DURATION_PROBES - 1, 100);
	used = trace_session_alloc(&session, 64) - before;
	cr_expect_lt(used, 4096 + before);
}

/* ---- without memory ------------------------------------------------------------------------ */

Test(trace_durations, without_memory_are_counted_all_the_same, .init = setup)
{
	struct trace_duration_table *table = trace_durations_take(&all);
	struct trace_duration_entry *found;

	add(table, 0, 100);
	while (trace_session_alloc(&session, 64))
		;
	add(table, 0, 101);
	add(table, 0, 5); /* in another octave */
	cr_expect_eq(read_sum(0)->count, 3);
	cr_expect_eq(sums[0]->unplaced, 1);
	cr_expect_eq(sums[0]->sum, 206);
	cr_expect_eq(~sums[0]->shortest_inverted, 5);
	cr_expect_null(trace_durations_find(&all, table, 1, &found));
	cr_expect_null(trace_durations_find(&all, table, 5000, &found));
}

Test(trace_durations, without_memory_for_the_reader_say_so, .init = setup)
{
	static struct trace_arena tight = {.limit = 300 << 10};
	static struct trace_duration_sum *some[PROBES];
	struct trace_duration_table *table = trace_durations_take(&all);

	for (uint32_t i = 0; i < PROBES; i++)
		add(table, i, i);
	cr_expect_eq(trace_durations_read(&session, 0, PROBES, &tight, some), -EP_NO_MEMORY);
}

/* ---- percentiles --------------------------------------------------------------------------- */

#define MANY 20000

static uint64_t values[MANY];

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void expect_close(uint64_t found, uint64_t exact, uint32_t part)
{
	uint64_t off = found > exact ? found - exact : exact - found;

	cr_expect_leq(off, exact / 16, "%u of 1000: %lu, and not %lu", part, found, exact);
}

static void expect_percentiles(size_t count)
{
	static const uint32_t parts[] = {1, 10, 250, 500, 750, 900, 990, 999, 1000};
	const struct trace_duration_sum *sum;
	struct trace_duration_table *table;

	setup();
	table = trace_durations_take(&all);
	for (size_t i = 0; i < count; i++)
		add(table, 0, values[i]);
	qsort(values, count, sizeof(values[0]), compare);
	sum = read_sum(0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t rank = (count * parts[i] + 999) / 1000;

		expect_close(trace_durations_percentile(sum, parts[i]), values[rank - 1], parts[i]);
	}
}

Test(trace_durations, percentiles_of_random_values)
{
	for (size_t count = 1; count <= MANY; count = count * 3 + 1) {
		for (size_t i = 0; i < count; i++)
			values[i] = next_random() % 1000000;
		expect_percentiles(count);
		for (size_t i = 0; i < count; i++) /* as many in each octave */
			values[i] = next_random() >> (1 + next_random() % 63);
		expect_percentiles(count);
		for (size_t i = 0; i < count; i++) /* two far apart */
			values[i] = next_random() % 10 ? 50 + next_random() % 10 : 1ul << 40;
		expect_percentiles(count);
	}
}

Test(trace_durations, percentiles_of_constant_and_extreme_values)
{
	static const uint64_t constants[] = {0, 1, 15, 16, 17, 1000003, TRACE_DURATION_MAX};

	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		for (size_t k = 0; k < 1000; k++)
			values[k] = constants[i];
		expect_percentiles(1000);
		cr_expect_eq(trace_durations_percentile(sums[0], 500), constants[i]);
		cr_expect_eq(trace_durations_percentile(sums[0], 999), constants[i]);
	}
	for (size_t k = 0; k < 1000; k++)
		values[k] = k % 2 ? 0 : TRACE_DURATION_MAX;
	expect_percentiles(1000);
}

Test(trace_durations, percentiles_of_nothing)
{
	const struct trace_duration_sum none = {0};

	cr_expect_eq(trace_durations_percentile(&none, 500), 0);
}

Test(trace_durations, merge, .init = setup)
{
	struct trace_duration_sum one = {0}, both = {0};
	struct trace_duration_table *table = trace_durations_take(&all);

	for (uint64_t i = 1; i <= 100; i++) {
		add(table, 0, i);
		add(table, 1, i * 1000);
	}
	read_sum(0);
	cr_assert_eq(trace_durations_merge(&one, sums[0], &arena), 0);
	cr_assert_eq(trace_durations_merge(&both, sums[0], &arena), 0);
	cr_assert_eq(trace_durations_merge(&both, sums[1], &arena), 0);
	cr_expect_eq(one.count, 100);
	cr_expect_eq(one.sum, sums[0]->sum);
	cr_expect_eq(both.count, 200);
	cr_expect_eq(count_buckets(&both), 200);
	cr_expect_eq(both.sum, sums[0]->sum + sums[1]->sum);
	cr_expect_eq(both.nested, sums[0]->nested + sums[1]->nested);
	cr_expect_eq(both.self, sums[0]->self + sums[1]->self);
	cr_expect_eq(~both.shortest_inverted, 1);
	cr_expect_eq(both.longest, 100000);
	expect_close(trace_durations_percentile(&both, 500), 100, 500);
	expect_close(trace_durations_percentile(&both, 750), 50000, 750);
}

/* ---- scribbles ----------------------------------------------------------------------------- */

static const uint64_t wrong[] = {1,
				 7,
				 8,
				 64,
				 4096,
				 HEAP_SIZE - 8,
				 HEAP_SIZE,
				 2 * HEAP_SIZE - 8,
				 2 * HEAP_SIZE,
				 UINT64_MAX - 7,
				 UINT64_MAX};
#define WRONG (sizeof(wrong) / sizeof(wrong[0]))

static void read_whatever(void)
{
	memset(sums, 0, sizeof(sums));
	trace_durations_read(&session, 0, PROBES, &arena, sums);
	for (uint32_t i = 0; i < PROBES; i++)
		if (sums[i])
			trace_durations_percentile(sums[i], 990);
}

/* Links that lead out of the heap, nowhere, or round and round (see the asan preset). */
Test(trace_durations, scribbled_lists_do_no_harm, .init = setup)
{
	struct trace_duration_table *table = trace_durations_take(&all);
	struct trace_histogram *histogram;
	uint64_t first, before;

	add(table, 0, 100);
	add(table, 1, 100);
	first = atomic_load(&entry()->durations);
	histogram = trace_session_at(&session, first, sizeof(*histogram));
	before = histogram->next;
	for (size_t i = 0; i < WRONG; i++) {
		atomic_store(&entry()->durations, wrong[i]);
		read_whatever();
		atomic_store(&entry()->durations, first);
		histogram->next = wrong[i];
		read_whatever();
		histogram->next = before;
		histogram->probe = (uint32_t)wrong[i];
		read_whatever();
		histogram->probe = 1;
		for (uint32_t k = 0; k < TRACE_OCTAVES; k++)
			histogram->octaves[k] = (uint32_t)(wrong[i] + k);
		read_whatever();
	}
	histogram->next = first; /* a ring */
	read_whatever();
	histogram->next = before;
	histogram->process = 3; /* another's: the list ends there */
	cr_expect_null(read_sum(0));
}

/* The thread that adds must not crash of it either; what it adds is anywhere in the heap. */
Test(trace_durations, scribbled_tables_do_no_harm_to_the_thread, .init = setup)
{
	struct trace_duration_table *table = trace_durations_take(&all);
	struct trace_duration_entry *found;
	struct trace_histogram *histogram;

	for (size_t i = 0; i < WRONG; i++) {
		table->pages[0] = (uint32_t)wrong[i];
		trace_durations_find(&all, table, 0, &found);
		table->pages[0] = 0;
		trace_durations_find(&all, table, 0, &found);
		found->histogram = (uint32_t)wrong[i];
		histogram = trace_durations_find(&all, table, 0, &found);
		if (histogram) {
			histogram->octaves[3] = (uint32_t)wrong[i];
			trace_durations_add(&all, histogram, 100, 100, false);
		}
		found->histogram = 0;
		atomic_store(&entry()->tables.first, wrong[i]);
		atomic_store(&table->owned.owner, 1);
		trace_durations_take(&all);
	}
}
