/* SPDX-License-Identifier: MIT */
/* --graph: the tree is that of the calls, however they end, and the program does what it does. */
#include "tests/system/cli.h"

TestSuite(graph, .timeout = 400);

#define TREE EP_PROGRAMS "/tree"
#define SOME                                                                                       \
	"--graph=main --graph=branch --graph=leaf --graph=jumper --graph=leaver --graph=thread "

/*
 * Durations and threads are left out, and a call without others in it has a first and a last line: which of the two
 * shapes it has depends on time.
 */
#define SHAPE                                                                                      \
	"sed 's/^[^|]*| //' | "                                                                    \
	"sed -E 's/^( *)([a-z_0-9]+)\\(\\);(.*)$/\\1\\2() {\\n\\1} \\/\\/ \\2\\3/'"

static void check(const char *options, const char *arguments, int status, const char *expected)
{
	struct command_result result = command_shell(
		"out=$(mktemp) && " EMUPROBE " %s -q -o \"$out\" -- " TREE " %s >/dev/null; "
		"status=$?; <\"$out\" " SHAPE "; rm -f \"$out\"; exit $status",
		options, arguments);

	expect_status(result, status);
	cr_expect_str_eq(result.output, expected, "%s %s: not\n%s: %s", options, arguments,
			 expected, command_describe(&result));
	command_result_deinit(&result);
}

#define BRANCH(indent)                                                                             \
	indent "branch() {\n" indent "  leaf() {\n" indent "  } // leaf\n" indent                  \
	       "  branch() {\n" indent "    leaf() {\n" indent "    } // leaf\n" indent            \
	       "  } // branch\n" indent "} // branch\n"

Test(graph, is_the_tree_of_calls)
{
	check(SOME, "plain", 0, "main() {\n" BRANCH("  ") "} // main\n");
}

Test(graph, by_traps_is_the_same)
{
	check(SOME "--plan=trap", "plain", 0, "main() {\n" BRANCH("  ") "} // main\n");
}

Test(graph, depth_cuts_it)
{
	check(SOME "--depth=2", "plain", 0, "main() {\n  branch() {\n  } // branch\n} // main\n");
}

Test(graph, says_which_calls_the_program_ended_in)
{
	check(SOME, "exit", 3,
	      "main() {\n" BRANCH("  ") "  leaver() {\n    leaf() {\n    } // leaf\n"
					"  } // leaver <- exit\n} // main <- exit\n");
}

/* That it was left is noticed when its stack is used again: behind the beginning of what uses it. */
Test(graph, says_which_calls_were_left_by_a_jump)
{
	struct command_result result = command_shell(EMUPROBE " " SOME "-- " TREE " jump 2>&1");

	expect_status(result, 0);
	expect_contains(result, output, "// jumper <- jump\n");
	expect_contains(result, output, "// main\n");
	expect_contains(result, output, "emuprobe: 9 calls, 6 functions probed\n");
	expect_lacks(result, output, "still running");
	command_result_deinit(&result);
}

/* However few calls are wanted, and whatever the machine has to do meanwhile. */
Test(graph, min_time_shows_calls_that_take_that_long)
{
	check(SOME "--min-time=1000s", "plain", 0, "");
	check(SOME "--min-time=1ns", "exit", 3,
	      "main() {\n" BRANCH("  ") "  leaver() {\n    leaf() {\n    } // leaf\n"
					"  } // leaver <- exit\n} // main <- exit\n");
}

Test(graph, only_tid_leaves_out_other_threads)
{
	check(SOME "--only-tid=1", "threads", 0, "");
}

static void check_threads(const char *options, const char *arguments, int threads)
{
	struct command_result result =
		command_shell("out=$(mktemp) && " EMUPROBE " %s -o \"$out\" -- " TREE " %s 2>&1; "
			      "sed -n 's/^ *[0-9.]*[mun]*s* *tree-\\([0-9]*\\) .*branch.*/\\1/p' "
			      "<\"$out\" | sort -u | "
			      "wc -l; rm -f \"$out\"",
			      options, arguments);
	char expected[64];

	snprintf(expected, sizeof(expected), "\n%d\n", threads);
	expect_contains(result, output, expected);
	command_result_deinit(&result);
}

/* Lines of the first thread that come before there is another one do not say so. */
Test(graph, lines_say_whose_they_are)
{
	check_threads(SOME, "threads", 2);
	check_threads(SOME, "forks", 1);
	check_threads(SOME "--min-time=1ns", "forks", 1);
}

Test(graph, without_pattern_is_of_all_functions_of_the_executable)
{
	struct command_result result = command_shell(
		"copy=$(mktemp) && strip -o \"$copy\" " WORK " && " EMUPROBE
		" --graph -o - -- \"$copy\"; status=$?; rm -f \"$copy\"; exit $status");

	expect_status(result, 0);
	expect_contains(result, output, "sub_");
	expect_lacks(result, output, "libc.so");
	expect_lacks(result, error, "still running: ");
	command_result_deinit(&result);
}

Test(graph, of_a_library_names_it)
{
	struct command_result result =
		RUN(EMUPROBE, "--graph=libc.so.6:put*", "-o", "-", "--", TREE);

	expect_status(result, 0);
	expect_contains(result, output, "libc.so.6:puts()");
	command_result_deinit(&result);
}

Test(graph, other_events_are_comments_in_it)
{
	struct command_result result =
		RUN(EMUPROBE, "--graph=main", "-e", "p:here leaf n=\\7:u32", "-o", "-", "--", TREE);

	expect_status(result, 0);
	expect_contains(result, output, "|   // here n=7\n");
	command_result_deinit(&result);
}

