/* SPDX-License-Identifier: MIT */
/* What the documentation shows is so. */
#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/system/cli.h"
#include "trace/execute/executable.h"

TestSuite(docs, .timeout = 400);

#define README EP_SOURCE_DIR "/README.md"
#define MAN_1  EP_SOURCE_DIR "/docs/man/emuprobe.1"
#define MAN_3  EP_SOURCE_DIR "/docs/man/emuprobe.3"
#define MAN_7  EP_SOURCE_DIR "/docs/man/emuprobe-definitions.7"

static char folder[] = "/tmp/emuprobe-docs-XXXXXX";

static void make_folder(void)
{
	cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
	struct command_result result = command_shell("rm -r '%s'", folder);

	command_result_deinit(&result);
}

/* The README's C program, as it stands there. */
static void take_example(void)
{
	struct command_result result = command_shell(
		"sed -n '/^```c$/,/^```$/p' " README " | sed '/^```/d' >'%s/example.c'", folder);

	expect_status(result, 0);
	command_result_deinit(&result);
}

Test(docs, example_of_the_readme_compiles_and_runs, .init = make_folder, .fini = remove_folder)
{
	struct command_result result;

	take_example();
	result = command_shell(
		"cd '%s' && cc -Wall -Wextra -Werror -o example example.c -I" EP_SOURCE_DIR
		"/include -L" EP_BUILD_DIR " -lemuprobe -Wl,-rpath," EP_BUILD_DIR " && ./example",
		folder);
	expect_status(result, 0);
	cr_expect_eq(strncmp(result.output, "libc.so.6: ", 11), 0, "%s", command_describe(&result));
	expect_contains(result, output, ", 1000 hits, 100000 bytes\n");
	command_result_deinit(&result);
}

Test(docs, example_of_the_readme_is_cxx_too, .init = make_folder, .fini = remove_folder)
{
	struct command_result result = command_shell(
		"command -v c++ >/dev/null || exit 77; cd '%s' && "
		"echo '#include <emuprobe.h>' >header.cc && "
		"c++ -Wall -Wextra -Werror -pedantic -c header.cc -I" EP_SOURCE_DIR "/include",
		folder);

	if (result.status == 77)
		cr_skip_test("no C++ compiler");
	expect_status(result, 0);
	command_result_deinit(&result);
}

/* "-c, --count" in --help=all, "\-c ", " \-\-count" in the manual: both without backslashes, sorted. */
#define OPTIONS_OF_HELP                                                                            \
	EMUPROBE " --help=all | sed -n '/^  -/p; /^      --/p' | grep -oE -- "                     \
		 "'(^|[ ,])(-[a-z]|--[a-z][a-z-]*)' | tr -d ' ,' | sort -u"
#define OPTIONS_OF_MAN                                                                             \
	"sed -n '/^.SH OPTIONS/,/^.SH DEFINITIONS/p' " MAN_1                                       \
	" | grep -A1 '^\\.TP' | grep '^\\.B' | sed 's/\\\\-/-/g; s/\\\\fI.*//' | grep -oE -- "     \
	"'(^|[ \"])(-[a-z]|--[a-z][a-z-]*)' | tr -d ' \"' | sort -u"

Test(docs, manual_and_help_have_the_same_options)
{
	struct command_result help = command_shell("%s", OPTIONS_OF_HELP);
	struct command_result manual = command_shell("%s", OPTIONS_OF_MAN);

	cr_expect_gt(command_count(help.output, "\n"), 15, "%s", command_describe(&help));
	cr_expect_str_eq(manual.output, help.output);
	command_result_deinit(&help);
	command_result_deinit(&manual);
}

Test(docs, manual_names_every_error)
{
	static const char *const names[] = {
#define NAME(name, value, text) #name,
		EP_ERRORS(NAME)
#undef NAME
	};
	struct command_result result = command_shell("cat " MAN_3);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect(strstr(result.output, names[i]), "emuprobe.3 lacks %s", names[i]);
	command_result_deinit(&result);
}

/* What they print differs; that they work, and print something, does not. */
static void run_document(const char *name)
{
	struct command_result result = command_shell(
		"for p in python3 sqlite3 cc; do command -v $p >/dev/null || exit 77; "
		"done; " EP_SOURCE_DIR "/tests/docs/run.py " EP_BUILD_DIR " " EP_SOURCE_DIR "/%s",
		name);

	if (result.status == 77)
		cr_skip_test("no python3, sqlite3 or compiler");
	expect_status(result, 0);
	expect_contains(result, output, " 0 failed");
	command_result_deinit(&result);
}

