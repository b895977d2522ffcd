/* SPDX-License-Identifier: MIT */
/*
 * Any text is a list of definitions, or an error that points into it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/harness.h"
#include "trace/language/answers.h"
#include "trace/language/parse.h"
#include "trace/language/source.h"

static void check_args(const struct trace_definition *one)
{
	const struct trace_program *program = &one->program;

	if (!trace_program_is_sound(program))
		abort();
	for (uint32_t i = 0; i < one->arg_count; i++) {
		const struct trace_arg *arg = &one->args[i];

		if (arg->type.kind >= TRACE_KIND_COUNT || arg->origin >= TRACE_ORIGIN_COUNT ||
		    arg->value >= program->recorded + program->bulk_count + (arg->origin > 1))
			abort();
		if (arg->needs_return && !one->is_return)
			abort();
	}
}

static void check_all(const struct trace_definitions *all, size_t size)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct trace_definition *one = &all->list[i];

		if (one->column >= size || one->place_column >= size || !one->text[0] ||
		    (one->event && !one->event[0]) || one->arg_count > TRACE_ARGS_MAX)
			abort();
		if (one->place.symbol && !one->place.symbol[0])
			abort();
		if (one->max_active > TRACE_CALLS_MAX || (one->max_active && !one->is_return))
			abort();
		check_args(one);
	}
}

/* The same text, as what is asked of definitions; it is of this one where it says so. */
static void ask(const char *text, struct trace_arena *arena)
{
	static struct trace_arg args[] = {{.name = "a", .type = {TRACE_UNSIGNED, 1, 0, 0, 0, 0}},
					  {.name = "b", .type = {TRACE_SIGNED, 8, 0, 0, 0, 0}}};
	static struct trace_definition one = {.event = "e", .args = args, .arg_count = 2};
	const struct trace_definitions definitions = {&one, 1};
	struct trace_questions questions;
	struct trace_answers *answers;
	struct ep_error_at error = {0};

	if (trace_questions_parse(text, arena, &questions, &error)) {
		if (!error.message[0])
			abort();
		return;
	}
	if (questions.count > TRACE_QUESTIONS_MAX)
		abort();
	if (trace_questions_resolve(&questions, &definitions, arena, &answers, &error) == 0 &&
	    answers[0].count != questions.count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace_arena arena = {0};
	struct trace_source source;
	struct trace_definitions all;
	struct ep_error_at error = {0};
	char explained[512];
	char *text = trace_arena_copy(&arena, (const char *)data, size);

	/* Not a test of what open() does with any name. */
	for (char *at = text; (at = strchr(at, '@')); at++)
		*at = '%';
	ask(text, &arena);
	if (trace_source_init(&source, &arena) == 0) {
		int failed = trace_source_add(&source, text, "fuzz", &error);

		if (!failed)
			failed = trace_definitions_parse(source.text, &arena, &all, &error);
		if (!failed)
			check_all(&all, source.size);
		else if (error.column > source.size || !error.message[0])
			abort();
		trace_source_explain(&source, &error, explained, sizeof(explained));
	}
	trace_arena_deinit(&arena);
	return 0;
}
