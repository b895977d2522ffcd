/* SPDX-License-Identifier: MIT */
/* Formats of other tools: what these make of our files is what the program has done. */
#include "tests/system/cli.h"

TestSuite(formats, .timeout = 400);

#define NESTED EP_PROGRAMS "/nested"
#define PROBES                                                                                     \
	"'r:work work; r:middle middle text=+0($arg1):string n=$arg2:u32; r:fib fib n=$arg1:u32; " \
	"r:half half f=$retval:f64 bad=+0(%%di):u64; r:leaf leaf v=$retval:s32; "                  \
	"p:inst leaf x=%%di:x32 y=%%di:s32'"
#define FOLDER "cd $(mktemp -d /tmp/emuprobe-formats-XXXXXX) && trap 'rm -r $PWD' EXIT && "
#define NEEDS  "command -v %s >/dev/null || exit 77; "
#define PYTHON "python3 " EP_SOURCE_DIR "/tests/system/formats.py "
#define DECODE "protoc -I" EP_SOURCE_DIR "/tests/system --decode=Trace trace.proto"
#define HOSTILE                                                                                    \
	"python3 " EP_SOURCE_DIR "/tests/system/hostile.py make " EP_PROGRAMS "/hostile hostile "  \
	"&& "

static void needs(const char *program)
{
	struct command_result result = command_shell("command -v %s", program);

	if (result.status)
		cr_skip_test("no %s", program);
	command_result_deinit(&result);
}

/* What a viewer shows of a call of work(), in both threads twice. */
static void expect_slices(const struct command_result *result, const char *text)
{
	static const char *const lines[] = {
		"\nB work place=",	 "\n  B middle place=", "\n    B leaf place=",
		"\n      i inst place=", "\n  B fib place=",	"\n    B fib place=",
		"\n      B fib place=",	 "\n  B half place=",	"\n  B leaf place=",
		"\n    i inst place=",
	};
	static const size_t counts[] = {4, 4, 8, 8, 4, 8, 8, 4, 4, 4};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect_eq(command_count(text, lines[i]), counts[i], "%s: %s", lines[i],
			     command_describe(result));
	cr_expect_eq(command_count(text, " text='plain'"), 2, "%s", command_describe(result));
}

