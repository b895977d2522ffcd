/* SPDX-License-Identifier: MIT */
/*
 * A program that writes random values over the session: the launcher neither crashes nor hangs, needs
 * little memory, and what it writes is still JSON. EP_SCRIBBLE_SECONDS makes each run longer, and tries
 * other seeds.
 */
#include <sys/resource.h>
#include <time.h>

#include "tests/system/cli.h"

#define SECONDS	 "2"
#define MEMORY	 "65536" /* KB, and what the launcher needs for a program that behaves: 8 MB */
#define SCRIBBLE EP_PROGRAMS "/scribbles"

TestSuite(scribbles, .timeout = 36000);

static unsigned long first_seed(void)
{
	return getenv("EP_SCRIBBLE_SECONDS") ? (unsigned long)time(NULL) : 1;
}

#define PROBES                                                                                     \
	"-e 'p:hit " SCRIBBLE ":hit_me a=%di' -e 'r:end " SCRIBBLE                                 \
	":hit_me c=$caller t=$latency' -e 'p:get libc.so.6:getppid'"

/* "$1" "$2" ..: what runs, for so many seconds. */
#define PEAK                                                                                       \
	"\"$@\" & pid=$!; while kill -0 $pid 2>/dev/null; do "                                     \
	"peak=$(sed -n \"s/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p\" /proc/$pid/status 2>/dev/null); "  \
	"[ -n \"$peak\" ] && most=$peak; sleep 0.05; done; wait $pid; status=$?; "                 \
	"echo \"peak $most\"; [ \"$most\" -lt " MEMORY " ] || exit 99; exit $status"

static struct command_result run_once(const char *options, const char *check, unsigned long seed)
{
	const char *seconds = getenv("EP_SCRIBBLE_SECONDS");
	char command[4096];

	if (!seconds)
		seconds = SECONDS;
	snprintf(
		command, sizeof(command),
		"out=$(mktemp) && ulimit -c 0 && timeout -s KILL $((60 + 4 * %s)) /bin/sh -c '" PEAK
		"' sh " EMUPROBE " %s -o \"$out\" -- " SCRIBBLE " %s %lu && %s \"$out\"; "
		"status=$?; rm -f \"$out\"; exit $status",
		seconds, options, seconds, seed, check);
	return command_run(
		&(struct command){.argv = (const char *const[]){"/bin/sh", "-c", command, NULL},
				  .timeout = 60 + 4 * (unsigned int)atoi(seconds)});
}

/*
 * The launcher's own peak, taken from /proc when it is about to end: what a wait says is also of the
 * program, whose pages of the session are its own.
 */
static void run(const char *options, const char *check, const char *said)
{
	unsigned long first = first_seed();

	for (unsigned long seed = first; seed < first + 3; seed++) {
		struct command_result result = run_once(options, check, seed);

		cr_expect_eq(result.status, 0, "seed %lu: %s", seed, command_describe(&result));
		expect_contains(result, output, "scribbled");
		expect_contains(result, output, "peak ");
		expect_lacks(result, error, "could be cut off");
		expect_contains(result, error, said);
		command_result_deinit(&result);
	}
}

#define IS_JSON                                                                                    \
	"python3 -c 'import json, sys\nfor line in open(sys.argv[1], \"rb\"): json.loads(line)'"

Test(scribbles, over_events)
{
	/* It may be that no event survives: but not without a word. */
	run(PROBES, "test -e", "records were unreadable: has the program written to them?");
}

Test(scribbles, over_events_as_json)
{
	run("--format=json " PROBES, IS_JSON, "");
}

#define ASKED                                                                                      \
	" --hist hit:a --hist hit:a,0,100,1 --top hit:a --top end:c:t --hist end:t --top "         \
	"end:c,c,c"

Test(scribbles, over_counts)
{
	run("-c " PROBES, "test -e", "");
}

Test(scribbles, over_counts_as_json)
{
	run("-c --format=json " PROBES, IS_JSON, "");
}

Test(scribbles, over_answers)
{
	run("-c " PROBES ASKED, "test -e", "hit:a ");
}

Test(scribbles, over_answers_as_json)
{
	run("-c --format=json " PROBES ASKED, IS_JSON, "");
}

/* What else is made of events: a seed for each. */
Test(scribbles, over_what_else_is_read)
{
	static const struct {
		const char *options, *check;
	} others[] = {
		{"-c --stacks=hit " PROBES, "test -e"},
		{"--graph", "test -e"},
		{"--calls", "test -e"},
		{"--calls -c", "test -e"},
		{"--ring=64k " PROBES, "test -e"},
		{"--format=chrome " PROBES, "python3 -m json.tool --compact >/dev/null"},
		{"--format=folded --stacks=hit " PROBES, "test -e"},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct command_result result =
			run_once(others[i].options, others[i].check, first_seed() + i);

		cr_expect_eq(result.status, 0, "%s: %s", others[i].options,
			     command_describe(&result));
		expect_contains(result, output, "scribbled");
		command_result_deinit(&result);
	}
}
