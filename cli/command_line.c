/* SPDX-License-Identifier: MIT */
/* Each option is sound by itself once it has been read; here they are looked at together. */
#include "cli/command_line.h"

#include <stdlib.h>
#include <string.h>

#include "trace/language/answers.h"
#include "trace/language/limits.h"
#include "trace/language/parse.h"

static bool has_calls(const struct trace_definitions *definitions)
{
	for (size_t i = 0; i < definitions->count; i++)
		if (definitions->list[i].is_return)
			return true;
	return false;
}

/* What has no effect was meant otherwise. */
static int check_durations(const struct options *options,
			   const struct trace_definitions *definitions)
{
	const char *option = options->histogram_count ? "--hist"
			     : options->sample > 1    ? "--sample"
						      : NULL;

	if (!option || (options->mode != TRACE_MODE_EVENTS && has_calls(definitions)))
		return 0;
	complain(options->mode == TRACE_MODE_EVENTS ? "%s: only with -c"
						    : "%s: no calls are probed: use r:",
		 option);
	return EXIT_OURS;
}

/* How long calls took is measured before anybody knows whether the condition holds. */
static int check_conditions(const struct options *options)
{
	for (size_t i = 0; options->mode == TRACE_MODE_COUNT && i < options->parsed.count; i++) {
		const struct trace_definition *definition = &options->parsed.list[i];
		const struct ep_error_at error = {
			.error = EP_SYNTAX,
			.column = definition->column,
			.message = "with -c, calls (r) are counted without a condition"};

		if (!definition->is_return || !definition->program.has_filter)
			continue;
		complain_about(&options->definitions, &error);
		return EXIT_OURS;
	}
	return 0;
}

/* All of them at once, and what they mean. */
static int check_questions(struct options *options, const struct trace_definitions *definitions,
			   struct trace_arena *arena)
{
	struct trace_answers *answers;
	struct ep_error_at error = {0};
	int failed = trace_questions_parse(options->asked, arena, &options->questions, &error);
	const struct trace_question *wrong;

	if (failed == -EP_SYNTAX) /* there are too many */
		complain("--hist, --top: %s", error.message);
	if (!failed) {
		failed = trace_questions_resolve(&options->questions, definitions, arena, &answers,
						 &error);
		wrong = &options->questions.list[error.column];
		if (failed == -EP_SYNTAX)
			complain("--%s=%s: %s", wrong->kind == TRACE_QUESTION_TOP ? "top" : "hist",
				 wrong->text, error.message);
	}
	if (failed && failed != -EP_SYNTAX)
		complain("%s", ep_strerror(failed));
	return failed;
}

/* Where a pattern stands for many events, only the run can tell. */
static bool may_be_event(const struct trace_definition *definition, const char *event)
{
	const char *symbol = definition->place.symbol;

	if (definition->event)
		return strcmp(definition->event, event) == 0;
	return !symbol || strcmp(symbol, event) == 0 || strpbrk(symbol, "*?[");
}

static bool is_event(const struct trace_definitions *definitions, const char *event)
{
	for (size_t i = 0; i < definitions->count; i++)
		if (may_be_event(&definitions->list[i], event))
			return true;
	return false;
}

static int check_stacks(const struct options *options, const struct trace_definitions *definitions)
{
	for (size_t i = 0; i < options->stack_count; i++) {
		const char *event = options->stacks[i].event;

		if (is_event(definitions, event))
			continue;
		complain("--stacks=%s: no definition has an event of this name", event);
		return -EP_SYNTAX;
	}
	return 0;
}

static int check_limits(struct options *options, const struct trace_definitions *definitions,
			struct trace_arena *arena)
{
	struct trace_limits *limits;
	struct ep_error_at error = {0};
	int failed = trace_limits_parse(options->asked, definitions, arena, &limits, &error);
	const char *line = options->asked + error.column;
	int kind = (int)strcspn(line, " ");

	if (failed == -EP_SYNTAX)
		complain("--%.*s=%.*s: %s", kind, line, (int)strcspn(line, "\n") - kind - 1,
			 line + kind + 1, error.message);
	else if (failed)
		complain("%s", ep_strerror(failed));
	if (!failed && limits)
		options->limited = definitions->count;
	return failed;
}

