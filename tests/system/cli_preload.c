/* SPDX-License-Identifier: MIT */
/* Nothing but environment variables. */
#include <fcntl.h>
#include <unistd.h>

#include "tests/system/cli.h"

TestSuite(cli_preload, .timeout = 400);

#define PRELOADED(variables, ...)                                                                  \
	command_run(&(struct command){                                                             \
		.argv = (const char *const[]){WORK, __VA_ARGS__, NULL},                            \
		.env = (const char *const[]){"LD_PRELOAD=" PRELOAD, variables, NULL},              \
	})
#define AND ,

Test(cli_preload, without_definitions_nothing_happens)
{
	struct command_result result = PRELOADED("EMUPROBE=", "call", "3", "print", "ran");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	cr_expect_str_eq(result.error, "");
	command_result_deinit(&result);
}

Test(cli_preload, events_and_summary_on_standard_error)
{
	struct command_result result =
		PRELOADED("EMUPROBE=p:t target a=$arg1:u64 b=%si:s32 c=%dl:char", "call", "2",
			  "print", "ran", "exit", "5");

	expect_status(result, 5);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "t: (work:target) a=0 b=0 c='e'\n");
	expect_contains(result, error, "t: (work:target) a=1 b=-2 c='c'\n");
	expect_contains(result, error, "t: (work:target) a=2 b=-2 c='c'\n");
	expect_contains(result, error, "           3  ");
	command_result_deinit(&result);
}

Test(cli_preload, summary_also_where_destructors_are_skipped)
{
	struct command_result result = PRELOADED("EMUPROBE=p:t target", "call", "4", "_exit", "6");

	expect_status(result, 6);
	cr_expect_eq(command_count(result.error, ": t: "), 5);
	expect_contains(result, error, "           5  ");
	command_result_deinit(&result);
}

Test(cli_preload, settings)
{
	char path[] = "/tmp/emuprobe-output-XXXXXX", variable[64];
	struct command_result result;

	close(mkstemp(path));
	snprintf(variable, sizeof(variable), "EMUPROBE_OUTPUT=%s", path);
	result = PRELOADED(variable AND "EMUPROBE_FORMAT=json" AND "EMUPROBE=p:t target a=%di:u8",
			   "call", "1");
	cr_expect_str_eq(result.error, "");
	command_result_deinit(&result);
	result = command_shell("cat %s; rm %s", path, path);
	expect_contains(result, output,
			"\"event\":\"t\",\"place\":\"work:target\",\"args\":{\"a\":1}}");
	expect_contains(result, output, "\"hits\":2,\"missed\":0,\"trapped\":0}");
	command_result_deinit(&result);
	result = PRELOADED("EMUPROBE_COUNT=1" AND "EMUPROBE=p:t target", "call", "1");
	expect_lacks(result, error, ": t: ");
	expect_contains(result, error, "           2  ");
	command_result_deinit(&result);
	result = PRELOADED("EMUPROBE_QUIET=1" AND "EMUPROBE=p:t target", "call", "1");
	cr_expect_eq(command_count(result.error, "\n"), 2, "%s", command_describe(&result));
	command_result_deinit(&result);
}

static void expect_unprobed(const char *variable, const char *other, const char *message)
{
	struct command_result result = PRELOADED(variable AND other, "print", "ran", "exit", "4");

	expect_status(result, 4);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, message);
	command_result_deinit(&result);
}

Test(cli_preload, runs_unprobed_after_a_message)
{
	expect_unprobed("EMUPROBE=p:x target a=%oops", NULL,
			"emuprobe: no such register [BAD_REG_NAME]\n"
			"  p:x target a=%oops\n"
			"               ^\n");
	expect_unprobed("EMUPROBE=p no_such_symbol", NULL, "no such symbol");
	expect_unprobed("EMUPROBE=p libnothing:x", NULL, "no such object is loaded");
	expect_unprobed("EMUPROBE=p no_such_*", NULL, "the pattern matches nothing");
	expect_unprobed("EMUPROBE=@/no/such/file", NULL, "/no/such/file: No such file");
	expect_unprobed("EMUPROBE_PLAN=magic", "EMUPROBE=p target", "EMUPROBE_PLAN");
}

