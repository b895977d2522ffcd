/* SPDX-License-Identifier: MIT */
/* "r" definitions: what is said of calls is what the program itself knows of them. */
#include "tests/system/cli.h"

#define CALLS  EP_PROGRAMS "/calls"
#define EVENTS "sed 's/^.*\\] *[0-9]*\\.[0-9]*: //'" /* without thread and time */

#define DEFINITIONS                                                                                \
	"r:factorial factorial n=$arg1:u32 r=$retval:u64;"                                         \
	"r:inner inner n=$arg1:s32 r=$retval:s32;"                                                 \
	"p:outer outer%return n=$arg1:s32 r=%eax:s32;"                                             \
	"r:six six a=$arg1:s32 b=$arg2:s64 c=$arg3:s16 d=$arg4:s8 e=$arg5:u32 f=$arg6 "            \
	"r=$retval:s64;"                                                                           \
	"r:open libc.so.6:open path=$arg1 flags=$arg2:x32 fd=$retval:s32;"                         \
	"r:thrower thrower depth=$arg1:s32 r=$retval;"                                             \
	"r:catcher catcher depth=$arg1:s32 r=$retval:s32;"                                         \
	"r:jumper jumper depth=$arg1:s32 r=$retval;"                                               \
	"r:landing landing depth=$arg1:s32 r=$retval:s32;"                                         \
	"r:who who c=$caller:x64;"                                                                 \
	"r:one plugin.so:plugin_target? n=$arg1:s32 c=$caller;"                                    \
	"r:two plugin_twin.so:plugin_target? n=$arg1:s32 c=$caller;"                               \
	"r:splits splits n=$arg1:s32 r=$retval:s32 c=$caller;"                                     \
	"r:naps naps us=$arg1:u32 least=$retval:u64 ns=$latency;"                                  \
	"r:leaves leaves n=$arg1:s32"

TestSuite(calls, .timeout = 400);

#define WITHOUT_OFFSETS "sed s/+0x[0-9a-f]*$//"

/* By whatever ends a function is followed. */
static const char *const plans[] = {"auto", "jump", "trap"};

static struct command_result run(const char *options, const char *part)
{
	return command_shell(EMUPROBE " -q %s -e '%s' -- " CALLS " %s", options, DEFINITIONS, part);
}

/* Standard output is what the program says, standard error what we do: both the same. */
static void expect_same(const char *options, const char *part, const char *order)
{
	struct command_result result = command_shell(
		"t=$(mktemp -d) && cd $t && "
		"{ " EMUPROBE " -q %s -o events -e '%s' -- " CALLS " %s >said; s=$?; "
		"{ " EVENTS
		" events | %s; } >found; { %s; } <said >wanted; diff wanted found >&2 || "
		"s=9; wc -l <wanted; rm -r $t; exit $s; }",
		options, DEFINITIONS, part, order, order);

	expect_status(result, 0);
	cr_expect_gt(strtol(result.output, NULL, 10), 1);
	command_result_deinit(&result);
}

static void expect_same_by_all_plans(const char *part, const char *order)
{
	char options[64];

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		snprintf(options, sizeof(options), "--plan=%s", plans[i]);
		expect_same(options, part, order);
	}
}

Test(calls, have_the_values_that_the_program_has)
{
	expect_same_by_all_plans("values", "cat");
}

/* Jumps are noticed later. */
#define BUT_JUMPS "grep -v jumper"
#define JUMPS	  "grep jumper | sort"

Test(calls, that_do_not_return_say_how_they_ended)
{
	expect_same_by_all_plans("ends", BUT_JUMPS);
	expect_same_by_all_plans("ends", JUMPS);
}

Test(calls, know_where_they_return_to)
{
	expect_same_by_all_plans("callers", "cat");
}

/* Of what was there at that moment. */
Test(calls, from_objects_that_come_and_go_have_their_names)
{
	expect_same_by_all_plans("loads", WITHOUT_OFFSETS);
}

/* Programs that are executed, children that live longer than their parent. */
Test(calls, of_other_processes_have_their_names)
{
	static const char *const lines[] = {
		CALLS " callers",
		"sh -c \"exec " CALLS " callers\"",
		"sh -c \"(sleep 0.2; " CALLS " callers) & exec true\"",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct command_result result = command_shell(
			EMUPROBE " -q --wait -e 'r:w calls:who? c=$caller' -- %s 2>&1 | "
				 "grep -c -E 'who\\) c=calls:_ZL7callersv\\+0x[0-9a-f]+$'",
			lines[i]);

		cr_expect_str_eq(result.output, "2\n", "%s: %s", lines[i],
				 command_describe(&result));
		command_result_deinit(&result);
	}
}

