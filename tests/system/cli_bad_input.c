/* SPDX-License-Identifier: MIT */
/* Whatever is wrong is said clearly, with the right exit status. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/system/cli.h"

TestSuite(cli_bad_input, .timeout = 400);

/* Runs "work print ran" with one definition; it must not have run. */
static void expect_rejected(const char *definition, const char *message)
{
	struct command_result result = RUN(EMUPROBE, "-e", definition, "--", WORK, "print", "ran");

	expect_status(result, 125);
	cr_expect_str_eq(result.output, "", "the program ran: %s", definition);
	expect_contains(result, error, message);
	command_result_deinit(&result);
}

Test(cli_bad_input, unknown_symbol)
{
	expect_rejected("p:x libc.so.6:no_such_symbol",
			"emuprobe: no_such_symbol in libc.so.6: no such symbol [BAD_PROBE_ADDR]\n"
			"  p:x libc.so.6:no_such_symbol\n"
			"                ^\n");
	expect_rejected(
		"p no_such_symbol",
		"no_such_symbol in the executable (work): no such symbol [BAD_PROBE_ADDR]\n");
}

Test(cli_bad_input, a_symbol_of_another_object_is_named)
{
	expect_rejected("malloc", "malloc in the executable (work): no such symbol; there is "
				  "libc.so.6:malloc [BAD_PROBE_ADDR]\n"
				  "  malloc\n"
				  "  ^\n");
	expect_rejected("uprobe:libc:mallco", "mallco in libc: no such symbol; similar: "
					      "libc.so.6:malloc");
	expect_rejected("targte",
			"targte in the executable (work): no such symbol; similar: target");
}

Test(cli_bad_input, a_place_alone_is_a_definition)
{
	struct command_result result = RUN(EMUPROBE, "-c", "-e", "target; uprobe:main; libc:write",
					   "--", WORK, "call", "3", "print", "ran");

	expect_status(result, 0);
	expect_contains(result, error, "  p_work_target  work:target");
	expect_contains(result, error, "  p_work_main    work:main");
	expect_contains(result, error, "  p_libc_write   libc.so.6:write");
	command_result_deinit(&result);
}

Test(cli_bad_input, unknown_object)
{
	expect_rejected(
		"p libnothing.so.1:malloc",
		"libnothing.so.1: no such object is loaded (a '?' behind the place waits for it); "
		"there is libc.so.6:malloc [FILE_NOT_FOUND]\n"
		"  p libnothing.so.1:malloc\n"
		"    ^\n");
}

Test(cli_bad_input, pattern_without_match)
{
	expect_rejected("p libc.so.6:no_such_*", "the pattern matches nothing");
	expect_rejected("p libnothing*:malloc", "the pattern matches nothing");
}

Test(cli_bad_input, offset_outside)
{
	expect_rejected("p target+0x100000", "the offset is outside of the object or symbol");
	expect_rejected("p libc.so.6:0x7fffffffff", "the offset is outside of the object");
}

Test(cli_bad_input, malformed_definition_has_a_caret)
{
	expect_rejected("p:x target a=%nonsense", "emuprobe: no such register [BAD_REG_NAME]\n"
						  "  p:x target a=%nonsense\n"
						  "               ^\n");
	expect_rejected("p:good target; p:bad target b=$arg1:u7", "  p:bad target b=$arg1:u7\n"
								  "                       ^\n");
}

Test(cli_bad_input, duplicate_event)
{
	expect_rejected("p:x target; p:x main", "another probe is called uprobes/x");
}

Test(cli_bad_input, not_there_is_no_error_where_it_is_optional)
{
	struct command_result result = RUN(EMUPROBE, "-e", "p no_such?; p libnothing:x?; p target",
					   "--", WORK, "print", "ran");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	command_result_deinit(&result);
}

