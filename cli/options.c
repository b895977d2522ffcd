/* SPDX-License-Identifier: MIT */
/*
 * Options end at the first word that is none: what follows is the program's own command line.
 * Definitions are read here, files included, so that nothing starts when one is malformed.
 */
#include "cli/options.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/plain.h"
#include "trace/language/scanner.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX  1e9
#define DEADLINE_MAX 1e6

/* --help=all */
static const char usage[] =
	"usage: emuprobe [options] [--] PROGRAM [ARG...]\n"
	"       emuprobe [options] -p PID[,PID...] | --name=NAME\n"
	"       emuprobe dump PID\n"
	"\n"
	"  -e, --probe=DEF        place a probe: p[:[GROUP/]EVENT] [OBJECT:]SYMBOL[+OFFSET] "
	"[ARG...]\n"
	"                         (OBJECT and SYMBOL may be in double quotes), or a place alone; r "
	"in\n"
	"                         place of p: calls of a function, with $retval, $latency, "
	"$caller;\n"
	"                         ARG: %di, $arg1, +0($arg1):string, @VARIABLE; \"if CONDITION\" "
	"at "
	"the\n"
	"                         end\n"
	"  -f, --file=FILE        read definitions from a file\n"
	"  -c, --count            only count hits, and measure how long calls (r:) take\n"
	"      --graph[=PATTERN]  show calls within calls, of the executable or of what PATTERN "
	"means\n"
	"      --min-time=TIME    with --graph: calls that take at least as long (10us, 1ms)\n"
	"      --depth=N          with --graph: so many levels\n"
	"      --only-tid=TID     with --graph: one thread\n"
	"      --calls            show calls of the executable into libraries; with -c a table\n"
	"      --prototypes=FILE  with --calls: declarations of more functions\n"
	"      --hist=EVENT:FIELD[,LOW,HIGH,STEP]\n"
	"                         show the distribution of a field, as bars: of powers of two, or "
	"of "
	"steps\n"
	"      --hist=EVENT       show how long the calls of EVENT took, as bars (with -c)\n"
	"      --top=EVENT:KEY[,KEY...][:VALUE]\n"
	"                         show which values of fields come most often, and the sum and "
	"mean "
	"of\n"
	"                         another field for each\n"
	"      --first=[EVENT:]N  record the first N events only, of EVENT or of each; then no "
	"more is "
	"counted\n"
	"      --every=[EVENT:]N  record one event in N only\n"
	"      --after=[EVENT:]EVENT  record nothing before this event has come for the first "
	"time\n"
	"      --tid=[EVENT:]TID  record events of this thread only\n"
	"      --for=SECONDS      record and count nothing any more after that time; with -p: "
	"leave\n"
	"      --stacks=EVENT[:DEPTH]\n"
	"                         count the call stacks that lead to EVENT, and show the most "
	"frequent\n"
	"      --sample=N         time one call in N only (with -c)\n"
	"      --live             count (-c), and show a table each second while the program runs\n"
	"  -o, --output=FILE      write events to FILE, not to standard error\n"
	"      --rotate=SIZE[,N]  begin a new FILE at SIZE bytes, and keep N older ones (text, "
	"json)\n"
	"      --format=FORMAT    text, json, perfetto, chrome, ctf (FILE is a folder), callgrind, "
	"or\n"
	"                         folded: stacks or calls, for flame graphs\n"
	"      --flame=FILE.svg   draw a flame graph: of --stacks, or of the times of calls (r:)\n"
	"      --counter=EVENT:FIELD  show a field as a curve (perfetto, chrome)\n"
	"      --plan=PLAN        auto, trap, emulate, boost or jump\n"
	"      --explain          show each probe's instruction, plan and reason\n"
	"      --ring[=SIZE]      write nothing, but keep the last SIZE bytes of events of each "
	"thread, "
	"for\n"
	"                         when the program is killed, or on SIGUSR2, or for emuprobe dump "
	"PID\n"
	"      --dump-if=EVENT    with --ring: write what was kept when EVENT comes\n"
	"      --cover[=functions|blocks]\n"
	"                         which functions and basic blocks of the program were reached; "
	"-o FILE:\n"
	"                         a list, which adds up over runs; --format: text, lcov, "
	"cobertura\n"
	"      --cover-object=GLOB    the same of these libraries, or (with a slash) files\n"
	"  -D, --definitions      print what would be placed, each with a file's path and an "
	"offset,\n"
	"                         and do not run the program\n"
	"  -l, --list             [PATTERN] FILE: list the functions of a program or library that "
	"is "
	"not\n"
	"                         run; with -v also size, instruction, plan and reason\n"
	"  -p, --pid=PID[,PID...] probe processes that run already, until Ctrl-C or --for; with "
	"-l:\n"
	"                         list what this process has loaded\n"
	"      --name=NAME        the same for all processes of this name\n"
	"      --deadline=SECONDS how long to try that, unless it is 5\n"
	"  -n, --check            show what the probes would be, and do not run the program\n"
	"      --drop             drop events rather than make the program wait\n"
	"      --no-follow        do not probe what the program executes\n"
	"      --run-anyway       run a program that cannot be probed all the same, without "
	"probes\n"
	"      --wait             wait for processes that outlive the program (daemons)\n"
	"  -q, --quiet            no summary\n"
	"  -v, --verbose          show every probe in the summary\n"
	"      --completion=SHELL  print what bash, zsh or fish reads to complete these options\n"
	"      --examples         ten questions, each with a command that answers it\n"
	"      --version\n"
	"      --help[=all]       a screen of help, or all of it\n"
	"\n"
	"Without probes, what could be asked of PROGRAM is printed, and it is not run.\n"
	"Example: emuprobe -e 'p:malloc libc.so.6:malloc size=%di:u64' -- cat /etc/hostname\n";

