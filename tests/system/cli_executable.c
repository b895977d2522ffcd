/* SPDX-License-Identifier: MIT */
/* Which file "the executable" is, however the program was started. */
#include <unistd.h>

#include "tests/system/cli.h"

#define LOADER	 "/lib64/ld-linux-x86-64.so.2"
#define EXECUTES EP_PROGRAMS "/executes"

TestSuite(cli_executable, .timeout = 400);

static void expect_one_hit(struct command_result result, const char *what)
{
	cr_expect_str_eq(result.output, "ran\n", "%s: %s", what, command_describe(&result));
	cr_expect(strstr(result.error, "           1  "), "%s: %s", what,
		  command_describe(&result));
	command_result_deinit(&result);
}

Test(cli_executable, started_through_the_loader)
{
	static const char *const definitions[] = {"p print", "p executes:print",
						  "p " EXECUTES ":print"};

	for (size_t i = 0; i < sizeof(definitions) / sizeof(definitions[0]); i++)
		expect_one_hit(
			RUN(EMUPROBE, "-c", "-e", definitions[i], "--", LOADER, EXECUTES, "print"),
			definitions[i]);
}

Test(cli_executable, started_through_the_loader_by_a_probed_program)
{
	expect_one_hit(RUN(EMUPROBE, "-c", "-e", "p print?", "--", EXECUTES, "none", LOADER,
			   EXECUTES, "print"),
		       "executed");
	expect_one_hit(RUN(EMUPROBE, "-c", "-e", "p executes:print?", "--", "sh", "-c",
			   LOADER " " EXECUTES " print; :"),
		       "by a shell");
}

Test(cli_executable, without_a_name)
{
	expect_one_hit(
		RUN(EMUPROBE, "-c", "-e", "p print", "--", EXECUTES, "memory", EXECUTES, "print"),
		"a memfd");
	expect_one_hit(RUN(EMUPROBE, "-c", "-e", "p memfd:copied:print?", "--", EXECUTES, "memory",
			   EXECUTES, "print"),
		       "a memfd by its name");
	expect_one_hit(
		RUN(EMUPROBE, "-c", "-e", "p print", "--", EXECUTES, "file", EXECUTES, "print"),
		"a descriptor");
}

Test(cli_executable, unlinked)
{
	char path[] = "/tmp/emuprobe-unlinked-XXXXXX", definition[64];
	static const char copy[] = "cp '%s' '%s' && chmod +x '%s'";
	struct command_result result;

	close(mkstemp(path));
	result = command_shell(copy, EXECUTES, path, path);
	command_result_deinit(&result);
	expect_one_hit(
		RUN(EMUPROBE, "-c", "-e", "p print", "--", EXECUTES, "unlinked", path, "print"),
		"unlinked");
	cr_expect_neq(access(path, F_OK), 0);
	result = command_shell(copy, EXECUTES, path, path);
	command_result_deinit(&result);
	snprintf(definition, sizeof(definition), "p %s:print?", strrchr(path, '/') + 1);
	expect_one_hit(
		RUN(EMUPROBE, "-c", "-e", definition, "--", EXECUTES, "unlinked", path, "print"),
		"unlinked, by its name");
}
