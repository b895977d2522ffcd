/* SPDX-License-Identifier: MIT */
/* Indirect functions: what they mean is asked of what the loader asks, and of nothing else. */
#include <criterion/criterion.h>
#include <dlfcn.h>

#include "include/emuprobe.h"

TestSuite(resolvers, .timeout = 60);

static void *library;

static void setup(void)
{
	library = dlopen(EP_INDIRECT, RTLD_NOW);
	cr_assert_not_null(library, "%s", dlerror());
}

static int note(const struct ep_match *match, void *data)
{
	*(const void **)data = match->addr;
	return 0;
}

static int find(const char *symbol, const void **ret)
{
	const struct ep_place place = {.object = "indirect.so", .symbol = symbol};

	*ret = NULL;
	return ep_resolve(&place, note, ret);
}

static int call(const void *function)
{
	return ((int (*)(void))(uintptr_t)function)();
}

Test(resolvers, that_the_loader_calls_are_called, .init = setup)
{
	const void *found;

	cr_assert_eq(find("indirect_exported", &found), 0);
	cr_expect_eq(found, dlsym(library, "indirect_exported"));
	cr_assert_eq(find("indirect_own", &found), 0);
	cr_expect_eq(call(found), 2);
}

Test(resolvers, that_only_a_symbol_names_are_not_called, .init = setup)
{
	const void *found;

	cr_expect_eq(find("indirect_liar", &found), -EP_NO_SYMBOL);
	cr_expect_eq(find("indirect_inside", &found), -EP_NO_SYMBOL);
}

Test(resolvers, that_choose_what_is_no_code_choose_nothing, .init = setup)
{
	const void *found;

	cr_expect_eq(find("indirect_astray", &found), -EP_NO_SYMBOL);
}

/* A pattern that means all of them leaves those out, too. */
Test(resolvers, in_a_pattern, .init = setup)
{
	const void *found;

	cr_expect_eq(find("indirect_*", &found), 0);
}