Test(formats, perfetto)
{
	struct command_result result;

	needs("protoc");
	needs("python3");
	result =
		command_shell(FOLDER EMUPROBE " -q --format=perfetto -o t --counter inst:y "
					      "--counter half:f -e " PROBES " -- " NESTED
					      " && " DECODE " <t >text && " PYTHON "perfetto text");
	expect_status(result, 0);
	expect_slices(&result, result.output);
	expect_contains(result, output, "clock 3\nprocesses [\"'nested'\"]\nthread ");
	expect_contains(result, output,
			"thread '<\"&\\\\\\x1b[m\\n\\ufffd\\';>'\nB work place=nested:work\n");
	expect_contains(result, output,
			" text='<\"\\'&]]>\\\\\\x1b[31m\\n\\t\\ufffd\\x9b;--\\ufffd\\ufffd\\ufffd");
	expect_contains(result, output, "B half place=nested:half f=2.75\n");
	expect_contains(result, output, "i inst place=nested:leaf x=4294967289 y=-7\n");
	cr_expect_eq(command_count(result.output, "\ncounter inst.y -7"), 4, "%s",
		     command_describe(&result));
	cr_expect_eq(command_count(result.output, "\ncounter half.f 2.75"), 4, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(formats, chrome)
{
	struct command_result result;

	needs("python3");
	result =
		command_shell(FOLDER EMUPROBE " -q --format=chrome -o t --counter inst:y -e " PROBES
					      " -- " NESTED " && " PYTHON "chrome t");
	expect_status(result, 0);
	expect_slices(&result, result.output);
	expect_contains(result, output, "thread '<\"&\\\\\\x1b[m\\n\\ufffd\\';>'\nB work ");
	expect_contains(result, output, "B half place='nested:half' f='2.75' bad=None\n");
	cr_expect_eq(command_count(result.output, "\ncounter inst y=-7"), 4, "%s",
		     command_describe(&result));
	command_result_deinit(&result);
}

Test(formats, chrome_of_what_was_not_run)
{
	struct command_result result;

	needs("python3");
	result =
		command_shell(FOLDER "! " EMUPROBE " --format=chrome -o t -e 'p nothing' -- " NESTED
				     " && python3 -m json.tool --compact t");
	expect_contains(result, output, "\"traceEvents\":[]}");
	command_result_deinit(&result);
}

Test(formats, ctf)
{
	struct command_result result;

	needs("babeltrace2");
	result = command_shell(FOLDER EMUPROBE " -q --format=ctf -o t -e " PROBES " -- " NESTED
					       " && babeltrace2 t");
	expect_status(result, 0);
	cr_expect_eq(command_count(result.output, "\n"), 56, "%s", command_describe(&result));
	cr_expect_eq(command_count(result.output, " uprobes:fib: "), 20);
	expect_contains(result, output,
			"{ place = \"nested:half\", end = ( \"return\" : container = 0 )");
	expect_contains(result, output, "missing = \"bad\" }, { f = 2.75, bad = 0 }\n");
	expect_contains(result, output, "{ x = 0xFFFFFFF9, y = -7 }\n");
	expect_contains(result, output, "comm = \"<\\\"&\\\\\\e[m\\n\xef\xbf\xbd\\';>\"");
	expect_contains(result, output, "{ text = \"plain\", n = 2 }\n");
	command_result_deinit(&result);
}

/* Each way to a function once, with time of its own. */
Test(formats, folded_calls)
{
	struct command_result result =
		command_shell(EMUPROBE " --format=folded -o - -e " PROBES " -- " NESTED
				       " | sed 's/ [1-9][0-9]*$/ TIME/' | LC_ALL=C sort");

	cr_expect_str_eq(result.output,
			 "nested:work TIME\n"
			 "nested:work;nested:fib TIME\n"
			 "nested:work;nested:fib;nested:fib TIME\n"
			 "nested:work;nested:fib;nested:fib;nested:fib TIME\n"
			 "nested:work;nested:half TIME\n"
			 "nested:work;nested:leaf TIME\n"
			 "nested:work;nested:middle TIME\n"
			 "nested:work;nested:middle;nested:leaf TIME\n",
			 "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* Who has called whom how often; and what all took themselves is the whole. */
Test(formats, callgrind)
{
	struct command_result result;

	needs("callgrind_annotate");
	result =
		command_shell(FOLDER EMUPROBE " -q --format=callgrind -o t -e " PROBES " -- " NESTED
					      " 30 && callgrind_annotate --tree=both "
					      "--threshold=100 t && awk '/^0 / {n++; if (!called) "
					      "sum += $2; called = 0} /^calls=/ {called = 1} "
					      "/^summary:/ {s = $2} END {print "
					      "(sum == s && s > 0) ? \"sums agree\" : \"no\"}' t");
	expect_status(result, 0);
	expect_contains(result, output, "< ???:work (60x) [nested]");
	expect_contains(result, output, "< ???:middle (120x) [nested]");
	expect_contains(result, output, ">   ???:fib (240x) [nested]");
	expect_contains(result, output, ">   ???:middle (60x) [nested]");
	expect_contains(result, output, "Profiled target:  " NESTED " 30\n");
	expect_contains(result, output, "sums agree\n");
	expect_lacks(result, error, "WARNING");
	command_result_deinit(&result);
}

Test(formats, flame_of_calls)
{
	struct command_result result;

	needs("python3");
	result =
		command_shell(FOLDER EMUPROBE " -q --flame t.svg -e " PROBES " -- " NESTED
					      " 100 && " PYTHON "svg t.svg | tr ' ' '\\n' | sort | "
					      "uniq -c");
	expect_status(result, 0);
	cr_expect_str_eq(result.error, "", "events are written: %s", command_describe(&result));
	expect_contains(result, output, "1 'all'\n");
	expect_contains(result, output, "1 'nested:work'\n");
	expect_contains(result, output, "1 'nested:middle'\n");
	expect_contains(result, output, "3 'nested:fib'\n");
	expect_contains(result, output, "2 'nested:leaf'\n");
	command_result_deinit(&result);
}

/* Ten of each thread, which have other frames below them. Nothing is fetched from anywhere. */
Test(formats, flame_of_stacks)
{
	struct command_result result;

	needs("python3");
	result = command_shell(FOLDER EMUPROBE
			       " -q --flame t.svg --stacks fib -e 'p:fib fib' -- " NESTED
			       " && " PYTHON "svg t.svg >/dev/null && "
			       "grep -c '<title>nested:work (10 hits, 50.00%%)' t.svg && "
			       "grep -c '<title>nested:fib (4 hits, 20.00%%)' t.svg && "
			       "grep -o 'https*://[^\"]*' t.svg");
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "2\n2\nhttp://www.w3.org/2000/svg\n", "%s",
			 command_describe(&result));
	expect_contains(result, error, "stacks of fib: 20 hits");
	command_result_deinit(&result);
}

/* Symbols with quotes, escapes, and what is no UTF-8; in all of them. */
Test(formats, hostile_names)
{
	struct command_result result;

	needs("protoc");
	needs("babeltrace2");
	needs("python3");
	result = command_shell(
		FOLDER HOSTILE
		"chmod +x hostile && "
		"for f in perfetto chrome ctf callgrind folded; do " EMUPROBE
		" -q --format=$f -o t.$f -e 'r *hostile_*' -- ./hostile || exit; done && " EMUPROBE
		" -q --flame t.svg -e 'r *hostile_*' -- ./hostile && " DECODE
		" <t.perfetto >text && " PYTHON "perfetto text && " PYTHON "chrome t.chrome && "
		"babeltrace2 t.ctf && " PYTHON "svg t.svg && python3 -c '\n"
		"import unicodedata\n"
		"for f in \"t.callgrind\", \"t.folded\", \"t.svg\", \"t.ctf/metadata\":\n"
		"    for c in open(f, encoding=\"utf-8\", newline=\"\").read():\n"
		"        assert c in \"\\n\\t\" or unicodedata.category(c) != \"Cc\", (f, c)\n'");
	expect_status(result, 0);
	command_result_deinit(&result);
}

Test(formats, of_several_processes)
{
	struct command_result result;

	needs("jq");
	result = command_shell(
		FOLDER EMUPROBE
		" -q --format=chrome -o t -e 'r:work work?; r:exit libc:exit' -- sh -c '" NESTED
		"; " NESTED "' && jq '[.traceEvents[] | select(.name == \"work\") | "
		".pid] | unique | length' t");
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "2\n", "%s", command_describe(&result));
	command_result_deinit(&result);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Whole lines, in their order, none twice; the oldest are gone. */
#define CHECK_LINES                                                                                \
	"python3 -c 'import json, sys\n"                                                           \
	"times = [json.loads(line)[\"ts\"] for line in sys.stdin]\n"                               \
	"assert times == sorted(times)\n"                                                          \
	"print(len(times))'"

Test(formats, rotate)
{
	struct command_result result;

	needs("python3");
	result =
		command_shell(FOLDER EMUPROBE
			      " -q --format=json --rotate=8k,3 -o log -e " PROBES " -- " NESTED
			      " 40 && ls | tr '\\n' ' ' && cat log.3 log.2 log.1 log | " CHECK_LINES
			      " && find . -size +16b && find . -name 'log.?' -size -14b");
	expect_status(result, 0);
	cr_expect_eq(strncmp(result.output, "log log.1 log.2 log.3 ", 22), 0, "%s",
		     command_describe(&result));
	cr_expect_eq(command_count(result.output, "\n"), 1, "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(formats, rotate_loses_nothing_that_it_keeps)
{
	struct command_result result = command_shell(
		FOLDER EMUPROBE " -q --rotate=4k,500 -o log -e " PROBES " -- " NESTED
				" 40 && cat log* | wc -l && cat log | head -c 1 | wc -c");

	expect_status(result, 0);
	cr_expect_eq(strncmp(result.output, "1120\n", 5), 0, "%s", command_describe(&result));
	command_result_deinit(&result);
}

Test(formats, compressed)
{
	struct command_result result;

	needs("zstd");
	needs("python3");
	result = command_shell(FOLDER EMUPROBE
			       " -q --format=json -o t.zst -e " PROBES " -- " NESTED
			       " && zstd -dc t.zst | " CHECK_LINES " && " EMUPROBE
			       " -q --format=json --rotate=8k,1 -o log.zst -e " PROBES " -- " NESTED
			       " 40 && zstd -dc log.1.zst log.zst | " CHECK_LINES
			       " >/dev/null && ls | tr '\\n' ' '");
	expect_status(result, 0);
	cr_expect_str_eq(result.output, "56\nlog.1.zst log.zst t.zst ", "%s",
			 command_describe(&result));
	command_result_deinit(&result);
}

Test(formats, bad_options_are_refused)
{
	static const struct {
		const char *options, *message;
	} bad[] = {
		{"--format=perfetto", "--format=perfetto: which file? use -o FILE"},
		{"--format=ctf -o -", "--format=ctf: which folder? use -o FOLDER"},
		{"--format=ctf -o /dev/null", "/dev/null: "},
		{"--format=chrome -c -o x", "not with -c, which records no events"},
		{"--format=callgrind -o x", "--format=callgrind: only with calls (r:)"},
		{"--format=folded", "only with --stacks, or with events of calls (r:)"},
		{"--flame x", "--flame: only with --stacks, or with events of calls (r:)"},
		{"--flame /nowhere/x --stacks m", "/nowhere/x: No such file"},
		{"--flame x.PNG --stacks m", "--flame=x.PNG: it is an SVG file; use --flame=x.svg"},
		{"--format=other", "text, json, folded, perfetto, chrome, ctf or callgrind"},
		{"--rotate=4095 -o x", "SIZE or SIZE,N: bytes, 4096 or more"},
		{"--rotate=4k,10000 -o x", "files, at most 9999"},
		{"--rotate=4T -o x", "SIZE or SIZE,N"},
		{"--rotate=99999999999999999999G -o x", "SIZE or SIZE,N"},
		{"--rotate=4k", "--rotate: which file? use -o FILE"},
		{"--rotate=4k --format=chrome -o x", "--rotate: only of text and json"},
		{"--counter m:y", "--counter: only with --format=perfetto or chrome"},
		{"--counter m --format=chrome -o x", "--counter=m: EVENT:FIELD"},
		{"-o /nowhere/x.zst", "/nowhere/x.zst: No such file"},
		{"-l --format=ctf -o x", "-l: --format=text or json"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct command_result result = command_shell(
			FOLDER EMUPROBE " %s -e 'p:m leaf' -- " NESTED, bad[i].options);

		expect_status(result, 125);
		expect_contains(result, error, bad[i].message);
		command_result_deinit(&result);
	}
}

/* The library writes events itself only where there is no launcher, and only as lines. */
Test(formats, without_the_launcher_only_lines)
{
	struct command_result result = command_shell(
		"EMUPROBE='r work' EMUPROBE_FORMAT=perfetto LD_PRELOAD=" PRELOAD " " NESTED);

	expect_contains(result, error,
			"EMUPROBE_FORMAT: text or json; other formats need the launcher");
	command_result_deinit(&result);
}

/* What is recorded for them is not shown. */
Test(formats, lines_beside_a_picture_are_as_without_it)
{
	struct command_result result =
		command_shell(FOLDER EMUPROBE " -q --flame t.svg -o - -e 'r:work work' -- " NESTED
					      " | sed 's/^.*: work/work/' | sort | uniq -c");

	expect_contains(result, output, "4 work: (nested:work)\n");
	command_result_deinit(&result);
}
