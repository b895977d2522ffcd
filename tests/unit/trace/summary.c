/* SPDX-License-Identifier: MIT */
/* The table and the objects at the end; names of events. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "trace/clock/clock.h"
#include "trace/language/names.h"
#include "trace/language/parse.h"
#include "trace/report/summary.h"

TestSuite(trace_summary, .timeout = 400);

static struct trace_arena arena;
static char out[1 << 16];

static int collect(void *data, const char *text, size_t size)
{
	(void)data;
	strncat(out, text, size);
	return 0;
}

static const struct trace_sink sink = {.write = collect};
static const struct trace_view views[] = {
	{.group = "g", .event = "few", .place = "o:few", .plan = EP_PLAN_BOOST, .insn = "nop"},
	{.group = "g", .event = "many", .place = "o:many", .plan = EP_PLAN_EMULATE, .insn = "ret"},
	{.group = "g", .event = "none", .place = "o:none", .plan = EP_PLAN_JUMP, .insn = "nop"},
	{.group = "g",
	 .event = "not",
	 .place = "o:not",
	 .plan = EP_PLAN_REFUSED,
	 .reason = EP_RSEQ,
	 .insn = "ud2"},
};
static const struct ep_counts counts[] = {{.hits = 5}, {.hits = 123456}, {.hits = 0}, {.hits = 0}};
static const struct ep_counts missed[] = {
	{.hits = 1, .missed = 7}, {.hits = 4}, {.hits = 0}, {.hits = 0}};

Test(trace_summary, most_hit_first)
{
	const struct trace_summary_process process = {
		.pid = 1, .views = views, .counts = counts, .count = 4};

	trace_summary_table(&process, 1, false, &arena, &sink);
	cr_expect_str_eq(out, "        hits  plan     event  place\n"
			      "      123456  emulate  many   o:many\n"
			      "           5  boost    few    o:few\n"
			      "           0  jump     none   o:none\n"
			      "     refused  not    o:not: inside a restartable sequence, which a "
			      "trap would abort\n");
}

Test(trace_summary, processes_are_added_up_and_missed_is_shown)
{
	const struct trace_summary_process processes[] = {
		{.pid = 1, .views = views, .counts = counts, .count = 4},
		{.pid = 2, .views = views, .counts = missed, .count = 4}};

	trace_summary_table(processes, 2, false, &arena, &sink);
	cr_expect(strstr(out, "        hits    missed  plan     event  place\n"), "%s", out);
	cr_expect(strstr(out, "      123460         0  emulate  many   o:many\n"), "%s", out);
	cr_expect(strstr(out, "           6         7  boost    few    o:few\n"), "%s", out);
}

Test(trace_summary, share_of_trapped_hits_is_shown_where_there_are_any)
{
	static const struct ep_counts trapped[] = {
		{.hits = 5, .trapped = 5}, {.hits = 100000, .trapped = 1}, {.hits = 3}, {0}};
	const struct trace_summary_process process = {
		.pid = 1, .views = views, .counts = trapped, .count = 4};

	trace_summary_table(&process, 1, false, &arena, &sink);
	cr_expect(strstr(out, "        hits  trapped  plan     event  place\n"
			      "      100000     0.1%  emulate  many   o:many\n"
			      "           5   100.0%  boost    few    o:few\n"
			      "           3           jump     none   o:none\n"),
		  "%s", out);
}

Test(trace_summary, many_probes_are_shown_where_hit)
{
	static struct trace_view many[100];
	static struct ep_counts hits[100];
	struct trace_summary_process process = {
		.pid = 1, .views = many, .counts = hits, .count = 100};
	static char names[100][8];

	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "e%d", i);
		many[i] = (struct trace_view){.group = "g", .event = names[i], .place = names[i]};
		many[i].plan = i < 10 ? EP_PLAN_REFUSED : EP_PLAN_BOOST;
		many[i].reason = i < 3 ? EP_VDSO : i < 10 ? EP_RSEQ : 0;
	}
	hits[50].hits = 3;
	trace_summary_table(&process, 1, false, &arena, &sink);
	cr_expect_str_eq(out,
			 "        hits  plan     event  place\n"
			 "           3  boost    e50    e50\n"
			 "          89  probes were never hit\n"
			 "           3  refused: in the vDSO or vsyscall page\n"
			 "           7  refused: inside a restartable sequence, which a trap would "
			 "abort\n");
	out[0] = '\0';
	trace_summary_table(&process, 1, true, &arena, &sink);
	cr_expect(strstr(out, "     refused  e0     e0: in the vDSO"), "%s", out);
	cr_expect(strstr(out, "           0  boost    e99    e99\n"), "%s", out);
}

Test(trace_summary, objects_have_these_keys_in_this_order)
{
	const struct trace_summary_process process = {
		.pid = 99, .views = views, .counts = counts, .count = 4};

	trace_summary_json(&process, 1, &arena, &sink);
	cr_expect(strstr(out, "{\"type\":\"probe\",\"pid\":99,\"group\":\"g\",\"event\":\"few\","
			      "\"place\":\"o:few\",\"plan\":\"boost\",\"reason\":null,\"hits\":5,"
			      "\"missed\":0,\"trapped\":0}\n"),
		  "%s", out);
	cr_expect(strstr(out, "\"plan\":\"refused\",\"reason\":\"EP_RSEQ\",\"hits\":0,"), "%s",
		  out);
}

#define LONG 200000

static char long_out[4 * LONG];
static size_t long_used;

static int collect_long(void *data, const char *text, size_t size)
{
	(void)data;
	memcpy(long_out + long_used, text, size);
	long_used += size;
	return 0;
}

/* An object is never cut, whatever its length; a line is, and says so. */
Test(trace_summary, long_names_are_whole_or_marked)
{
	static char name[LONG + 1];
	const struct trace_sink to = {.write = collect_long};

	for (size_t size = 60000; size < LONG; size += size < 70000 ? 997 : 30011) {
		const struct trace_view view = {.group = "g", .event = name, .place = name};
		const struct trace_summary_process process = {
			.views = &view, .counts = counts, .count = 1};
		const char *place;

		memset(name, 'n', size);
		name[size] = '\0';
		memset(long_out, 0, sizeof(long_out));
		long_used = 0;
		trace_summary_json(&process, 1, &arena, &to);
		place = strstr(long_out, ",\"place\":\"");
		cr_assert_not_null(place);
		cr_expect_eq(strspn(place + 10, "n"), size);
		cr_expect(strstr(place,
				 "n\",\"plan\":\"auto\",\"reason\":null,\"hits\":5,\"missed\":0,"
				 "\"trapped\":0}\n"));
		long_used = 0;
		trace_summary_table(&process, 1, true, &arena, &to);
		long_out[long_used] = '\0';
		cr_expect(strstr(long_out, "nn…  nn"));
		cr_expect_str_eq(long_out + long_used - 6, "nn…\n");
	}
}

