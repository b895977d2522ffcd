/* SPDX-License-Identifier: MIT */
/* For tests: a function to probe, of which the compiler makes no variants for some callers, as at -O3. */
#ifndef EMUPROBE_TESTS_TARGET_H
#define EMUPROBE_TESTS_TARGET_H

#ifdef __clang__
#define TARGET __attribute__((noinline, optnone, visibility("default")))
#else
#define TARGET __attribute__((noipa, visibility("default")))
#endif

#endif
