/* SPDX-License-Identifier: MIT */
/* Features of the processor that the engine uses, as far as the kernel lets programs use them. */
#ifndef EMUPROBE_X86_CPU_H
#define EMUPROBE_X86_CPU_H

#include <stdbool.h>

/*
 * X(feature, name in EMUPROBE_MASK_CPU). A vector feature means that the kernel keeps the
 * registers, too. RSEQ is no feature of a processor: it is here because tests take it away in the
 * same way.
 */
#define X86_CPU_FEATURES(X)                                                                        \
	X(RDTSCP, "rdtscp")                                                                        \
	X(RDPID, "rdpid")                                                                          \
	X(TSC, "tsc") /* invariant: it runs at one rate, always */                                 \
	X(RSEQ, "rseq")                                                                            \
	X(FSGSBASE, "fsgsbase")                                                                    \
	X(LAHF, "lahf")                                                                            \
	X(XSAVE, "xsave") /* XGETBV says what the kernel keeps */                                  \
	X(AVX, "avx")                                                                              \
	X(AVX512, "avx512")                                                                        \
	X(AVX512BW, "avx512bw") /* 64 bits of each mask register, not 16 */

enum x86_cpu_feature {
#define X86_CPU_NAME(feature, name) X86_CPU_##feature,
	X86_CPU_FEATURES(X86_CPU_NAME)
#undef X86_CPU_NAME
		X86_CPU_FEATURE_COUNT
};

/**
 * Is @feature there, and not masked? The processor is asked once in a process. Context: any thread,
 * not in a trap. Cost: a load, after the first time.
 */
bool x86_cpu_has(enum x86_cpu_feature feature);

/**
 * Take away what @names lists ("avx,rdtscp"), as EMUPROBE_MASK_CPU did when the process started;
 * a call gives back what the one before has taken. For tests, before the engine starts.
 *
 * @return   NULL, or the first name that is no feature's: the others are taken away all the same.
 */
const char *x86_cpu_mask(const char *names);

/** What EMUPROBE_MASK_CPU has that is no feature's name, up to the end; NULL: nothing. */
const char *x86_cpu_unknown(void);

#endif
