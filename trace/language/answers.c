/* SPDX-License-Identifier: MIT */
/*
 * The launcher parses each question to refuse what makes no sense, and the probed process does so again,
 * out of the session, to know what to do in a hit. Definitions are known by then: so names become indices
 * of fields, and a division by the width of a step becomes a multiplication.
 */
#include "trace/language/answers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "trace/language/scanner.h"

struct parser {
	struct trace_arena *arena;
	struct trace_question *question;
	const char *start; /* of the text */
	struct ep_error_at *error;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct parser *parser, const char *at,
						      const char *format, ...)
{
	va_list args;

	if (!parser->error)
		return -EP_SYNTAX;
	parser->error->error = EP_SYNTAX;
	parser->error->column = (size_t)(at - parser->start);
	va_start(args, format);
	vsnprintf(parser->error->message, sizeof(parser->error->message), format, args);
	va_end(args);
	return -EP_SYNTAX;
}

/* ---- parts --------------------------------------------------------------------------------- */

/* What comes before @separator goes to @ret, and is taken away from @span, the separator, too. */
static bool split(struct trace_span *span, char separator, struct trace_span *ret)
{
	const char *at = trace_span_find(*span, separator);

	if (!at)
		return false;
	*ret = trace_span_before(*span, at);
	*span = trace_span_behind(*span, at);
	return true;
}

/* The same; where there is no separator, all of it. */
static struct trace_span take(struct trace_span *span, char separator)
{
	struct trace_span ret;

	if (!split(span, separator, &ret)) {
		ret = *span;
		*span = (struct trace_span){span->at + span->size, 0};
	}
	return ret;
}

static int set_field(const struct parser *parser, struct trace_span span,
		     struct trace_question_field *ret)
{
	if (!span.size)
		return fail(parser, span.at, "no name of a field");
	if (!trace_is_name(span.at, span.size))
		return fail(parser, span.at, "%.*s is no name of a field",
			    span.size > 60 ? 60 : (int)span.size, span.at);
	ret->name = trace_arena_copy(parser->arena, span.at, span.size);
	return ret->name ? 0 : -EP_NO_MEMORY;
}