/* A file of its own, where it cannot be among messages. */
static int check_output(const struct options *options)
{
	bool is_file = options->output && strcmp(options->output, "-") != 0;
	const char *name = options_format_names[options->format];

	if (options->format == TRACE_FORMAT_CTF && !is_file)
		complain("--format=ctf: which folder? use -o FOLDER");
	else if (options->format >= TRACE_FORMAT_PERFETTO && !options->output)
		complain("--format=%s: which file? use -o FILE", name);
	else if (options->rotate && !is_file)
		complain("--rotate: which file? use -o FILE");
	else if (options->rotate && options->format > TRACE_FORMAT_JSON)
		complain("--rotate: only of text and json");
	else if (options->counters.count && options->format != TRACE_FORMAT_PERFETTO &&
		 options->format != TRACE_FORMAT_CHROME)
		complain("--counter: only with --format=perfetto or chrome");
	else
		return 0;
	return EXIT_OURS;
}

/*
 * Nothing but stacks is written, so nothing else needs to be recorded; or all is made of events, and of
 * calls is needed how long they took.
 */
static int check_format(struct options *options)
{
	bool is_silent =
		options->format == TRACE_FORMAT_FOLDED ||
		(options->flame && options->format == TRACE_FORMAT_TEXT && !options->output);
	bool is_of_events = options->format >= TRACE_FORMAT_PERFETTO;

	if (check_output(options))
		return EXIT_OURS;
	if (is_of_events && options->mode == TRACE_MODE_COUNT) {
		complain("--format=%s: not with -c, which records no events",
			 options_format_names[options->format]);
		return EXIT_OURS;
	}
	if (options->stack_count && is_silent && options->mode == TRACE_MODE_EVENTS)
		options->mode = TRACE_MODE_COUNT;
	options->is_timed =
		is_of_events || (!options->stack_count &&
				 (options->flame || options->format == TRACE_FORMAT_FOLDED));
	return 0;
}

/* What is made of calls, or else of stacks. */
static int check_calls(const struct options *options, const struct trace_definitions *definitions)
{
	bool is_stacks = options->stack_count && options->format != TRACE_FORMAT_CALLGRIND;
	bool is_wanted = options->flame || options->format == TRACE_FORMAT_FOLDED ||
			 options->format == TRACE_FORMAT_CALLGRIND;

	if (!is_wanted || is_stacks)
		return 0;
	if (has_calls(definitions) && options->mode != TRACE_MODE_COUNT)
		return 0;
	complain("%s%s: only with %scalls (r:)%s", options->flame ? "--flame" : "--format=",
		 options->flame ? "" : options_format_names[options->format],
		 options->format == TRACE_FORMAT_CALLGRIND ? "" : "--stacks, or with events of ",
		 has_calls(definitions) ? ", and then without -c" : "");
	return EXIT_OURS;
}

static int check_definitions(struct options *options, struct trace_arena *arena)
{
	const struct trace_definitions *definitions = &options->parsed;

	return check_calls(options, definitions) || check_durations(options, definitions) ||
	       check_conditions(options) || check_stacks(options, definitions) ||
	       check_questions(options, definitions, arena) ||
	       check_limits(options, definitions, arena);
}

static int check_ring(const struct options *options)
{
	if (!options->ring && !options->dump_if_count)
		return 0;
	if (!options->ring)
		return complain("--dump-if: only with --ring"), EXIT_OURS;
	if (options->format > TRACE_FORMAT_JSON)
		return complain("--ring: only with --format=text or json"), EXIT_OURS;
	if (options->mode == TRACE_MODE_COUNT || options->drop)
		return complain("--ring: not together with -c, --cover or --drop"), EXIT_OURS;
	if (options->wanted.show != SHOW_EVENTS)
		return complain("--ring: not together with --graph or --calls; -e 'p *' "
				"records which functions were entered"),
		       EXIT_OURS;
	for (size_t i = 0; i < options->dump_if_count; i++)
		if (!is_event(&options->parsed, options->dump_if[i])) {
			complain("--dump-if=%s: no event has this name in the definitions",
				 options->dump_if[i]);
			return EXIT_OURS;
		}
	return 0;
}

