/* SPDX-License-Identifier: MIT */
/*
 * Claims: a place means the objects and functions that its user meant, each address once and under
 * its best name; where it means none, the error says what was not found.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/emuprobe.h"

TestSuite(resolve, .timeout = 400);

extern const char resolve_whole[], resolve_fast[], resolve_starred[];

__attribute__((noinline, used)) static int resolve_twin(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a;
}

#define MATCHES_MAX 64

static struct {
	struct ep_match match[MATCHES_MAX];
	char symbol[MATCHES_MAX][64], object[MATCHES_MAX][64], relative[64];
	size_t count;
	int stop_with;
} found;

static int note(const struct ep_match *match, void *data)
{
	size_t i = found.count;

	cr_assert_eq(data, &found);
	cr_assert_lt(i, MATCHES_MAX);
	found.match[i] = *match;
	snprintf(found.symbol[i], 64, "%s", match->symbol ? match->symbol : "");
	snprintf(found.object[i], 64, "%s", match->object);
	snprintf(found.relative, 64, "%s", match->relative ? match->relative : "");
	found.count++;
	return found.stop_with;
}

static int resolve_place(const struct ep_place *place)
{
	found.count = 0;
	return ep_resolve(place, note, &found);
}

static int resolve(const char *object, const char *symbol)
{
	struct ep_place place = {.object = object, .symbol = symbol};

	return resolve_place(&place);
}

static void expect_one(const void *address)
{
	cr_assert_eq(found.count, 1, "%zu", found.count);
	cr_assert_eq(found.match[0].addr, address, "%p, not %p", found.match[0].addr, address);
}

static void *small;

static void load_small(void)
{
	small = dlopen(EP_SMALL_OBJECT, RTLD_NOW);
	cr_assert_not_null(small);
}

static const char *small_symbol(const char *name)
{
	return dlsym(small, name);
}

/* ---- which object ---------------------------------------------------------------------------- */

Test(resolve, means_the_executable_where_no_object_is_named)
{
	cr_assert_eq(resolve(NULL, "resolve_whole"), 0);
	expect_one(resolve_whole);
	cr_assert_str_eq(found.object[0], "unit-probe");
	cr_assert_eq(resolve("", "resolve_whole"), 0);
	expect_one(resolve_whole);
	cr_assert_eq(resolve(NULL, "small_add"), -EP_NO_SYMBOL);
}

Test(resolve, knows_an_object_by_all_its_names, .init = load_small)
{
	static const char *const names[] = {"small.so", "small", EP_SMALL_OBJECT, "sm*.so",
					    "*/small.s?"};
	const char *expected = small_symbol("small_sum");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert_eq(resolve(names[i], "small_sum"), 0, "%s", names[i]);
		expect_one(expected);
	}
	cr_assert_eq(resolve("smal", "small_sum"), -EP_NO_OBJECT);
	cr_assert_eq(resolve("/small.so", "small_sum"), -EP_NO_OBJECT);
	cr_assert_eq(resolve("xsm*.so", "small_sum"), -EP_NO_MATCH);
}

Test(resolve, knows_a_library_by_its_soname_and_by_its_file)
{
	void *library = dlopen(EP_SMALL_OBJECT_SYSV, RTLD_NOW);

	cr_assert_not_null(library);
	cr_assert_eq(resolve("libsmall.so.1", "small_sum"), 0);
	expect_one(dlsym(library, "small_sum"));
	cr_assert_str_eq(found.object[0], "libsmall.so.1");
	cr_assert_eq(resolve("small-sysv.so", "small_sum"), 0);
	expect_one(dlsym(library, "small_sum"));
}

Test(resolve, knows_a_library_with_a_version_by_its_stem)
{
	const char *expected = dlsym(RTLD_DEFAULT, "getpid");

	cr_assert_eq(resolve("libc", "getpid"), 0);
	expect_one(expected);
	cr_assert_str_eq(found.object[0], "libc.so.6");
	cr_assert_eq(resolve("libc.so.6", "getpid"), 0);
	expect_one(expected);
	cr_assert_eq(resolve("lib", "getpid"), -EP_NO_OBJECT);
}

Test(resolve, knows_a_file_by_any_path, .init = load_small)
{
	char path[] = "/tmp/emuprobe-resolve-XXXXXX", name[64];

	cr_assert_not_null(mkdtemp(path));
	snprintf(name, sizeof(name), "%s/other", path);
	cr_assert_eq(symlink(EP_SMALL_OBJECT, name), 0);
	cr_assert_eq(resolve(name, "small_sum"), 0);
	expect_one(small_symbol("small_sum"));
	cr_assert_eq(unlink(name), 0);
	cr_assert_eq(resolve(name, "small_sum"), -EP_NO_OBJECT);
	rmdir(path);
}

