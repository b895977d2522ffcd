/* SPDX-License-Identifier: MIT */
/*
 * What is mapped is what a program pays for where it locks its memory, or may not have much: so we map
 * what we use.
 */
#include <gnu/libc-version.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/system/cli.h"

#define LOCKS EP_PROGRAMS "/locks"

/* The bounds are those of libcapstone 4; version 5 has tables that cannot be left out. */
static void need_small_decoder(void)
{
	if (strverscmp(gnu_get_libc_version(), "2.37") >= 0)
		cr_skip_test("the bounds are those of the decoder of Debian 12");
}

TestSuite(memory, .timeout = 400, .init = need_small_decoder);

static const char *const ways[] = {"before", "current", "future", "onfault", "mlock2", "after"};

/* What records has rings, of 1 MB under the launcher: more than some may lock. */
static bool may_lock_rings(const char *way)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (limit.rlim_max >= 32ul << 20)
		return true;
	fprintf(stderr, "SKIPPED memory: \"%s\" with rings: no more than %lu KiB may be locked\n",
		way, (unsigned long)limit.rlim_max >> 10);
	return false;
}

/* Without a launcher each thread that records has a ring of its own at once, and how many of them
   there are at a time is chance. */
static bool locks_what_comes(const char *way)
{
	return strcmp(way, "current") != 0 && strcmp(way, "mlock2") != 0;
}

/* The program has 3 MB, and we add 7. */
static void need_to_lock_all(void)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (limit.rlim_max < 16ul << 20)
		cr_skip_test("no more than %lu KiB may be locked",
			     (unsigned long)limit.rlim_max >> 10);
}

static bool locks_what_is_there(const char *way)
{
	return strcmp(way, "future") != 0 && strcmp(way, "mlock2") != 0;
}

/* 4 threads and the first one. */
static void check_hits(const struct command_result *result)
{
	expect_contains(*result, error, "         500  ");
	expect_lacks(*result, error, "dropped");
}

Test(memory, can_be_locked_under_the_launcher)
{
	need_to_lock_all();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct command_result bare = RUN(LOCKS, ways[i]), counted, recorded;

		cr_assert_eq(bare.status, 0, "%s", command_describe(&bare));
		/* Everything is locked at once then, stacks of ours for all threads included. */
		if (strcmp(ways[i], "after") == 0 && !may_lock_rings(ways[i]))
			continue;
		counted = RUN(EMUPROBE, "-c", "-e", "p:probed probed", "--", LOCKS, ways[i]);
		cr_expect_str_eq(counted.output, bare.output, "%s", ways[i]);
		check_hits(&counted);
		if (locks_what_is_there(ways[i]) && !may_lock_rings(ways[i]))
			continue;
		recorded = RUN(EMUPROBE, "-o", "/dev/null", "-e", "p:probed probed", "--", LOCKS,
			       ways[i]);
		cr_expect_str_eq(recorded.output, bare.output, "%s", ways[i]);
		check_hits(&recorded);
		command_result_deinit(&bare);
		command_result_deinit(&counted);
		command_result_deinit(&recorded);
	}
}

Test(memory, can_be_locked_without_a_launcher)
{
	need_to_lock_all();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct command_result bare = RUN(LOCKS, ways[i]), alone;

		cr_expect_str_eq(bare.error, "", "%s", command_describe(&bare));
		if (locks_what_comes(ways[i]) && !may_lock_rings(ways[i]))
			continue;
		alone = command_shell("EMUPROBE='p:probed probed' EMUPROBE_OUTPUT=/dev/stderr "
				      "LD_PRELOAD=%s %s %s",
				      PRELOAD, LOCKS, ways[i]);
		cr_expect_str_eq(alone.output, bare.output, "%s", ways[i]);
		cr_expect_eq(command_count(alone.error, ": probed: "), 500, "%s",
			     command_describe(&alone));
		command_result_deinit(&bare);
		command_result_deinit(&alone);
	}
}

/* In KiB; of the first program alone, since that of a shell would be another one. */
static long number_behind(const struct command_result *result, const char *key)
{
	const char *at = strstr(result->output, key);

	cr_assert_not_null(at, "%s", command_describe(result));
	return strtol(at + strlen(key), NULL, 10);
}

/* What is mapped with @how, the least of three times: one in a hundred has a megabyte more, by where things lie. */
static long least_size(const char *const *how)
{
	long ret = LONG_MAX;

	for (int i = 0; i < 3; i++) {
		const struct command command = {.argv = how};
		struct command_result result = command_run(&command);
		long size = number_behind(&result, "VmSize:");

		ret = size < ret ? size : ret;
		command_result_deinit(&result);
	}
	return ret;
}

#define LEAST_SIZE(...) least_size((const char *const[]){__VA_ARGS__, NULL})

/*
 * The library has 4 MB, half of it address space only, code and tables 2.7; each thread that records has a ring of
 * 1 MB, and 32 KB to count in. Where objects lie decides how many areas for code are needed: 128 KB more or less.
 */
Test(memory, is_mapped_when_it_is_used)
{
	long before = LEAST_SIZE(LOCKS, "none", "sizes");

	cr_expect_lt(
		LEAST_SIZE(EMUPROBE, "-q", "-c", "-e", "p probed", "--", LOCKS, "none", "sizes") -
			before,
		8 * 1024 + 256);
	cr_expect_lt(LEAST_SIZE(EMUPROBE, "-q", "-o", "/dev/null", "-e", "p probed", "--", LOCKS,
				"none", "sizes") -
			     before,
		     (7 + 5) * 1024 + 896);
}

/* The limit is set under the launcher, whose own memory is another matter. */
Test(memory, may_be_little)
{
	static const char *const limits[] = {"-v 24000", "-d 8000"};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct command_result result =
			RUN(EMUPROBE, "-c", "-e", "p:probed locks:probed?", "--", "/bin/sh", "-c",
			    "ulimit $0 && exec " LOCKS " none", limits[i]);

		expect_status(result, 0);
		expect_contains(result, output, "threads 0");
		expect_contains(result, error, "         500  ");
		command_result_deinit(&result);
	}
}

/*
 * Each object that is opened brings a few probes to those of libc, some 3,000, whose table takes half a
 * megabyte. Its code memory is a few pages, written here and executed there; what is published of
 * its probes less than one.
 */
Test(memory, grows_with_what_is_new)
{
	struct command_result result = command_shell(
		"d=$(mktemp -d /tmp/emuprobe-memory-XXXXXX) && cd $d && for i in $(seq 150); do "
		"cp " EP_PROGRAMS "/plugin.so many$i.so; done; " EMUPROBE
		" -c -e 'p libc.so.6:*' -e 'p many*.so:*?' -- " EP_PROGRAMS
		"/opens ./many*.so; s=$?; cd /; rm -r $d; exit $s");

	expect_status(result, 0);
	cr_expect_gt(number_behind(&result, "shared "), 0);
	cr_expect_lt(number_behind(&result, "shared "), 150 * 64, "%s", command_describe(&result));
	cr_expect_lt(number_behind(&result, "all "), 150 * 100, "%s", command_describe(&result));
	command_result_deinit(&result);
}
