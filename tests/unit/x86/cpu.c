/* SPDX-License-Identifier: MIT */
/* Features are those of this processor, and masks take away exactly what they name. */
#include "x86/cpu.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/platform.h"

TestSuite(cpu, .timeout = 400);

static const char *const names[] = {
#define NAME(feature, name) name,
	X86_CPU_FEATURES(NAME)
#undef NAME
};

static const char *had(void)
{
	static char text[X86_CPU_FEATURE_COUNT + 1];

	for (int i = 0; i < X86_CPU_FEATURE_COUNT; i++)
		text[i] = x86_cpu_has((enum x86_cpu_feature)i) ? '1' : '0';
	return text;
}

static bool is_in_cpuinfo(const char *flag)
{
	static char text[8192];
	FILE *file = fopen("/proc/cpuinfo", "re");
	char word[32];
	bool found = false;

	snprintf(word, sizeof(word), " %s ", flag);
	while (file && !found && fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = ' ';
		found = strncmp(text, "flags", 5) == 0 && strstr(text, word);
	}
	if (file)
		fclose(file);
	return found;
}

/* The kernel's view, where it has one: it clears what it does not support. */
Test(cpu, has_what_the_kernel_says)
{
	static const struct {
		enum x86_cpu_feature feature;
		const char *flag;
	} same[] = {
		{X86_CPU_RDTSCP, "rdtscp"},	{X86_CPU_RDPID, "rdpid"},
		{X86_CPU_LAHF, "lahf_lm"},	{X86_CPU_AVX, "avx"},
		{X86_CPU_XSAVE, "xsave"},	{X86_CPU_AVX512, "avx512f"},
		{X86_CPU_AVX512BW, "avx512bw"}, {X86_CPU_TSC, "nonstop_tsc"},
	};

	x86_cpu_mask("");
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		cr_expect_eq(x86_cpu_has(same[i].feature), is_in_cpuinfo(same[i].flag), "%s",
			     same[i].flag);
}

/* Some guests execute what they do not announce; never the other way round. */
Test(cpu, has_no_instruction_that_is_none)
{
	x86_cpu_mask("");
	cr_expect(!x86_cpu_has(X86_CPU_FSGSBASE) || platform()->fsgsbase_executes);
}

Test(cpu, a_mask_takes_what_it_names)
{
	char before[X86_CPU_FEATURE_COUNT + 1], text[64];

	x86_cpu_mask("");
	strcpy(before, had());
	for (int i = 0; i < X86_CPU_FEATURE_COUNT; i++) {
		snprintf(text, sizeof(text), "tsc,%s", names[i]);
		cr_expect_null(x86_cpu_mask(text), "%s", text);
		cr_expect_not(x86_cpu_has((enum x86_cpu_feature)i), "%s", names[i]);
		cr_expect_not(x86_cpu_has(X86_CPU_TSC));
		for (int k = 0; k < X86_CPU_AVX; k++) /* vectors hang on each other */
			cr_expect(k == i || k == X86_CPU_TSC || had()[k] == before[k], "%s %s",
				  names[i], names[k]);
		x86_cpu_mask("");
		cr_expect_str_eq(had(), before);
	}
}

Test(cpu, a_mask_takes_what_needs_what_it_names)
{
	x86_cpu_mask("xsave");
	cr_expect_not(x86_cpu_has(X86_CPU_AVX));
	cr_expect_not(x86_cpu_has(X86_CPU_AVX512));
	x86_cpu_mask("avx");
	cr_expect_not(x86_cpu_has(X86_CPU_AVX512));
	x86_cpu_mask("avx512bw");
	cr_expect_not(x86_cpu_has(X86_CPU_AVX512BW));
	cr_expect_eq(x86_cpu_has(X86_CPU_AVX512), is_in_cpuinfo("avx512f"));
	x86_cpu_mask("avx512");
	cr_expect_not(x86_cpu_has(X86_CPU_AVX512));
	cr_expect_not(x86_cpu_has(X86_CPU_AVX512BW));
	cr_expect_eq(x86_cpu_has(X86_CPU_AVX), is_in_cpuinfo("avx"));
}

Test(cpu, unknown_names_are_told)
{
	cr_expect_str_eq(x86_cpu_mask("rdtscp,avx513,rdpid"), "avx513,rdpid");
	cr_expect_str_eq(x86_cpu_unknown(), "avx513,rdpid");
	cr_expect_not(x86_cpu_has(X86_CPU_RDTSCP));
	cr_expect_not(x86_cpu_has(X86_CPU_RDPID));
	cr_expect_str_eq(x86_cpu_mask("av"), "av");
	cr_expect_str_eq(x86_cpu_mask("avx,avx5,no"), "avx5,no");
	cr_expect_str_eq(x86_cpu_mask("avxx"), "avxx");
	cr_expect_str_eq(x86_cpu_mask(" avx"), " avx");
	cr_expect_null(x86_cpu_mask(",avx,,"));
	cr_expect_null(x86_cpu_unknown());
}