/* Where something else stands at a place, it cannot be watched: so one of the two. */
static int check_cover(struct options *options)
{
	const char *wrong = NULL;

	if (!options->cover && options->cover_object_count)
		wrong = "--cover-object: only with --cover";
	else if (!options->cover && options->cover_format)
		wrong = "--format=lcov and --format=cobertura: only with --cover";
	else if (options->cover && *options->definitions.text)
		wrong = "--cover: not together with probes (-e, -f, --graph, --calls)";
	else if (options->cover && (options->format != TRACE_FORMAT_TEXT || *options->asked ||
				    options->stack_count || options->mode != TRACE_MODE_EVENTS))
		wrong = "--cover: not together with what asks for events or counts";
	if (wrong)
		return complain("%s", wrong), EXIT_OURS;
	if (options->cover)
		options->mode = TRACE_MODE_COUNT;
	return 0;
}

static int check_processes(const struct options *options, bool has_program)
{
	if (options->list && (options->pid_count > 1 || options->name))
		complain("-l: of one process, by -p");
	else if (options_attach(options) && has_program)
		complain("%s: a program to run, or one that runs already (-p, --name), not both",
			 options->command[0]);
	else if (options->deadline > 0 && !options_attach(options))
		complain("--deadline: only with -p or --name");
	else if (options_attach(options) && (options->cover || options->ring))
		complain("--cover and --ring: of programs that are started, not with -p or --name");
	else
		return 0;
	return EXIT_OURS;
}

static int parse_definitions(struct options *options, struct trace_arena *arena)
{
	struct trace_definitions *definitions = &options->parsed;
	struct ep_error_at error = {0};
	int failed = trace_definitions_parse_timed(options->definitions.text, options->is_timed,
						   arena, definitions, &error);

	if (failed == -EP_SYNTAX) {
		complain_about(&options->definitions, &error);
	} else if (failed) {
		complain("%s", ep_strerror(failed));
	} else if (!definitions->count) {
		complain("no probes: use -e or -f, --graph or --calls; --examples shows how");
		failed = EXIT_OURS;
	} else {
		failed = check_definitions(options, arena);
	}
	return failed ? EXIT_OURS : 0;
}

/* Behind all others: what is made of them knows them by that. */
static int add_wanted(struct options *options, struct trace_arena *arena)
{
	struct wanted *wanted = &options->wanted;
	struct ep_error_at error = {0};
	char *text;
	int failed;

	if (options->live && wanted->show == SHOW_CALLS)
		return complain("--live: not with --calls"), EXIT_OURS;
	/* The table of hits has calls that libraries make of each other, too: it is no answer. */
	wanted->sums_up = wanted->show == SHOW_CALLS && options->mode == TRACE_MODE_COUNT;
	if (wanted->sums_up)
		options->mode = TRACE_MODE_EVENTS;
	failed = wanted_make(wanted, options->format == TRACE_FORMAT_TEXT, arena, &text, &error);
	if (failed)
		return complain("%s", error.message[0] ? error.message : ep_strerror(failed)),
		       EXIT_OURS;
	failed = text ? trace_source_add(&options->definitions, text, "--graph", &error) : 0;
	free(text);
	if (failed == -EP_SYNTAX)
		complain_about(&options->definitions, &error);
	else if (failed)
		complain("%s", ep_strerror(failed));
	return failed ? EXIT_OURS : 0;
}

int command_line_parse(int argc, char **argv, struct trace_arena *arena, struct options *ret)
{
	int error = options_take(argc, argv, arena, ret);
	bool has_program;

	if (error)
		return error;
	has_program = *ret->command;
	error = check_processes(ret, has_program);
	if (!error && ret->list && (ret->format > TRACE_FORMAT_JSON || ret->flame)) {
		complain("-l: --format=text or json, without --flame");
		error = EXIT_OURS;
	}
	if (error || ret->list)
		return error;
	if (ret->live && ret->mode == TRACE_MODE_EVENTS)
		ret->mode = TRACE_MODE_COUNT;
	ret->suggest = !*ret->definitions.text && !ret->cover && ret->wanted.show == SHOW_EVENTS &&
		       has_program;
	if (ret->suggest)
		return 0;
	error = check_format(ret);
	if (!error)
		error = add_wanted(ret, arena);
	if (!error)
		error = check_cover(ret);
	if (!error && !ret->cover)
		error = parse_definitions(ret, arena);
	if (!error)
		error = check_ring(ret);
	if (!error && !has_program && !options_attach(ret)) {
		complain("no program to run");
		error = EXIT_OURS;
	}
	return error;
}