#define COUNTER_NAME 255   /* bytes of an event, at most */
#define ROTATE_LEAST 4096  /* bytes of a file */
#define KEPT_MAX     9999u /* files */
#define ROTATE_KEPT  9	   /* files, where nobody says how many */
#define STACK_DEPTH  64	   /* frames of a stack, where nobody says how many */
#define RING_DEFAULT (1ul << 20)
#define RING_MIN     (4ul << 10)
#define RING_MAX     (64ul << 20)

#define STACK_DEPTH 64 /* frames of a stack, where nobody says how many */

enum {
	OPTION_FORMAT = 256,
	OPTION_PLAN,
	OPTION_HIST,
	OPTION_TOP,
	OPTION_FIRST,
	OPTION_EVERY,
	OPTION_AFTER,
	OPTION_TID,
	OPTION_NAME,
	OPTION_FOR,
	OPTION_DEADLINE,
	OPTION_SAMPLE,
	OPTION_STACKS,
	OPTION_ROTATE,
	OPTION_FLAME,
	OPTION_COUNTER,
	OPTION_RING,
	OPTION_DUMP_IF,
	OPTION_COVER,
	OPTION_COVER_OBJECT,
	OPTION_GRAPH,
	OPTION_MIN_TIME,
	OPTION_DEPTH,
	OPTION_ONLY_TID,
	OPTION_CALLS,
	OPTION_PROTOTYPES,
	OPTION_EXPLAIN,
	OPTION_LIVE,
	OPTION_DROP,
	OPTION_NO_FOLLOW,
	OPTION_RUN_ANYWAY,
	OPTION_WAIT,
	OPTION_VERSION,
	OPTION_COMPLETION,
	OPTION_EXAMPLES,
	OPTION_HELP
};

