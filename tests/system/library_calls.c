/* SPDX-License-Identifier: MIT */
/* --calls: what the executable calls of its libraries, with what, and what it gets. */
#include "tests/system/cli.h"

TestSuite(library_calls, .timeout = 400);

#define IMPORTS EP_PROGRAMS "/imports"

static void expect_calls(struct command_result *result)
{
	static const char *const calls[] = {
		"| open(\"/etc/hostname\", O_CLOEXEC, ...) = ",
		"| fopen(\"/dev/null\", \"w\") = FILE:",
		"| pow(1.5, 2) = 2.25\n",
		"| getenv(\"NOT_THERE\") = NULL\n",
		"| fputs(\"into the \\\"void\\\"\\n\", FILE:",
		"| strdup(\"a text that is longer than what is shown of a text in a line for\"...)",
		"| close(",
	};

	expect_status(*result, 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		expect_contains(*result, output, calls[i]);
	/* libc's own calls, and those that its callbacks are reason for, but not the callback's. */
	expect_lacks(*result, output, "__libc_start_main");
	expect_lacks(*result, output, "memmove");
	expect_contains(*result, output, "| strcoll(\"");
	expect_contains(*result, output, "| qsort(");
}

Test(library_calls, have_their_arguments_and_results)
{
	struct command_result result = RUN(EMUPROBE, "--calls", "-q", "-o", "-", "--", IMPORTS);

	expect_calls(&result);
	command_result_deinit(&result);
}

/* Bound at the start, bound when called, and by traps. */
Test(library_calls, are_found_however_they_are_bound)
{
	struct command_result result = command_shell(
		"dir=$(mktemp -d) && for flags in '-Wl,-z,now -pie -fPIE' '-Wl,-z,lazy -no-pie' "
		"'-Wl,-z,lazy -pie -fPIE -fno-plt'; do "
		"cc -O1 -fno-builtin $flags -o $dir/imports " EP_SOURCE_DIR
		"/tests/system/programs/imports.c -lm && " EMUPROBE
		" --calls -q -o $dir/out -- $dir/imports >/dev/null && "
		"grep -c -e '| pow(1.5, 2) = 2.25' -e '| open(' -e '| qsort(' $dir/out; done; "
		"status=$?; rm -rf $dir; exit $status");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "3\n3\n3\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(library_calls, follow_what_is_executed)
{
	struct command_result result =
		RUN(EMUPROBE, "--calls", "-o", "-", "--", IMPORTS, EP_PROGRAMS "/tree");

	expect_status(result, 0);
	expect_contains(result, output, "| pow(1.5, 2) = 2.25\n");
	expect_contains(result, output, "| puts(\"done\") = 5\n");
	command_result_deinit(&result);
}

Test(library_calls, that_nobody_declares_have_hexadecimal_arguments)
{
	struct command_result result =
		command_shell("file=$(mktemp) && echo 'void nothing(void);' >$file && " EMUPROBE
			      " --calls -q -o - -- " EP_PROGRAMS "/tree forks; rm -f $file");

	expect_status(result, 0);
	expect_contains(result, output, "| fork() = ");
	expect_contains(result, output, "| waitpid(");
	command_result_deinit(&result);
}

Test(library_calls, prototypes_of_users_come_first)
{
	struct command_result result = command_shell(
		"file=$(mktemp) && printf '# mine\\nint puts(void *text); double pow(double);\\n' "
		">$file "
		"&& " EMUPROBE " --calls --prototypes=$file -q -o - -- " IMPORTS
		"; status=$?; rm -f $file; exit $status");

	expect_status(result, 0);
	expect_contains(result, output, "| pow(1.5) = 2.25\n");
	command_result_deinit(&result);
}

Test(library_calls, wrong_prototypes_are_said)
{
	static const struct {
		const char *text, *message;
	} wrong[] = {
		{"int f(", ":1: no such type"},
		{"\\n\\nint f(thing x);", ":3: no such type"},
		{"int f(int a)", ":1: ';' is missing"},
		{"int f;", ":1: not a declaration"},
		{"int f(int a b; int", ":1: ',' or ')' is missing"},
		{"f(int);", ":1: no such type"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct command_result result = command_shell(
			"file=$(mktemp) && printf '%s' >$file && " EMUPROBE
			" --calls --prototypes=$file -- true; status=$?; rm -f $file; exit $status",
			wrong[i].text);

		expect_status(result, 125);
		expect_contains(result, error, wrong[i].message);
		command_result_deinit(&result);
	}
	struct command_result result =
		RUN(EMUPROBE, "--calls", "--prototypes=/not/there", "--", "true");

	expect_status(result, 125);
	expect_contains(result, error, "/not/there: cannot be read");
	command_result_deinit(&result);
}

Test(library_calls, sums_are_those_of_the_lines)
{
	struct command_result result = RUN(EMUPROBE, "--calls", "-c", "--", IMPORTS);

	expect_status(result, 0);
	expect_contains(result, error, "     calls    total share     mean      max  function\n");
	expect_contains(result, error, "libc.so.6:qsort\n");
	expect_contains(result, error, "         1 ");
	expect_lacks(result, error, "__libc_start_main");
	command_result_deinit(&result);
}

Test(library_calls, that_the_program_ends_in_are_marked)
{
	struct command_result result =
		RUN(EMUPROBE, "--calls", "-q", "-o", "-", "--", EP_PROGRAMS "/tree", "exit");

	expect_status(result, 3);
	expect_contains(result, output, "| exit(3) <- exit\n");
	command_result_deinit(&result);
}