Test(resolve, takes_a_literal_object_as_it_stands, .init = load_small)
{
	struct ep_place place = {
		.object = "sm*.so", .symbol = "small_sum", .is_literal = EP_LITERAL_OBJECT};

	cr_assert_eq(resolve_place(&place), -EP_NO_OBJECT);
	place.object = "small.so";
	cr_assert_eq(resolve_place(&place), 0);
}

Test(resolve, looks_into_one_object_only_if_told, .init = load_small)
{
	struct ep_place place = {.object = "*", .symbol = "small_sum"};

	cr_assert_eq(resolve_place(&place), 0);
	place.within = small_symbol("small_sum");
	cr_assert_eq(resolve_place(&place), 0);
	expect_one(place.within);
	place.within = dlsym(RTLD_DEFAULT, "getpid");
	cr_assert_eq(resolve_place(&place), -EP_NO_SYMBOL);
}

/* ---- which function -------------------------------------------------------------------------- */

Test(resolve, reports_an_address_once_under_its_best_name)
{
	cr_assert_eq(resolve(NULL, "*resolve_whole*"), 0);
	for (size_t i = 0; i < found.count; i++)
		if (found.match[i].addr == resolve_whole)
			cr_expect_str_eq(found.symbol[i], "resolve_whole");
	for (size_t i = 1; i < found.count; i++)
		cr_expect_lt(found.match[i - 1].addr, found.match[i].addr);
	cr_assert_eq(found.count, 3, "itself, its part and its cold half: %zu", found.count);
}

Test(resolve, means_all_functions_that_share_a_name_when_none_is_exported)
{
	cr_assert_eq(resolve(NULL, "resolve_twin"), 0);
	cr_assert_eq(found.count, 2);
	cr_assert_eq(found.match[0].namesakes, 2);
	cr_assert(found.match[0].addr == (const void *)resolve_twin ||
		  found.match[1].addr == (const void *)resolve_twin);
	cr_assert_eq(resolve(NULL, "resolve_fast"), 0);
	cr_assert_eq(found.match[0].namesakes, 1);
}

Test(resolve, says_what_else_is_called_in_place_of_a_function)
{
	cr_assert_eq(resolve(NULL, "resolve_whole"), 0);
	cr_assert_str_eq(found.relative, "resolve_whole.part.0");
	cr_assert_eq(resolve(NULL, "resolve_fast"), 0);
	cr_assert_null(found.match[0].relative);
}

/* So that a relocation says that it is a resolver. */
int resolve_ifunc(void);
static int (*volatile chosen)(void) = resolve_ifunc;

Test(resolve, means_what_an_ifunc_chooses)
{
	cr_assert_not_null(chosen);
	cr_assert_eq(resolve(NULL, "resolve_ifunc"), 0);
	expect_one(resolve_fast);
}

Test(resolve, takes_a_literal_symbol_as_it_stands)
{
	struct ep_place place = {.symbol = "resolve_star*red", .is_literal = EP_LITERAL_SYMBOL};

	cr_assert_eq(resolve_place(&place), 0);
	cr_assert_eq(found.count, 1);
	cr_assert_neq(found.match[0].addr, (const void *)resolve_starred);
	place.is_literal = 0;
	cr_assert_eq(resolve_place(&place), 0);
	cr_assert_eq(found.count, 2);
}

/* Among versions of a name the one that a program linked now would get. */
Test(resolve, means_the_default_version)
{
	static const char *const names[] = {"pthread_cond_wait", "pthread_cond_signal",
					    "realpath",		 "posix_spawn",
					    "regexec",		 "nftw",
					    "fmemopen",		 "sched_setaffinity"};

	cr_assert_eq(resolve("libc.so.6", "memcpy"), 0);
	cr_assert_eq(found.count, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert_eq(resolve("libc.so.6", names[i]), 0, "%s", names[i]);
		expect_one(dlsym(RTLD_DEFAULT, names[i]));
	}
}

/* ---- versions -------------------------------------------------------------------------------- */

static int resolve_version(const char *symbol, const char *version)
{
	struct ep_place place = {.object = "libc.so.6", .symbol = symbol, .version = version};

	return resolve_place(&place);
}