Test(graph, as_json_is_events)
{
	struct command_result result =
		RUN(EMUPROBE, "--graph=branch", "--format=json", "-q", "-o", "-", "--", TREE);

	expect_status(result, 0);
	expect_contains(result, output, "\"place\":\"tree:branch\",\"end\":\"return\"");
	expect_contains(result, output, "\"depth\":2}");
	expect_lacks(result, output, "entry");
	command_result_deinit(&result);
}

Test(graph, colours_are_for_terminals)
{
	struct command_result result =
		command_shell("script -qec \"" EMUPROBE " --graph=main -- " TREE "\" /dev/null; "
			      "NO_COLOR=1 script -qec \"" EMUPROBE " --graph=main -- " TREE
			      "\" /dev/null | tr '\\033' '#' | sed 's/^/plain: /'");

	if (strstr(result.error, "not found"))
		cr_skip_test("there is no script(1)");
	expect_contains(result, output, "\033[2m | \033[0m");
	expect_contains(result, output, "plain: ");
	expect_lacks(result, output, "#[");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "--graph=main", "--", TREE);
	expect_lacks(result, error, "\033");
	command_result_deinit(&result);
}

Test(graph, wrong_options_are_said)
{
	static const struct {
		const char *options, *message;
	} wrong[] = {
		{"--graph --min-time=1", "--min-time=1: a time, as 10us, 1.5ms or 2s"},
		{"--graph --min-time=x", "--min-time=x: a time"},
		{"--graph --min-time=0s", "--min-time=0s: a time"},
		{"--graph --depth=0", "--depth=0: a number of levels"},
		{"--graph --only-tid=-1", "--only-tid=-1: the number of a thread"},
		{"--min-time=1s -e main", "--min-time: only with --graph"},
		{"--depth=1 -e main", "--depth: only with --graph"},
		{"--only-tid=1 -e main", "--only-tid: only with --graph"},
		{"--graph --calls", "--graph and --calls do not go together"},
		{"--calls --live", "--live: not with --calls"},
		{"--graph --ring", "--ring: not together with --graph or --calls"},
		{"--graph --cover", "--cover: not together with probes"},
		{"--graph='a b c d='", "cannot be fetched"},
		{"--graph=no_such_function", "no_such_function"},
		{"--graph='no_such_*'", "no_such_*"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct command_result result =
			command_shell(EMUPROBE " %s -- true", wrong[i].options);

		expect_status(result, 125);
		expect_contains(result, error, wrong[i].message);
		command_result_deinit(&result);
	}
}

/* ---- other formats ------------------------------------------------------------------------- */

/* A picture has each call once, beside the tree, which has its beginning and its end. */
Test(graph, calls_are_in_a_picture_as_well)
{
	struct command_result result = command_shell(
		"cd $(mktemp -d) && " EMUPROBE " " SOME "-q -o tree --flame=both.svg -- " TREE
		" plain >/dev/null && " EMUPROBE " " SOME "-q --flame=alone.svg -- " TREE
		" plain >/dev/null && "
		"grep -c '// main' tree; for i in both alone; do "
		"grep -c '<title>tree:main .* 1 call,' $i.svg; done; rm -r \"$PWD\"");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "1\n1\n1\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* ---- programs of others ------------------------------------------------------------------- */

#define ASK_PYTHON "\"print(sum(i * i for i in range(1000)))\""

/* Without a single quote. */
static const struct {
	const char *program, *command;
} others[] = {
	{"sqlite3", "sqlite3 :memory: \"with recursive n(x) as (select 1 union all select x + 1 "
		    "from n where x < 1000) select max(x), sum(x) from n\""},
	{"/usr/bin/python3.11", "/usr/bin/python3.11 -c " ASK_PYTHON},
	{"/usr/bin/python3.13", "/usr/bin/python3.13 -c " ASK_PYTHON},
	{"bash", "bash -c \"for i in 1 2 3; do echo $i | cat; done; exit 4\""},
	{"git", "git --version"},
	{"redis-server", "redis-server --version"},
	{"gcc", "echo \"int f(int a) { return a * 3; }\" | gcc -O2 -S -x c -o /dev/stdout -"},
};

static void check_unchanged(const char *command, const char *options)
{
	struct command_result result = command_shell(
		"run='%s'; plain=$(sh -c \"$run\"); a=$?; out=$(mktemp); probed=$(" EMUPROBE
		" %s -o \"$out\" -- sh -c \"$run\"); b=$?; lines=$(wc -l <\"$out\"); "
		"rm -f \"$out\"; test \"$plain\" = \"$probed\" || echo another output; "
		"test $a = $b || echo \"status $b, not $a\"; test $lines -gt 10 || echo no calls",
		command, options);

	cr_expect_str_empty(result.output, "%s: %s", options, command_describe(&result));
	expect_lacks(result, error, "dropped");
	expect_lacks(result, error, "unreadable");
	command_result_deinit(&result);
}

static bool is_there(const char *program)
{
	struct command_result result = command_shell("command -v %s", program);
	bool ret = result.status == 0;

	command_result_deinit(&result);
	return ret;
}

Test(graph, and_calls_leave_programs_of_others_alone)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!is_there(others[i].program))
			continue;
		check_unchanged(others[i].command, "--graph");
		check_unchanged(others[i].command, "--graph --min-time=1us");
		check_unchanged(others[i].command, "--calls");
	}
}
