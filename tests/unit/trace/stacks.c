/* SPDX-License-Identifier: MIT */
/* The table of call stacks: no hit is lost without being counted, and nothing in it is believed. */
#include "trace/session/stacks.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

TestSuite(trace_stacks, .timeout = 400);

#define THREADS 4
#define HITS	50000
#define KINDS	300

static const struct trace_shape shape = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 32ul << 20, .heap_max = 2};
static struct trace_session session;
static struct trace_memory heap;
static struct trace_stack_table *table;

static void setup(void)
{
	int fd;

	cr_assert_eq(trace_session_create(&shape, "", 0, &fd, &session), 0);
	close(fd);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	trace_memory_init(&heap, &session, 0);
	table = trace_stacks_table(&session, 0);
	cr_assert_not_null(table);
	cr_expect_eq(trace_stacks_table(&session, 0), table);
}

static void add(uint64_t kind)
{
	uint64_t frames[TRACE_STACK_DEPTH_MAX];
	uint32_t depth = 1 + (uint32_t)(kind % TRACE_STACK_DEPTH_MAX);

	for (uint32_t i = 0; i < depth; i++)
		frames[i] = 0x1000 + kind * 7 + i;
	trace_stacks_add(&heap, table, (uint32_t)(kind % 3), frames, depth, kind % 2);
}

static struct {
	uint64_t hits, stacks, wrong;
	uint64_t of_kind[KINDS];
} seen;

static void see(const struct trace_stack *stack, void *data)
{
	uint64_t kind = (stack->frames[0] - 0x1000) / 7;

	(void)data;
	seen.hits += stack->count;
	seen.stacks++;
	if (kind < KINDS)
		seen.of_kind[kind] += stack->count;
	seen.wrong += stack->depth != 1 + kind % TRACE_STACK_DEPTH_MAX ||
		      stack->probe != kind % 3 || stack->is_cut != kind % 2 ||
		      stack->frames[stack->depth - 1] != stack->frames[0] + stack->depth - 1;
}

static uint64_t read_all(void)
{
	uint64_t lost;

	memset(&seen, 0, sizeof(seen));
	trace_stacks_read(&session, 0, see, NULL, &lost);
	return lost;
}

static void *add_many(void *data)
{
	(void)data;
	for (uint64_t i = 0; i < HITS; i++)
		add(i % KINDS);
	return NULL;
}

/* Each of the same ones, in the same order, so that they meet. */
Test(trace_stacks, of_many_threads_are_all_counted, .init = setup)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, add_many, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(read_all(), 0);
	cr_expect_eq(seen.hits, THREADS * HITS);
	cr_expect_eq(seen.stacks, KINDS);
	cr_expect_eq(seen.wrong, 0);
	for (uint64_t i = 0; i < KINDS; i++)
		cr_expect_eq(seen.of_kind[i], THREADS * (HITS / KINDS + (i < HITS % KINDS)));
}

Test(trace_stacks, differ_by_probe_depth_and_what_is_behind, .init = setup)
{
	const uint64_t frames[] = {0x1000, 0x2000, 0x3000};

	trace_stacks_add(&heap, table, 0, frames, 3, false);
	trace_stacks_add(&heap, table, 1, frames, 3, false);
	trace_stacks_add(&heap, table, 0, frames, 2, false);
	trace_stacks_add(&heap, table, 0, frames, 2, true);
	trace_stacks_add(&heap, table, 0, frames, 3, false);
	cr_expect_eq(read_all(), 0);
	cr_expect_eq(seen.stacks, 4);
	cr_expect_eq(seen.hits, 5);
}

Test(trace_stacks, beyond_what_there_is_room_for_are_counted_as_lost, .init = setup)
{
	const uint64_t all = 3 * TRACE_STACK_MAX;
	uint64_t lost;

	for (uint64_t i = 0; i < all; i++)
		add(i);
	lost = read_all();
	cr_expect_eq(seen.hits + lost, all);
	cr_expect_leq(seen.stacks, TRACE_STACK_MAX);
	cr_expect_gt(seen.stacks, TRACE_STACK_MAX * 9 / 10);
	cr_expect_eq(seen.wrong, 0);
	add(0);
	cr_expect_eq(read_all(), lost, "what is there already is counted");
}

Test(trace_stacks, of_a_child_begin_anew, .init = setup)
{
	add(1);
	trace_stacks_clear(trace_session_process(&session, 0));
	read_all();
	cr_expect_eq(seen.stacks, 0);
}

static uint64_t state = 88172645463325252u;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void expect_sane(const struct trace_stack *stack, void *data)
{
	uint64_t *sum = data;

	cr_assert(stack->depth && stack->depth <= TRACE_STACK_DEPTH_MAX);
	for (uint32_t i = 0; i < stack->depth; i++)
		*sum += stack->frames[i];
}

/* Places that are none, depths that are too large, in what the writer and the reader look at. */
Test(trace_stacks, that_the_program_scribbled_over_are_survived, .init = setup)
{
	char *bytes = (char *)session.shared + session.layout.heap;
	uint64_t lost, sum = 0;

	for (uint64_t i = 0; i < 1000; i++)
		add(i);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 2000; i++) {
			table->slots[any() % TRACE_STACK_SLOTS] =
				(uint32_t)(any() % 2 ? any() : any() % 10000);
			bytes[4096 + any() % (1ul << 20)] = (char)any();
		}
		table->count = 0;
		for (uint64_t i = 0; i < 100; i++)
			add(any() % 2000);
		trace_stacks_read(&session, 0, expect_sane, &sum, &lost);
	}
	trace_session_process(&session, 0)->stacks = any();
	trace_stacks_read(&session, 0, expect_sane, &sum, &lost);
	trace_session_process(&session, 0)->stacks = 64;
	trace_stacks_read(&session, 0, expect_sane, &sum, &lost);
	cr_expect_neq(sum, 0);
}

Test(trace_stacks, are_wanted_of_named_events_only, .init = setup)
{
	strcpy(session.shared->stacks[1].event, "one");
	session.shared->stacks[1].depth = 5;
	strcpy(session.shared->stacks[2].event, "two");
	session.shared->stacks[2].depth = 5000;
	cr_expect_eq(trace_stacks_depth(session.shared, "one"), 5);
	cr_expect_eq(trace_stacks_depth(session.shared, "two"), TRACE_STACK_DEPTH_MAX);
	cr_expect_eq(trace_stacks_depth(session.shared, "on"), 0);
	cr_expect_eq(trace_stacks_depth(session.shared, ""), 0);
	cr_expect_eq(trace_stacks_depth(session.shared, NULL), 0);
}
