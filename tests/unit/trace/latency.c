/* SPDX-License-Identifier: MIT */
/* How long calls took: the table, the bars and the buckets. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "trace/report/latency.h"
#include "trace/report/summary.h"

TestSuite(trace_latency, .timeout = 400);

static const struct trace_shape shape = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 20, .heap_max = 2};
static struct trace_session session;
static struct trace_arena arena;
static char out[1 << 16];

static int collect(void *data, const char *text, size_t size)
{
	(void)data;
	strncat(out, text, size);
	return 0;
}

static const struct trace_sink sink = {.write = collect};

/* Four counts are a nanosecond. */
static const struct trace_clock_map clock = {.clock = TRACE_CLOCK_TSC,
					     .points = {{0, 0}, {2000, 500}, {4000000, 1000000}}};
static const struct trace_latency_unit unit = {.clock = &clock, .sample = 1};
static const struct trace_latency_unit sampled = {.clock = &clock, .sample = 16};

static const struct trace_view views[] = {
	{.group = "g",
	 .event = "quick",
	 .place = "o:quick",
	 .plan = EP_PLAN_JUMP,
	 .is_return = true},
	{.group = "g", .event = "slow", .place = "o:slow", .plan = EP_PLAN_JUMP, .is_return = true},
	{.group = "g",
	 .event = "never",
	 .place = "o:never",
	 .plan = EP_PLAN_JUMP,
	 .is_return = true},
	{.group = "g", .event = "hit", .place = "o:hit", .plan = EP_PLAN_JUMP},
};
#define PROBES (sizeof(views) / sizeof(views[0]))

static struct ep_counts counts[PROBES] = {
	{.hits = 1000, .returns = 1000},
	{.hits = 12, .returns = 4, .unwound = 3, .abandoned = 2},
	{.hits = 0},
	{.hits = 77},
};
static struct trace_summary_process processes[2];

static void add(uint64_t process, uint32_t probe, uint64_t nanoseconds, bool nested)
{
	struct trace_memory all;
	struct trace_duration_entry *entry;
	struct trace_histogram *histogram;

	trace_memory_init(&all, &session, (uint32_t)process);
	histogram = trace_durations_find(&all, trace_durations_take(&all), probe, &entry);
	trace_durations_add(&all, histogram, nanoseconds * 4, nanoseconds * 2, nested);
}

static void setup(void)
{
	int fd;

	cr_assert_eq(trace_session_create(&shape, "", 0, &fd, &session), 0);
	close(fd);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(trace_session_add_process(&session, getpid(), 1), i);
		processes[i] = (struct trace_summary_process){
			.pid = i + 1,
			.views = views,
			.counts = counts,
			.session = &session,
			.timed = trace_session_process(&session, (uint64_t)i),
			.unit = unit,
			.count = PROBES,
		};
	}
	for (uint64_t i = 0; i < 1000; i++)
		add(0, 0, 100, false);
	for (uint64_t i = 0; i < 7; i++)
		add(0, 1, 2000000, i == 3);
}

/* Where buckets are one count wide, or all calls took as long, nothing is rounded. */
Test(trace_latency, most_time_first, .init = setup)
{
	trace_summary_table(processes, 1, false, &arena, &sink);
	cr_expect(
		strstr(out,
		       "       calls    total     self      min     mean      p50      p90      p99"
		       "    p99.9      max  event\n"
		       "          12   12.0ms   7.00ms   2.00ms   2.00ms   2.00ms   2.00ms   2.00ms"
		       "   2.00ms   2.00ms  slow (3 by an exception, 2 left by a jump, 3 still "
		       "running)"
		       "\n"
		       "        1000    100us   50.0us    100ns    100ns    100ns    100ns    100ns"
		       "    100ns    100ns  quick\n"),
		"%s", out);
	cr_expect(strstr(out, "        1000  jump     quick  o:quick\n"), "%s", out);
	cr_expect_null(strstr(strstr(out, "p99.9"), "never"));
	cr_expect_null(strstr(strstr(out, "p99.9"), "hit\n"));
}

Test(trace_latency, processes_are_added_up, .init = setup)
{
	for (int i = 0; i < 500; i++)
		add(1, 0, 300, false);
	trace_summary_table(processes, 2, false, &arena, &sink);
	cr_expect(strstr(out, "        2000    250us    125us    100ns    166ns    102ns"), "%s",
		  out);
	cr_expect(strstr(out, "    300ns  quick (500 not timed)\n"), "%s", out);
}

Test(trace_latency, nothing_is_said_of_what_was_not_wanted, .init = setup)
{
	processes[0].timed = NULL;
	processes[0].unit.clock = NULL;
	trace_summary_table(processes, 1, false, &arena, &sink);
	cr_expect_null(strstr(out, "p99.9"));
	out[0] = '\0';
	trace_summary_json(processes, 1, &arena, &sink);
	cr_expect(strstr(out, "\"trapped\":0,\"ways_out\":0,\"returns\":4,\"unwound\":3,"
			      "\"abandoned\":2}\n"),
		  "%s", out);
}

/* Own times would be wrong: what others took is not known of all. */
Test(trace_latency, a_sample_is_called_one, .init = setup)
{
	processes[0].unit = sampled;
	trace_summary_table(processes, 1, false, &arena, &sink);
	cr_expect(strstr(out, "       calls    total      min     mean"), "%s", out);
	cr_expect(strstr(out, "        1000    100us    100ns    100ns"), "%s", out);
	cr_expect(strstr(out, "  timed 1 in 16 calls"), "%s", out);
	cr_expect_null(strstr(out, "not timed"));
	out[0] = '\0';
	trace_summary_json(processes, 1, &arena, &sink);
	cr_expect(strstr(out, "\"timed\":7,\"sample\":16,"), "%s", out);
	cr_expect(strstr(out, "\"self\":null,"), "%s", out);
}

