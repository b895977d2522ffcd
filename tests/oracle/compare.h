/* SPDX-License-Identifier: MIT */
/* One state, run twice: by the emulator and by the processor. */
#ifndef EMUPROBE_TESTS_ORACLE_COMPARE_H
#define EMUPROBE_TESTS_ORACLE_COMPARE_H

#include "tests/oracle/generate.h"

/** cpu_init(), and the pages that compare_state() keeps. */
void compare_init(void);

/** @return false: they differ; it has been described on stderr. */
bool compare_state(const struct trial *trial, const struct ep_regs *regs);

/** Run @states states of @trial; @return false at the first difference. */
bool compare_states(const struct trial *trial, enum aim aim, unsigned int states);

#endif
