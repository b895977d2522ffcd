/* SPDX-License-Identifier: MIT */
/*
 * What a harness is to those who run it: libFuzzer (preset "fuzz"), or driver.c, which needs no
 * special compiler and does the same each time.
 */
#ifndef EMUPROBE_TESTS_FUZZ_HARNESS_H
#define EMUPROBE_TESTS_FUZZ_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * Where in @data a change is likely to be looked at; weak: not every harness knows.
 *
 * @pick     Any number, which chooses.
 */
size_t fuzz_offset(const uint8_t *data, size_t size, uint64_t pick) __attribute__((weak));

/* A broken promise ends the harness, as a crash does. */
static inline void check(bool holds)
{
	if (!holds)
		abort();
}

#endif
