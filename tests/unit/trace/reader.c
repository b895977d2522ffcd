/* SPDX-License-Identifier: MIT */
/* Rings: order, losses, and a program that scribbles on them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/report/reader.h"

TestSuite(trace_reader, .timeout = 400);

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 8, .ring_size = 4096, .heap_size = 1 << 16, .heap_max = 1};
static const struct trace_arg arg = {.name = "v", .type = {TRACE_UNSIGNED, .size = 8}};
static const struct trace_program one = {.value_count = 1, .recorded = 1};
static const struct trace_arg returned = {
	.name = "v", .type = {TRACE_UNSIGNED, .size = 8}, .needs_return = true};
#define VIEW(name, of, ends)                                                                       \
	{                                                                                          \
		.group = "g", .event = (name), .place = "p", .args = &(of), .arg_count = 1,        \
		.program = &one, .is_return = (ends)                                               \
	}
static const struct trace_view views[] = {VIEW("a", arg, false), VIEW("b", arg, false),
					  VIEW("c", returned, true)};
static struct trace_arena arena;
static struct trace_session session;
static struct trace_reader reader;
static char buffer[1 << 20];

static void setup(void)
{
	cr_assert_eq(trace_session_create(&small, "", 0, NULL, &session), 0);
	session.shared->clock = TRACE_CLOCK_MONOTONIC;
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	cr_assert_eq(trace_reader_init(&reader, &session, TRACE_FORMAT_TEXT, &arena), 0);
	reader.processes[0] = (struct trace_reader_process){views, 3, getpid(), 0};
}

static void put_words(uint32_t index, const uint64_t *words, uint64_t count)
{
	struct trace_ring *ring = trace_session_ring(&session, index);
	uint64_t head = atomic_load(&ring->head);
	_Atomic uint64_t *data;

	cr_assert(trace_session_add_ring_data(&session, ring));
	data = trace_session_ring_data(&session, index);
	for (uint64_t i = 0; i < count; i++)
		data[(head / 8 + i) & 511] = words[i];
	atomic_store(&ring->head, head + 8 * count);
	if (!atomic_load(&ring->owner))
		atomic_store(&ring->owner, trace_ring_owner(0, 1));
	if (atomic_load(&session.shared->ring_high) <= index)
		atomic_store(&session.shared->ring_high, index + 1);
}

static void put(uint32_t ring, uint32_t probe, uint64_t time, uint64_t value)
{
	put_words(ring, (uint64_t[]){probe | 3ull << 32, time, value}, 3);
}

/* The values, in the order in which they come out. */
static const char *read_all(void)
{
	static char ret[8192];
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};
	size_t used = 0;

	ret[0] = '\0';
	for (bool more = trace_reader_begin(&reader); more;)
		more = trace_reader_next(&reader, &text);
	buffer[text.used] = '\0';
	for (const char *at = buffer; (at = strstr(at, "v=")); at++)
		used += (size_t)snprintf(ret + used, sizeof(ret) - used, "%lu ",
					 strtoul(at + 2, NULL, 10));
	return ret;
}

Test(trace_reader, merges_by_time, .init = setup)
{
	put(0, 0, 10, 1);
	put(0, 1, 40, 4);
	put(1, 0, 20, 2);
	put(1, 0, 50, 5);
	put(5, 1, 30, 3);
	cr_expect_str_eq(read_all(), "1 2 3 4 5 ");
	cr_expect_str_eq(read_all(), "");
	cr_expect_eq(reader.nonsense, 0);
}

Test(trace_reader, positions_wrap_around, .init = setup)
{
	for (uint64_t i = 0; i < 2000; i++) {
		char wanted[32];

		put(0, 0, i, i);
		snprintf(wanted, sizeof(wanted), "%lu ", i);
		cr_assert_str_eq(read_all(), wanted);
	}
	cr_expect_eq(atomic_load(&trace_session_ring(&session, 0)->tail), 2000 * 24);
}

Test(trace_reader, records_that_cannot_be_are_counted_and_skipped, .init = setup)
{
	static const uint64_t lengths[] = {0, 1, TRACE_RECORD_MAX / 8 + 1, 0xffff};

	for (size_t i = 0; i < 4; i++) {
		put(0, 0, 1, 1);
		put_words(0, (uint64_t[]){lengths[i] << 32, 1, 1}, 3);
		put(0, 0, 2, 2);
		cr_expect_str_eq(read_all(), "1 ");
		cr_expect_eq(reader.nonsense, i + 1);
		put(0, 0, 3, 3);
		cr_expect_str_eq(read_all(), "3 ");
	}
}

Test(trace_reader, unknown_probes_and_processes_are_skipped, .init = setup)
{
	put(0, 3, 1, 1);
	put(0, UINT32_MAX, 2, 2);
	put(0, 1, 3, 3);
	trace_session_ring(&session, 1)->owner = trace_ring_owner(77, 1);
	put(1, 0, 4, 4);
	trace_session_ring(&session, 2)->owner = trace_ring_owner(1, 1);
	put(2, 0, 5, 5);
	cr_expect_str_eq(read_all(), "3 ");
	cr_expect_eq(reader.nonsense, 4);
}

