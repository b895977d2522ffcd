/* SPDX-License-Identifier: MIT */
/* Which hits are wanted: what the text says, for all threads together. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/action/limits.h"

TestSuite(trace_limits, .timeout = 400);

#define DEFINITIONS 3
#define THREADS	    4
#define HITS	    10000

static struct trace_session session;
static struct trace_arena arena;
static struct trace_definition list[DEFINITIONS] = {
	{.event = "a"}, {.event = "b"}, {.place = {.symbol = "c"}}};
static const struct trace_definitions definitions = {list, DEFINITIONS};
static struct trace_limit_counts counts[DEFINITIONS];
static struct trace_limits *limits;
static const struct trace_probe probes[DEFINITIONS] = {
	{.view = {.definition = 0}}, {.view = {.definition = 1}}, {.view = {.definition = 2}}};

static void setup(void)
{
	cr_assert_eq(trace_session_create(&trace_shape_private, "", 0, NULL, &session), 0);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_DROP), 0);
}

static void limit(const char *text)
{
	struct ep_error_at error = {0};

	cr_assert_eq(trace_limits_parse(text, &definitions, &arena, &limits, &error), 0, "%s",
		     error.message);
	trace_limits_init(&session, limits, counts);
}

/* Of @hits. */
static uint64_t count(uint32_t probe, uint64_t hits)
{
	uint64_t ret = 0;

	while (hits--)
		ret += trace_limits_pass(&probes[probe]);
	return ret;
}

Test(trace_limits, hold_for_each_event_or_one, .init = setup)
{
	limit("first 5\nfirst b:7\nhist x:y\n");
	cr_expect_eq(count(0, 10), 5);
	cr_expect_eq(count(1, 10), 7);
	cr_expect_eq(count(2, 10), 5);
	cr_expect_eq(count(0, 10), 0);
}

Test(trace_limits, are_of_the_symbol_where_there_is_no_name, .init = setup)
{
	limit("every c:4\n");
	cr_expect_eq(count(0, 10), 10);
	cr_expect_eq(count(2, 10), 3);
	cr_expect_not(limits[0].any);
	cr_expect(limits[2].any);
}

Test(trace_limits, hold_together, .init = setup)
{
	limit("every a:3\nfirst a:2\nafter a:b\n");
	cr_expect_eq(count(0, 10), 0);
	cr_expect_eq(count(1, 1), 1);
	cr_expect_eq(count(0, 4), 2);
	cr_expect_eq(count(0, 10), 0);
}

/* Else there would never be a first one. */
Test(trace_limits, do_not_make_an_event_wait_for_itself, .init = setup)
{
	limit("after b\n");
	cr_expect_eq(count(0, 3), 0);
	cr_expect_eq(count(1, 3), 3);
	cr_expect_eq(count(0, 3), 3);
}

static void *count_first(void *unused)
{
	(void)unused;
	return (void *)count(0, HITS);
}

Test(trace_limits, are_of_all_threads_together, .init = setup)
{
	pthread_t threads[THREADS];
	uint64_t passed = 0;
	void *ret;

	limit("first 777\nevery 7\n");
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, count_first, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &ret);
		passed += (uint64_t)ret;
	}
	cr_expect_eq(passed, 777);
	cr_expect_leq(atomic_load(&counts[0].passed), THREADS * HITS);
}

Test(trace_limits, are_of_one_thread, .init = setup)
{
	char text[32];
	pthread_t thread;
	void *passed;

	snprintf(text, sizeof(text), "tid %ld", syscall(SYS_gettid));
	limit(text);
	cr_expect_eq(count(0, 10), 10);
	cr_assert_eq(pthread_create(&thread, NULL, count_first, NULL), 0);
	pthread_join(thread, &passed);
	cr_expect_null(passed);
}

Test(trace_limits, end_when_the_launcher_says_so, .init = setup)
{
	limit("for 1");
	cr_expect_eq(count(0, 10), 10);
	atomic_store(&session.shared->over, 1);
	cr_expect_eq(count(0, 10), 0);
	trace_limits_init(&session, NULL, NULL);
	cr_expect_eq(count(0, 10), 0);
}

Test(trace_limits, that_make_no_sense_are_refused)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"first 0", "0 is not a number from 1 to 2147483647"},
		{"every -1", "-1 is not a number"},
		{"first a:", " is not a number"},
		{"first a:2147483648", "not a number from 1"},
		{"tid x", "x is not a number"},
		{"every x:1", "no definition has an event called x"},
		{"after x", "no definition has an event called x"},
		{"after a:x", "no definition has an event called x"},
		{"after x:a", "no definition has an event called x"},
		{"first 1\nfirst x:1", "no definition has an event called x"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ep_error_at error = {0};

		cr_expect_eq(
			trace_limits_parse(cases[i].text, &definitions, &arena, &limits, &error),
			-EP_SYNTAX, "%s", cases[i].text);
		cr_expect(strstr(error.message, cases[i].message), "%s: %s", cases[i].text,
			  error.message);
		cr_expect_eq(error.column, i == 9 ? 8 : 0);
	}
	limit("hist a:b\ntop c:d\n");
	cr_expect_null(limits);
}
