/* SPDX-License-Identifier: MIT */
/* What the suites of the launcher and the preloaded library share. */
#ifndef EMUPROBE_TESTS_SYSTEM_CLI_H
#define EMUPROBE_TESTS_SYSTEM_CLI_H

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/command.h"

#define EMUPROBE EP_BUILD_DIR "/emuprobe"
#define PRELOAD	 EP_BUILD_DIR "/libemuprobe-preload.so"
#define WORK	 EP_PROGRAMS "/work"

#define RUN(...) command_run(&(struct command){.argv = (const char *const[]){__VA_ARGS__, NULL}})

#define expect_contains(result, stream, text)                                                      \
	cr_expect(strstr((result).stream, text), "no \"%s\": %s", text, command_describe(&(result)))
#define expect_lacks(result, stream, text)                                                         \
	cr_expect(!strstr((result).stream, text), "has \"%s\": %s", text,                          \
		  command_describe(&(result)))
#define expect_status(result, wanted)                                                              \
	cr_expect_eq((result).status, wanted, "not %d: %s", wanted, command_describe(&(result)))

#endif