static const struct option long_options[] = {
	{"probe", required_argument, NULL, 'e'},
	{"file", required_argument, NULL, 'f'},
	{"count", no_argument, NULL, 'c'},
	{"output", required_argument, NULL, 'o'},
	{"rotate", required_argument, NULL, OPTION_ROTATE},
	{"flame", required_argument, NULL, OPTION_FLAME},
	{"counter", required_argument, NULL, OPTION_COUNTER},
	{"format", required_argument, NULL, OPTION_FORMAT},
	{"plan", required_argument, NULL, OPTION_PLAN},
	{"hist", required_argument, NULL, OPTION_HIST},
	{"top", required_argument, NULL, OPTION_TOP},
	{"first", required_argument, NULL, OPTION_FIRST},
	{"every", required_argument, NULL, OPTION_EVERY},
	{"after", required_argument, NULL, OPTION_AFTER},
	{"tid", required_argument, NULL, OPTION_TID},
	{"for", required_argument, NULL, OPTION_FOR},
	{"deadline", required_argument, NULL, OPTION_DEADLINE},
	{"stacks", required_argument, NULL, OPTION_STACKS},
	{"sample", required_argument, NULL, OPTION_SAMPLE},
	{"live", no_argument, NULL, OPTION_LIVE},
	{"ring", optional_argument, NULL, OPTION_RING},
	{"dump-if", required_argument, NULL, OPTION_DUMP_IF},
	{"cover", optional_argument, NULL, OPTION_COVER},
	{"cover-object", required_argument, NULL, OPTION_COVER_OBJECT},
	{"graph", optional_argument, NULL, OPTION_GRAPH},
	{"min-time", required_argument, NULL, OPTION_MIN_TIME},
	{"depth", required_argument, NULL, OPTION_DEPTH},
	{"only-tid", required_argument, NULL, OPTION_ONLY_TID},
	{"calls", no_argument, NULL, OPTION_CALLS},
	{"prototypes", required_argument, NULL, OPTION_PROTOTYPES},
	{"explain", no_argument, NULL, OPTION_EXPLAIN},
	{"check", no_argument, NULL, 'n'},
	{"definitions", no_argument, NULL, 'D'},
	{"list", no_argument, NULL, 'l'},
	{"pid", required_argument, NULL, 'p'},
	{"name", required_argument, NULL, OPTION_NAME},
	{"drop", no_argument, NULL, OPTION_DROP},
	{"no-follow", no_argument, NULL, OPTION_NO_FOLLOW},
	{"run-anyway", no_argument, NULL, OPTION_RUN_ANYWAY},
	{"wait", no_argument, NULL, OPTION_WAIT},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"completion", required_argument, NULL, OPTION_COMPLETION},
	{"examples", no_argument, NULL, OPTION_EXAMPLES},
	{"help", optional_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

void complain(const char *format, ...)
{
	char *message = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	fputs("emuprobe: ", stderr);
	plain_put(message ? message : ep_strerror(EP_NO_MEMORY), stderr);
	fputc('\n', stderr);
	free(message);
}

void complain_about(const struct trace_source *source, const struct ep_error_at *error)
{
	char text[4096];

	trace_source_explain(source, error, text, sizeof(text));
	fprintf(stderr, "emuprobe: %s", text);
}

static int add_definitions(struct options *options, int option, const char *value)
{
	struct ep_error_at error = {0};
	int failed = option == 'e' ? trace_source_add(&options->definitions, value, "-e", &error)
				   : trace_source_add_file(&options->definitions, value, &error);

	if (!failed)
		return 0;
	if (failed == -EP_SYNTAX)
		complain_about(&options->definitions, &error);
	else
		complain("%s", error.message[0] ? error.message : ep_strerror(failed));
	return EXIT_OURS;
}

const char *const options_format_names[] = {
	[TRACE_FORMAT_TEXT] = "text",		[TRACE_FORMAT_JSON] = "json",
	[TRACE_FORMAT_FOLDED] = "folded",	[TRACE_FORMAT_PERFETTO] = "perfetto",
	[TRACE_FORMAT_CHROME] = "chrome",	[TRACE_FORMAT_CTF] = "ctf",
	[TRACE_FORMAT_CALLGRIND] = "callgrind",
};

static int set_format(struct options *options, const char *value)
{
	for (size_t i = 0; i < sizeof(options_format_names) / sizeof(options_format_names[0]); i++)
		if (strcmp(options_format_names[i], value) == 0) {
			options->format = (enum trace_format)i;
			return 0;
		}
	if (cover_format_of(value, &options->cover_format))
		return 0;
	complain("--format=%s: text, json, folded, perfetto, chrome, ctf or callgrind; "
		 "with --cover text, lcov or cobertura",
		 value);
	return EXIT_OURS;
}

/* SIZE, in bytes, K or M: the next power of two. */
static int set_ring(struct options *options, const char *value)
{
	unsigned long number = RING_DEFAULT, size = RING_MIN;
	char *end = NULL;

	if (value) {
		number = strtoul(value, &end, 10);
		if (*end == 'k' || *end == 'K' || *end == 'M') {
			number = number > RING_MAX ? 0 : number << (*end == 'M' ? 20 : 10);
			end++;
		}
	}
	if ((value && (*value < '0' || *value > '9' || *end)) || !number || number > RING_MAX) {
		complain("--ring=%s: a number of bytes, as 64K or 1M, up to 64M", value);
		return EXIT_OURS;
	}
	while (size < number)
		size *= 2;
	options->ring = size;
	return 0;
}

static int add_dump_if(struct options *options, const char *value)
{
	if (!trace_is_name(value, strlen(value)) || strlen(value) >= TRACE_STACK_NAME) {
		complain("--dump-if=%s: the name of an event; its definition has the condition",
			 value);
		return EXIT_OURS;
	}
	if (options->dump_if_count == TRACE_DUMP_EVENTS) {
		complain("--dump-if=%s: %d events are enough", value, TRACE_DUMP_EVENTS);
		return EXIT_OURS;
	}
	options->dump_if[options->dump_if_count++] = value;
	return 0;
}

static int set_cover(struct options *options, const char *value)
{
	if (!value || strcmp(value, "blocks") == 0)
		options->cover = COVER_BLOCKS;
	else if (strcmp(value, "functions") == 0)
		options->cover = COVER_FUNCTIONS;
	else
		return complain("--cover=%s: functions or blocks", value), EXIT_OURS;
	return 0;
}

/* SIZE or SIZE,N. */
static int set_rotate(struct options *options, const char *value)
{
	static const char units[] = "kMG";
	char *end;
	unsigned long size = strtoul(value, &end, 10), kept = ROTATE_KEPT;
	const char *unit = *end ? strchr(units, *end) : NULL;
	unsigned int shift = unit ? 10 * (unsigned int)(unit - units + 1) : 0;
	bool is_wrong = *value < '0' || *value > '9' || size > ULONG_MAX >> shift;

	end += unit != NULL;
	if (*end == ',') {
		is_wrong |= end[1] < '0' || end[1] > '9';
		kept = strtoul(end + 1, &end, 10);
	}
	if (is_wrong || *end || size << shift < ROTATE_LEAST || kept > KEPT_MAX) {
		complain(
			"--rotate=%s: SIZE or SIZE,N: bytes, %d or more (with k, M, G), and files, "
			"at most %u",
			value, ROTATE_LEAST, KEPT_MAX);
		return EXIT_OURS;
	}
	options->rotate = size << shift;
	options->kept = (uint32_t)kept;
	return 0;
}

static int add_counter(struct options *options, const char *value)
{
	size_t length = strcspn(value, ":");
	const char *field = value[length] ? value + length + 1 : "";
	struct counter *counter = &options->counters.list[options->counters.count];

	if (!trace_is_name(value, length) || length > COUNTER_NAME ||
	    !trace_is_name(field, strlen(field))) {
		complain("--counter=%s: EVENT:FIELD", value);
		return EXIT_OURS;
	}
	if (options->counters.count == COUNTERS_MAX) {
		complain("--counter=%s: %d fields are enough", value, COUNTERS_MAX);
		return EXIT_OURS;
	}
	*counter = (struct counter){strndup(value, length), field};
	if (!counter->event)
		return complain("%s", ep_strerror(EP_NO_MEMORY)), EXIT_OURS;
	options->counters.count++;
	return 0;
}

static int set_plan(struct options *options, const char *value)
{
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++)
		if (strcmp(ep_plan_name(plan), value) == 0) {
			options->plan = plan;
			return 0;
		}
	complain("--plan=%s: auto, trap, emulate, boost or jump", value);
	return EXIT_OURS;
}

