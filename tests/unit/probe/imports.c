/* SPDX-License-Identifier: MIT */
/* Functions as an object imports them, and those that nobody has named. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/emuprobe.h"

TestSuite(imports, .timeout = 400);

#define FOUND_MAX 65536

static struct {
	const void *address[FOUND_MAX];
	char symbol[64], object[64]; /* of the last one */
	size_t count, named, unnamed;
} found;

static int note(const struct ep_match *match, void *data)
{
	(void)data;
	cr_assert_lt(found.count, FOUND_MAX);
	found.address[found.count++] = match->addr;
	snprintf(found.symbol, sizeof(found.symbol), "%s", match->symbol);
	snprintf(found.object, sizeof(found.object), "%s", match->object);
	if (strncmp(match->symbol, "sub_", 4) == 0)
		found.unnamed++;
	else
		found.named++;
	return 0;
}

static int resolve(const char *object, const char *symbol, const char *version)
{
	const struct ep_place place = {.object = object, .symbol = symbol, .version = version};

	memset(&found, 0, sizeof(found));
	return ep_resolve(&place, note, NULL);
}

/* ---- imports ------------------------------------------------------------------------------- */

Test(imports, are_where_the_loader_has_found_them)
{
	void *(*volatile used)(const char *, int) = dlopen;

	cr_assert_not_null(used);
	cr_assert_eq(resolve(NULL, "dlopen", "plt"), 0);
	cr_assert_eq(found.count, 1);
	cr_expect_eq(found.address[0], dlsym(RTLD_DEFAULT, "dlopen"));
	cr_expect_str_eq(found.symbol, "dlopen");
	cr_expect_str_neq(found.object, "unit-probe");
}

/* memcpy() is one of several, by the processor. */
Test(imports, mean_what_an_ifunc_chooses)
{
	cr_assert_eq(resolve(NULL, "memcpy", "plt"), 0);
	cr_assert_eq(found.count, 1);
	cr_expect_eq(found.address[0], dlsym(RTLD_DEFAULT, "memcpy"));
}

Test(imports, are_no_variables_and_not_what_the_object_has_itself)
{
	cr_expect_eq(resolve(NULL, "stderr", "plt"), -EP_NO_SYMBOL);
	cr_expect_eq(resolve(NULL, "ep_resolve", "plt"), -EP_NO_SYMBOL);
	cr_expect_eq(resolve(NULL, "no_such_function", "plt"), -EP_NO_SYMBOL);
	cr_expect_eq(resolve(NULL, "no_such_*", "plt"), -EP_NO_MATCH);
}

Test(imports, of_a_pattern_are_all_of_them_once)
{
	cr_assert_eq(resolve(NULL, "*", "plt"), 0);
	cr_expect_gt(found.count, 50);
	for (size_t i = 1; i < found.count; i++)
		cr_expect_gt(found.address[i], found.address[i - 1]);
	cr_expect_eq(found.unnamed, 0);
}

Test(imports, of_another_object_are_its_own)
{
	cr_assert_eq(resolve("libc.so.6", "*", "plt"), 0);
	cr_expect_eq(resolve("libc.so.6", "dlopen", "plt"), -EP_NO_SYMBOL);
}

/* ---- functions without a name -------------------------------------------------------------- */

Test(imports, two_stars_mean_functions_without_a_name_too)
{
	size_t named;

	cr_assert_eq(resolve("libc.so.6", "*", NULL), 0);
	named = found.count;
	cr_expect_eq(found.unnamed, 0);
	cr_assert_eq(resolve("libc.so.6", "**", NULL), 0);
	cr_expect_eq(found.named, named);
	for (size_t i = 1; i < found.count; i++)
		cr_expect_neq(found.address[i], found.address[i - 1]);
	named = found.unnamed;
	/* What an indirect function chooses may have no other name: there it has that one. */
	cr_assert_eq(resolve("libc.so.6", "sub_*", NULL) == 0, named != 0);
	cr_expect_geq(found.unnamed, named);
	cr_expect_eq(found.named, 0);
}

/* Each by the name that it got. */
Test(imports, names_that_are_made_up_mean_the_same_alone)
{
	const void *address;
	char symbol[64];

	if (resolve("libc.so.6", "sub_*", NULL))
		cr_skip_test("this libc has names for all of its functions");
	address = found.address[found.count - 1];
	memcpy(symbol, found.symbol, sizeof(symbol));
	cr_assert_eq(resolve("libc.so.6", symbol, NULL), 0);
	cr_expect_eq(found.address[0], address);
}
