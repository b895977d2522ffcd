/* SPDX-License-Identifier: MIT */
/* Registers by name, and what is fetched from them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "trace/action/run.h"
#include "trace/language/parse.h"
#include "trace/language/registers.h"

TestSuite(trace_args, .timeout = 400);

static const struct ep_regs regs = {
	.rax = 0x1122334455667788,
	.rdi = 0xfffffffffffffffe,
	.rsp = 0x7fff00001000,
	.rip = 0x401000,
	.rflags = 0x246,
	.r8 = 0x80,
	.r15 = 0xffff8000,
};

static uint64_t fetch(const char *text)
{
	struct trace_arena arena = {0};
	struct trace_definitions all;
	struct ep_error_at error = {0};
	char definition[64];
	uint64_t ret, values[TRACE_VALUES_MAX];
	struct trace_run run = {.regs = &regs, .values = values};

	snprintf(definition, sizeof(definition), "p main %s", text);
	cr_assert_eq(trace_definitions_parse(definition, &arena, &all, &error), 0, "%s: %s", text,
		     error.message);
	cr_assert(trace_run(&all.list[0].program, &run));
	ret = values[0];
	trace_arena_deinit(&arena);
	return ret;
}

Test(trace_args, kernel_names_are_whole_registers)
{
	cr_expect_eq(fetch("%ax"), 0x1122334455667788);
	cr_expect_eq(fetch("%di"), 0xfffffffffffffffe);
	cr_expect_eq(fetch("%sp"), 0x7fff00001000);
	cr_expect_eq(fetch("%ip"), 0x401000);
	cr_expect_eq(fetch("%flags"), 0x246);
	cr_expect_eq(fetch("%r8"), 0x80);
}

Test(trace_args, manual_names_are_as_wide_as_they_say)
{
	cr_expect_eq(fetch("%rax"), 0x1122334455667788);
	cr_expect_eq(fetch("%eax"), 0x55667788);
	cr_expect_eq(fetch("%al"), 0x88);
	cr_expect_eq(fetch("%ah"), 0x77);
	cr_expect_eq(fetch("%edi"), 0xfffffffe);
	cr_expect_eq(fetch("%dil"), 0xfe);
	cr_expect_eq(fetch("%r15d"), 0xffff8000);
	cr_expect_eq(fetch("%r15w"), 0x8000);
	cr_expect_eq(fetch("%r15b"), 0);
	cr_expect_eq(fetch("%rip"), 0x401000);
	cr_expect_eq(fetch("%eflags"), 0x246);
}

Test(trace_args, types_widen_as_they_say)
{
	cr_expect_eq(fetch("%di:s64"), (uint64_t)-2);
	cr_expect_eq(fetch("%di:s32"), (uint64_t)-2);
	cr_expect_eq(fetch("%di:u32"), 0xfffffffe);
	cr_expect_eq(fetch("%di:u8"), 0xfe);
	cr_expect_eq(fetch("%di:x16"), 0xfffe);
	cr_expect_eq(fetch("%r8:s8"), (uint64_t)-128);
	cr_expect_eq(fetch("%r8:s16"), 128);
	cr_expect_eq(fetch("%ax:char"), 0x88);
	/* never more than the register has */
	cr_expect_eq(fetch("%al:u64"), 0x88);
	cr_expect_eq(fetch("%al:s64"), (uint64_t)(int64_t)(int8_t)0x88);
}

Test(trace_args, arguments_are_where_the_abi_puts_them)
{
	static const char *const names[] = {"rdi", "rsi", "rdx", "rcx", "r8", "r9"};
	struct trace_register argument, named;

	for (unsigned long i = 1; i <= 6; i++) {
		cr_assert(trace_register_of_argument(i, &argument));
		cr_assert(trace_register_find(names[i - 1], strlen(names[i - 1]), &named));
		cr_expect_eq(argument.offset, named.offset);
	}
	cr_expect_not(trace_register_of_argument(0, &argument));
	cr_expect_not(trace_register_of_argument(7, &argument));
}