static int add_pid(struct options *options, const char *value, char **ret)
{
	long number = strtol(value, ret, 10);

	if (*value < '0' || *value > '9' || (**ret && **ret != ',') || number <= 0 ||
	    number > INT_MAX) {
		complain("--pid=%s: the number of a process", value);
		return EXIT_OURS;
	}
	if (options->pid_count == ATTACH_MAX) {
		complain("--pid: %d processes are enough", ATTACH_MAX);
		return EXIT_OURS;
	}
	options->pids[options->pid_count++] = (int)number;
	return 0;
}

static int set_pids(struct options *options, const char *value)
{
	char *end;
	int error = add_pid(options, value, &end);

	while (!error && *end == ',')
		error = add_pid(options, end + 1, &end);
	return error;
}

static int set_sample(struct options *options, const char *value)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !number || number > TRACE_SAMPLE_MAX) {
		complain("--sample=%s: a number from 1 to %d", value, TRACE_SAMPLE_MAX);
		return EXIT_OURS;
	}
	options->sample = (uint32_t)number;
	return 0;
}

/* Checked alone, so that the message is about this one; then it is one more line. */
static int add_question(struct options *options, const char *kind, const char *value)
{
	struct trace_questions question;
	struct trace_arena arena = {0};
	struct ep_error_at error = {0};
	char *line = NULL, *all = NULL;
	int failed = strchr(value, '\n') || asprintf(&line, "%s %s", kind, value) < 0 ||
				     asprintf(&all, "%s%s\n", options->asked, line) < 0
			     ? -EP_NO_MEMORY
			     : trace_questions_parse(line, &arena, &question, &error);

	trace_arena_deinit(&arena);
	free(line);
	if (!failed) {
		options->asked = all;
		return 0;
	}
	free(all);
	complain("--%s=%s: %s", kind, value,
		 failed == -EP_SYNTAX ? error.message : ep_strerror(failed));
	return EXIT_OURS;
}

