/* SPDX-License-Identifier: MIT */
/* Runs a command for a test, and catches all that comes out of it. */
#ifndef EMUPROBE_TESTS_SUPPORT_COMMAND_H
#define EMUPROBE_TESTS_SUPPORT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct command {
	const char *const *argv;  /* NULL-terminated; argv[0] is searched in PATH */
	const char *const *env;	  /* NULL-terminated "NAME=VALUE", on top of the test's own */
	const char *folder;	  /* to run in; NULL: the test's */
	const char *input;	  /* for standard input; NULL: empty */
	unsigned int timeout;	  /* seconds on an idle machine; 0: 60. Then it is killed */
	const char *close_output; /* not NULL: standard error is a pipe that nobody reads */
};

struct command_result {
	char *output, *error; /* zero-terminated */
	size_t output_size, error_size;
	int status; /* exit status; -1 if it died of a signal */
	int signal; /* that it died of; 0: none */
	bool timed_out;
};

/* Fails the test only where the command cannot be started at all. */
struct command_result command_run(const struct command *command);

/* The same for a shell's command line, printf-style. */
__attribute__((format(printf, 1, 2))) struct command_result command_shell(const char *format, ...);

void command_result_deinit(struct command_result *result);

/* How often @text stands in @where. */
size_t command_count(const char *where, const char *text);

/* "%s" of it explains a failed expectation. */
const char *command_describe(const struct command_result *result);

#endif
