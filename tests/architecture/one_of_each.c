/* SPDX-License-Identifier: MIT */
/*
 * What is written twice differs some day: numbers of the kernel's interface, readers of its files,
 * the table that a trap reads, and the look of each file's beginning. Each has one home, and this
 * test finds a second one.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/architecture/lines.h"

TestSuite(architecture_one_of_each, .timeout = 400);

/* In the engine and its programs; tests and benchmarks may say what they expect. */
static const struct {
	const char *what, *expression, *home;
} owned[] = {
	{"size of a page", "#define [A-Z_]*PAGE[A-Z_]*[[:space:]].*\\b4096", "sys/abi.h"},
	{"size of a signal set", "#define [A-Z_]*SET_?SIZE[[:space:]].*\\b8", "sys/abi.h"},
	{"flag SA_RESTORER", "\\b0x0?4000000u", "sys/abi.h"},
	{"errno constant", "#define E[A-Z0-9]+_[[:space:]]|-[0-9]+.*/\\* E[A-Z]+ \\*/", "errno.h"},
	{"reader of the status of the process", "\"/proc/self/status", "sys/status.c"},
	{"test for dead threads", "SYS_tgkill.*(==|!=)", "sys/process.h"},
	{"hash table by address", "0x9[eE]3779[bB]", "sys/table.h"},
};

static bool is_of_engine(const char *file)
{
	return !matches(file, "^(tests|perf)/");
}

static void check_owned(const char *file)
{
	struct lines text = lines_in(file);

	for (size_t i = 0; i < text.count; i++)
		for (size_t k = 0; k < sizeof(owned) / sizeof(*owned); k++)
			cr_expect(strcmp(file, owned[k].home) == 0 ||
					  !matches(text.line[i], owned[k].expression),
				  "%s:%zu: a second %s, there is one in %s: %s", file, i + 1,
				  owned[k].what, owned[k].home, text.line[i]);
	lines_destroy(&text);
}

Test(architecture_one_of_each, what_the_kernel_defines_is_written_once)
{
	struct lines files = sources();

	for (size_t i = 0; i < files.count; i++)
		if (is_of_engine(files.line[i]))
			check_owned(files.line[i]);
	lines_destroy(&files);
}

static void check_license(const char *file, const char *line, size_t at_most)
{
	struct lines text = lines_in(file);
	bool found = false;

	for (size_t i = 0; i < at_most && i < text.count; i++)
		found |= strcmp(text.line[i], line) == 0;
	cr_expect(found, "%s does not begin with: %s", file, line);
	lines_destroy(&text);
}

Test(architecture_one_of_each, sources_begin_with_the_license_in_one_style)
{
	struct lines files = sources();

	for (size_t i = 0; i < files.count; i++)
		check_license(files.line[i], "/* SPDX-License-Identifier: MIT */", 1);
	lines_destroy(&files);
}

Test(architecture_one_of_each, scripts_have_the_license_behind_their_first_line)
{
	struct lines files =
		lines_of("cd '%s' && grep -rlE --exclude-dir='build*' --exclude-dir=.git "
			 "--exclude-dir=.cache --exclude-dir=results '^#!.*\\b(bash|sh|python3)$'",
			 EP_SOURCE_DIR);

	for (size_t i = 0; i < files.count; i++)
		check_license(files.line[i], "# SPDX-License-Identifier: MIT", 2);
	lines_destroy(&files);
}

/* The folder says that it is a test. */
Test(architecture_one_of_each, test_files_are_named_for_what_they_test)
{
	struct lines files = sources();

	for (size_t i = 0; i < files.count; i++)
		cr_expect(!matches(files.line[i], "^tests/(.*/)?(test_[^/]*|[^/]*_test)\\.[a-z]+$"),
			  "%s: the folder says already that it is a test", files.line[i]);
	lines_destroy(&files);
}

/*
 * Macros make the emulator's functions of names that are written out: each rule's is found by grep.
 */
Test(architecture_one_of_each, operation_of_the_emulator_is_defined_under_its_name)
{
	struct lines names =
		lines_of("cd '%s' && grep -oE '\\bemu_[a-z0-9_]+' emu/rules.c | sort -u | "
			 "grep -vE '^emu_(rules|rule|find_rule|variants|rules_count)$'",
			 EP_SOURCE_DIR);

	cr_assert_gt(names.count, 50);
	for (size_t i = 0; i < names.count; i++) {
		struct lines found = lines_of("cd '%s' && grep -nE '^(const struct emu_variants |"
					      "[A-Z_]+\\()%s\\b' emu/*.c",
					      EP_SOURCE_DIR, names.line[i]);

		cr_expect_eq(found.count, 1, "%s is defined on %zu lines", names.line[i],
			     found.count);
		lines_destroy(&found);
	}
	lines_destroy(&names);
}
