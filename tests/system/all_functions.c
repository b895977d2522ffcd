/* SPDX-License-Identifier: MIT */
/*
 * Whole programs with all functions of libc and of the executable probed, those without a name
 * included, and with every so many instructions of the executable probed, so that branches,
 * returns, exceptions and longjmp lead into the middle of jumps. Nothing may be different.
 */
#include <unistd.h>

#include "include/emuprobe.h"

#include "tests/system/cli.h"

TestSuite(all_functions, .timeout = 300);

static char result_path[64];

struct counts {
	unsigned long armed, jumps, hits, trapped, trapped_jumps;
};

static unsigned long value_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static struct counts read_counts(void)
{
	struct command_result result = command_shell("cat %s; rm -f %s", result_path, result_path);
	struct counts counts = {
		.armed = value_of(result.output, "armed "),
		.jumps = value_of(result.output, "jumps "),
		.hits = value_of(result.output, "\nhits "),
		.trapped = value_of(result.output, "\ntrapped "),
		.trapped_jumps = value_of(result.output, "trapped_jumps "),
	};

	command_result_deinit(&result);
	return counts;
}

/* Run @argv with and without probes. @every: NULL for functions only. */
static struct counts expect_same(const char *const *argv, const char *objects, enum ep_plan plan,
				 const char *every)
{
	char object_list[256], plan_number[64], result[128], insns[64];
	const char *env[] = {"LD_PRELOAD=" EP_BUILD_DIR "/libprobe-all.so",
			     object_list,
			     plan_number,
			     result,
			     insns,
			     NULL};
	struct command_result bare, probed;

	snprintf(result_path, sizeof(result_path), "/tmp/emuprobe-all-%d", getpid());
	snprintf(object_list, sizeof(object_list), "PROBE_ALL_OBJECTS=%s", objects);
	snprintf(plan_number, sizeof(plan_number), "PROBE_ALL_PLAN=%d", plan);
	snprintf(result, sizeof(result), "PROBE_ALL_RESULT=%s", result_path);
	snprintf(insns, sizeof(insns), "%s%s",
		 every ? "PROBE_ALL_EVERY=" : "IGNORED=", every ?: "");
	bare = command_run(&(struct command){.argv = argv, .timeout = 400});
	probed = command_run(&(struct command){.argv = argv, .env = env, .timeout = 400});
	cr_expect_eq(bare.status, probed.status, "%s: %s", argv[0], command_describe(&probed));
	cr_expect_eq(bare.output_size, probed.output_size, "%s: %s", argv[0],
		     command_describe(&probed));
	cr_expect(bare.output_size == probed.output_size &&
		  memcmp(bare.output, probed.output, bare.output_size) == 0);
	cr_expect_str_eq(bare.error, probed.error);
	command_result_deinit(&bare);
	command_result_deinit(&probed);
	return read_counts();
}

/* Each hit of a function that is promoted, and 99 % of them are, goes without a trap. */
static void expect_promoted(const char *program, const struct counts *counts)
{
	cr_expect_gt(counts->hits, 10000, "%s: %lu hits", program, counts->hits);
	cr_expect_geq(counts->jumps * 1000, counts->armed * 990, "%s: %lu of %lu promoted", program,
		      counts->jumps, counts->armed);
	cr_expect_eq(counts->trapped_jumps, 0, "%s: %lu", program, counts->trapped_jumps);
	cr_expect_leq(counts->trapped * 1000, counts->hits, "%s: %lu of %lu hits trapped", program,
		      counts->trapped, counts->hits);
}

static const char *const sqlite[] = {
	"/usr/bin/sqlite3", ":memory:",
	"create table t(a integer primary key, b text);"
	"with recursive n(x) as (select 1 union all select x + 1 from n where x < 20000)"
	"insert into t select x, 'row ' || x from n;"
	"select count(*), sum(length(b)), avg(a) from t where b like '%7%';"
	"select b from t order by b desc limit 5",
	NULL};
static const char *const mawk[] = {
	"/usr/bin/mawk",
	"BEGIN { for (i = 0; i < 20000; i++) { s += i; t[i % 9] = sprintf(\"%d %.2f\", i, i / 7) }"
	" for (i = 0; i < 9; i++) print t[i], length(t[i]), index(t[i], \".\"); print s }",
	NULL};