Test(trace_summary, explanations)
{
	const struct trace_summary_process process = {.pid = 99, .views = views, .count = 4};

	trace_summary_explain(&process, &sink);
	cr_expect(strstr(out, "refused  o:not "), "%s", out);
	cr_expect(strstr(out, " ud2 "), "%s", out);
	cr_expect(strstr(out, "  inside a restartable sequence"), "%s", out);
}

Test(trace_summary, explanations_of_calls_say_how_they_are_followed)
{
	static const struct trace_view calls[] = {
		{.event = "s",
		 .place = "o:s",
		 .plan = EP_PLAN_JUMP,
		 .insn = "push",
		 .is_return = true},
		{.event = "w",
		 .place = "o:w",
		 .plan = EP_PLAN_JUMP,
		 .insn = "push",
		 .is_return = true,
		 .ways_out = 3,
		 .note = "noted"},
		{.event = "x",
		 .place = "o:x",
		 .plan = EP_PLAN_BOOST,
		 .insn = "push",
		 .reason = EP_RSEQ,
		 .is_return = true,
		 .ways_out = 1},
		{.event = "r",
		 .place = "o:r",
		 .plan = EP_PLAN_REFUSED,
		 .insn = "push",
		 .reason = EP_NOT_FOLLOWED,
		 .is_return = true},
		{.event = "p", .place = "o:p", .plan = EP_PLAN_JUMP, .insn = "push"},
	};
	static const struct ep_counts none[5];
	const struct trace_summary_process process = {
		.pid = 99, .views = calls, .counts = none, .count = 5};

	trace_summary_explain(&process, &sink);
	cr_expect(strstr(out, " calls end in stubs\n"), "%s", out);
	cr_expect(strstr(out, " calls end at 3 ways out; noted\n"), "%s", out);
	cr_expect(strstr(out, "abort; calls end at 1 way out\n"), "%s", out);
	cr_expect(strstr(out, ep_strerror(EP_NOT_FOLLOWED)), "%s", out);
	cr_expect(strstr(out, "  o:p                               push  \n"), "%s", out);
	out[0] = '\0';
	trace_summary_json(&process, 1, &arena, &sink);
	cr_expect(strstr(out, "\"event\":\"s\",") && strstr(out, "\"ways_out\":0,\"returns\":0"),
		  "%s", out);
	cr_expect(strstr(out, "\"trapped\":0,\"ways_out\":3,\"returns\":0"), "%s", out);
	cr_expect(strstr(out, "EP_NOT_FOLLOWED\",\"hits\":0,\"missed\":0,\"trapped\":0,\"returns"),
		  "%s", out);
}

