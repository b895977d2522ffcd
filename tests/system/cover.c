/* SPDX-License-Identifier: MIT */
/* Which functions and blocks were reached: the compiler's own instrumentation is the judge. */
#include "tests/system/cli.h"

#include <unistd.h>

TestSuite(cover, .timeout = 400);

#define COVERED EP_PROGRAMS "/covered"
#define SOURCE	EP_SOURCE_DIR "/tests/system/programs/covered.c"

static bool is_installed(const char *tool)
{
	struct command_result result = command_shell("command -v %s", tool);
	bool ret = result.status == 0;

	command_result_deinit(&result);
	if (!ret)
		cr_skip_test("%s is not installed", tool);
	return ret;
}

/* In a folder of its own. */
static struct command_result in_folder(const char *commands)
{
	return command_shell(
		"d=$(mktemp -d) && cd \"$d\" && ( %s ); status=$?; rm -rf \"$d\"; exit "
		"$status",
		commands);
}

/* Functions have to agree exactly, and lines: cover_compare.py has the details. */
static void compare_with_gcov(const char *arguments)
{
	char commands[4096];
	struct command_result result;

	snprintf(commands, sizeof(commands),
		 "gcc -g -O0 --coverage -pthread %s -o covered && %s -q --cover --format=lcov -o "
		 "our.info -- ./covered %s && gcov -f *.gcda > functions && python3 %s "
		 "covered.c.gcov functions our.info covered.c",
		 SOURCE, EMUPROBE, arguments, EP_SOURCE_DIR "/tests/system/cover_compare.py");
	result = in_folder(commands);
	if (strstr(result.error, "libdw is not there"))
		cr_skip_test("built without libdw");
	expect_status(result, 0);
	expect_contains(result, output, "they agree");
	command_result_deinit(&result);
}

Test(cover, functions_and_lines_are_those_of_gcov)
{
	if (!is_installed("gcov"))
		return;
	compare_with_gcov("");
	compare_with_gcov("1 2 loop");
	compare_with_gcov("threads 4 77");
}

/* A stripped program's functions have no names: places are the same. */
Test(cover, stripped_programs_are_the_same)
{
	struct command_result result = in_folder(
		"cp " COVERED " a && strip -o b a && " EMUPROBE
		" -q --cover -o 1 -- ./a 2 loop && " EMUPROBE
		" -q --cover -o 2 -- ./b 2 loop && grep -v '^#' 1 | awk '{print $3, $4}' > 3 && "
		"grep -v '^#' 2 | awk '{print $3, $4}' > 4 && grep -c ' 1$' 3 && "
		"join 3 4 | awk '$2 != $3 { print; wrong = 1 } END { exit wrong }'");

	expect_status(result, 0);
	command_result_deinit(&result);
}

Test(cover, runs_add_up)
{
	struct command_result result = in_folder(
		EMUPROBE " -q --cover=functions -o list -- " COVERED
			 " 0 && grep loop list && " EMUPROBE
			 " -q --cover=functions -o list -- " COVERED " loop && grep loop list && "
			 "grep choose list; " EMUPROBE " -q --cover=functions -o other -- " COVERED
			 " 9 && grep never list && " EMUPROBE
			 " cover-merge -o both list other && grep never both && grep loop both");
	const char *expected[] = {"covered loop 0x",   " 0\n", "covered loop 0x",  " 1\n",
				  "covered choose 0x", " 1\n", "covered never 0x", " 0\n",
				  "covered never 0x",  " 1\n", "covered loop 0x",  " 1\n"};
	const char *at = result.output;

	expect_status(result, 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]) && at; i++) {
		at = strstr(at, expected[i]);
		cr_expect(at, "%zu: %s", i, command_describe(&result));
	}
	command_result_deinit(&result);
}

