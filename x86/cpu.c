/* SPDX-License-Identifier: MIT */
/*
 * Which instructions the engine may use depends on the processor and on the kernel, and each must
 * be asked in its own way: CPUID, XGETBV, the auxiliary vector. All of it is asked here, once, so
 * that no two places can disagree, and so that there is one place where tests can take something
 * away: EMUPROBE_MASK_CPU lists what this process does as if it had not. Nothing can be added.
 *
 * The variable is read by a constructor: it is given the environment, which the preloaded library,
 * initialized before libc, could not ask getenv() for.
 */
#include "x86/cpu.h"

#include <cpuid.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

#define VARIABLE       "EMUPROBE_MASK_CPU="
#define BIT(feature)   (1u << X86_CPU_##feature)
#define KNOWN	       (1u << 31) /* the processor has been asked */
#define LEAF_FEATURES  1
#define LEAF_EXTENDED  7
#define LEAF_AMD       0x80000001u
#define LEAF_POWER     0x80000007u
#define LAHF_BIT       (1u << 0)
#define RDTSCP_BIT     (1u << 27)
#define RDPID_BIT      (1u << 22)
#define INVARIANT_BIT  (1u << 8)
#define HWCAP2_BASES   (1ul << 1) /* Linux since 5.9: RDFSBASE and its like, in programs */
#define KEPT_FOR_AVX   0x06u	  /* Intel SDM, "Enabling the XSAVE Feature Set" */
#define KEPT_FOR_WIDER 0xe6u

_Static_assert(X86_CPU_FEATURE_COUNT < 31, "a bit for each, and KNOWN");

static uint32_t found, masked;
static const char *unknown_name;

/* ---- what there is -------------------------------------------------------------------------- */

static uint32_t kept_by_the_kernel(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

static uint32_t ask_vectors(uint32_t features)
{
	uint32_t a, b, c, d, ret = BIT(XSAVE), kept;

	if (!(features & bit_OSXSAVE))
		return 0;
	kept = kept_by_the_kernel();
	if ((features & bit_AVX) && (kept & KEPT_FOR_AVX) == KEPT_FOR_AVX)
		ret |= BIT(AVX);
	if ((kept & KEPT_FOR_WIDER) == KEPT_FOR_WIDER &&
	    __get_cpuid_count(LEAF_EXTENDED, 0, &a, &b, &c, &d) && (b & bit_AVX512F))
		ret |= BIT(AVX512) | (b & bit_AVX512BW ? BIT(AVX512BW) : 0);
	return ret;
}

static uint32_t ask(void)
{
	uint32_t a, b, c, d, ret = BIT(RSEQ);

	if (__get_cpuid(LEAF_FEATURES, &a, &b, &c, &d))
		ret |= ask_vectors(c);
	if (__get_cpuid_count(LEAF_EXTENDED, 0, &a, &b, &c, &d) && (c & RDPID_BIT))
		ret |= BIT(RDPID);
	if (__get_cpuid(LEAF_AMD, &a, &b, &c, &d))
		ret |= (c & LAHF_BIT ? BIT(LAHF) : 0) | (d & RDTSCP_BIT ? BIT(RDTSCP) : 0);
	if (__get_cpuid(LEAF_POWER, &a, &b, &c, &d) && (d & INVARIANT_BIT))
		ret |= BIT(TSC);
	if (getauxval(AT_HWCAP2) & HWCAP2_BASES)
		ret |= BIT(FSGSBASE);
	return ret;
}

/* Each is a part of what stands in front of it. */
static uint32_t without_orphans(uint32_t features)
{
	if (!(features & BIT(XSAVE)))
		features &= ~BIT(AVX);
	if (!(features & BIT(AVX)))
		features &= ~BIT(AVX512);
	if (!(features & BIT(AVX512)))
		features &= ~BIT(AVX512BW);
	return features;
}

bool x86_cpu_has(enum x86_cpu_feature feature)
{
	uint32_t features = __atomic_load_n(&found, __ATOMIC_RELAXED);

	if (!(features & KNOWN)) { /* two threads may both ask: they get the same answer */
		features = ask() | KNOWN;
		__atomic_store_n(&found, features, __ATOMIC_RELAXED);
	}
	return without_orphans(features & ~masked) >> feature & 1;
}

/* ---- what is taken away ---------------------------------------------------------------------- */

/* How much of @text @name is, if that is followed by a comma or the end; else 0. */
static size_t is_name(const char *text, const char *name)
{
	size_t size = 0;

	while (name[size] && text[size] == name[size])
		size++;
	return name[size] || (text[size] && text[size] != ',') ? 0 : size;
}

/* The bit of the name at *text, which is moved behind it; 0: it is none. */
static uint32_t take_name(const char **text)
{
	static const char *const names[] = {
#define NAME(feature, name) [X86_CPU_##feature] = (name),
		X86_CPU_FEATURES(NAME)
#undef NAME
	};

	for (uint32_t i = 0; i < X86_CPU_FEATURE_COUNT; i++) {
		size_t size = is_name(*text, names[i]);

		*text += size;
		if (size)
			return 1u << i;
	}
	return 0;
}

const char *x86_cpu_mask(const char *names)
{
	masked = 0;
	unknown_name = NULL;
	while (*names) {
		uint32_t bit = *names == ',' ? 0 : take_name(&names);

		masked |= bit;
		if (*names != ',' && *names && !bit && !unknown_name)
			unknown_name = names;
		while (*names && *names != ',')
			names++;
		names += *names == ',';
	}
	return unknown_name;
}

const char *x86_cpu_unknown(void)
{
	return unknown_name;
}

__attribute__((constructor(101))) static void read_environment(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	for (; envp && *envp; envp++) {
		const char *at = *envp, *name = VARIABLE;

		while (*name && *at == *name)
			at++, name++;
		if (!*name)
			x86_cpu_mask(at);
	}
}
