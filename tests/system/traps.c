/* SPDX-License-Identifier: MIT */
/*
 * With promoted probes only, a program that goes about its work takes no trap at all: one that
 * does ten times as much takes not one more. Counted by a tracer, which sees each.
 */
#include "tests/system/cli.h"

TestSuite(traps, .timeout = 400);

#define COUNT_TRAPS EP_PROGRAMS "/count_traps"
#define NO_TRACING  77

static void need(const char *program)
{
	struct command_result result = command_shell("command -v %s", program);
	bool there = result.status == 0;

	command_result_deinit(&result);
	if (there)
		return;
	fprintf(stderr, "traps: skipped: %s is not installed\n", program);
	cr_skip_test("%s is not installed", program);
}

/* How many traps @line takes, which is a program with its arguments. */
static long traps_of(const char *probes, const char *line)
{
	struct command_result result = command_shell("f=$(mktemp); " COUNT_TRAPS " $f " EMUPROBE
						     " -q -c %s -- %s >/dev/null; s=$?; "
						     "cat $f; rm -f $f; exit $s",
						     probes, line);
	long ret = strtol(result.output, NULL, 10);

	if (result.status == NO_TRACING) {
		fprintf(stderr, "traps: skipped: tracing is not permitted here\n");
		cr_skip_test("tracing is not permitted here");
	}
	expect_status(result, 0);
	command_result_deinit(&result);
	return ret;
}

static void expect_steady(const char *probes, const char *format)
{
	char line[4096];
	long few, many;

	snprintf(line, sizeof(line), format, 100);
	few = traps_of(probes, line);
	snprintf(line, sizeof(line), format, 1000);
	many = traps_of(probes, line);
	cr_expect_eq(few, many, "%s: %ld traps, and %ld for ten times as much", line, few, many);
}

#define LIBC "-e 'p libc.so.6:malloc' -e 'p libc.so.6:free'"

Test(traps, are_seen_at_all)
{
	long none = traps_of(LIBC, "true"), some;

	some = traps_of("--plan=trap " LIBC, "true");
	cr_expect_gt(some, none, "%ld with traps, %ld without", some, none);
}

Test(traps, none_in_sqlite)
{
	need("/usr/bin/sqlite3");
	expect_steady(
		LIBC " -e 'p libsqlite3.so.0:sqlite3_step'",
		"/usr/bin/sqlite3 :memory: \"with recursive n(x) as (select 1 union all "
		"select x + 1 from n where x < %d00) select max(x), hex(zeroblob(x)) from n\"");
}

/* Some libc's raise() has a branch to four bytes behind a guarded call. */
Test(traps, none_in_python)
{
	need("/usr/bin/python3");
	expect_steady(
		LIBC,
		"/usr/bin/python3 -c \"import os, signal, threading, select\n"
		"signal.signal(signal.SIGALRM, lambda *a: None)\n"
		"for i in range(%d):\n"
		" signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTRAP})\n"
		" signal.pthread_sigmask(signal.SIG_SETMASK, set())\n"
		" os.kill(os.getpid(), signal.SIGALRM)\n"
		" signal.raise_signal(signal.SIGALRM)\n"
		" t = threading.Thread(target=lambda: select.select([], [], [], 0))\n"
		" t.start(); t.join()\n\"");
}

/* The server and its client; redis-server is the same binary under another name. */
Test(traps, none_in_redis)
{
	need("redis-check-rdb");
	need("redis-benchmark");
	expect_steady(LIBC,
		      "sh -c 'd=$(mktemp -d); ln -s $(command -v redis-check-rdb) $d/redis-server; "
		      "$d/redis-server --port 0 --unixsocket $d/s --save \"\" --appendonly no & "
		      "while ! [ -S $d/s ]; do :; done; "
		      "redis-benchmark -s $d/s -q -c 4 -n %d0 -t set,get; "
		      "redis-cli -s $d/s shutdown nosave; wait; rm -rf $d'");
}