static const char *const perl[] = {
	"/usr/bin/perl", "-e",
	"my %h; for (1..20000) { $h{$_ % 100} .= 'x'; } print length($h{5}), qq(\\n);"
	"print join(',', sort { $a <=> $b } map { $_ * 2 % 17 } 1..20), qq(\\n);"
	"for (1..50) { eval { die qq(thrown $_\\n) }; print $@; }",
	NULL};
static const char *const python[] = {
	"/usr/bin/python3", "-c",
	"import json, re, threading\n"
	"print(sum(len(json.dumps({'a': i})) for i in range(5000)))\n"
	"print(re.findall('a+', 'aabaaa'))\n"
	"out = [0] * 4\n"
	"def run(n):\n"
	"  out[n] = sum(i * i for i in range(20000))\n"
	"threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]\n"
	"[t.start() for t in threads]; [t.join() for t in threads]; print(out)\n"
	"try:\n"
	"  1 / 0\n"
	"except Exception as e: print(e)\n",
	NULL};
static const char *const bash[] = {
	"/usr/bin/bash", "-c",
	"for i in {1..1000}; do a=$((i * 2)); done; echo $a; echo $(echo sub; false) $?\n"
	"f() { local x=$1; [ $x -gt 0 ] && f $((x - 1)); }; f 50\n"
	"trap 'echo caught' USR1; kill -USR1 $$; echo one two | cat | wc -w\n"
	"exit 3",
	NULL};
static const char *const xz[] = {"/usr/bin/xz", "-T2", "--block-size=100000",
				 "-c",		"-0",  EP_BUILD_DIR "/libemuprobe-preload.so",
				 NULL};
static const char *const mixed[] = {EP_PROGRAMS "/mixed", NULL};
static const char *const exceptions[] = {EP_PROGRAMS "/exceptions", NULL};

#define ALL_FUNCTIONS(name, objects)                                                               \
	Test(all_functions, name)                                                                  \
	{                                                                                          \
		struct counts counts = expect_same(name, objects, EP_PLAN_AUTO, NULL);             \
                                                                                                   \
		expect_promoted(#name " under auto", &counts);                                     \
		counts = expect_same(name, objects, EP_PLAN_JUMP, NULL);                           \
		expect_promoted(#name " under jump", &counts);                                     \
	}
ALL_FUNCTIONS(sqlite, "libc.so.6:libsqlite3.so.0:")
ALL_FUNCTIONS(mawk, "libc.so.6:libm.so.6:")
ALL_FUNCTIONS(perl, "libc.so.6:libm.so.6:")
ALL_FUNCTIONS(python, "libc.so.6:libm.so.6:")
ALL_FUNCTIONS(bash, "libc.so.6:")
ALL_FUNCTIONS(xz, "libc.so.6:liblzma.so.5:")
ALL_FUNCTIONS(mixed, "libc.so.6:libm.so.6:")
/* Its own functions are so short that they overlap: of those only that they work. */
ALL_FUNCTIONS(exceptions, "libc.so.6:libstdc++.so.6:libgcc_s.so.1")

/* One of four, so that most jumps hide one or two boundaries that are in use. */
#define EVERY_FOURTH(name, objects)                                                                \
	Test(all_functions, every_fourth_instruction_of_##name)                                    \
	{                                                                                          \
		cr_expect_gt(expect_same(name, objects, EP_PLAN_AUTO, "4").jumps, 50);             \
		cr_expect_gt(expect_same(name, objects, EP_PLAN_JUMP, "4").jumps, 50);             \
	}
EVERY_FOURTH(sqlite, ":libsqlite3.so.0")
EVERY_FOURTH(mawk, "")
EVERY_FOURTH(perl, "")
EVERY_FOURTH(python, "")
EVERY_FOURTH(bash, "")
EVERY_FOURTH(mixed, "")
EVERY_FOURTH(exceptions, "")

/* From each first instruction on, so that each landing pad is once inside of a jump. */
Test(all_functions, landing_pads_and_returns_into_jumps)
{
	for (int i = 0; i < 3; i++) {
		char first[2] = {(char)('0' + i), '\0'};

		setenv("PROBE_ALL_FIRST", first, 1);
		cr_expect_gt(expect_same(exceptions, "", EP_PLAN_JUMP, "3").jumps, 50);
		cr_expect_gt(expect_same(mixed, "", EP_PLAN_JUMP, "3").jumps, 50);
	}
}
