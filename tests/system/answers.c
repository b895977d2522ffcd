/* SPDX-License-Identifier: MIT */
/* What is asked of events: the answers are what the events themselves say. */
#include "tests/system/cli.h"

TestSuite(answers, .timeout = 400);

#define THREADS	 EP_PROGRAMS "/threads"
#define CHILDREN EP_PROGRAMS "/children"
#define CALLS	 EP_PROGRAMS "/calls"

/* Reads events and answers, and says where they differ. */
#define CHECK                                                                                      \
	"python3 -c '\n"                                                                           \
	"import json, sys, collections\n"                                                          \
	"lines = [json.loads(line) for line in open(sys.argv[1], \"rb\")]\n"                       \
	"def values(name, *fields):\n"                                                             \
	"    return [tuple(e[\"args\"][f] for f in fields) for e in lines\n"                       \
	"            if e[\"type\"] == \"event\" and e[\"event\"] == name]\n"                      \
	"answers = 0\n"                                                                            \
	"for a in lines:\n"                                                                        \
	"    if a[\"type\"] == \"histogram\":\n"                                                   \
	"        all = [int(v, 0) if isinstance(v, str) else v\n"                                  \
	"               for v, in values(a[\"event\"], a[\"field\"]) if v is not None]\n"          \
	"        left = list(all)\n"                                                               \
	"        for low, high, count in a[\"buckets\"]:\n"                                        \
	"            fit = lambda v: (low is None or v >= low) and (high is None or v < high)\n"   \
	"            assert sum(map(fit, all)) == count, (a, low, high, sum(map(fit, all)))\n"     \
	"            left = [v for v in left if not fit(v)]\n"                                     \
	"        assert not left and len(all) == a[\"hits\"] and sum(all) == a[\"sum\"], a\n"      \
	"    elif a[\"type\"] == \"top\":\n"                                                       \
	"        value = a[\"value\"] or a[\"keys\"][0]\n"                                         \
	"        all = values(a[\"event\"], *a[\"keys\"], value)\n"                                \
	"        hits, sums = collections.Counter(), collections.Counter()\n"                      \
	"        for v in all:\n"                                                                  \
	"            hits[v[:-1]] += 1\n"                                                          \
	"            if a[\"value\"]:\n"                                                           \
	"                sums[v[:-1]] += v[-1] or 0\n"                                             \
	"        rows = {tuple(r[\"key\"]): r for r in a[\"rows\"]}\n"                             \
	"        assert len(rows) == len(a[\"rows\"]) and a[\"fallen\"][\"hits\"] == 0, a\n"       \
	"        assert {k: r[\"hits\"] for k, r in rows.items()} == dict(hits), (a, hits)\n"      \
	"        assert all and a[\"hits\"] == len(all)\n"                                         \
	"        if a[\"value\"]:\n"                                                               \
	"            assert {k: r[\"sum\"] for k, r in rows.items()} == dict(sums), (a, sums)\n"   \
	"        counts = [r[\"hits\"] for r in a[\"rows\"]]\n"                                    \
	"        assert counts == sorted(counts, reverse=True)\n"                                  \
	"    else:\n"                                                                              \
	"        continue\n"                                                                       \
	"    answers += 1\n"                                                                       \
	"print(\"answers:\", answers)\n"                                                           \
	"' \"$out\""

static void check(const char *options, const char *program, int answers)
{
	struct command_result result =
		command_shell("out=$(mktemp) && " EMUPROBE " --format=json -o \"$out\" %s -- %s "
			      ">/dev/null && " CHECK "; status=$?; rm -f \"$out\"; exit $status",
			      options, program);
	char expected[32];

	snprintf(expected, sizeof(expected), "answers: %d\n", answers);
	expect_status(result, 0);
	expect_contains(result, output, expected);
	expect_lacks(result, error, "dropped");
	command_result_deinit(&result);
}

#define MALLOC "-e 'p:m libc.so.6:malloc size=%di:u64 low=%di:u8 from=%si:s32 at=%ax:x16 h=%dh:u8'"

Test(answers, of_threads_and_forks_are_those_of_their_events)
{
	check(MALLOC
	      " --hist m:size --hist m:size,0,300,20 --hist m:from --hist m:from,-1000,1000,10 "
	      "--hist m:at --top m:low --top m:low,h:size --top m:at:from",
	      THREADS " 6 2 1", 8);
}

Test(answers, of_hits_by_trap_are_those_of_their_events)
{
	check(MALLOC " --plan=trap --hist m:size --top m:low:from", THREADS " 3 1 1", 2);
}

Test(answers, of_children_of_every_kind_are_those_of_their_events)
{
	check("-e 'p:t " WORK ":target a=%di:u64 b=%si:s8 c=%dx:char' --hist t:b --hist t:a "
	      "--top t:b,c,a:b",
	      WORK " call 3 fork 100 rawfork 20 vfork exec 10 threads 4 1000 fork 5", 3);
}