/* There is nobody who could look. */
Test(calls, without_a_launcher_have_addresses_for_names)
{
	struct command_result result =
		command_shell("EMUPROBE='r who c=$caller' EMUPROBE_QUIET=1 LD_PRELOAD=" PRELOAD
			      " " CALLS " callers 2>&1 | grep -o 'c=.*' | sort | uniq -c");

	cr_expect_eq(command_count(result.output, "      2 c=0x"), 2, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

/* One that is under way in a fork ends twice, in either order. */
Test(calls, end_in_both_processes_of_a_fork)
{
	expect_same_by_all_plans("forks", WITHOUT_OFFSETS " | sort");
}

Test(calls, without_a_launcher_are_the_same)
{
	struct command_result result = command_shell(
		"t=$(mktemp -d) && cd $t && "
		"{ EMUPROBE='%s' EMUPROBE_OUTPUT=$t/events EMUPROBE_QUIET=1 LD_PRELOAD=" PRELOAD
		" " CALLS " ends >said; s=$?; " EVENTS
		" events | sort >found; sort said | diff - found >&2 || s=9; "
		"wc -l <said; rm -r $t; exit $s; }",
		DEFINITIONS);

	expect_status(result, 0);
	cr_expect_eq(strtol(result.output, NULL, 10), 32);
	command_result_deinit(&result);
}

/* "LEAST MOST" of each call, by the program's own clock, and its event. */
static void expect_between(const char *said, const char *events)
{
	const double tolerance = 1.001; /* of two clocks */

	for (; *said; said = strchr(said, '\n') + 1) {
		double least, most, latency;
		const char *event = strstr(events, " ns=");

		cr_assert_eq(sscanf(said, "%lf %lf", &least, &most), 2, "%s", said);
		cr_assert_not_null(event);
		latency = strtod(event + 4, NULL);
		cr_expect_geq(latency * tolerance + 2000, least);
		cr_expect_leq(latency, most * tolerance + 2000);
		events = event + 4;
	}
}

Test(calls, take_the_time_that_the_program_measures)
{
	struct command_result result = run("", "times");

	expect_status(result, 0);
	cr_expect_eq(command_count(result.output, "\n"), 5, "%s", command_describe(&result));
	cr_expect_eq(command_count(result.error, "naps: "), 5, "%s", command_describe(&result));
	expect_between(result.output, result.error);
	command_result_deinit(&result);
}

Test(calls, of_many_threads_are_all_there)
{
	struct command_result result = run("", "threads");

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "(calls:factorial) n=3 r=6\n"), 400);
	cr_expect_eq(command_count(result.error, "(calls:factorial) n=0 r=1\n"), 400);
	cr_expect_eq(command_count(result.error, "(calls:thrower) depth=1 r=- <- unwind\n"), 400);
	cr_expect_eq(command_count(result.error, "(calls:catcher) depth=1 r=100\n"), 400);
	cr_expect_eq(command_count(result.error, "\n"), 4 * 100 * (4 + 2 + 1));
	command_result_deinit(&result);
}

#define LEFT                                                                                       \
	"leaves: (calls:leaves) n=0 <- exit\n"                                                     \
	"leaves: (calls:leaves) n=1 <- exit\n"                                                     \
	"leaves: (calls:leaves) n=2 <- exit\n"

/* With a launcher and without; their counts are of hits without an end. */
Test(calls, that_the_program_ends_in_say_so)
{
	static const char *const ways[] = {
		EMUPROBE " -q --plan=auto -o events -e '%s' -- ",
		EMUPROBE " -q --plan=trap -o events -e '%s' -- ",
		"EMUPROBE_QUIET=1 EMUPROBE_OUTPUT=$t/events LD_PRELOAD=" PRELOAD " EMUPROBE='%s' ",
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		char line[512];
		struct command_result result;

		snprintf(line, sizeof(line),
			 "t=$(mktemp -d) && cd $t && %s" CALLS " leaves && " EVENTS
			 " events; rm -r $t",
			 ways[i]);
		result = command_shell(line, DEFINITIONS);
		cr_expect_str_eq(result.output, LEFT, "%s", command_describe(&result));
		command_result_deinit(&result);
	}
}

