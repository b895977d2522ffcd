/* SPDX-License-Identifier: MIT */
/*
 * A quoted include names its layer, since paths start at the root of the repository. This table is
 * the architecture: who may see whom. emu and fallback-xol never see each other.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/architecture/lines.h"

TestSuite(architecture_layers, .timeout = 400);

#define BELOW_PROBE "include/", "sys/", "x86/", "fallback-xol/"

/* The longest matching folder decides; one that is missing here may include nothing. */
static const struct {
	const char *folder, *may_include[14];
} layers[] = {
	{"include/", {"include/emuprobe.h"}},
	{"sys/", {"include/", "sys/"}},
	{"x86/", {"include/", "sys/", "x86/"}},
	{"emu/", {"include/", "sys/", "x86/", "emu/"}},
	{"fallback-xol/", {BELOW_PROBE}},
	{"probe/thread/", {BELOW_PROBE, "probe/thread/"}},
	{"probe/image/", {BELOW_PROBE, "probe/image/"}},
	{"probe/guest/", {"include/", "sys/", "x86/", "probe/thread/", "probe/guest/"}},
	{"probe/site/", {BELOW_PROBE, "emu/", "probe/thread/", "probe/image/", "probe/site/"}},
	{"probe/guard/",
	 {BELOW_PROBE, "probe/thread/", "probe/image/", "probe/guest/", "probe/site/",
	  "probe/guard/"}},
	{"probe/trap/",
	 {BELOW_PROBE, "probe/thread/", "probe/guest/", "probe/site/", "probe/guard/",
	  "probe/trap/"}},
	{"probe/engine/",
	 {BELOW_PROBE, "probe/thread/", "probe/image/", "probe/guest/", "probe/site/",
	  "probe/guard/", "probe/trap/", "probe/engine/"}},
	/* What the public interface promises; the traps and the guards are none of its business. */
	{"probe/api/",
	 {"include/", "sys/", "x86/", "probe/thread/", "probe/image/", "probe/guest/",
	  "probe/site/", "probe/engine/", "probe/api/"}},
	{"trace/base/", {"include/", "sys/", "trace/base/"}},
	{"trace/clock/", {"include/", "sys/", "x86/", "trace/clock/"}},
	{"trace/language/", {"include/", "sys/", "x86/", "trace/base/", "trace/language/"}},
	{"trace/session/",
	 {"include/", "sys/", "trace/base/", "trace/clock/", "trace/language/", "trace/session/"}},
	{"trace/action/",
	 {"include/", "sys/", "trace/base/", "trace/clock/", "trace/language/", "trace/session/",
	  "trace/action/"}},
	{"trace/report/",
	 {"include/", "sys/", "trace/base/", "trace/clock/", "trace/language/", "trace/session/",
	  "trace/action/", "trace/report/"}},
	{"trace/execute/", {"include/", "sys/", "trace/base/", "trace/session/", "trace/execute/"}},
	{"preload/", {"include/", "sys/", "trace/", "preload/"}},
	{"attach/", {"include/", "sys/", "attach/"}},
	{"cli/", {"include/", "trace/", "cli/"}},
	{"perf/", {"include/", "perf/"}},
	/* These measure one layer alone. */
	{"perf/recording.c", {"include/", "trace/", "perf/"}},
	{"perf/emulate.c", {"include/", "sys/", "x86/", "emu/", "perf/"}},
	{"perf/out_of_line.c", {"include/", "sys/", "x86/", "fallback-xol/", "perf/"}},
	{"tests/", {""}},
};

static bool may_include(const char *file, const char *header)
{
	size_t best = 0;

	for (size_t i = 1; i < sizeof(layers) / sizeof(layers[0]); i++)
		if (starts_with(file, layers[i].folder) &&
		    (!best || strlen(layers[i].folder) > strlen(layers[best].folder)))
			best = i;
	for (const char *const *prefix = layers[best].may_include; *prefix; prefix++)
		if (starts_with(header, *prefix))
			return true;
	return false;
}

static void check_includes(const char *file)
{
	struct lines text = lines_in(file);
	char header[256];

	for (size_t i = 0; i < text.count; i++)
		if (sscanf(text.line[i], " # include \"%255[^\"]\"", header) == 1)
			cr_expect(may_include(file, header), "%s:%zu may not include %s", file,
				  i + 1, header);
	lines_destroy(&text);
}

Test(architecture_layers, each_includes_only_those_below)
{
	struct lines files = sources();

	for (size_t i = 0; i < files.count; i++)
		check_includes(files.line[i]);
	lines_destroy(&files);
}

/* Neither the C library's nor the kernel's. */
static bool is_third_party(const char *header)
{
	if (strchr(header, '/'))
		return !matches(header, "^(sys|linux|asm|net|netinet|arpa|gnu|bits)/");
	return matches(header, "^(lib|gelf|dwarf|Zydis|capstone)");
}

struct owner {
	char header[64], file[256];
};

static void check_owner(struct owner *owners, size_t *count, const char *header, const char *file)
{
	char package[64];

	snprintf(package, sizeof(package), "%.*s", (int)strcspn(header, "/."), header);
	for (size_t i = 0; i < *count; i++)
		if (strcmp(owners[i].header, package) == 0) {
			cr_expect_str_eq(owners[i].file, file, "%s and %s both include <%s>",
					 owners[i].file, file, header);
			return;
		}
	cr_assert_lt(*count, 16);
	snprintf(owners[*count].header, sizeof(owners->header), "%s", package);
	snprintf(owners[(*count)++].file, sizeof(owners->file), "%s", file);
}

Test(architecture_layers, each_third_party_header_is_included_by_one_file)
{
	struct owner owners[16];
	size_t count = 0;
	struct lines found =
		lines_of("cd '%s' && grep -Eo '^ *# *include *<[^>]+' -r include sys x86 "
			 "emu fallback-xol probe trace preload attach cli --include='*.[chS]'",
			 EP_SOURCE_DIR);

	for (size_t i = 0; i < found.count; i++) {
		char *file = found.line[i], *header = strchr(file, '<') + 1;

		file[strcspn(file, ":")] = '\0';
		if (is_third_party(header))
			check_owner(owners, &count, header, file);
	}
	lines_destroy(&found);
}