Test(cli_bad_input, inside_an_instruction_refuses_that_probe_only)
{
	struct command_result result =
		RUN(EMUPROBE, "-c", "-e", "p:inside libc.so.6:malloc+1; p:good target", "--", WORK,
		    "call", "3", "print", "ran");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "ran\n");
	expect_contains(result, error, "libc.so.6:malloc+0x1: inside an instruction");
	expect_contains(result, error, "           4  ");
	command_result_deinit(&result);
}

Test(cli_bad_input, missing_program)
{
	struct command_result result = RUN(EMUPROBE, "-e", "p main", "--", "/no/such/program");

	expect_status(result, 127);
	expect_contains(result, error, "emuprobe: /no/such/program: No such file or directory");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-e", "p main", "--", "no-such-program-at-all");
	expect_status(result, 127);
	expect_contains(result, error, "emuprobe: no-such-program-at-all: not found\n");
	command_result_deinit(&result);
	result = command_shell("cd " EP_PROGRAMS " && " EMUPROBE " -e 'p main' -- scribbles");
	expect_status(result, 127);
	expect_contains(result, error,
			"emuprobe: scribbles: not found; the one that is here is ./scribbles");
	command_result_deinit(&result);
}

Test(cli_bad_input, program_that_cannot_be_executed)
{
	struct command_result result = RUN(EMUPROBE, "-e", "p main", "--", "/etc/passwd");

	expect_status(result, 126);
	expect_contains(result, error, "/etc/passwd: Permission denied");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-e", "p main", "--", "/etc");
	expect_status(result, 126);
	expect_contains(result, error, "/etc: is a directory");
	command_result_deinit(&result);
}

Test(cli_bad_input, static_program)
{
	struct command_result result =
		RUN(EMUPROBE, "-e", "p main", "--", EP_PROGRAMS "/static_hello");

	expect_status(result, 125);
	cr_expect_str_eq(result.output, "");
	expect_contains(result, error, "static_hello: statically linked");
	command_result_deinit(&result);
}

static void make_file(const char *path, const void *contents, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, contents, size), (ssize_t)size);
	close(fd);
	cr_assert_eq(chmod(path, mode), 0);
}

Test(cli_bad_input, setuid_program)
{
	char path[] = "/tmp/emuprobe-setuid-XXXXXX";
	struct command_result result;

	close(mkstemp(path));
	result = command_shell("cp '%s' '%s' && chown 12345 '%s' && chmod 4755 '%s'", WORK, path,
			       path, path);
	if (result.status) {
		unlink(path);
		cr_skip_test("no other user's setuid program can be made here");
	}
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-e", "p main", "--", path, "print", "ran");
	unlink(path);
	expect_status(result, 125);
	cr_expect_str_eq(result.output, "");
	expect_contains(result, error, "setuid");
	command_result_deinit(&result);
}

Test(cli_bad_input, foreign_program)
{
	/* e_ident of a 32-bit file; e_machine 62, x86-64; and a 64-bit one with 183, AArch64 */
	static const char narrow[64] = "\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3";
	static const char x32[64] = "\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\076";
	static const char arm[64] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267";
	char path[] = "/tmp/emuprobe-foreign-XXXXXX";
	struct command_result result;

	close(mkstemp(path));
	make_file(path, narrow, sizeof(narrow), 0755);
	result = RUN(EMUPROBE, "-e", "p main", "--", path);
	expect_status(result, 125);
	expect_contains(result, error, "a 32-bit program");
	command_result_deinit(&result);
	make_file(path, x32, sizeof(x32), 0755);
	result = RUN(EMUPROBE, "-e", "p main", "--", path);
	expect_status(result, 125);
	expect_contains(result, error, "an x32 program");
	command_result_deinit(&result);
	make_file(path, arm, sizeof(arm), 0755);
	result = RUN(EMUPROBE, "-e", "p main", "--", path);
	expect_status(result, 125);
	expect_contains(result, error, "for another processor");
	command_result_deinit(&result);
	unlink(path);
}