Test(trace_latency, objects_have_all_of_it_in_nanoseconds, .init = setup)
{
	add(0, 0, 3, false);
	trace_summary_json(processes, 1, &arena, &sink);
	cr_expect(strstr(out,
			 "\"hits\":1000,\"missed\":0,\"trapped\":0,\"ways_out\":0,\"returns\":1000,"
			 "\"unwound\":0,"
			 "\"abandoned\":0,\"latency\":{\"timed\":1001,\"sample\":1,\"sum\":100003,"
			 "\"total\":100003,\"self\":50001,\"min\":3,\"max\":100,"
			 "\"buckets\":[[3,3,1],[100,104,1000]]}}\n"),
		  "%s", out);
	cr_expect(strstr(out, "\"hits\":77,\"missed\":0,\"trapped\":0}\n"), "%s", out);
	cr_expect(strstr(out,
			 "\"latency\":{\"timed\":0,\"sample\":1,\"sum\":0,\"total\":0,\"self\":0,"
			 "\"min\":0,\"max\":0,\"buckets\":[]}}\n"),
		  "%s", out);
}

/* ---- bars ---------------------------------------------------------------------------------- */

static size_t count_lines(const char *text)
{
	size_t ret = 0;

	for (; *text; text++)
		ret += *text == '\n';
	return ret;
}

Test(trace_latency, bars_are_fine_where_there_are_few, .init = setup)
{
	for (int i = 0; i < 10; i++)
		add(0, 2, 1000, false);
	for (int i = 0; i < 5; i++)
		add(0, 2, 1130, false);
	cr_assert_eq(trace_summary_bars(processes, 1, "never", &arena, &sink), 0);
	cr_expect_str_eq(out, "never:$latency (o:never), 15 calls\n"
			      "       992ns to  1.02us          10  "
			      "|########################################|\n"
			      "      1.02us to  1.08us           0  "
			      "|                                        |\n"
			      "      1.08us to  1.15us           5  "
			      "|####################                    |\n");
}

Test(trace_latency, bars_are_octaves_where_there_are_many, .init = setup)
{
	for (uint64_t i = 0; i < 30; i++)
		add(0, 2, 1ul << i, false);
	add(0, 2, 1, false);
	cr_assert_eq(trace_summary_bars(processes, 1, "never", &arena, &sink), 0);
	cr_expect_geq(count_lines(out), 28);
	cr_expect_leq(count_lines(out), 30);
	cr_expect(strstr(out, "4.09us to  8.19us           1  |"), "%s", out);
}

Test(trace_latency, bars_of_what_is_not_there, .init = setup)
{
	cr_expect_eq(trace_summary_bars(processes, 1, "other", &arena, &sink), -EP_NO_MATCH);
	cr_expect_eq(trace_summary_bars(processes, 1, "hit", &arena, &sink), -EP_NO_MATCH);
	cr_expect_str_eq(out, "");
	cr_expect_eq(trace_summary_bars(processes, 1, "never", &arena, &sink), 0);
	cr_expect_str_eq(out, "never:$latency (o:never), 0 calls\n");
}

/* ---- times --------------------------------------------------------------------------------- */

static const char *time_of(uint64_t nanoseconds)
{
	struct trace_line *line = trace_line_init();

	trace_line_time(line, nanoseconds, 8);
	line->buffer[line->text.used] = '\0';
	return line->buffer;
}

Test(trace_latency, times_have_three_digits_and_a_unit)
{
	cr_expect_str_eq(time_of(0), "     0ns");
	cr_expect_str_eq(time_of(7), "     7ns");
	cr_expect_str_eq(time_of(999), "   999ns");
	cr_expect_str_eq(time_of(1000), "  1.00us");
	cr_expect_str_eq(time_of(1234), "  1.23us");
	cr_expect_str_eq(time_of(12340), "  12.3us");
	cr_expect_str_eq(time_of(123400), "   123us");
	cr_expect_str_eq(time_of(1000000), "  1.00ms");
	cr_expect_str_eq(time_of(59999000000), "   59.9s");
	cr_expect_str_eq(time_of(86400000000000), "  86400s");
	cr_expect_str_eq(time_of(UINT64_MAX), "18446744073s");
}

/* ---- nonsense ------------------------------------------------------------------------------ */

/* Sums that cannot be: whatever is said of them, it has an end. */
Test(trace_latency, nonsense_has_an_end)
{
	static uint64_t buckets[TRACE_OCTAVE_BUCKETS];
	struct trace_duration_sum sum = {.count = UINT64_MAX,
					 .sum = UINT64_MAX,
					 .self = UINT64_MAX,
					 .nested = UINT64_MAX,
					 .longest = 0,
					 .shortest_inverted = 0,
					 .unplaced = UINT64_MAX};
	struct trace_latency row = {.event = "e", .place = "p", .sum = &sum};

	row.counts = (struct ep_counts){.hits = UINT64_MAX, .returns = UINT64_MAX, .unwound = 2};
	for (uint32_t i = 0; i < TRACE_OCTAVE_BUCKETS; i++)
		buckets[i] = UINT64_MAX;
	for (uint32_t i = 0; i < TRACE_OCTAVES; i++)
		sum.octaves[i] = buckets;
	cr_expect_eq(trace_latency_table(&row, 1, &unit, &sink), 0);
	cr_expect_eq(trace_latency_bars(&row, &unit, &sink), 0);
	out[0] = '\0';
	cr_expect_eq(trace_latency_json(&row, &unit, trace_line_init(), &sink), 0);
	cr_expect_eq(trace_latency_json(&row, &sampled, trace_line_init(), &sink), 0);
}
