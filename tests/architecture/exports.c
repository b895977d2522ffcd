/* SPDX-License-Identifier: MIT */
/*
 * Both libraries live in processes that are not ours: a symbol too many replaces the program's
 * own. An _Unwind_* of ours would handle every C++ exception of the host.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
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

Test(architecture_exports, the_archive_defines_nothing_but_what_the_library_exports)
{
	struct lines defined =
		lines_of("nm -g --defined-only '%s' | awk 'NF == 3 { print $3 }'", EP_ARCHIVE);
	struct lines exports = exports_of(EP_SHARED);
	char name[160];

	cr_assert_gt(defined.count, 10);
	for (size_t i = 0; i < defined.count; i++) {
		snprintf(name, sizeof(name), "%s@@EMUPROBE_0", defined.line[i]);
		cr_expect(has_line(&exports, name), "defines %s", defined.line[i]);
	}
	lines_destroy(&exports);
	lines_destroy(&defined);
}

/* A program may call its own functions as it likes: here, as all of ours are called. */
static const char program[] = "#include <stdio.h>\n"
			      "#include <include/emuprobe.h>\n"
			      "__attribute__((noipa)) void hit(void) { __asm__ volatile(\"\"); }\n"
			      "int main(void) {\n"
			      "	const struct ep_options options = {.size = sizeof(options)};\n"
			      "	struct ep_info info = {.size = sizeof(info)};\n"
			      "	struct ep_probe *probe;\n"
			      "	if (ep_probe_create((void *)hit, &options, &probe)) return 1;\n"
			      "	hit();\n"
			      "	ep_probe_info(probe, &info);\n"
			      "	printf(\"%d hits\\n\", (int)info.hits);\n"
			      "	return 0;\n"
			      "}\n";

Test(architecture_exports, a_program_may_define_every_name_that_is_ours_inside)
{
	char folder[] = "/tmp/emuprobe-names-XXXXXX", path[64];
	struct lines printed;
	FILE *source;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/main.c", folder);
	source = fopen(path, "w");
	cr_assert_not_null(source);
	fputs(program, source);
	cr_assert_eq(fclose(source), 0);
	printed = lines_of(
		"cd %s && xargs -d '\\n' nm -g --defined-only <'%s' | awk '$3 ~ /^[a-z]/ && "
		"$3 !~ /^(ep_|hit$)/ { print \"void \" $3 \"(void) {}\" }' | sort -u >names.c && "
		"'%s' -w -fno-builtin -I'%s' main.c names.c '%s' -o main && "
		"wc -l <names.c && ./main; rm -r %s",
		folder, EP_OBJECT_LIST, EP_C_COMPILER, EP_SOURCE_DIR, EP_ARCHIVE, folder);
	cr_assert_eq(printed.count, (size_t)2);
	cr_expect_gt(atoi(printed.line[0]), 100);
	cr_expect_str_eq(printed.line[1], "1 hits");
	lines_destroy(&printed);
}

/*
 * Before libc is initialized nothing may be called that other preloaded libraries stand in front of,
 * since they would set themselves up too early: no file, no mapping, no process, no clock of libc's;
 * sys/ has the kernel's. What is left computes, asks the loader, or allocates.
 */
static const char allowed[] =
	"^(_ITM_(de)?registerTMCloneTable|__cxa_finalize|__gmon_start__|__stack_chk_"
	"fail"							      /* compiler */
	"|_?_?environ|__errno_location|_r_debug|__rseq_(offset|size)" /* data */
	"|malloc|calloc|realloc|reallocarray|free|strdup"
	"|dl_iterate_phdr|dladdr|dlopen|getauxval|gnu_get_libc_version"
	"|__assert_fail|fwrite|printf|puts|stderr" /* libcapstone 5 */
	"|__tsan_init"				   /* weak: only looked for */
	"|__register_atfork|pthread_mutex_(un)?lock"
	"|(__)?mem(chr|cmp|cpy|move|rchr|set)(_chk)?|bcmp"
	"|(__)?str(n?cat|n?cmp|n?cpy|n?len|r?chr|c?spn|str|error|errordesc_np)(_chk)?"
	"|(__isoc(99|23)_)?(sscanf|strtou?ll?)|(__)?v?sn?printf(_chk)?|qsort|bsearch)$";

Test(architecture_exports, the_preload_library_asks_the_kernel_not_libc)
{
	struct lines wanted = lines_of(
		"nm -D --undefined-only '%s' | awk '{ print $2 }' | sed 's/@.*//'", EP_PRELOAD);

	cr_assert_gt(wanted.count, 10);
	for (size_t i = 0; i < wanted.count; i++)
		cr_expect(matches(wanted.line[i], allowed), "calls %s", wanted.line[i]);
	lines_destroy(&wanted);
}
