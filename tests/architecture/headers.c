/* SPDX-License-Identifier: MIT */
/* Headers need nothing before them; the public one suits strict C and C++ programs. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>

#include "tests/architecture/lines.h"

TestSuite(architecture_headers, .timeout = 400);

static void check_compiles(const char *compiler, const char *options, const char *header)
{
	struct lines said = lines_of("cd '%s' && %s -fsyntax-only -D_GNU_SOURCE -I . -Wall -Wextra "
				     "-Werror %s -include '%s' /dev/null 2>&1",
				     EP_SOURCE_DIR, compiler, options, header);

	cr_expect_eq(said.count, 0, "%s %s: %s does not compile alone: %s", compiler, options,
		     header, said.count ? said.line[0] : "");
	lines_destroy(&said);
}

Test(architecture_headers, each_compiles_alone)
{
	struct lines files = sources();

	for (size_t i = 0; i < files.count; i++)
		if (matches(files.line[i], "\\.h$"))
			check_compiles(EP_C_COMPILER, "-std=gnu17 -x c", files.line[i]);
	lines_destroy(&files);
}

Test(architecture_headers, the_public_one_compiles_as_strict_c_and_cxx)
{
	check_compiles(EP_C_COMPILER, "-std=c99 -pedantic -x c", "include/emuprobe.h");
	check_compiles(EP_C_COMPILER, "-std=c17 -pedantic -x c", "include/emuprobe.h");
	check_compiles("c++", "-std=c++11 -pedantic -x c++", "include/emuprobe.h");
	check_compiles("c++", "-std=c++20 -pedantic -x c++", "include/emuprobe.h");
}

Test(architecture_headers, the_public_one_includes_nothing_of_ours)
{
	struct lines text = lines_in("include/emuprobe.h");

	for (size_t i = 0; i < text.count; i++)
		cr_expect(!matches(text.line[i], "^ *# *include *\""), "line %zu", i + 1);
	lines_destroy(&text);
}