/* What it means is known when there are definitions. */
static int add_limit(struct options *options, const char *kind, const char *value)
{
	char *all = NULL;

	if (strchr(value, '\n') || asprintf(&all, "%s%s %s\n", options->asked, kind, value) < 0)
		return complain("--%s: %s", kind, ep_strerror(EP_NO_MEMORY)), EXIT_OURS;
	options->asked = all;
	return 0;
}

static int set_seconds(const char *option, const char *value, double most, double *ret)
{
	char *end;

	*ret = strtod(value, &end);
	if (*value < '0' || *value > '9' || (*end && strcmp(end, "s") != 0) || !(*ret > 0) ||
	    *ret > most) {
		complain("--%s=%s: a number of seconds above 0", option, value);
		return EXIT_OURS;
	}
	return 0;
}

/* EVENT:$latency, or EVENT alone: how long calls take, which is measured anyway. Else it is a question. */
static int add_histogram(struct options *options, const char *value)
{
	static const char what[] = ":$latency";
	size_t length = strlen(value), rest = sizeof(what) - 1;
	char *name;

	if (length >= rest && strcmp(value + length - rest, what) == 0)
		length -= rest;
	if (!trace_is_name(value, length) || (value[length] && value[length] != ':'))
		return add_question(options, "hist", value);
	name = strndup(value, length);
	if (!name)
		return complain("%s", ep_strerror(EP_NO_MEMORY)), EXIT_OURS;
	options->histograms[options->histogram_count++] = name;
	return 0;
}

/* EVENT or EVENT:DEPTH. */
static int add_stacks(struct options *options, const char *value)
{
	size_t length = strcspn(value, ":");
	unsigned long depth = STACK_DEPTH;
	struct trace_stack_wish *wish;
	char *end = NULL;

	if (value[length]) {
		depth = strtoul(value + length + 1, &end, 10);
		if (value[length + 1] < '0' || value[length + 1] > '9' || *end)
			depth = 0;
	}
	if (!trace_is_name(value, length) || length >= TRACE_STACK_NAME || !depth ||
	    depth > TRACE_STACK_DEPTH_MAX) {
		complain("--stacks=%s: EVENT or EVENT:DEPTH, with a depth from 1 to %u", value,
			 TRACE_STACK_DEPTH_MAX);
		return EXIT_OURS;
	}
	if (options->stack_count == TRACE_STACK_EVENTS) {
		complain("--stacks=%s: %d events are enough", value, TRACE_STACK_EVENTS);
		return EXIT_OURS;
	}
	wish = &options->stacks[options->stack_count++];
	memcpy(wish->event, value, length);
	wish->depth = (uint32_t)depth;
	return 0;
}