/* Of a call it is one of four; of a mere hit there is none. */
Test(trace_reader, ends_that_cannot_be_are_counted_and_skipped, .init = setup)
{
	for (uint64_t end = 0; end < 256; end++) {
		put_words(0, (uint64_t[]){2 | 3ull << 32 | end << 24, end, end}, 3);
		put_words(0, (uint64_t[]){0 | 3ull << 32 | end << 24, end, end + 1000}, 3);
		if (end % 64 == 63)
			cr_expect_str_eq(read_all(), end == 63 ? "0 1000 0 0 0 " : "");
	}
	cr_expect_eq(reader.nonsense, 252 + 255);
}

Test(trace_reader, positions_that_cannot_be_are_skipped, .init = setup)
{
	struct trace_ring *ring = trace_session_ring(&session, 0);

	put(0, 0, 1, 1);
	atomic_store(&ring->head, 1ull << 40);
	cr_expect_str_eq(read_all(), "");
	atomic_store(&ring->head, 3);
	cr_expect_str_eq(read_all(), "");
	atomic_store(&session.shared->ring_high, UINT32_MAX);
	atomic_store(&session.shared->process_count, UINT32_MAX);
	cr_expect_str_eq(read_all(), "");
	cr_expect_geq(reader.nonsense, 2);
}

Test(trace_reader, random_memory_does_no_harm, .init = setup)
{
	uint64_t random = 88172645463325252ull;

	for (uint32_t i = 0; i < 8; i++)
		cr_assert(trace_session_add_ring_data(&session, trace_session_ring(&session, i)));
	atomic_store(&session.shared->ring_high, 8);
	for (int round = 0; round < 2000; round++) {
		for (uint32_t i = 0; i < 8; i++) {
			_Atomic uint64_t *data = trace_session_ring_data(&session, i);

			for (int k = 0; k < 64; k++) {
				random ^= random << 13;
				random ^= random >> 7;
				random ^= random << 17;
				data[random % 512] = k % 3 ? random : random % 4 | 3ull << 32;
			}
			atomic_fetch_add(&trace_session_ring(&session, i)->head,
					 round % 7 ? 8 * (random % 512) : random);
		}
		read_all();
	}
}

Test(trace_reader, rings_of_threads_that_are_gone_are_freed, .init = setup)
{
	struct trace_ring *mine = trace_session_ring(&session, 0),
			  *gone = trace_session_ring(&session, 1);

	put(0, 0, 1, 1);
	put(1, 0, 2, 2);
	mine->owner = trace_ring_owner(0, (int)syscall(SYS_gettid));
	gone->owner = trace_ring_owner(0, 0x3ffffff); /* above any pid_max */
	trace_reader_reap(&reader);
	cr_expect_neq(atomic_load(&gone->owner), 0, "it has not been read");
	read_all();
	trace_reader_reap(&reader);
	cr_expect_eq(atomic_load(&gone->owner), 0);
	cr_expect_neq(atomic_load(&mine->owner), 0);
}

Test(trace_reader, losses_add_up, .init = setup)
{
	put(0, 0, 1, 1);
	put(3, 0, 1, 1);
	atomic_store(&trace_session_ring(&session, 0)->dropped, 5);
	atomic_store(&trace_session_ring(&session, 3)->dropped, 7);
	atomic_store(&session.shared->lost_events, 100);
	cr_expect_eq(trace_reader_dropped(&reader), 112);
}

/* A head that cannot be is not counted as one. */
Test(trace_reader, what_no_pass_has_read_is_left, .init = setup)
{
	put(0, 0, 10, 1);
	put(1, 0, 20, 2);
	cr_expect_eq(trace_reader_left(&reader), 48);
	cr_expect_str_eq(read_all(), "1 2 ");
	cr_expect_eq(trace_reader_left(&reader), 0);
	put(1, 0, 30, 3);
	cr_expect_eq(trace_reader_left(&reader), 24);
	atomic_store(&trace_session_ring(&session, 3)->head, 1ul << 30);
	atomic_store(&session.shared->ring_high, 4);
	cr_expect_eq(trace_reader_left(&reader), 24);
}

/* What is written first makes room: JSON is not cut where an empty buffer would do. */
Test(trace_reader, a_long_name_waits_for_an_empty_text, .init = setup)
{
	enum { LONG = 100000, USED = 900000 };
	char *name = memset(trace_arena_alloc(&arena, LONG + 1), 'n', LONG);
	const struct trace_program nothing = {0};
	const struct trace_view named = {
		.group = "g", .event = name, .place = "p", .program = &nothing};
	struct trace_text text = {buffer, sizeof(buffer) - 1, USED};

	reader.writer = &trace_format_json;
	reader.processes[0] =
		(struct trace_reader_process){&named, 1, getpid(), trace_reader_longest(&named, 1)};
	put_words(0, (uint64_t[]){2ull << 32, 10}, 2);
	cr_assert(trace_reader_begin(&reader));
	cr_expect(trace_reader_next(&reader, &text));
	cr_expect_eq(text.used, USED);
	text.used = 0;
	cr_expect_not(trace_reader_next(&reader, &text));
	cr_expect_gt(text.used, LONG);
	buffer[text.used] = '\0';
	cr_expect_null(strstr(buffer, "…"));
}
