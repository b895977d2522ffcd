/* SPDX-License-Identifier: MIT */
/*
 * Both libraries live in processes that are not ours: a symbol too many replaces the program's
 * own. An _Unwind_* of ours would handle every C++ exception of the host.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/architecture/lines.h"

TestSuite(architecture_exports, .timeout = 400);

/* "name@@VERSION" of all that @library defines for others. */
static struct lines exports_of(const char *library)
{
	return lines_of("nm -D --defined-only --with-symbol-versions '%s' | "
			"awk '$2 != \"A\" { print $3 }' | sort",
			library);
}

static bool has_line(const struct lines *lines, const char *wanted)
{
	for (size_t i = 0; i < lines->count; i++)
		if (strcmp(lines->line[i], wanted) == 0)
			return true;
	return false;
}

Test(architecture_exports, the_library_exports_only_versioned_ep_names)
{
	struct lines exports = exports_of(EP_SHARED);

	cr_assert_gt(exports.count, 0);
	for (size_t i = 0; i < exports.count; i++)
		cr_expect(matches(exports.line[i], "^ep_[a-z_]+@@EMUPROBE_0$"), "exports %s",
			  exports.line[i]);
	lines_destroy(&exports);
}

Test(architecture_exports, the_library_exports_all_that_the_header_declares)
{
	struct lines exports = exports_of(EP_SHARED);
	struct lines declared =
		lines_of("grep -E '^EP_API' '%s/include/emuprobe.h' | grep -Eo 'ep_[a-z_]+\\('",
			 EP_SOURCE_DIR);
	char name[128];

	cr_assert_gt(declared.count, 10);
	for (size_t i = 0; i < declared.count; i++) {
		snprintf(name, sizeof(name), "%.*s@@EMUPROBE_0",
			 (int)strcspn(declared.line[i], "("), declared.line[i]);
		cr_expect(has_line(&exports, name), "%s is declared but not exported", name);
	}
	lines_destroy(&declared);
	lines_destroy(&exports);
}

/* What it interposes is listed name by name; without such a list, nothing. */
Test(architecture_exports, the_preload_library_exports_only_what_it_interposes)
{
	struct lines exports = exports_of(EP_PRELOAD);
	struct lines listed = lines_of("sed -n '/global:/,/local:/p' '%s/preload/preload.map' | "
				       "grep -Eo '^[[:space:]]*[A-Za-z0-9_*?]+;' | tr -d '\\t ;'",
				       EP_SOURCE_DIR);

	for (size_t i = 0; i < listed.count; i++)
		cr_expect(!matches(listed.line[i], "[*?]"), "preload.map: pattern %s",
			  listed.line[i]);
	for (size_t i = 0; i < exports.count; i++) {
		cr_expect(!matches(exports.line[i],
				   "^(ep_|sys_|x86_|emu_|xol_|probe_|trace_|cs_|_Unwind)"),
			  "exports %s", exports.line[i]);
		exports.line[i][strcspn(exports.line[i], "@")] = '\0';
		cr_expect(has_line(&listed, exports.line[i]), "exports %s", exports.line[i]);
	}
	lines_destroy(&listed);
	lines_destroy(&exports);
}

static void check_needs_only_libc(const char *library)
{
	struct lines needed = lines_of("readelf -dW '%s' | grep NEEDED", library);

	for (size_t i = 0; i < needed.count; i++)
		cr_expect(matches(needed.line[i], "\\[(libc\\.so\\.6|ld-linux-x86-64\\.so\\.2)\\]"),
			  "%s needs%s", library, strchr(needed.line[i], ':'));
	lines_destroy(&needed);
}

Test(architecture_exports, both_libraries_need_only_libc)
{
	check_needs_only_libc(EP_SHARED);
	check_needs_only_libc(EP_PRELOAD);
}

Test(architecture_exports, no_text_relocation_and_no_executable_stack)
{
	struct lines bad = lines_of("for f in '%s' '%s'; do readelf -dW $f | grep TEXTREL; "
				    "readelf -lW $f | grep -E 'GNU_STACK.*E'; done",
				    EP_SHARED, EP_PRELOAD);

	cr_expect_eq(bad.count, 0, "%s", bad.count ? bad.line[0] : "");
	lines_destroy(&bad);
}
