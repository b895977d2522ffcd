/* SPDX-License-Identifier: MIT */
/* Look-ups of names in an object: what they find, and how many names they look at. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/image/names.h"

TestSuite(names, .timeout = 60);

#define FUNCTIONS 50000
#define LOOKUPS	  4000

static struct objects_function functions[FUNCTIONS];
static struct objects_object object;

/* Each third name has a variant of itself behind it, each hundredth function has none. */
static void setup(void)
{
	for (size_t i = 0; i < FUNCTIONS; i++) {
		static const char *const behind[] = {"", ".isra.0", "_more"};
		char *name = NULL;

		if (i % 100 != 99)
			cr_assert_gt(asprintf(&name, "name%zu%s", i / 3, behind[i % 3]), 0);
		functions[i] = (struct objects_function){.start = i, .end = i + 1, .name = name};
	}
	object = (struct objects_object){
		.functions = functions, .function_count = FUNCTIONS, .functions_read = true};
}

/* "start start ..." of what is found. */
static size_t find(const char *name, char *ret, size_t size)
{
	const struct objects_function *function;
	struct names_walk walk;
	size_t used = 0;

	names_begin(&walk, &object, name);
	ret[0] = '\0';
	while ((function = names_next(&walk)))
		used += (size_t)snprintf(ret + used, size - used, "%lu ", function->start);
	return walk.looked;
}

static void check_found(void)
{
	char found[64];

	find("name5", found, sizeof(found));
	cr_expect_str_eq(found, "15 16 ");
	find("name5.isra.0", found, sizeof(found));
	cr_expect_str_eq(found, "16 ");
	find("name5_more", found, sizeof(found));
	cr_expect_str_eq(found, "17 ");
	find("name", found, sizeof(found));
	cr_expect_str_eq(found, "");
	find("", found, sizeof(found));
	cr_expect_str_eq(found, "");
	find("zzz", found, sizeof(found));
	cr_expect_str_eq(found, "");
}

Test(names, are_the_same_before_and_after_they_are_sorted, .init = setup)
{
	char found[64], again[64];

	functions[7].name = functions[8000].name = functions[15].name;
	find("name5", found, sizeof(found));
	cr_expect_str_eq(found, "7 15 16 8000 ");
	for (int i = 0; i < LOOKUPS; i++)
		find("name6", found, sizeof(found));
	cr_assert_not_null(object.named);
	cr_expect_str_eq(found, "18 19 ");
	find("name5", again, sizeof(again));
	cr_expect_str_eq(again, "7 15 8000 16 ", "those of one name in order, then its relatives");
}

Test(names, are_found_by_the_whole_name, .init = setup)
{
	check_found();
	for (int i = 0; i < LOOKUPS; i++) {
		char found[64];

		find("name6", found, sizeof(found));
	}
	cr_assert_not_null(object.named);
	check_found();
}

Test(names, of_nothing_are_not_found, .init = setup)
{
	object.function_count = 0;
	for (int i = 0; i < LOOKUPS; i++) {
		char found[64];

		find("name5", found, sizeof(found));
		cr_expect_str_eq(found, "");
	}
}

/* Not definitions times functions: that took minutes. */
Test(names, many_lookups_look_at_few_names, .init = setup)
{
	size_t looked = 0;
	char name[64], found[64];

	for (int i = 0; i < LOOKUPS; i++) {
		snprintf(name, sizeof(name), "name%d", i * 4);
		looked += find(name, found, sizeof(found));
	}
	cr_expect_lt(looked, 100 * FUNCTIONS + LOOKUPS * 50, "%zu names", looked);
}
