/* SPDX-License-Identifier: MIT */
/* What becomes of beginnings and ends of calls, in whatever order they come. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/graph.h"
#include "trace/session/shared.h"

TestSuite(cli_graph, .timeout = 60);

#define ENTRY ((enum ep_end)TRACE_END_ENTRY)
#define NEVER UINT64_MAX

static char output[1 << 20];
static size_t used;

static int keep(void *data, const char *text, size_t size)
{
	(void)data;
	cr_assert_lt(used + size, sizeof(output));
	memcpy(output + used, text, size);
	used += size;
	output[used] = '\0';
	return 0;
}

static struct sheet sheet;
static struct graph *graph;
static struct trace_definition definition = {.is_return = true};
static const struct trace_definitions definitions = {&definition, 1};
static const struct trace_arg args[] = {{.name = GRAPH_DEPTH, .value = 0}};
static struct trace_view views[] = {
	{.group = GRAPH_GROUP, .event = "a", .place = "prog:a"},
	{.group = GRAPH_GROUP, .event = "b", .place = "prog:b"},
	{.group = GRAPH_GROUP, .event = "c", .place = "prog:_ZN1x1yEv"},
	{.group = "uprobes", .event = "other", .place = "prog:other+0x4"},
};

static void start(bool ends_only)
{
	const struct trace_sink sink = {keep, NULL};
	const struct graph_settings settings = {&definitions, ends_only};

	for (size_t i = 0; i < 3; i++) {
		views[i].args = args;
		views[i].arg_count = 1;
	}
	used = 0;
	output[0] = '\0';
	cr_assert_eq(sheet_init(&sheet, -1, &sink), 0);
	graph = graph_create(&settings, &sheet);
	cr_assert(graph);
}

/* Of function 'a', 'b' or 'c'; it begins and ends at so many microseconds. */
static void event(int tid, char function, uint64_t began, uint64_t time, enum ep_end end,
		  uint64_t depth)
{
	const struct trace_event event = {.view = &views[function - 'a'],
					  .nanoseconds = 1000 * time,
					  .time = time,
					  .pid = 7,
					  .tid = tid,
					  .is_timed = true,
					  .began = began,
					  .duration = 1000 * (time - began),
					  .end = end,
					  .values = &depth,
					  .comm = "prog"};

	graph_event(graph, &event);
}

static void enter(char function, uint64_t time)
{
	event(7, function, time, time, ENTRY, 0);
}

static void leave(char function, uint64_t began, uint64_t time)
{
	event(7, function, began, time, EP_END_RETURN, 0);
}

static void check(const char *expected)
{
	graph_show(graph, NEVER);
	cr_expect_str_eq(output, expected, "not\n%sbut\n%s", expected, output);
}

Test(cli_graph, call_without_others_is_one_line)
{
	start(false);
	enter('a', 1);
	enter('b', 2);
	leave('b', 2, 3);
	enter('b', 4);
	leave('b', 4, 6);
	leave('a', 1, 7);
	enter('a', 8);
	leave('a', 8, 9);
	check("         | a() {\n"
	      "  1.00us |   b();\n"
	      "  2.00us |   b();\n"
	      "  6.00us | } // a\n"
	      "  1.00us | a();\n");
	cr_expect_eq(graph_total(graph).calls, 4);
	cr_expect_eq(graph_total(graph).running, 0);
}

/* So one sees where a program hangs. */
Test(cli_graph, call_that_lasts_has_a_first_line_soon)
{
	start(false);
	enter('a', 1);
	graph_show(graph, 1000 + 50000000);
	cr_expect_str_eq(output, "");
	graph_show(graph, 1000 + 200000000);
	cr_expect_str_eq(output, "         | a() {\n");
	leave('a', 1, 300000);
	check("         | a() {\n   299ms | } // a\n");
}

Test(cli_graph, recursion_is_told_apart_by_beginnings)
{
	start(false);
	enter('a', 1);
	enter('a', 2);
	enter('a', 3);
	leave('a', 3, 4);
	leave('a', 2, 6);
	check("         | a() {\n"
	      "         |   a() {\n"
	      "  1.00us |     a();\n"
	      "  4.00us |   } // a\n");
	cr_expect_eq(graph_total(graph).running, 1);
}

Test(cli_graph, other_ends_are_marked)
{
	start(false);
	enter('a', 1);
	enter('b', 2);
	event(7, 'b', 2, 3, EP_END_UNWIND, 0);
	enter('b', 4);
	event(7, 'b', 4, 5, EP_END_JUMP, 0);
	event(7, 'a', 1, 6, EP_END_EXIT, 0);
	check("         | a() {\n"
	      "  1.00us |   b(); <- unwind\n"
	      "  1.00us |   b(); <- jump\n"
	      "  5.00us | } // a <- exit\n");
}

