/* SPDX-License-Identifier: MIT */
/* A program sees the signals as it would without us: programs/signals.c says what. */
#include "tests/system/home.h"

TestSuite(home_signals, .timeout = 400);

Test(home_signals, are_as_without_us)
{
	home_run(HOME_ALL, EP_PROGRAMS "/signals", NULL);
}