Test(cli_preload, leaves_no_descriptor_and_survives_their_closing)
{
	struct command_result result =
		PRELOADED("EMUPROBE=p:t target", "descriptors", "closeall", "call", "1");

	cr_expect_str_eq(result.output, "descriptors 3\n");
	cr_expect_eq(command_count(result.error, ": t: "), 2);
	command_result_deinit(&result);
}

Test(cli_preload, writes_nothing_to_a_file_that_took_the_place_of_standard_error)
{
	struct command_result result = command_shell(
		"LD_PRELOAD=%s EMUPROBE='p:t target' %s close2 call 3 2>&1", PRELOAD, WORK);

	expect_lacks(result, output, ": t: ");
	command_result_deinit(&result);
}

Test(cli_preload, forked_children_count_for_themselves)
{
	struct command_result result = PRELOADED("EMUPROBE_FORMAT=json" AND "EMUPROBE=p:t target",
						 "call", "10", "fork", "3", "vfork");

	cr_expect_eq(command_count(result.error, "\"type\":\"event\""), 14, "%s",
		     command_describe(&result));
	expect_contains(result, error, "\"hits\":3,");
	expect_contains(result, error, "\"hits\":11,");
	cr_expect_eq(command_count(result.error, "\"type\":\"probe\""), 2);
	command_result_deinit(&result);
}

Test(cli_preload, counts_are_exact)
{
	struct command_result result =
		PRELOADED("EMUPROBE_COUNT=1" AND "EMUPROBE_FORMAT=json" AND "EMUPROBE=p:t target",
			  "threads", "8", "20000", "fork", "300", "call", "5");

	expect_contains(result, error, "\"hits\":160006,");
	expect_contains(result, error, "\"hits\":300,");
	command_result_deinit(&result);
}

Test(cli_preload, rings_that_fill_up_lose_nothing)
{
	struct command_result result =
		PRELOADED("EMUPROBE=p:t target a=%di:u64", "threads", "4", "20000");

	cr_expect_eq(command_count(result.error, ": t: "), 80001);
	expect_contains(result, error, "       80001  ");
	command_result_deinit(&result);
}

Test(cli_preload, pipe_that_nobody_reads_does_not_kill_the_program)
{
	const struct command command = {
		.argv = (const char *const[]){WORK, "call", "20000", "print", "ran", NULL},
		.env = (const char *const[]){"LD_PRELOAD=" PRELOAD, "EMUPROBE=p:t target", NULL},
		.close_output = "standard error",
	};
	struct command_result result = command_run(&command);

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	command_result_deinit(&result);
}

/* The launcher holds the file; a program alone has to open it, and may not any more. */
Test(cli_preload, program_that_shuts_itself_in)
{
	char path[] = "/tmp/emuprobe-output-XXXXXX";
	struct command_result result;
	int status;

	close(mkstemp(path));
	result = command_shell(EP_PROGRAMS "/shut_in");
	status = result.status;
	command_result_deinit(&result);
	if (status == 77)
		cr_skip_test("this kernel has no landlock");
	result = command_shell("EMUPROBE='p:g libc.so.6:getppid' EMUPROBE_OUTPUT=%s LD_PRELOAD="
			       "%s " EP_PROGRAMS "/shut_in",
			       path, PRELOAD);
	expect_status(result, 8);
	cr_expect_str_eq(result.output, "shut in\n");
	cr_expect_str_eq(result.error, "emuprobe: the output cannot be opened; events are lost\n");
	command_result_deinit(&result);
	result = command_shell("%s -o %s -e 'p:g libc.so.6:getppid' -- " EP_PROGRAMS "/shut_in; "
			       "s=$?; cat %s; exit $s",
			       EMUPROBE, path, path);
	expect_status(result, 8);
	cr_expect_eq(command_count(result.output, ": g: "), 3);
	expect_contains(result, error, "           3  ");
	command_result_deinit(&result);
	unlink(path);
}

