/* SPDX-License-Identifier: MIT */
/* What of filters the engine is told: it says the same as the program, for any registers, or is told nothing. */
#include "trace/action/conditions.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "probe/site/condition.h"
#include "trace/action/run.h"
#include "trace/language/parse.h"

static struct trace_arena arena;

static const struct trace_program *parse(const char *text)
{
	struct trace_definitions all;
	struct ep_error_at error = {0};

	cr_assert_eq(trace_definitions_parse(text, &arena, &all, &error), 0, "%s: %s", text,
		     error.message);
	return &all.list[0].program;
}

/* By numbers at which something may change. */
static void expect_same(const char *text, const struct trace_program *program,
			const struct ep_condition *list, size_t count)
{
	static const uint64_t numbers[] = {
		128,	    0,		1,	    2,	   3,	  4,	 5,	     6,
		7,	    255,	256,	    4095,  4096,  4097,	 0x7fffffff, 0x80000000,
		0xffffffff, 1ull << 32, 1ull << 63, -1ull, -2ull, -7ull, -4096ull};
	enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
	struct probe_conditions *conditions = conditions_copy(list, count);
	uint64_t values[TRACE_VALUES_MAX], accepted = 0;

	cr_assert(conditions_are_sound(list, count), "%s", text);
	for (size_t i = 0; i < COUNT * COUNT; i++) {
		struct ep_regs regs = {.rdi = numbers[i % COUNT], .rsi = numbers[i / COUNT]};
		struct trace_run run = {.regs = &regs, .values = values};
		bool expected = trace_run(program, &run);

		cr_expect_eq(conditions_hold(conditions, &regs), expected, "%s: %#lx %#lx", text,
			     regs.rdi, regs.rsi);
		accepted += expected;
	}
	cr_expect(accepted > 0 && accepted < COUNT * COUNT, "%s: %lu", text, accepted);
	conditions_free(conditions);
}

Test(trace_conditions, say_what_the_program_says)
{
	static const struct {
		const char *text;
		size_t count;
	} cases[] = {
		{"p main a=$arg1:u64 if a > 5", 1},
		{"p main a=$arg1:s32 if a < 0", 1},
		{"p main if %di == 7", 1},
		{"p main if !(%di == 7)", 1},
		{"p main if %edi != 7", 1},
		{"p main if %di & 4", 1},
		{"p main if %dil", 1},
		{"p main a=$arg1:u16 if 255 <= a", 1},
		{"p main a=$arg1:s8 if a >= -7", 1},
		{"p main a=$arg1:s64 b=$arg2:u32 if a > 4k && b <= 6 || a == -2", 3},
		{"p main a=$arg1:u64 if a > 1 && a < 4095 && a != 3 && !(a == 4 || a == 5)", 5},
		{"p main a=$arg1:u64 b=$arg2 c=$tid d=+0($arg1):string if a > 5", 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct trace_program *program = parse(cases[i].text);
		struct trace_program filter = *program;
		size_t count;
		const struct ep_condition *list = trace_conditions_of(program, &arena, &count);

		cr_expect_eq(count, cases[i].count, "%s: %zu", cases[i].text, count);
		if (list)
			expect_same(cases[i].text, &filter, list, count);
	}
}

Test(trace_conditions, are_none_where_the_program_must_look)
{
	static const char *const texts[] = {
		"p main a=$arg1",
		"p main if +8($arg1):u64 > 5",
		"p main a=$arg1 b=$arg2 if a < b",
		"p main if $tid == 7",
		"p main if $arg1:f64 > 1.5",
		"p main s=+0($arg1):string if s == \"x\"",
		"p main a=$arg1 if a > 5 && $tid == 7",
		"p main if %ip > 5",
		"p main if %ah == 5",
		"p main a=$arg1:b4@2/32 if a == 5",
		"p main a=$arg1 if a==1||a==2||a==3||a==4||a==5||a==6||a==7||a==8||a==9",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t count;

		cr_expect_null(trace_conditions_of(parse(texts[i]), &arena, &count), "%s",
			       texts[i]);
		cr_expect_eq(count, 0);
	}
}