/* Coroutines, and calls of which it is noticed late that they were left. */
Test(cli_graph, ends_may_come_in_another_order)
{
	start(false);
	enter('a', 1);
	enter('b', 2);
	leave('a', 1, 3);
	enter('a', 4);
	leave('b', 2, 5);
	leave('a', 4, 6);
	check("         | a() {\n"
	      "         |   b() {\n"
	      "  2.00us | } // a\n"
	      "         |   a() {\n"
	      "  3.00us | } // b\n"
	      "  2.00us | } // a\n");
}

/* Of the parent's, in the child of a fork. */
Test(cli_graph, end_without_a_beginning_is_shown)
{
	start(false);
	leave('b', 2, 3);
	check("  1.00us | b();\n");
}

Test(cli_graph, threads_have_trees_of_their_own)
{
	start(false);
	enter('a', 1);
	event(8, 'b', 2, 2, ENTRY, 0);
	enter('b', 3);
	leave('b', 3, 4);
	event(8, 'b', 2, 5, EP_END_RETURN, 0);
	leave('a', 1, 6);
	check("         | a() {\n"
	      "  1.00us |   b();\n"
	      "  3.00us prog-8                  | b();\n"
	      "  5.00us prog-7                  | } // a\n");
}

Test(cli_graph, other_events_stand_in_it)
{
	const struct trace_event other = {.view = &views[3],
					  .nanoseconds = 2000,
					  .time = 2,
					  .pid = 7,
					  .tid = 7,
					  .comm = "prog"};

	start(false);
	enter('a', 1);
	graph_event(graph, &other);
	leave('a', 1, 3);
	check("         | a() {\n         |   // other\n  2.00us | } // a\n");
}

/* Whether there is a C++ library or not. */
Test(cli_graph, names_are_as_they_were_written)
{
	start(false);
	enter('c', 1);
	leave('c', 1, 2);
	graph_show(graph, NEVER);
	cr_expect(strcmp(output, "  1.00us | x::y();\n") == 0 ||
			  strcmp(output, "  1.00us | _ZN1x1yEv();\n") == 0,
		  "%s", output);
}

Test(cli_graph, lines_are_as_wide_as_a_terminal)
{
	start(false);
	sheet.width = 24;
	views[0].place = "prog:a_function_with_a_long_name";
	enter('a', 1);
	leave('a', 1, 2);
	check("  1.00us | a_function_w…\n");
	views[0].place = "prog:a";
}

Test(cli_graph, far_inside_the_depth_is_a_number)
{
	char *last;

	start(false);
	for (uint64_t i = 1; i <= 60; i++)
		enter('a', i);
	enter('b', 61);
	leave('b', 61, 62);
	graph_show(graph, NEVER);
	last = strstr(output, "[60] b();\n");
	cr_assert(last);
	cr_expect(strstr(output, "[49] a() {\n"));
	cr_expect(!strstr(output, "[48]"));
}

/* ---- ends only ----------------------------------------------------------------------------- */

static void end(char function, uint64_t began, uint64_t time, uint64_t depth)
{
	event(7, function, began, time, EP_END_RETURN, depth);
}

Test(cli_graph_ends, are_put_in_order)
{
	start(true);
	end('b', 3, 4, 3);
	end('c', 5, 7, 3);
	end('b', 2, 8, 2);
	end('c', 9, 10, 2);
	views[2].place = "prog:c";
	graph_show(graph, 10000);
	cr_expect_str_eq(output, "");
	end('a', 1, 11, 1);
	graph_show(graph, 10000);
	check("         | a() {\n"
	      "         |   b() {\n"
	      "  1.00us |     b();\n"
	      "  2.00us |     c();\n"
	      "  6.00us |   } // b\n"
	      "  1.00us |   c();\n"
	      "  10.0us | } // a\n");
	views[2].place = "prog:_ZN1x1yEv";
}

/* What could not wait stands in front of what it is part of. */
Test(cli_graph_ends, do_not_wait_for_long)
{
	start(true);
	end('b', 2, 3, 2);
	graph_show(graph, 3000 + 500000000);
	cr_expect_str_eq(output, "");
	graph_show(graph, 3000 + 1500000000);
	cr_expect_str_eq(output, "  1.00us |   b();\n");
	end('b', 4, 5, 2);
	end('a', 1, 6, 1);
	check("  1.00us |   b();\n  1.00us |   b();\n  5.00us | } // a\n");
}

Test(cli_graph_ends, are_not_kept_without_bounds)
{
	start(true);
	for (uint64_t i = 0; i < 5000; i++)
		end('b', 2 + 2 * i, 3 + 2 * i, 2);
	cr_expect_eq(used, 0); /* the sheet has them */
	graph_show(graph, 1);
	cr_expect_gt(used, 4000 * strlen("  1.00us |   b();\n"));
}

Test(cli_graph_ends, that_begin_at_once_are_ordered_by_depth)
{
	start(true);
	end('b', 1, 3, 2);
	end('a', 1, 3, 1);
	check("         | a() {\n  2.00us |   b();\n  2.00us | } // a\n");
}