Test(cli_bad_input, script_of_a_static_interpreter)
{
	static const char script[] = "#!" EP_PROGRAMS "/static_hello\n";
	char path[] = "/tmp/emuprobe-script-XXXXXX";
	struct command_result result;

	close(mkstemp(path));
	make_file(path, script, strlen(script), 0755);
	result = RUN(EMUPROBE, "-e", "p main", "--", path);
	unlink(path);
	expect_status(result, 125);
	expect_contains(result, error, "static_hello: statically linked");
	command_result_deinit(&result);
}

static void expect_usage_error(const char *argument, const char *message)
{
	struct command_result result =
		RUN(EMUPROBE, argument, "-e", "p target", "--", WORK, "print", "ran");

	expect_status(result, 125);
	cr_expect_str_eq(result.output, "");
	expect_contains(result, error, message);
	command_result_deinit(&result);
}

Test(cli_bad_input, options)
{
	struct command_result result;

	expect_usage_error("--format=xml", "--format=xml");
	expect_usage_error("--plan=magic", "--plan=magic");
	expect_usage_error("--nonsense", "--help");
	expect_usage_error("--completion=csh", "--completion=csh: bash, zsh or fish");
	expect_usage_error("--help=more", "--help=more: --help or --help=all");
	expect_usage_error("-f/no/such/file", "/no/such/file: No such file or directory");
	expect_usage_error("-o/no/such/folder/file", "/no/such/folder/file: No such file");
	result = RUN(EMUPROBE, "--", WORK);
	expect_status(result, 125);
	expect_contains(result, error, "no probes");
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-e", "p target");
	expect_status(result, 125);
	expect_contains(result, error, "no program");
	command_result_deinit(&result);
}

/* What would have no effect was meant otherwise. */
static void expect_durations_error(const char *options, const char *message)
{
	struct command_result result = command_shell(EMUPROBE " %s -- " WORK " print ran", options);

	expect_status(result, 125);
	cr_expect_str_eq(result.output, "", "the program ran: %s", options);
	expect_contains(result, error, message);
	command_result_deinit(&result);
}