Test(cover, programs_that_are_executed_are_covered_if_they_are_meant)
{
	struct command_result result =
		in_folder(EMUPROBE " -q --cover=functions --cover-object=" COVERED
				   " -o list -- sh -c '" COVERED " loop; exec " COVERED
				   " 9' && grep 'covered \\(loop\\|never\\|choose\\|once\\)' list");

	expect_status(result, 0);
	cr_expect_eq(command_count(result.output, " 1\n"), 3, "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(cover, libraries_that_are_loaded_later)
{
	struct command_result result = in_folder(
		EMUPROBE
		" -q --cover=functions --cover-object=" EP_PROGRAMS
		"/plugin.so -o list -- python3 -c 'import ctypes; print(ctypes.CDLL(\"" EP_PROGRAMS
		"/plugin.so\").plugin_calls())' && grep plugin_ list");

	expect_status(result, 0);
	cr_expect(strstr(result.output, "plugin.so plugin_calls 0x"), "%s",
		  command_describe(&result));
	expect_contains(result, output, " 1\n");
	command_result_deinit(&result);
}

/* The linker and libc, too: whoever goes through them, the engine included. */
Test(cover, everything_runs_as_without)
{
	struct command_result result = in_folder(
		EMUPROBE
		" -q --cover --cover-object='*' -o list -- " EP_PROGRAMS "/everyday > 1; "
		"echo $? >> 1; " EP_PROGRAMS "/everyday > 2; echo $? >> 2; cmp 1 2 && " EMUPROBE
		" --cover --cover-object='*' -- bash -c 'for i in 1 2 3; do (echo $i | cat); "
		"done' && grep -c 'libc.so.6 .* 1$' list");

	expect_status(result, 0);
	expect_contains(result, output, "1\n2\n3\n");
	expect_contains(result, error, "libc.so.6: ");
	command_result_deinit(&result);
}

Test(cover, crashes_are_the_programs_own)
{
	struct command_result result = command_shell(
		"ulimit -c 0; " EMUPROBE " -q --cover --cover-object='*' -- sh -c 'kill -SEGV $$'");

	cr_expect_eq(result.signal ? result.signal : result.status - 128, SIGSEGV, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(cover, which_ones_is_in_a_file)
{
	struct command_result result = RUN(EMUPROBE, "--cover", "--", "true");

	expect_status(result, 0);
	expect_contains(result, error, "-o FILE says which of them were reached");
	command_result_deinit(&result);
}

/* At the lines of their braces, as gcc has it; what is without lines, as _start(), is in none. */
Test(cover, functions_are_where_they_open)
{
	struct command_result result = in_folder(
		"gcc -g -O2 -pthread " SOURCE " -o covered && " EMUPROBE
		" -q --cover --format=lcov -o our.info -- ./covered 2 loop >/dev/null && "
		"grep -E '^FN:.*,(run|main|_.*)$' our.info >ours; "
		"awk '/^(int|static void \\*)/ && / \\*?(run|main)\\(/ "
		"{sub(/\\(.*/, \"\"); sub(/.*[ *]/, \"\"); print \"FN:\" NR + 1 \",\" $0}' " SOURCE
		" >right && diff ours right && wc -l <ours");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "2\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(cover, genhtml_takes_it)
{
	struct command_result result;

	if (!is_installed("genhtml"))
		return;
	result = in_folder(
		"gcc -g -O2 -pthread " SOURCE " -o covered && " EMUPROBE
		" -q --cover --format=lcov -o our.info -- ./covered 2 loop && genhtml -q "
		"-o html our.info && ls html/index.html && lcov --summary our.info 2>&1 "
		"&& " EMUPROBE
		" -q --cover --format=cobertura -o our.xml -- ./covered 2 loop && python3 "
		"-c 'import xml.etree.ElementTree as e; r = e.parse(\"our.xml\").getroot(); "
		"print(len(r.findall(\".//method\")), \"methods\")'");
	expect_status(result, 0);
	expect_contains(result, output, "html/index.html");
	expect_contains(result, output, " methods");
	command_result_deinit(&result);
}

static void expect_refused(const char *options, const char *why)
{
	struct command_result result = command_shell(EMUPROBE " %s -- " COVERED, options);

	expect_status(result, 125);
	expect_contains(result, error, why);
	command_result_deinit(&result);
}

Test(cover, what_makes_no_sense_is_refused)
{
	expect_refused("--cover=lines", "--cover=lines: functions or blocks");
	expect_refused("--cover -e main", "--cover: not together with probes");
	expect_refused("--cover -c", "--cover: not together with");
	expect_refused("--cover-object=x -e main", "--cover-object: only with --cover");
	expect_refused("--format=lcov -e main", "only with --cover");
	expect_refused("--cover --cover-object=/nowhere/x", "there is no such file");
	expect_refused("--cover -o " EP_SOURCE_DIR "/README.md", "no list of emuprobe --cover");
}

Test(cover, a_list_of_another_build_is_refused)
{
	struct command_result result = in_folder(
		"cp " COVERED " a && " EMUPROBE " -q --cover -o list -- ./a && strip a && " EMUPROBE
		" -q --cover -o list -- ./a");

	expect_status(result, 125);
	expect_contains(result, error, "list:2: it is of another build of that file");
	command_result_deinit(&result);
}

/* Names are what they were, also where a list has them otherwise. */
Test(cover, lists_of_any_name_are_read_again)
{
	struct command_result result = command_shell(
		"d=$(mktemp -d) && cd $d && /usr/bin/python3 " EP_SOURCE_DIR
		"/tests/system/hostile.py "
		"make " EP_PROGRAMS "/hostile hostile && chmod +x hostile && : >once && " EMUPROBE
		" -q --cover -o once -- ./hostile && cp once list && " EMUPROBE
		" -q --cover -o list -- ./hostile && cmp once list && " EMUPROBE
		" cover-merge -o merged once list && cmp once merged && " EMUPROBE
		" -q --cover --format=cobertura -o x.xml -- ./hostile && python3 -c 'import "
		"xml.etree.ElementTree as e; e.parse(\"x.xml\")' && echo fine; rm -r $d");

	cr_expect_str_eq(result.output, "fine\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* What is no file is not read, and what is no list is not read to its end. */
Test(cover, devices_are_no_lists)
{
	struct command_result result =
		RUN(EMUPROBE, "-q", "--cover", "-o", "/dev/full", "--", EP_PROGRAMS "/covered");

	cr_expect_eq(result.status, 125, "%s", command_describe(&result));
	expect_contains(result, error, "/dev/full: No space left on device");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "cover-merge", "/dev/zero");
	cr_expect_eq(result.status, 125, "%s", command_describe(&result));
	expect_contains(result, error, "/dev/zero:1: no list of emuprobe --cover");
	command_result_deinit(&result);
	result = command_shell("{ echo '# emuprobe cover 1 blocks'; tr '\\0' x </dev/zero; } | "
			       "'%s' cover-merge /dev/stdin",
			       EMUPROBE);
	cr_expect_eq(result.status, 125, "%s", command_describe(&result));
	expect_contains(result, error, "/dev/stdin:2: the line is too long");
	command_result_deinit(&result);
}