/* They are made again, and are pictures of what they should be of. */
Test(docs, pictures_can_be_renewed)
{
	struct command_result result = command_shell(
		"for p in python3 sqlite3; do command -v $p >/dev/null || exit 77; done; "
		"d=$(mktemp -d) && trap 'rm -r $d' EXIT && " EP_SOURCE_DIR
		"/tests/docs/pictures.py " EP_BUILD_DIR " $d && "
		"grep -c '>[ |]*libsqlite3.so.0:sqlite3_prepare_v2()' $d/graph.svg && "
		"grep -c '<title>libsqlite3.so.0[^:]*:sqlite3_step (' $d/flame.svg && "
		"python3 -c 'import sys, xml.dom.minidom as m; [m.parse(f) for f in "
		"sys.argv[1:]]' $d/graph.svg $d/flame.svg && ls " EP_SOURCE_DIR "/docs/pictures");

	if (result.status == 77)
		cr_skip_test("no python3, or no sqlite3");
	expect_status(result, 0);
	expect_contains(result, output, "flame.svg\ngraph.svg\n");
	command_result_deinit(&result);
}

Test(docs, commands_of_the_readme_run)
{
	run_document("README.md");
}

Test(docs, commands_of_the_tutorial_run)
{
	run_document("docs/tutorial.md");
}

Test(docs, commands_of_the_comparison_run)
{
	run_document("docs/compared.md");
}

/* A heading, and the text that people see below it. */
static void expect_section(const char *page, const char *name, const char *text)
{
	char heading[128], joined[512];
	const char *section, *end;

	snprintf(heading, sizeof(heading), "\n### %s\n*", name);
	section = strstr(page, heading);
	cr_expect(section, "docs/refusals.md has no section %s", name);
	if (!section)
		return;
	end = strstr(section + strlen(heading), "\n\n");
	snprintf(joined, sizeof(joined), "%.*s", end ? (int)(end - section) : 500, section);
	for (char *at = joined + 1; (at = strchr(at, '\n'));)
		*at = ' ';
	cr_expect(strstr(joined, text), "the section %s lacks \"%s\"", name, text);
}

Test(docs, each_reason_has_a_section)
{
	struct command_result page = command_shell("cat " EP_SOURCE_DIR "/docs/refusals.md");

#define SECTION(name, value, text) expect_section(page.output, #name, text);
	EP_ERRORS(SECTION)
#undef SECTION
#define SECTION(name, word, why, remedy) expect_section(page.output, word, why);
	TRACE_UNPROBED(SECTION)
#undef SECTION
	command_result_deinit(&page);
}

/* What the library exports, and only that. */
Test(docs, manual_has_every_function)
{
	struct command_result result = command_shell(
		"nm -D --defined-only " EP_BUILD_DIR "/libemuprobe.so | grep -o 'ep_[a-z_]*' | "
		"sort -u | while read f; do grep -q \"$f(\" " MAN_3 " || echo \"lacks $f\"; done; "
		"sed -n '/^.SH SYNOPSIS/,/^.SH DESC/p' " MAN_3
		" | grep -o 'ep_[a-z_]*(' | tr -d '(' | "
		"grep -v ep_[a-z_]*handler | sort -u | while read f; do "
		"nm -D --defined-only " EP_BUILD_DIR
		"/libemuprobe.so | grep -q \" $f\\(@\\|$\\)\" || "
		"echo \"has $f\"; done");

	expect_status(result, 0);
	cr_expect_str_eq(result.output, "");
	command_result_deinit(&result);
}

Test(docs, manuals_have_no_mistakes)
{
	static const char *const manuals[] = {MAN_1, MAN_3, MAN_7};

	for (size_t i = 0; i < 3; i++) {
		struct command_result result =
			command_shell("command -v groff >/dev/null || exit 77; "
				      "groff -man -ww -Tutf8 -z '%s'",
				      manuals[i]);

		if (result.status == 77)
			cr_skip_test("no groff");
		cr_expect_str_eq(result.error, "");
		command_result_deinit(&result);
	}
}