static int parse_number(const struct parser *parser, struct trace_span span, int64_t *ret)
{
	bool is_negative = span.size && *span.at == '-';
	struct trace_span digits = {span.at + is_negative, span.size - is_negative};
	uint64_t value;

	if (!trace_span_number(digits, &value) || value > INT64_MAX)
		return fail(parser, span.at, "not a number; a linear histogram has ,LOW,HIGH,STEP");
	*ret = is_negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

static int set_steps(const struct parser *parser, const char *at, const int64_t *numbers)
{
	struct trace_question *question = parser->question;
	uint64_t span = (uint64_t)numbers[1] - (uint64_t)numbers[0], step = (uint64_t)numbers[2];

	if (numbers[1] <= numbers[0])
		return fail(parser, at, "HIGH must be above LOW");
	if (numbers[2] <= 0 || span % step)
		return fail(parser, at, "HIGH - LOW must be a multiple of STEP");
	if (span / step > TRACE_QUESTION_LINEAR_MAX)
		return fail(parser, at, "more than %d steps", TRACE_QUESTION_LINEAR_MAX);
	question->kind = TRACE_QUESTION_LINEAR;
	question->low = numbers[0];
	question->step = step;
	question->steps = span / step;
	return 0;
}

/* ---- a question ---------------------------------------------------------------------------- */

static int parse_histogram(const struct parser *parser, struct trace_span rest)
{
	struct trace_question *question = parser->question;
	bool is_linear = trace_span_find(rest, ',');
	struct trace_span field = take(&rest, ',');
	const char *at = rest.at;
	int64_t numbers[3] = {0};
	int error = set_field(parser, field, &question->fields[0]);

	question->kind = TRACE_QUESTION_POWERS;
	question->field_count = 1;
	for (int i = 0; i < 3 && is_linear && !error; i++)
		error = parse_number(parser, i < 2 ? take(&rest, ',') : rest, &numbers[i]);
	return is_linear && !error ? set_steps(parser, at, numbers) : error;
}

static int parse_top(const struct parser *parser, struct trace_span rest)
{
	struct trace_question *question = parser->question;
	bool has_value = trace_span_find(rest, ':'), more = true;
	struct trace_span keys = take(&rest, ':');
	int error = 0;

	question->kind = TRACE_QUESTION_TOP;
	while (more && !error) {
		more = trace_span_find(keys, ',');
		if (question->field_count == TRACE_QUESTION_KEYS_MAX)
			return fail(parser, keys.at, "a key has %d fields at most",
				    TRACE_QUESTION_KEYS_MAX);
		error = set_field(parser, take(&keys, ','),
				  &question->fields[question->field_count++]);
	}
	return has_value && !error ? set_field(parser, rest, &question->value) : error;
}

static bool is_question(struct trace_span line)
{
	struct trace_span kind;

	return split(&line, ' ', &kind) &&
	       (trace_span_is(kind, "top") || trace_span_is(kind, "hist"));
}

static int parse_question(struct parser *parser, struct trace_span line)
{
	struct trace_span kind, event;
	bool is_top;

	parser->start = line.at;
	split(&line, ' ', &kind);
	is_top = trace_span_is(kind, "top");
	parser->start = line.at;
	if (line.size > TRACE_ANSWER_LINE_MAX)
		return fail(parser, line.at, "longer than %d bytes", TRACE_ANSWER_LINE_MAX);
	parser->question->text = trace_arena_copy(parser->arena, line.at, line.size);
	if (!parser->question->text)
		return -EP_NO_MEMORY;
	if (!split(&line, ':', &event))
		return fail(parser, line.at, is_top ? "EVENT:KEY[,KEY...][:VALUE]" : "EVENT:FIELD");
	if (!event.size)
		return fail(parser, event.at, "no name of an event");
	parser->question->event = trace_arena_copy(parser->arena, event.at, event.size);
	if (!parser->question->event)
		return -EP_NO_MEMORY;
	return is_top ? parse_top(parser, line) : parse_histogram(parser, line);
}

static uint32_t count_lines(const char *text)
{
	uint32_t ret = 1;

	for (; *text; text++)
		ret += *text == '\n';
	return ret;
}

int trace_questions_parse(const char *text, struct trace_arena *arena, struct trace_questions *ret,
			  struct ep_error_at *error)
{
	struct trace_span rest = {text, strlen(text)};
	uint32_t room = count_lines(text);
	struct parser parser = {.arena = arena, .error = error};
	int failed = 0;

	*ret = (struct trace_questions){0};
	ret->list = trace_arena_alloc(arena, room * sizeof(*ret->list));
	if (!ret->list)
		return -EP_NO_MEMORY;
	while (rest.size && !failed) {
		struct trace_span line = take(&rest, '\n');

		if (!is_question(line))
			continue;
		parser.start = line.at;
		if (ret->count == TRACE_QUESTIONS_MAX)
			return fail(&parser, line.at, "more than %d questions",
				    TRACE_QUESTIONS_MAX);
		parser.question = &ret->list[ret->count++];
		failed = parse_question(&parser, line);
	}
	return failed;
}

/* ---- what is meant ------------------------------------------------------------------------- */

struct resolver {
	struct trace_question *question;
	const struct trace_definition *definition;
	struct trace_answer *answer;
	struct ep_error_at *error;
};

static bool is_event(const struct trace_definition *definition, const char *event)
{
	const char *name = definition->event ? definition->event : definition->place.symbol;

	return name && strcmp(name, event) == 0;
}

/* false: it is nothing that could be counted. */
static bool form_of(const struct trace_arg *arg, enum trace_form *ret)
{
	static const enum trace_form forms[] = {
		[TRACE_UNSIGNED] = TRACE_FORM_UNSIGNED, [TRACE_SIGNED] = TRACE_FORM_SIGNED,
		[TRACE_HEX] = TRACE_FORM_HEX,		[TRACE_CHAR] = TRACE_FORM_CHAR,
		[TRACE_FLOAT] = TRACE_FORM_HEX,		[TRACE_SYMBOL] = TRACE_FORM_HEX,
		[TRACE_STRING] = TRACE_FORM_TEXT,
	};

	if (arg->origin == TRACE_OF_TIME || arg->type.elements || arg->type.kind == TRACE_FLOAT ||
	    arg->type.kind > TRACE_STRING)
		return false;
	*ret = arg->origin == TRACE_OF_COMM ? TRACE_FORM_TEXT : forms[arg->type.kind];
	return true;
}

/* Which fields there are. */
static void list_fields(const struct trace_definition *definition, char *ret, size_t size)
{
	size_t used = 0;

	*ret = '\0';
	for (uint32_t i = 0; i < definition->arg_count && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", i ? ", " : "; it has ",
					 definition->args[i].name);
	if (!definition->arg_count)
		snprintf(ret, size, "; it has none");
}

static int refuse(const struct resolver *resolver, const char *why, const char *name)
{
	if (resolver->error)
		snprintf(resolver->error->message, sizeof(resolver->error->message), why, name);
	return -EP_SYNTAX;
}

static int find_field(const struct resolver *resolver, struct trace_question_field *field,
		      uint8_t *ret)
{
	const struct trace_definition *definition = resolver->definition;
	char fields[100];

	for (uint32_t i = 0; i < definition->arg_count; i++) {
		if (strcmp(definition->args[i].name, field->name) != 0)
			continue;
		if (!form_of(&definition->args[i], &field->form))
			return refuse(resolver,
				      "%s is no integer and no string: it cannot be counted",
				      field->name);
		*ret = (uint8_t)i;
		return 0;
	}
	if (!resolver->error)
		return -EP_SYNTAX;
	list_fields(definition, fields, sizeof(fields));
	snprintf(resolver->error->message, sizeof(resolver->error->message),
		 "%.40s has no field %.31s%s", resolver->question->event, field->name, fields);
	return -EP_SYNTAX;
}

static bool is_time(const struct trace_definition *definition, uint8_t field)
{
	return definition->args[field].origin == TRACE_OF_LATENCY;
}

static int check_histogram(const struct resolver *resolver)
{
	const struct trace_question *question = resolver->question;

	if (question->fields[0].form == TRACE_FORM_TEXT)
		return refuse(resolver, "%s is a string: a histogram is of numbers",
			      question->fields[0].name);
	if (question->low < 0 && question->fields[0].form != TRACE_FORM_SIGNED)
		return refuse(resolver, "%s is never below 0, as LOW is", question->fields[0].name);
	return 0;
}

static void set_bounds(const struct trace_question *question, struct trace_answer *answer)
{
	answer->buckets = trace_question_buckets(question);
	if (question->kind != TRACE_QUESTION_LINEAR)
		return;
	answer->low = (uint64_t)question->low;
	answer->step = question->step;
	answer->span = question->step * question->steps;
	answer->inverse = UINT64_MAX / question->step;
}

static int find_value(const struct resolver *resolver)
{
	struct trace_question *question = resolver->question;
	struct trace_answer *answer = resolver->answer;
	int error;

	answer->value = TRACE_NO_FIELD;
	if (!question->value.name)
		return 0;
	error = find_field(resolver, &question->value, &answer->value);
	if (error)
		return error;
	if (question->value.form == TRACE_FORM_TEXT)
		return refuse(resolver, "%s is a string: it has no sum", question->value.name);
	answer->value_is_time = is_time(resolver->definition, answer->value);
	return 0;
}

static int resolve_one(const struct resolver *resolver, uint32_t index)
{
	struct trace_question *question = resolver->question;
	struct trace_answer *answer = resolver->answer;

	*answer = (struct trace_answer){.kind = (uint8_t)question->kind,
					.index = (uint8_t)index,
					.field_count = (uint8_t)question->field_count};
	for (uint32_t i = 0; i < question->field_count; i++) {
		int error = find_field(resolver, &question->fields[i], &answer->fields[i]);

		if (error)
			return error;
		if (question->fields[i].form == TRACE_FORM_TEXT)
			answer->texts |= (uint8_t)(1u << i);
		if (is_time(resolver->definition, answer->fields[i]))
			answer->times |= (uint8_t)(1u << i);
	}
	if (question->kind == TRACE_QUESTION_TOP)
		return answer->times ? refuse(resolver, "%s has a time as a key", question->event)
				     : find_value(resolver);
	answer->value = TRACE_NO_FIELD;
	answer->is_signed = question->fields[0].form == TRACE_FORM_SIGNED;
	set_bounds(question, answer);
	return check_histogram(resolver);
}

/* All questions of one definition; *any: which questions have found one. */
static int resolve_all(struct trace_questions *questions, const struct trace_definition *definition,
		       struct trace_arena *arena, struct trace_answers *ret, uint64_t *any,
		       struct ep_error_at *error)
{
	struct trace_answer answers[TRACE_QUESTIONS_MAX], *list;
	uint32_t count = 0;

	for (uint32_t i = 0; i < questions->count; i++) {
		const struct resolver resolver = {&questions->list[i], definition, &answers[count],
						  error};

		if (!is_event(definition, questions->list[i].event))
			continue;
		if (error)
			error->column = i;
		if (resolve_one(&resolver, i))
			return -EP_SYNTAX;
		*any |= 1ull << i;
		count++;
	}
	list = trace_arena_alloc(arena, count * sizeof(*list) + 1);
	if (!list)
		return -EP_NO_MEMORY;
	memcpy(list, answers, count * sizeof(*list));
	*ret = (struct trace_answers){list, count};
	return 0;
}

static int check_all_found(const struct trace_questions *questions, uint64_t found,
			   struct ep_error_at *error)
{
	for (uint32_t i = 0; i < questions->count; i++) {
		if (found & 1ull << i)
			continue;
		if (error) {
			error->column = i;
			snprintf(error->message, sizeof(error->message),
				 "no definition has an event called %.60s",
				 questions->list[i].event);
		}
		return -EP_SYNTAX;
	}
	return 0;
}

int trace_questions_resolve(struct trace_questions *questions,
			    const struct trace_definitions *definitions, struct trace_arena *arena,
			    struct trace_answers **ret, struct ep_error_at *error)
{
	struct trace_answers *list =
		trace_arena_alloc(arena, definitions->count * sizeof(*list) + 1);
	uint64_t found = 0;
	int failed = list ? 0 : -EP_NO_MEMORY;

	for (size_t i = 0; i < definitions->count && !failed; i++)
		failed = resolve_all(questions, &definitions->list[i], arena, &list[i], &found,
				     error);
	if (!failed)
		failed = check_all_found(questions, found, error);
	if (failed == -EP_SYNTAX && error)
		error->error = EP_SYNTAX;
	if (!failed)
		*ret = list;
	return failed;
}