Test(cli_bad_input, questions)
{
	static const struct {
		const char *option, *message;
	} cases[] = {
		{"--hist='t:$retval'", "--hist=t:$retval: $retval is no name of a field"},
		{"--hist=t:", "--hist=t:: no name of a field"},
		{"--hist='$latency'", "--hist=$latency: EVENT:FIELD"},
		{"--hist=:a", "--hist=:a: no name of an event"},
		{"--hist=x:a", "--hist=x:a: no definition has an event called x"},
		{"--hist=t:c", "--hist=t:c: t has no field c; it has a, b"},
		{"--hist=u:a", "--hist=u:a: u has no field a; it has none"},
		{"--hist=t:a,1",
		 "--hist=t:a,1: not a number; a linear histogram has ,LOW,HIGH,STEP"},
		{"--hist=t:a,1,2", "not a number"},
		{"--hist=t:a,1,2,x", "not a number"},
		{"--hist=t:a,1,2,3,4", "not a number"},
		{"--hist=t:a,5,5,1", "HIGH must be above LOW"},
		{"--hist=t:a,0,10,3", "HIGH - LOW must be a multiple of STEP"},
		{"--hist=t:a,0,10,0", "HIGH - LOW must be a multiple of STEP"},
		{"--hist=t:a,0,10,-5", "HIGH - LOW must be a multiple of STEP"},
		{"--hist=v:s", "--hist=v:s: s is a string: a histogram is of numbers"},
		{"--hist=v:f", "f is no integer and no string: it cannot be counted"},
		{"--top=v:a", "a is no integer and no string: it cannot be counted"},
		{"--top=v:now", "now is no integer and no string: it cannot be counted"},
		{"--top=v:f", "f is no integer and no string: it cannot be counted"},
		{"--top=v:s:s", "s is a string: it has no sum"},
		{"--top=l:t", "l has a time as a key"},
		{"--first=0", "--first=0: 0 is not a number from 1 to 2147483647"},
		{"--every=x:3", "--every=x:3: no definition has an event called x"},
		{"--after=x", "--after=x: no definition has an event called x"},
		{"--tid=-1", "--tid=-1: -1 is not a number from 1"},
		{"--for=0", "--for=0: a number of seconds above 0"},
		{"--for=x", "--for=x: a number of seconds above 0"},
		{"--hist=t:a,0,1001,1", "more than 1000 steps"},
		{"--hist=t:a,-10,10,1", "a is never below 0, as LOW is"},
		{"--top=t", "--top=t: EVENT:KEY[,KEY...][:VALUE]"},
		{"--top=t:", "no name of a field"},
		{"--top=t:a,", "no name of a field"},
		{"--top=t:a:", "no name of a field"},
		{"--top=t:a:c", "t has no field c"},
		{"--top=t:a:b:a", "b:a is no name of a field"},
		{"--top=t:a,b,a,b,a", "a key has 4 fields at most"},
		{"$(printf -- '--top=t:a %.0s' $(seq 65))", "more than 64 questions"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct command_result result = command_shell(
			EMUPROBE
			" -e 'p:t target a=%%di:u8 b=%%si:s8; p:u target; r:l target t=$latency; "
			"p:v target s=+0(%%di):string f=%%di:f64 a=+0(%%di):x8[2] now=$ts' %s "
			"-- " WORK " print ran",
			cases[i].option);

		expect_status(result, 125);
		cr_expect_str_eq(result.output, "", "the program ran: %s", cases[i].option);
		expect_contains(result, error, cases[i].message);
		command_result_deinit(&result);
	}
}

Test(cli_bad_input, options_of_durations)
{
	expect_durations_error("-e 'r:t target' --sample=4", "emuprobe: --sample: only with -c\n");
	expect_durations_error("-e 'r:t target' --hist=t", "emuprobe: --hist: only with -c\n");
	expect_durations_error("-c -e 'p:t target' --hist=t",
			       "emuprobe: --hist: no calls are probed: use r:\n");
	expect_durations_error("-c -e 'p:t target' --sample=4",
			       "emuprobe: --sample: no calls are probed: use r:\n");
	expect_durations_error("-c -e 'r:t target' --sample=0",
			       "emuprobe: --sample=0: a number from 1 to 1000000\n");
	expect_durations_error("-c -e 'r:t target' --sample=-1", "--sample=-1: a number from 1");
	expect_durations_error("-c -e 'r:t target' --sample=2x", "--sample=2x: a number from 1");
	expect_durations_error("-c -e 'r:t target' --sample=", "--sample=: a number from 1");
	expect_durations_error("-c -e 'r:t target' --sample=1000001", "a number from 1");
	expect_durations_error("-c -e 'r:t target' --sample=99999999999999999999",
			       "a number from 1");
}

Test(cli_bad_input, file_and_line)
{
	static const char inner[] = "# nothing wrong here\n\np:a target\np:b target a=%oops\n";
	char path[] = "/tmp/emuprobe-list-XXXXXX", outer[64], wanted[128];
	struct command_result result;

	close(mkstemp(path));
	make_file(path, inner, strlen(inner), 0600);
	snprintf(outer, sizeof(outer), "p:first main; @%s", path);
	snprintf(wanted, sizeof(wanted), "emuprobe: %s:4: no such register [BAD_REG_NAME]\n", path);
	result = RUN(EMUPROBE, "-e", outer, "--", WORK);
	expect_status(result, 125);
	expect_contains(result, error, wanted);
	command_result_deinit(&result);
	result = RUN(EMUPROBE, "-f", path, "--", WORK);
	expect_contains(result, error, wanted);
	command_result_deinit(&result);
	unlink(path);
}

Test(cli_bad_input, library_that_is_not_there)
{
	const struct command command = {
		.argv = (const char *const[]){EMUPROBE, "-e", "p target", WORK, NULL},
		.env = (const char *const[]){"EMUPROBE_PRELOAD=/no/such/library.so", NULL},
	};
	struct command_result result = command_run(&command);

	expect_status(result, 125);
	expect_contains(result, error, "/no/such/library.so: not found");
	command_result_deinit(&result);
}