/* The program's memory, which may not be there, and what is known of a thread. */
Test(answers, of_texts_and_memory_are_those_of_their_events)
{
	check("-e 'p:g libc.so.6:getenv name=+0(%di):string c=$comm t=$tid pid=$pid z=+8(%cx):u8 "
	      "same=+0(%di):string' --top g:name --top g:name,c,pid,same:z --top g:t,z --hist g:z",
	      "/bin/ls /", 4);
}

Test(answers, are_of_what_the_filter_wants)
{
	check("-e 'p:w " WORK ":target n=%di:u64 if n > 5 && n < 20' --top w:n --hist w:n",
	      WORK " call 30", 2);
}

Test(answers, of_calls_are_those_of_their_ends)
{
	check("-e 'r:c " CALLS ":catcher n=$arg1:s32 got=$retval:s32; r:t " CALLS
	      ":thrower n=$arg1:s32 got=$retval:u8 from=$caller:x64' --hist c:got --top c:n:got "
	      "--hist t:n --top t:from",
	      CALLS " ends", 4);
}

/* ---- with -c, in text ---------------------------------------------------------------------- */

/* The program calls it as often as it says, with numbers from 0 on. */
Test(answers, with_c_there_are_no_events_and_the_same_answers)
{
	struct command_result result = command_shell(
		EMUPROBE " -c -e 'p:w " WORK ":target n=%%di:u64' --hist w:n --hist w:n,0,10,5 "
			 "--top w:n:n -- " WORK " call 19");

	expect_status(result, 0);
	expect_lacks(result, error, "w: (");
	expect_contains(result, error, "\nw:n  20 hits, sum 190, mean 9\n[0] ");
	expect_contains(result, error, "\n[8, 16)                            8 |@@@@@@@@@@");
	expect_contains(result, error, "\n[10, ...)                         10 |@@@@@@@@@@");
	expect_contains(result, error, "\nw:n:n  20 hits, sum 190, mean 9, keys: 20\n");
	expect_contains(result, error, "\n           1               7               7  7\n");
	command_result_deinit(&result);
}

Test(answers, are_all_that_there_is_where_no_summary_is_wanted)
{
	struct command_result result = command_shell(
		EMUPROBE " -q -c -e 'p:w " WORK ":target n=%%di:u64' --top w:n -- " WORK " call 1");

	expect_status(result, 0);
	cr_expect_str_eq(result.error, "w:n  2 hits, keys: 2\n"
				       "        hits  n\n"
				       "           1  0\n"
				       "           1  1\n");
	command_result_deinit(&result);
}

/* What the filter does not want is not counted either. */
Test(answers, with_c_are_of_what_the_filter_wants)
{
	struct command_result result =
		command_shell(EMUPROBE " -c -e 'p:w " WORK
				       ":target n=%%di:u64 if n > 5' --top w:n -- " WORK " call 8");

	expect_status(result, 0);
	expect_contains(result, error, "           3  jump     w      work:target\n");
	expect_contains(result, error, "w:n  3 hits, keys: 3\n");
	command_result_deinit(&result);
}

/* A thread that gives itself another name has been hit before. */
Test(answers, know_a_thread_by_the_name_that_it_has)
{
	struct command_result result =
		command_shell(EMUPROBE " -c -e 'p:w " WORK
				       ":target c=$comm if $comm == \"other\"' --top w:c -- " WORK
				       " call 5 name other call 3");

	expect_status(result, 0);
	expect_contains(result, error, "           3  jump     w      work:target\n");
	expect_contains(result, error, "           3  other\n");
	command_result_deinit(&result);
	result = command_shell(EMUPROBE " -q -e 'p:w " WORK
					":target c=$comm if c == \"other\"' -- " WORK
					" call 5 name other call 1");
	expect_status(result, 0);
	expect_contains(result, error, "other-");
	expect_contains(result, error, " c=\"other\"\n");
	expect_lacks(result, error, "c=\"work\"");
	command_result_deinit(&result);
}

/* A call has one latency, whatever is asked: answers take time. */
Test(answers, of_one_latency_agree)
{
	struct command_result result =
		command_shell(EMUPROBE " -q -c --format=json -e 'r:w " WORK
				       ":target n=$arg1:u8 l=$latency' --top w:n:l --hist w:l "
				       "--hist w:l,0,9,3 -- " WORK " call 20 2>&1 | "
				       "grep -o '\"hits\":21,\"sum\":[0-9]*,' | sort | uniq -c");

	expect_status(result, 0);
	expect_contains(result, output, "      3 \"hits\":21");
	command_result_deinit(&result);
}

