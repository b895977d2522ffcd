/* SPDX-License-Identifier: MIT */
/*
 * Events come in the order of time, whatever the scheduler does: eight threads on two processors,
 * each of which is held up again and again between reading the clock and publishing its record.
 */
#include "tests/system/cli.h"

TestSuite(order, .timeout = 400);

/* What EP_ORDER_RUNS says for a soak; each thread calls target() so often in each run. */
#define CALLS 125000

static int runs(void)
{
	const char *text = getenv("EP_ORDER_RUNS");

	return text ? atoi(text) : 1;
}

/* The times of all events must ascend, compared as numbers of seconds and of nanoseconds. */
#define COUNT_INVERSIONS                                                                           \
	"sed -n 's/.*\\] *\\([0-9]*\\)\\.\\([0-9]*\\): t:.*/\\1 \\2/p' $f | "                      \
	"awk '{ if ($1 < s || ($1 == s && $2 < n)) bad++; s = $1; n = $2; count++ } "              \
	"END { print count + 0, bad + 0 }'; rm $f"

/* @run: what runs a program, with its events in the file $f. */
static void expect_in_order(const char *run, int calls)
{
	char wanted[64];
	struct command_result result = command_shell(
		"export f=$(mktemp); taskset -c 0,1 %s '%s' threads 8 %d; " COUNT_INVERSIONS, run,
		EP_PROGRAMS "/work", calls);

	snprintf(wanted, sizeof(wanted), "%d 0\n", 8 * calls + 1);
	cr_expect_str_eq(result.output, wanted, "events and inversions: %s",
			 command_describe(&result));
	command_result_deinit(&result);
}

Test(order, of_events_that_the_launcher_reads)
{
	for (int i = 0; i < runs(); i++)
		expect_in_order("'" EMUPROBE "' -q -o $f -e 'p:t target' --", CALLS);
}

Test(order, of_events_that_the_process_writes_itself)
{
	for (int i = 0; i < runs(); i++)
		expect_in_order("env LD_PRELOAD='" PRELOAD "' EMUPROBE='p:t target' "
				"EMUPROBE_OUTPUT=$f EMUPROBE_QUIET=1",
				CALLS / 5);
}

/* The variants with a locked instruction and without, and each clock. */
Test(order, with_every_clock)
{
	static const char *const masks[] = {"tsc", "rdpid", "rdtscp", "rdpid,rdtscp", "rseq"};

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		char run[256];

		snprintf(run, sizeof(run),
			 "env EMUPROBE_MASK_CPU=%s '%s' -q -o $f -e 'p:t target' --", masks[i],
			 EMUPROBE);
		expect_in_order(run, CALLS / 25);
	}
}