Test(cli_preload, executed_programs_are_probed_where_they_have_the_places)
{
	const struct command command = {
		.argv = (const char *const[]){"sh", "-c", WORK " exec 3; cat /dev/null", NULL},
		.env = (const char *const[]){"LD_PRELOAD=" PRELOAD, "EMUPROBE=p:m main;p:t target?",
					     "EMUPROBE_COUNT=1", NULL},
	};
	struct command_result result = command_run(&command);

	expect_status(result, 0);
	/* What sh is a link to stands in front of that, if it is one. */
	expect_contains(result, error, "sh): it has no symbols (stripped)");
	command_result_deinit(&result);
	result = PRELOADED("EMUPROBE_COUNT=1" AND "EMUPROBE=p:t target", "exec", "3");
	expect_contains(result, error, "           4  ");
	expect_contains(result, error, "           1  ");
	command_result_deinit(&result);
	result = PRELOADED("EMUPROBE_FOLLOW=0" AND "EMUPROBE=p:t target", "exec", "3",
			   "environment");
	cr_expect_str_eq(result.output, "");
	expect_lacks(result, error, "           4  ");
	command_result_deinit(&result);
	result = command_shell("LD_PRELOAD=%s EMUPROBE='p:m main' %s call 1 2>&1 && "
			       "EMUPROBE_QUIET=1 EMUPROBE_COUNT=1 LD_PRELOAD=%s EMUPROBE='p "
			       "libc:malloc' sh -c '/bin/true; cat /dev/null'",
			       PRELOAD, WORK, PRELOAD);
	cr_expect_str_eq(result.error, "");
	command_result_deinit(&result);
}

/* ---- other preloaded libraries ------------------------------------------------------------------ */

#define EARLY EP_PROGRAMS "/early.so"

/* Which of these orders: the launcher puts itself first. */
static const char *const beside[] = {
	EMUPROBE " -q -c -e 'p target' -e 'p libc.so.6:*' --",
	EMUPROBE " -q -o /dev/null -e 'p target' -e 'p " WORK ":target+0?' --",
	"env EMUPROBE='p target' EMUPROBE_QUIET=1 LD_PRELOAD=" PRELOAD ":" EARLY,
	"env EMUPROBE='p target' EMUPROBE_QUIET=1 LD_PRELOAD=" EARLY ":" PRELOAD,
	"env EMUPROBE='@/no/such' EMUPROBE_QUIET=1 LD_PRELOAD=" EARLY ":" PRELOAD,
};

Test(cli_preload, calls_nothing_that_others_stand_in_front_of)
{
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		struct command_result result =
			command_shell("EARLY_SETTING=kept LD_PRELOAD=" EARLY " exec %s %s call 1",
				      beside[i], WORK);

		expect_status(result, 0);
		expect_contains(result, output, "early: nothing, setting kept");
		command_result_deinit(&result);
	}
}

Test(cli_preload, leaves_libfaketime_its_settings)
{
	static const char *const lines[] = {
		EMUPROBE
		" -q -c -e 'p libc.so.6:malloc?' -- faketime '2001-01-01 00:00:00' date +%Y",
		"faketime '2001-01-01 00:00:00' " EMUPROBE " -q -c -e 'p libc.so.6:*' -- date +%Y",
	};
	struct command_result there = command_shell("command -v faketime");
	bool is_there = there.status == 0;

	command_result_deinit(&there);
	if (!is_there)
		cr_skip_test("there is no faketime");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct command_result result = command_shell("%s", lines[i]);

		expect_contains(result, output, "2001\n");
		expect_status(result, 0);
		command_result_deinit(&result);
	}
}
