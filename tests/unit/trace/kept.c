/* SPDX-License-Identifier: MIT */
/*
 * Rings that keep what came last, and are written to while they are read: always at the same moment, since
 * the reader meets a page that cannot be read, and what is written meanwhile is written by the handler of
 * that fault.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "trace/action/record.h"
#include "trace/language/parse.h"
#include "trace/report/reader.h"

TestSuite(trace_kept, .timeout = 60);

#define PAGE	 4096u
#define RING	 (4 * PAGE)
#define RECORD	 24u /* bytes of one event */
#define CAPACITY (RING / RECORD)

static const struct trace_shape shape = {
	.process_max = 4, .ring_max = 4, .ring_size = RING, .heap_size = 1 << 17, .heap_max = 1};
static struct trace_probe probe;
static struct trace_arena arena;
static struct trace_session session;
static struct trace_reader reader;
static char buffer[1 << 20];
static uint64_t next, meanwhile;
static char *forbidden;

static void hit(uint64_t count)
{
	while (count--) {
		struct ep_regs regs = {.rdi = next++};

		trace_record(NULL, &regs, &probe);
	}
}

static void on_fault(int sig)
{
	(void)sig;
	mprotect(forbidden, PAGE, PROT_READ | PROT_WRITE);
	hit(meanwhile);
}

static void setup(void)
{
	const struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	struct trace_definitions all;

	cr_assert_eq(trace_definitions_parse("p main v=%di:u64", &arena, &all, NULL), 0);
	probe.view = trace_view_of(&all.list[0]);
	probe.view.event = "e";
	probe.view.place = "p";
	cr_assert_eq(trace_session_create(&shape, "", 0, NULL, &session), 0);
	session.shared->clock = TRACE_CLOCK_MONOTONIC;
	session.shared->keep = 1;
	cr_assert_eq(trace_session_add_process(&session, 1, 1), 0);
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_KEEP), 0);
	cr_assert_eq(trace_reader_init(&reader, &session, TRACE_FORMAT_TEXT, &arena), 0);
	reader.processes[0] = (struct trace_reader_process){&probe.view, 1, 1, 0};
	sigaction(SIGSEGV, &action, NULL);
}

/* Writes the events; they have to count up. Returns how many there are, and the first one. */
static uint64_t read_kept(uint64_t *ret_first)
{
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};
	uint64_t count = 0, value;

	for (bool more = trace_reader_begin_kept(&reader); more;)
		more = trace_reader_next(&reader, &text);
	trace_reader_end_kept(&reader);
	buffer[text.used] = '\0';
	for (const char *at = buffer; (at = strstr(at, "v=")); at++) {
		value = strtoul(at + 2, NULL, 10);
		if (!count)
			*ret_first = value;
		cr_assert_eq(value, *ret_first + count, "%lu", value);
		count++;
	}
	return count;
}

Test(trace_kept, what_came_last_is_there, .init = setup)
{
	uint64_t first;

	hit(10);
	cr_expect_eq(read_kept(&first), 10);
	cr_expect_eq(first, 0);
	hit(10 * CAPACITY);
	cr_expect_eq(read_kept(&first), CAPACITY);
	cr_expect_eq(first + CAPACITY, next);
	cr_expect_eq(reader.nonsense + reader.misdated + reader.overwritten, 0);
}

Test(trace_kept, nothing_is_read_twice, .init = setup)
{
	uint64_t first;

	hit(2 * CAPACITY);
	read_kept(&first);
	cr_expect_eq(read_kept(&first), 0);
	hit(5);
	cr_expect_eq(read_kept(&first), 5);
	cr_expect_eq(first, next - 5);
}

/* The page in which the copy is half-way. */
static void forbid(void)
{
	char *data = (char *)trace_session_ring_data(&session, 0);

	forbidden = (char *)(((uint64_t)data + RING / 2) & -(uint64_t)PAGE);
	cr_assert_eq(mprotect(forbidden, PAGE, PROT_NONE), 0);
}

Test(trace_kept, what_is_written_over_meanwhile_is_left_out, .init = setup)
{
	uint64_t first, before;

	for (meanwhile = 1; meanwhile < 2 * CAPACITY; meanwhile += 37) {
		hit(3 * CAPACITY + meanwhile);
		before = next;
		forbid();
		/* Up to when it was begun; of these the oldest have been written over. */
		if (meanwhile < CAPACITY) {
			cr_expect_eq(read_kept(&first), CAPACITY - meanwhile);
			cr_expect_eq(first, before - CAPACITY + meanwhile);
		} else {
			cr_expect_eq(read_kept(&first), 0);
		}
		cr_expect_eq(reader.nonsense + reader.misdated, 0);
		cr_expect_gt(reader.overwritten, 0);
	}
}

/* A program that scribbles: it costs events, and nothing else. */
Test(trace_kept, tails_that_cannot_be, .init = setup)
{
	static const uint64_t tails[] = {1, 8, 1ul << 47, UINT64_MAX, 12345};
	struct trace_ring *ring;
	uint64_t first;

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

		hit(CAPACITY);
		ring = trace_session_ring(&session, 0);
		atomic_store(&ring->tail, tails[i]);
		for (bool more = trace_reader_begin_kept(&reader); more;)
			more = trace_reader_next(&reader, &text);
		trace_reader_end_kept(&reader);
		hit(3 * CAPACITY);
		cr_expect_eq(read_kept(&first), CAPACITY);
	}
}