/* Who asks for another kind of picture by its name would find something that no viewer takes for one. */
static int set_flame(struct options *options, const char *value)
{
	static const char *const others[] = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf"};
	size_t size = strlen(value);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		size_t end = strlen(others[i]);

		if (size < end || strcasecmp(value + size - end, others[i]) != 0)
			continue;
		complain("--flame=%s: it is an SVG file; use --flame=%.*s.svg", value,
			 (int)(size - end), value);
		return EXIT_OURS;
	}
	options->flame = value;
	return 0;
}

static int help(const char *value)
{
	if (value && strcmp(value, "all") != 0)
		return complain("--help=%s: --help or --help=all", value), EXIT_OURS;
	if (value)
		fputs(usage, stdout);
	else
		help_overview();
	exit(fflush(stdout) ? EXIT_OURS : 0);
}

static int set_show(struct options *options, enum show show, const char *pattern)
{
	if (options->wanted.show != SHOW_EVENTS && options->wanted.show != show)
		return complain("--graph and --calls do not go together"), EXIT_OURS;
	options->wanted.show = show;
	if (pattern)
		options->wanted.patterns[options->wanted.pattern_count++] = pattern;
	return 0;
}

static int set_min_time(struct options *options, const char *value)
{
	options->wanted.min_time = wanted_time(value);
	if (options->wanted.min_time)
		return 0;
	complain("--min-time=%s: a time, as 10us, 1.5ms or 2s", value);
	return EXIT_OURS;
}

static int set_count(const char *value, const char *option, const char *what, uint32_t *ret)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !number || number > INT_MAX) {
		complain("--%s=%s: %s", option, value, what);
		return EXIT_OURS;
	}
	*ret = (uint32_t)number;
	return 0;
}

static int set(struct options *options, int option, const char *value)
{
	switch (option) {
	case 'e':
	case 'f':
		return add_definitions(options, option, value);
	case 'c':
		if (options->mode == TRACE_MODE_EVENTS)
			options->mode = TRACE_MODE_COUNT;
		return 0;
	case 'n':
		options->mode = TRACE_MODE_CHECK;
		return 0;
	case 'D':
		options->mode = TRACE_MODE_DEFINE;
		return 0;
	case 'l':
		options->list = true;
		return 0;
	case 'p':
		return set_pids(options, value);
	case 'o':
		options->output = value;
		return 0;
	case 'q':
		options->quiet = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case OPTION_NAME:
		options->name = value;
		return 0;
	case OPTION_FORMAT:
		return set_format(options, value);
	case OPTION_ROTATE:
		return set_rotate(options, value);
	case OPTION_FLAME:
		return set_flame(options, value);
		return 0;
	case OPTION_COUNTER:
		return add_counter(options, value);
	case OPTION_PLAN:
		return set_plan(options, value);
	case OPTION_HIST:
		return add_histogram(options, value);
	case OPTION_TOP:
		return add_question(options, "top", value);
	case OPTION_FIRST:
		return add_limit(options, "first", value);
	case OPTION_EVERY:
		return add_limit(options, "every", value);
	case OPTION_AFTER:
		return add_limit(options, "after", value);
	case OPTION_TID:
		return add_limit(options, "tid", value);
	case OPTION_FOR:
		return set_seconds("for", value, SECONDS_MAX, &options->seconds);
	case OPTION_DEADLINE:
		return set_seconds("deadline", value, DEADLINE_MAX, &options->deadline);
	case OPTION_STACKS:
		return add_stacks(options, value);
	case OPTION_SAMPLE:
		return set_sample(options, value);
	case OPTION_LIVE:
		options->live = true;
		return 0;
	case OPTION_RING:
		return set_ring(options, value);
	case OPTION_DUMP_IF:
		return add_dump_if(options, value);
	case OPTION_COVER:
		return set_cover(options, value);
	case OPTION_COVER_OBJECT:
		options->cover_objects[options->cover_object_count++] = (char *)value;
		return 0;
	case OPTION_GRAPH:
		return set_show(options, SHOW_GRAPH, value);
	case OPTION_CALLS:
		return set_show(options, SHOW_CALLS, NULL);
	case OPTION_MIN_TIME:
		return set_min_time(options, value);
	case OPTION_DEPTH:
		return set_count(value, "depth", "a number of levels", &options->wanted.depth);
	case OPTION_ONLY_TID:
		return set_count(value, "only-tid", "the number of a thread",
				 &options->wanted.only_tid);
	case OPTION_PROTOTYPES:
		options->wanted.prototypes_path = value;
		return 0;
	case OPTION_EXPLAIN:
		options->explain = true;
		return 0;
	case OPTION_DROP:
		options->drop = true;
		return 0;
	case OPTION_NO_FOLLOW:
		options->follow = false;
		return 0;
	case OPTION_RUN_ANYWAY:
		options->run_anyway = true;
		return 0;
	case OPTION_WAIT:
		options->wait = true;
		return 0;
	case OPTION_VERSION:
		printf("emuprobe %s\n", ep_version());
		exit(fflush(stdout) ? EXIT_OURS : 0);
	case OPTION_COMPLETION:
		if (!completion_put(value, long_options, usage))
			return complain("--completion=%s: bash, zsh or fish", value), EXIT_OURS;
		exit(fflush(stdout) ? EXIT_OURS : 0);
	case OPTION_EXAMPLES:
		help_examples();
		exit(fflush(stdout) ? EXIT_OURS : 0);
	case 'h':
	case OPTION_HELP:
		return help(value);
	default: /* getopt has said what */
		fputs("Try: emuprobe --help\n", stderr);
		return EXIT_OURS;
	}
}

