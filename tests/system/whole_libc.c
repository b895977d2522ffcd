/* SPDX-License-Identifier: MIT */
/*
 * All of libc's functions counted, under every plan: programs do as they do without. What cannot be
 * probed is refused, and left out.
 */
#include <criterion/criterion.h>

#include "tests/support/whole.h"

TestSuite(whole_libc, .timeout = 600);

static void expect_same_under_every_plan(const char *name)
{
	static const char *const plans[] = {"auto", "trap", "emulate", "boost", "jump"};
	const struct whole_program *program = whole_find(name);

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		whole_expect_same(program, "p libc.so.6:*", plans[i]);
}

Test(whole_libc, sqlite3)
{
	expect_same_under_every_plan("sqlite3");
}

Test(whole_libc, mawk)
{
	expect_same_under_every_plan("mawk");
}

Test(whole_libc, perl)
{
	expect_same_under_every_plan("perl");
}

Test(whole_libc, xz)
{
	expect_same_under_every_plan("xz");
}

Test(whole_libc, python)
{
	expect_same_under_every_plan("python");
}

Test(whole_libc, bash_with_subshells_and_pipes)
{
	expect_same_under_every_plan("bash");
}

Test(whole_libc, threads)
{
	expect_same_under_every_plan("threads");
}
