/* SPDX-License-Identifier: MIT */
/* Who has read nothing gets along: help fits a screen, and every command that is shown works. */
#include "tests/system/cli.h"

TestSuite(cli_help, .timeout = 400);

static char folder[] = "/tmp/emuprobe-help-XXXXXX";

static void make_folder(void)
{
	cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
	struct command_result result = command_shell("rm -r '%s'", folder);

	command_result_deinit(&result);
}

/* Runs each line of @text that begins with "  emuprobe". @return how many there were. */
static int run_commands(const char *text)
{
	int ret = 0;

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		struct command_result result;

		if (strncmp(line, "  emuprobe ", 11) != 0)
			continue;
		result = command_shell("cd '%s' && PATH=" EP_BUILD_DIR ":$PATH && %.*s", folder,
				       (int)strcspn(line, "\n"), line);
		expect_status(result, 0);
		expect_lacks(result, error, "was not probed");
		command_result_deinit(&result);
		ret++;
	}
	return ret;
}

/* ---- --help -------------------------------------------------------------------------------- */

/* A line is left for what the shell says next. */
Test(cli_help, help_fits_a_screen_of_24_lines_of_80)
{
	struct command_result result = RUN(EMUPROBE, "--help");

	expect_status(result, 0);
	cr_expect_leq(command_count(result.output, "\n"), 23);
	for (const char *line = result.output; *line; line += strcspn(line, "\n") + 1)
		cr_expect_lt(strcspn(line, "\n"), 80, "%.*s", (int)strcspn(line, "\n"), line);
	expect_contains(result, output, "--help=all");
	expect_contains(result, output, "--examples");
	command_result_deinit(&result);
}

/* What it names exists. */
Test(cli_help, help_has_only_options_that_there_are)
{
	struct command_result result = command_shell(
		EMUPROBE
		" --help | grep -oE -- '--[a-z]+(-[a-z]+)*' | sort -u | while read o; do " EMUPROBE
		" --help=all | grep -q -- \"$o\" || echo \"$o\"; done");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "");
	command_result_deinit(&result);
}

/* PROGRAM stands for any: here one with functions of its own. */
Test(cli_help, commands_of_the_help_run, .init = make_folder, .fini = remove_folder)
{
	struct command_result result = command_shell(
		EMUPROBE " --help | sed -n '/PROGRAM$/s/$/ call 3/; "
			 "s,PROGRAM  .*,PROGRAM,; s,PROGRAM,'" WORK "' ,p' | grep -- '--\\|-l'");
	int count;

	expect_status(result, 0);
	count = run_commands(result.output);
	cr_expect_eq(count, 7, "%d: %s", count, command_describe(&result));
	command_result_deinit(&result);
}

/* ---- --examples ---------------------------------------------------------------------------- */

Test(cli_help, examples_are_ten_and_run, .init = make_folder, .fini = remove_folder)
{
	struct command_result result = RUN(EMUPROBE, "--examples");
	int count = run_commands(result.output);

	expect_status(result, 0);
	cr_expect_eq(count, 10, "%d", count);
	cr_expect_eq(command_count(result.output, "?\n"), 10, "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* ---- no probes ----------------------------------------------------------------------------- */

Test(cli_help, without_probes_it_says_what_could_be_asked)
{
	struct command_result result = RUN(EMUPROBE, WORK, "call", "it's");

	expect_status(result, 125);
	expect_contains(result, error, "no probes: " WORK " was not run");
	expect_contains(result, output, "  emuprobe -c -e 'r *' -- " WORK " call 'it'\\''s'\n");
	expect_contains(result, output, "  emuprobe --calls -- " WORK);
	expect_contains(result, output, "libc.so.6:malloc");
	expect_lacks(result, output, "stripped");
	expect_lacks(result, output, "sqlite3");
	command_result_deinit(&result);
}

Test(cli_help, what_is_suggested_runs, .init = make_folder, .fini = remove_folder)
{
	struct command_result result = command_shell(EMUPROBE " " WORK " call 3; true");
	int count = run_commands(result.output);

	cr_expect_geq(count, 6, "%d: %s", count, command_describe(&result));
	command_result_deinit(&result);
}

Test(cli_help, what_is_suggested_for_a_stripped_program_runs, .init = make_folder,
     .fini = remove_folder)
{
	struct command_result result =
		command_shell("command -v sqlite3 >/dev/null || exit 77; " EMUPROBE
			      " sqlite3 :memory: 'select 1'; true");
	int count;

	if (result.status == 77)
		cr_skip_test("no sqlite3");
	expect_contains(result, output, "It is stripped");
	expect_contains(result, output, "  emuprobe -c -e 'r **' -- sqlite3");
	expect_contains(result, output, "libsqlite3.so.0:sqlite3_step");
	count = run_commands(result.output);
	cr_expect_geq(count, 8, "%d: %s", count, command_describe(&result));
	command_result_deinit(&result);
}

Test(cli_help, of_a_script_the_interpreter_is_looked_at, .init = make_folder, .fini = remove_folder)
{
	struct command_result result =
		command_shell("cd '%s' && printf '#!/bin/sh\\necho ran\\n' >script && "
			      "chmod +x script && " EMUPROBE " ./script; true",
			      folder);

	expect_contains(result, output, "libc.so.6:open64");
	expect_contains(result, output, "-- ./script\n");
	expect_lacks(result, output, "ran\n");
	cr_expect_geq(run_commands(result.output), 4);
	command_result_deinit(&result);
}

Test(cli_help, of_a_program_that_cannot_be_probed_that_is_said)
{
	struct command_result result = RUN(EMUPROBE, EP_PROGRAMS "/static_hello");

	expect_status(result, 125);
	expect_contains(result, error, "statically linked");
	cr_expect_str_eq(result.output, "");
	command_result_deinit(&result);
}