bool options_attach(const struct options *options)
{
	return !options->list && (options->pid_count || options->name);
}

/*
 * What follows the name of a program is the program's. The names of a list may have options behind them: one that is in the
 * way goes to the end of @argv, of which *@left are still to be looked at. -1: there is no more.
 */
static int next_option(const struct options *options, int argc, char **argv, int *left)
{
	static const char shorts[] = "+e:f:chlo:nDp:qv";
	int option;

	while ((option = getopt_long(*left, argv, shorts, long_options, NULL)) == -1 &&
	       options->list && optind < *left && strcmp(argv[optind - 1], "--") != 0) {
		char *name = argv[optind];

		memmove(argv + optind, argv + optind + 1,
			(size_t)(argc - optind - 1) * sizeof(*argv));
		argv[argc - 1] = name;
		(*left)--;
	}
	return option;
}

int options_take(int argc, char **argv, struct trace_arena *arena, struct options *ret)
{
	int option, error = 0, left = argc;

	*ret = (struct options){
		.mode = TRACE_MODE_EVENTS,
		.follow = true,
		.sample = 1,
		.asked = "",
		.histograms = trace_arena_alloc(arena, (size_t)argc * sizeof(char *)),
		.wanted.patterns = trace_arena_alloc(arena, ((size_t)argc + 1) * sizeof(char *)),
	};
	ret->cover_objects = trace_arena_alloc(arena, (size_t)argc * sizeof(char *));
	ret->dump_if = trace_arena_alloc(arena, TRACE_DUMP_EVENTS * sizeof(char *));
	if (!ret->histograms || !ret->wanted.patterns || !ret->cover_objects || !ret->dump_if ||
	    trace_source_init(&ret->definitions, arena))
		return complain("%s", ep_strerror(EP_NO_MEMORY)), EXIT_OURS;
	while (!error && (option = next_option(ret, argc, argv, &left)) != -1)
		error = set(ret, option, optarg);
	ret->command = argv + optind;
	/* What is attached to is left then; other programs go on, and so do their probes. */
	if (!error && !ret->list && ret->seconds > 0 && !options_attach(ret))
		error = add_limit(ret, "for", "1");
	return error;
}
