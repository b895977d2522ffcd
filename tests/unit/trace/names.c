/* SPDX-License-Identifier: MIT */
/* Event names that are made up: each another one, whole, and at a price in proportion. */
#include "trace/language/names.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(trace_names, .timeout = 400);

#define SHARED 150 /* characters that all names begin with */

static const struct trace_definition pattern = {
	.text = "p *", .group = "uprobes", .place = {.symbol = "*"}};
static const struct trace_definitions definitions = {(struct trace_definition *)&pattern, 1};

/* Bytes of memory that @count names take; each is as it is wanted. */
static size_t memory_of(int count, bool alike)
{
	struct trace_arena arena = {0};
	struct trace_names names;
	char symbol[SHARED + 32];
	size_t ret;

	memset(symbol, 's', sizeof(symbol));
	cr_assert_eq(trace_names_init(&names, &definitions, &arena), 0);
	for (int i = 0; i < count; i++) {
		const struct ep_match match = {.object = "object", .symbol = symbol};
		const char *name;

		snprintf(symbol + SHARED, sizeof(symbol) - SHARED, "%d", alike ? 0 : i);
		name = trace_names_make(&names, &pattern, &match, (size_t)i);
		cr_assert_not_null(name);
		cr_assert(strncmp(name, symbol, strlen(symbol)) == 0, "%s", name);
		cr_assert(alike || strcmp(name, symbol) == 0, "%s", name);
	}
	ret = trace_arena_size(&arena);
	trace_arena_deinit(&arena);
	return ret;
}

/* With one that is asked for twice as often, it would be four times as much. */
static void expect_linear(bool alike)
{
	size_t few = memory_of(2000, alike), many = memory_of(4000, alike);

	cr_expect_lt(many, 3 * few, "%zu bytes for 2000, %zu for 4000", few, many);
}

Test(trace_names, that_share_their_start_take_memory_in_proportion)
{
	expect_linear(false);
}

Test(trace_names, that_are_the_same_take_memory_in_proportion)
{
	expect_linear(true);
}