Test(calls, that_the_program_ends_in_are_counted_as_running)
{
	struct command_result result =
		command_shell(EMUPROBE " -v -e '%s' -- " CALLS " leaves", DEFINITIONS);

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, " <- exit\n"), 3);
	cr_expect(strstr(result.error, "           3  "), "%s", command_describe(&result));
	command_result_deinit(&result);
	result = command_shell(EMUPROBE " --format=json -e '%s' -- " CALLS " leaves", DEFINITIONS);
	cr_expect_eq(command_count(result.error, "\"end\":\"exit\",\"args\":{\"n\":"), 3, "%s",
		     command_describe(&result));
	expect_contains(result, error,
			"\"hits\":3,\"missed\":0,\"trapped\":0,\"ways_out\":0,\"returns\":0,"
			"\"unwound\":0,\"abandoned\":0}");
	command_result_deinit(&result);
}

/* The child of a vfork() ends, and not those of the thread in whose memory it is. */
Test(calls, that_a_child_in_the_same_memory_ends_in_go_on)
{
	struct command_result result = command_shell(
		EMUPROBE " -q -e '%s; r:v vforks r=$retval:s32' -- " CALLS " vforks", DEFINITIONS);

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "(calls:vforks) r=7\n"), 1, "%s",
		     command_describe(&result));
	cr_expect_eq(command_count(result.error, "exit"), 0, "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* Its frames are named by the FDE of the stubs, which it calls handlers of signals. */
Test(calls, that_are_nested_are_seen_by_gdb)
{
	if (system("command -v gdb pgrep mkfifo >/dev/null")) {
		fprintf(stderr, "calls: skipped: no gdb, pgrep or mkfifo\n");
		cr_skip_test("no gdb, pgrep or mkfifo");
	}
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct command_result result = command_shell(
			"t=$(mktemp -d) && cd $t && mkfifo said && "
			"{ " EMUPROBE " -q --plan=%s -e 'r waits' -e 'r main?' -- " CALLS
			" waits >said 2>/dev/null & read line <said; p=$(pgrep -P $!); "
			"gdb -nx -batch -p $p -ex bt </dev/null 2>/dev/null; "
			"kill $p; wait $!; cd /; rm -r $t; }",
			plans[i]);

		cr_expect_eq(command_count(result.output, " in waits ("), 51, "%s: %s", plans[i],
			     command_describe(&result));
		cr_expect_eq(command_count(result.output, " in main ("), 1, "%s: %s", plans[i],
			     command_describe(&result));
		cr_expect_geq(command_count(result.output, "<signal handler called>"), 51, "%s: %s",
			      plans[i], command_describe(&result));
		/* That of a library without symbols says whose it is. */
		cr_expect_eq(command_count(result.output, "?? ()\n"), 0, "%s: %s", plans[i],
			     command_describe(&result));
		command_result_deinit(&result);
	}
}

Test(calls, in_json_have_their_end)
{
	struct command_result result = run("--format=json", "ends");

	expect_status(result, 0);
	cr_expect_eq(command_count(result.error, "\"place\":\"calls:thrower\",\"end\":\"unwind\","
						 "\"args\":{\"depth\":0,\"r\":null}}"),
		     4, "%s", command_describe(&result));
	cr_expect_eq(command_count(result.error, "\"end\":\"jump\""), 1 + 2 + 3 + 4);
	cr_expect_eq(command_count(result.error, "\"end\":\"return\",\"args\":{\"depth\":3,"
						 "\"r\":7}}"),
		     1);
	command_result_deinit(&result);
}

Test(calls, can_be_counted_alone)
{
	struct command_result result = run("-c", "values");

	expect_status(result, 0);
	result = command_shell(EMUPROBE " -c -e 'r:f factorial;p:g outer' -- " CALLS
					" values 2>&1 >/dev/null | grep -E '(21|2) .*calls:'");
	expect_status(result, 0);
	cr_expect_eq(command_count(result.output, "\n"), 2, "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* dlsym() finds out by it who asks; setjmp() and getcontext() keep it; vfork() takes it off. */
Test(calls, of_functions_that_use_their_return_address_change_nothing)
{
	static const char *const definitions[] = {"r libc.so.6:dlsym", "r *; r libc.so.6:*"};

	for (int i = 0; i < 4; i++) {
		struct command_result result =
			command_shell("LD_PRELOAD=" EP_PROGRAMS "/interposer.so " EMUPROBE
				      " -c --plan=%s -e '%s' -- " EP_PROGRAMS "/own_return",
				      i & 1 ? "trap" : "auto", definitions[i / 2]);

		expect_status(result, 0);
		cr_expect_str_eq(result.output,
				 "interposed next\njumps 3, contexts 4\nchild 3, shell 4\n"
				 "library 1\n",
				 "%s", command_describe(&result));
		expect_contains(result, error, "libc.so.6:dlsym");
		command_result_deinit(&result);
	}
}