Test(resolve, finds_the_version_that_is_asked_for)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	const char *old = dlvsym(libc, "realpath", "GLIBC_2.2.5"),
		   *new = dlvsym(libc, "realpath", "GLIBC_2.3");

	cr_assert_neq(old, new);
	cr_assert_eq(resolve_version("realpath", "GLIBC_2.2.5"), 0);
	expect_one(old);
	cr_assert_eq(resolve_version("realpath", "GLIBC_2.3"), 0);
	expect_one(new);
	cr_assert_eq(resolve_version("realpath", "@GLIBC_2.3"), 0);
	expect_one(new);
	cr_assert_eq(resolve_version("realpath", "@GLIBC_2.2.5"), -EP_NO_VERSION);
	cr_assert_eq(resolve_version("realpath", "GLIBC_2.[23].*"), 0);
	expect_one(old);
	cr_assert_eq(resolve_version("realpat[h]", "GLIBC_2.2.5"), 0);
	expect_one(old);
}

Test(resolve, says_which_version_it_is_where_one_was_asked_for)
{
	cr_assert_eq(resolve_version("getpid", "GLIBC_*"), 0);
	cr_assert_str_eq(found.match[0].version, "GLIBC_2.2.5");
	cr_assert_eq(resolve("libc.so.6", "getpid"), 0);
	cr_assert_null(found.match[0].version);
}

Test(resolve, tells_a_missing_version_from_a_missing_symbol)
{
	cr_assert_eq(resolve_version("realpath", "GLIBC_9"), -EP_NO_VERSION);
	cr_assert_eq(resolve_version("no_such_symbol", "GLIBC_2.2.5"), -EP_NO_SYMBOL);
	cr_assert_eq(resolve_version("realpath", ""), -EP_NO_VERSION);
	/* Of the executable nothing has a version. */
	cr_assert_eq(resolve_place(&(struct ep_place){.symbol = "resolve_whole", .version = "V"}),
		     -EP_NO_VERSION);
}

/* ---- offsets --------------------------------------------------------------------------------- */

Test(resolve, adds_an_offset_that_is_inside_the_function)
{
	struct ep_place place = {.symbol = "resolve_whole", .offset = 1};

	cr_assert_eq(resolve_place(&place), 0);
	expect_one(resolve_whole + 1);
	cr_assert_eq(found.match[0].offset, 1);
	place.offset = 2;
	cr_assert_eq(resolve_place(&place), -EP_BAD_OFFSET, "it has two bytes");
	place.symbol = "resolve_twin";
	place.offset = 100;
	cr_assert_eq(resolve_place(&place), -EP_BAD_OFFSET);
}

/* Of a pattern, the functions that are long enough. */
Test(resolve, leaves_out_functions_of_a_glob_that_are_too_short)
{
	struct ep_place place = {.object = "libc.so.6", .symbol = "getpi*", .offset = 3};

	cr_assert_eq(resolve_place(&place), 0);
	place.offset = 1 << 20;
	cr_assert_eq(resolve_place(&place), -EP_NO_MATCH);
}

Test(resolve, finds_an_offset_of_the_file, .init = load_small)
{
	struct ep_place place = {.object = "small.so"};
	const char *address = small_symbol("small_sum");

	cr_assert_eq(resolve("small.so", "small_sum"), 0);
	place.offset = found.match[0].file_offset;
	cr_assert_gt(place.offset, 0);
	cr_assert_eq(resolve_place(&place), 0);
	expect_one(address);
	cr_assert_null(found.match[0].symbol);
	cr_assert_eq(found.match[0].file_offset, place.offset);
	place.offset = 1 << 30;
	cr_assert_eq(resolve_place(&place), -EP_BAD_OFFSET);
}

/* ---- nothing --------------------------------------------------------------------------------- */

Test(resolve, says_what_was_not_found)
{
	cr_assert_eq(resolve("no-such-object", "main"), -EP_NO_OBJECT);
	cr_assert_eq(resolve("no-such-*", "main"), -EP_NO_MATCH);
	cr_assert_eq(resolve(NULL, "no_such_function"), -EP_NO_SYMBOL);
	cr_assert_eq(resolve(NULL, "no_such_*"), -EP_NO_MATCH);
	cr_assert_eq(found.count, 0);
	cr_assert_eq(ep_resolve(NULL, note, &found), -EP_INVALID);
	cr_assert_eq(ep_resolve(&(struct ep_place){.symbol = "main"}, NULL, NULL), -EP_INVALID);
}

Test(resolve, stops_when_told_and_returns_what_it_was_told)
{
	found.stop_with = 7;
	cr_assert_eq(resolve("libc.so.6", "get*"), 7);
	cr_assert_eq(found.count, 1);
	found.stop_with = -3;
	cr_assert_eq(resolve(NULL, "resolve_twin"), -3);
	cr_assert_eq(found.count, 1);
}