/* One without a name has that of its symbol. */
Test(answers, are_of_the_symbol_where_there_is_no_name)
{
	struct command_result result = command_shell(
		EMUPROBE " -q -c -e 'p " WORK
			 ":target letter=%%dx:char' --top target:letter -- " WORK " call 2");

	expect_status(result, 0);
	expect_contains(result, error, "\n           2  c\n           1  e\n");
	command_result_deinit(&result);
}

/* More keys than a thread has room for: all hits are somewhere. */
Test(answers, say_what_fell_out)
{
	struct command_result result = command_shell(
		EMUPROBE " -q -c --format=json -o /dev/stderr -e 'p:w " WORK
			 ":target n=%%di:u64' --top w:n:n -- " WORK " call 19999 2>&1 >/dev/null | "
			 "python3 -c 'import json, sys; a = json.load(sys.stdin); "
			 "fell = a[\"fallen\"]; rows = a[\"rows\"]; "
			 "assert len(rows) <= 3584 and fell[\"keys\"] + len(rows) == 20000; "
			 "assert fell[\"hits\"] + sum(r[\"hits\"] for r in rows) == 20000; "
			 "assert a[\"sum\"] == sum(range(20000)); "
			 "assert fell[\"sum\"] + sum(r[\"sum\"] for r in rows) == a[\"sum\"]'");

	expect_status(result, 0);
	command_result_deinit(&result);
}

/* The clock is read a little later than for the record; a call that is not held up in between shows the unit. */
Test(answers, of_durations_are_in_nanoseconds)
{
	struct command_result result = command_shell(
		"out=$(mktemp) && " EMUPROBE " -q --format=json -o \"$out\" -e 'r:n " CALLS
		":naps us=$arg1:u32 t=$latency' --top n:us:t --hist n:t -- " CALLS " times "
		">/dev/null && python3 -c '\n"
		"import json, sys\n"
		"lines = [json.loads(line) for line in open(sys.argv[1])]\n"
		"sums, count = {}, 0\n"
		"for e in lines:\n"
		"    if e[\"type\"] == \"event\":\n"
		"        us = e[\"args\"][\"us\"]\n"
		"        sums[us] = sums.get(us, 0) + e[\"args\"][\"t\"]\n"
		"        count += 1\n"
		"top = [a for a in lines if a[\"type\"] == \"top\"][0]\n"
		"hist = [a for a in lines if a[\"type\"] == \"histogram\"][0]\n"
		"assert count and hist[\"hits\"] == count\n"
		"rows = [(sums[r[\"key\"][0]], r[\"sum\"]) for r in top[\"rows\"]]\n"
		"assert all(ours >= theirs * 0.99 for theirs, ours in rows), rows\n"
		"assert any(ours <= theirs * 1.01 + 3000 for theirs, ours in rows), rows\n"
		"' \"$out\"; status=$?; rm -f \"$out\"; exit $status");

	expect_status(result, 0);
	command_result_deinit(&result);
}

/* ---- on SIGUSR1 ---------------------------------------------------------------------------- */

/* The program asks its launcher, and goes on when it sees that it was answered. */
Test(answers, are_shown_on_a_signal_and_go_on)
{
	struct command_result result = command_shell(
		"out=$(mktemp) && " EMUPROBE " -c -q --format=json -o \"$out\" "
		"-e 'p:g libc.so.6:getppid' -e 'p:i libc.so.6:isatty fd=%%di:s32' --top i:fd -- "
		"python3 -c '\n"
		"import os, signal, sys, time\n"
		"out = sys.argv[1]\n"
		"for i in range(3):\n"
		"    before = os.path.getsize(out)\n"
		"    os.isatty(100)\n"
		"    os.kill(os.getppid(), signal.SIGUSR1)\n"
		"    while os.path.getsize(out) == before:\n"
		"        time.sleep(0.01)\n"
		"' \"$out\"; status=$?; grep -c '\"type\":\"top\"' \"$out\"; "
		"grep -o '\"key\":.100.,\"hits\":[0-9]*' \"$out\"; rm -f \"$out\"; exit $status");

	expect_status(result, 0);
	cr_expect_str_eq(result.output,
			 "4\n\"key\":[100],\"hits\":1\n\"key\":[100],\"hits\":2\n"
			 "\"key\":[100],\"hits\":3\n\"key\":[100],\"hits\":3\n",
			 "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* Where nothing is asked the signal does what it always did. */
Test(answers, that_nobody_asked_for_are_no_reason_to_survive_a_signal)
{
	struct command_result result =
		command_shell(EMUPROBE " -c -e 'p:g libc.so.6:getppid' -- "
				       "sh -c 'kill -USR1 $PPID; sleep 0.1'; echo $?");

	expect_contains(result, output, "138\n");
	command_result_deinit(&result);
}
