/* SPDX-License-Identifier: MIT */
/* What real library code computes, as a number to compare. */
#ifndef EMUPROBE_TESTS_REAL_WORKLOADS_H
#define EMUPROBE_TESTS_REAL_WORKLOADS_H

#include <stdbool.h>
#include <stdint.h>

struct workload {
	const char *name;
	const char *library; /* whose code is probed */
	bool (*load)(void);  /* false: not here */
	uint64_t (*run)(void);
};

extern const struct workload workload_libz, workload_libm, workload_strings, workload_sha256,
	workload_aes_gcm, workload_sqlite;

#endif
