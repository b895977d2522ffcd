/* SPDX-License-Identifier: MIT */
/* What the part inside of a probed process tells jump-coverage. */
#ifndef EMUPROBE_TESTS_ORACLE_JUMP_SURVEY_H
#define EMUPROBE_TESTS_ORACLE_JUMP_SURVEY_H

#include <stdint.h>

/* "SONAME" or basename of the object, "" for the executable. */
#define SURVEY_OBJECT "EP_SURVEY_OBJECT"
/* Number of the descriptor to write a struct survey to. */
#define SURVEY_RESULT "EP_SURVEY_RESULT"

enum { SURVEY_AUTO, SURVEY_JUMP, SURVEY_PLANS };

/* How many got which verdict: 0 a jump, else why not, an error code. */
struct survey_counts {
	uint64_t of[64], all;
};

struct survey {
	struct survey_counts entries[SURVEY_PLANS], insns[SURVEY_PLANS];
	/* Of all instructions that may be promoted, those that were given a jump to see whether
	   there is an address for it. */
	uint64_t tried, out_of_reach;
	/* What the jumps of all function entries took. */
	uint64_t jumps, mappings, reserved, used, nanoseconds;
};

#endif
