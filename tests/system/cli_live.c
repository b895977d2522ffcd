/* SPDX-License-Identifier: MIT */
/*
 * --live shows tables while the program runs. How many come is a matter of time, which nothing here depends
 * on: the program goes on until a table was seen.
 */
#include "tests/system/cli.h"

TestSuite(cli_live, .timeout = 400);

#define IN_FOLDER "d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && cd \"$d\" && "
/* Calls write() until there is a file "stop". */
#define BUSY "sh -c 'until [ -e stop ]; do echo said; done'"

static void expect_shell(const char *command, const char *output)
{
	struct command_result result = command_shell("%s", command);

	if (result.status == 77)
		cr_skip_test("no script(1)");
	expect_status(result, 0);
	expect_contains(result, output, output);
	expect_lacks(result, output, "\033");
	command_result_deinit(&result);
}

/* Plain lines: twice a table, then the summary, and never a sequence for terminals. */
Test(cli_live, tables_come_while_the_program_runs)
{
	expect_shell(IN_FOLDER
		     "{ (until [ \"$(grep -c '^after' log)\" -ge 2 ]; do sleep 0.1; done; "
		     "touch stop) 2>/dev/null & } && " EMUPROBE
		     " --live -e 'r:write libc.so.6:write' -- " BUSY " >out 2>log && "
		     "grep '%.*write  *libc.so.6:write' log | head -n 1; "
		     "sed -n '/ hits /,$p' log",
		     "  write                     libc.so.6:write\n");
	expect_shell(IN_FOLDER "touch stop; " EMUPROBE " --live -e 'p:write libc.so.6:write' -- "
			       "sh -c 'echo once' 2>&1",
		     "           1  jump     write  libc.so.6:write\n");
}

Test(cli_live, tables_come_of_what_was_running)
{
	expect_shell(IN_FOLDER
		     "{ " BUSY " >out & } && p=$! && "
		     "{ (until [ \"$(grep -c '^after' log)\" -ge 2 ]; do sleep 0.1; done; "
		     "touch stop) 2>/dev/null & } && sleep 1; " EMUPROBE
		     " --live -e 'r:write libc.so.6:write' -p $p 2>log; "
		     "grep '%.*write  *libc.so.6:write' log | head -n 1; "
		     "sed -n '/ hits /,$p' log",
		     "  write                     libc.so.6:write\n");
}

/* What script(1) records is what the terminal was sent: "n" sorts by name. */
Test(cli_live, keys_sort_and_the_terminal_is_as_before)
{
	expect_shell(
		"command -v script >/dev/null || exit 77; " IN_FOLDER
		"{ until grep -q '>rate/s' log; do sleep 0.1; done; printf n; "
		"until grep -q '>event' log; do sleep 0.1; done; touch stop; sleep 0.5; } "
		"2>/dev/null | script -qfec \"stty rows 24 cols 80; " EMUPROBE
		" --live -e 'p:write libc.so.6:write' -- sh -c "
		"'until [ -e stop ]; do echo said >/dev/null; done'; stty -a\" log >/dev/null; "
		"tr -d '\\r' <log | grep -o '^.*>event' | tail -n 1; "
		"grep -oE '[ -]icanon' log; grep -oE ' [-]?echo ' log",
		"     rate/s         total     time      p50      p99 >event\n icanon\n echo \n");
}

/* Said from two seconds on, on terminals, and gone in the end. */
Test(cli_live, what_takes_long_is_said)
{
	struct command_result result = command_shell(
		"command -v script >/dev/null || exit 77; " IN_FOLDER
		"{ (until grep -q 'to be placed, ' log; do sleep 0.1; done; touch go) "
		"2>/dev/null & } && LD_PRELOAD=" EP_PROGRAMS
		"/libslow_sort.so script -qfec \"" EMUPROBE " -c -e 'p *' -- " WORK
		" call 3\" log >/dev/null; cat log");

	if (result.status == 77)
		cr_skip_test("no script(1)");
	expect_status(result, 0);
	expect_contains(result, output, "\r\033[Kemuprobe: waiting for the probes to be placed, ");
	expect_contains(result, output, " s\r\033[K        hits");
	command_result_deinit(&result);
}

Test(cli_live, without_it_nothing_is_shown_meanwhile)
{
	struct command_result result = RUN(EMUPROBE, "-c", "-e", "p target", WORK, "call", "3");

	expect_status(result, 0);
	expect_lacks(result, error, "after");
	expect_lacks(result, error, "rate");
	command_result_deinit(&result);
}