/* ---- names --------------------------------------------------------------------------------- */

static const char *name_of(const char *definition, const char *symbol, uint64_t offset, size_t nth)
{
	static struct trace_names names;
	struct trace_definitions all;
	struct ep_match match = {.object = "libc.so.6", .symbol = symbol, .offset = offset};

	cr_assert_eq(trace_definitions_parse(definition, &arena, &all, NULL), 0);
	if (nth == 0)
		trace_names_init(&names, &all, &arena);
	return trace_names_make(&names, &all.list[0], &match, nth);
}

Test(trace_summary, default_event_names)
{
	cr_expect_str_eq(name_of("p:x libc:malloc", "malloc", 0, 0), "x");
	cr_expect_str_eq(name_of("p libc:malloc", "malloc", 0, 0), "p_libc_malloc");
	cr_expect_str_eq(name_of("r libc:malloc", "malloc", 0, 0), "r_libc_malloc");
	cr_expect_str_eq(name_of("p libc:malloc%return", "malloc", 0, 0), "r_libc_malloc");
	cr_expect_str_eq(name_of("p libc:malloc+4", "malloc", 4, 0), "p_libc_malloc_0x4");
	cr_expect_str_eq(name_of("p libc:0x1a0", NULL, 0x1a0, 0), "p_libc_0x1a0");
	cr_expect_str_eq(name_of("p libc:mal*", "malloc", 0, 0), "malloc");
	cr_expect_str_eq(name_of("p:m libc:mal*", "malloc", 0, 0), "m_malloc");
	cr_expect_str_eq(name_of("p libc:*", "a.part-0@x", 0, 0), "a_part_0_x");
}

Test(trace_summary, names_that_repeat_are_numbered)
{
	cr_expect_str_eq(name_of("p libc:mal*", "malloc", 0, 0), "malloc");
	cr_expect_str_eq(name_of("p libc:mal*", "malloc", 0, 1), "malloc_1");
	cr_expect_str_eq(name_of("p libc:mal*", "malloc", 0, 2), "malloc_2");
	cr_expect_str_eq(name_of("p:x libc:local", "local", 0, 0), "x");
	cr_expect_str_eq(name_of("p:x libc:local", "local", 0, 1), "x_1");
}

/* ---- time ---------------------------------------------------------------------------------- */

Test(trace_summary, times_are_converted_between_the_notes)
{
	struct trace_clock_map map = {
		.clock = TRACE_CLOCK_TSC,
		.points = {{1000, 100}, {3000, 200}, {3000000000000003000, 1000000000200}},
	};

	cr_expect_eq(trace_clock_convert(&map, 1000), 100);
	cr_expect_eq(trace_clock_convert(&map, 2000), 150);
	cr_expect_eq(trace_clock_convert(&map, 3000), 200);
	cr_expect_eq(trace_clock_convert(&map, 1500000000000003000), 500000000200);
	cr_expect_eq(trace_clock_convert(&map, UINT64_MAX), 1000000000200);
	cr_expect_eq(trace_clock_convert(&map, 0), 100);
}

/* Longer than the session as well: the call may have begun in a parent. */
Test(trace_summary, durations_are_converted_by_the_mean_rate)
{
	struct trace_clock_map map = {
		.clock = TRACE_CLOCK_TSC,
		.points = {{7000, 0}, {8000, 0}, {3000001000, 1000000100}},
		.start = {1000, 100},
	};

	cr_expect_eq(trace_clock_duration(&map, 0), 0);
	cr_expect_eq(trace_clock_duration(&map, 3), 1);
	cr_expect_eq(trace_clock_duration(&map, 3000000000), 1000000000);
	cr_expect_eq(trace_clock_duration(&map, 30000000003), 10000000001);
	trace_clock_duration(&map, UINT64_MAX);
	map.points[2] = map.start;
	cr_expect_eq(trace_clock_duration(&map, 5), 5, "nothing is known yet");
	map.points[2] = (struct trace_clock_point){2000, 600};
	map.clock = TRACE_CLOCK_MONOTONIC;
	cr_expect_eq(trace_clock_duration(&map, 5), 5);
}

Test(trace_summary, clocks_agree_with_the_kernel)
{
	enum trace_clock clock = trace_clock_choose();
	struct trace_clock_map map;
	struct timespec before, after;
	uint64_t count, now;
	uint32_t cpu;

	trace_clock_map_init(&map, clock);
	clock_gettime(CLOCK_MONOTONIC, &before);
	count = trace_clock_read(clock, &cpu);
	clock_gettime(CLOCK_MONOTONIC, &after);
	trace_clock_map_update(&map);
	now = trace_clock_convert(&map, count);
	cr_expect_geq(now + 20000, (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec);
	cr_expect_leq(now, (uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec + 20000);
}
