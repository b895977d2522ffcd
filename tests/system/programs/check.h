/* SPDX-License-Identifier: MIT */
/*
 * For programs that check themselves: each case runs in a child of its own, so that one that dies
 * is just one that failed. "PROGRAM" runs all cases, "PROGRAM CASE" one, without a child.
 */
#ifndef EMUPROBE_TESTS_SYSTEM_CHECK_H
#define EMUPROBE_TESTS_SYSTEM_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/patience.h"

struct check_case {
	const char *name;
	void (*run)(void);
};

static int check_failures;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			check_failures++;                                                          \
			printf("%s:%d: %s\n", __FILE_NAME__, __LINE__, #condition);                \
		}                                                                                  \
	} while (0)

static int check_one(const struct check_case *one)
{
	check_failures = 0;
	alarm(patience(60));
	one->run();
	alarm(0);
	fflush(stdout);
	return check_failures != 0;
}

static int check_in_child(const struct check_case *one)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(check_one(one));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = -1;
	if (status)
		printf("%s: failed: %s %d\n", one->name, WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return status != 0;
}

/* @cases ends with one without a name. */
__attribute__((unused)) static int check_main(int argc, char **argv, const struct check_case *cases)
{
	int failed = 0;

	for (const struct check_case *one = cases; one->name; one++) {
		if (argc > 1 && strcmp(argv[1], one->name) != 0)
			continue;
		failed += argc > 1 ? check_one(one) : check_in_child(one);
	}
	printf("%d failed\n", failed);
	return failed != 0;
}

#endif
