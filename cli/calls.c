/* SPDX-License-Identifier: MIT */
/*
 * A call is an event when it ends: then its result is known, and what it has written. What it was given is
 * looked at then, too; numbers and addresses are those of its beginning.
 */
#include "cli/calls.h"

#include <stdlib.h>
#include <string.h>

#include "trace/report/value.h"

#define TEXT_SIZE (TRACE_ARGS_TEXT + 1024)

struct sum {
	const char *place; /* NULL: unused */
	uint64_t calls, total, longest;
};

struct calls {
	struct calls_settings settings;
	struct sheet *sheet;
	uint64_t count, total;
	struct sum *sums; /* hashed by .place, which processes have copies of */
	size_t sum_count, room;
	char text[TEXT_SIZE];
};

struct calls *calls_create(const struct calls_settings *settings, struct sheet *sheet)
{
	struct calls *ret = calloc(1, sizeof(*ret));

	if (!ret)
		return NULL;
	ret->settings = *settings;
	ret->sheet = sheet;
	return ret;
}

uint64_t calls_total(const struct calls *calls)
{
	return calls->count;
}

/* ---- sums ---------------------------------------------------------------------------------- */

static size_t hash(const char *text)
{
	uint64_t ret = 0xcbf29ce484222325;

	while (*text)
		ret = (ret ^ (unsigned char)*text++) * 0x100000001b3;
	return ret;
}

static struct sum *find_sum(struct sum *sums, size_t room, const char *place)
{
	size_t at = hash(place) & (room - 1);

	while (sums[at].place && strcmp(sums[at].place, place) != 0)
		at = (at + 1) & (room - 1);
	return &sums[at];
}

static bool make_room(struct calls *calls)
{
	size_t room = calls->room ? 2 * calls->room : 256;
	struct sum *grown;

	if (calls->sum_count < calls->room / 2)
		return true;
	grown = calloc(room, sizeof(*grown));
	if (!grown)
		return false;
	for (size_t i = 0; i < calls->room; i++)
		if (calls->sums[i].place)
			*find_sum(grown, room, calls->sums[i].place) = calls->sums[i];
	free(calls->sums);
	calls->sums = grown;
	calls->room = room;
	return true;
}

static void add_up(struct calls *calls, const struct trace_event *event)
{
	struct sum *sum;

	if (!make_room(calls))
		return;
	sum = find_sum(calls->sums, calls->room, event->view->place);
	calls->sum_count += !sum->place;
	sum->place = event->view->place;
	sum->calls++;
	sum->total += event->duration;
	calls->total += event->duration;
	if (event->duration > sum->longest)
		sum->longest = event->duration;
}

static int by_total(const void *a, const void *b)
{
	const struct sum *left = a, *right = b;

	if (left->total != right->total)
		return left->total > right->total ? -1 : 1;
	return left->place && right->place ? strcmp(left->place, right->place)
					   : !left->place - !right->place;
}

static void put_sum(const struct calls *calls, const struct sum *sum, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	trace_line_right(line, sum->calls, 10);
	trace_line_time(line, sum->total, 9);
	trace_line_right(line, calls->total ? sum->total * 100 / calls->total : 0, 4);
	trace_text_char(&line->text, '%');
	trace_line_time(line, sum->total / sum->calls, 9);
	trace_line_time(line, sum->longest, 9);
	trace_text_string(&line->text, "  ");
	trace_text_plain_within(&line->text, sum->place, TRACE_LINE_NAME);
	trace_line_end(line, sink);
}

void calls_table(struct calls *calls, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	if (!calls->sum_count)
		return;
	qsort(calls->sums, calls->room, sizeof(*calls->sums), by_total);
	trace_text_string(&line->text, "     calls    total share     mean      max  function");
	trace_line_end(line, sink);
	for (size_t i = 0; i < calls->sum_count; i++)
		put_sum(calls, &calls->sums[i], sink);
	calls->room = calls->sum_count = 0; /* they are in another order now */
}

/* ---- lines --------------------------------------------------------------------------------- */

/* NULL: it is not known. */
static const struct prototype *prototype_of(const struct calls *calls,
					    const struct trace_view *view)
{
	size_t index = view->definition - calls->settings.first;

	return view->definition >= calls->settings.first &&
			       index < calls->settings.prototypes->count
		       ? &calls->settings.prototypes->list[index]
		       : NULL;
}

/* A value as it is to be printed. */
struct value {
	const struct trace_event *event;
	uint32_t arg;
	const struct prototype_type *type; /* NULL: nothing is known of it */
	bool has_address;
	uint64_t address; /* where it lies, if it lies in memory */
};

static bool is_faulty(const struct trace_event *event, const struct trace_arg *arg)
{
	return event->view->program->may_fault &&
	       event->faults[arg->value / 64] >> (arg->value % 64) & 1;
}

static void put_stream(const struct value *value, struct trace_text *to)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};
	uint64_t number = value->event->values[value->event->view->args[value->arg].value];

	if (number < 3) {
		trace_text_string(to, names[number]);
	} else if ((int32_t)number < 0) { /* it has been closed meanwhile, or never had one */
		trace_text_hex(to, value->address);
	} else {
		trace_text_string(to, "FILE:");
		trace_text_unsigned(to, number, 1, '0');
	}
}

static void put_value(const struct value *value, const uint64_t **bulks, struct trace_text *to)
{
	const struct trace_event *event = value->event;
	const struct trace_arg *arg = &event->view->args[value->arg];
	bool is_absent = arg->needs_return && event->end != EP_END_RETURN;
	bool is_number = !is_absent && value->type && !is_faulty(event, arg);
	struct trace_text before = *to;

	if (is_number && value->type->kind == PROTOTYPE_FLAGS) {
		prototypes_flags(value->type->flags, event->values[arg->value],
				 to->buffer + to->used, to->size - to->used);
		to->used += strlen(to->buffer + to->used);
		return;
	}
	if (is_number && value->type->kind == PROTOTYPE_FILE) {
		put_stream(value, to);
		return;
	}
	if (trace_value_text(to, event, value->arg, bulks) != TRACE_VALUE_FAULTY ||
	    !value->has_address || to->used - before.used != strlen("(fault)"))
		return;
	to->used = before.used; /* an address that leads nowhere */
	if (value->address)
		trace_text_hex(to, value->address);
	else
		trace_text_string(to, "NULL");
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* Arguments, and what is returned; the duration stands elsewhere. */
static void put_values(const struct prototype *prototype, const struct trace_event *event,
		       struct trace_text *args, struct trace_text *result)
{
	const uint64_t *bulks = event->bulks;
	struct value value = {.event = event};
	uint32_t shown = 0;

	for (; value.arg < event->view->arg_count; value.arg++) {
		const struct trace_arg *arg = &event->view->args[value.arg];
		bool is_result = begins(arg->name, "ret");

		if (arg->origin == TRACE_OF_LATENCY)
			continue;
		if (begins(arg->name, "at") || begins(arg->name, "ret_at")) {
			value.has_address = !arg->needs_return || event->end == EP_END_RETURN;
			value.address = event->values[arg->value];
			continue;
		}
		value.type = !prototype	 ? NULL
			     : is_result ? &prototype->result
					 : &prototype->args[shown];
		if (!is_result && shown++)
			trace_text_string(args, ", ");
		put_value(&value, &bulks, is_result ? result : args);
		value.has_address = false;
	}
	if (!prototype || prototype->is_variadic)
		trace_text_string(args, shown ? ", ..." : "...");
}

static void put_call(struct calls *calls, const struct trace_event *event)
{
	static const char *const ends[] = {"", " <- unwind", " <- jump", " <- exit", ""};
	static char result_text[8192];
	struct trace_text args = {calls->text, sizeof(calls->text) - 1, 0};
	struct trace_text result = {result_text, sizeof(result_text) - 1, 0};

	put_values(prototype_of(calls, event->view), event, &args, &result);
	calls->text[args.used] = '\0';
	result_text[result.used] = '\0';
	sheet_begin(calls->sheet, event, event->duration);
	sheet_put(calls->sheet, SHEET_PLAIN, sheet_name(calls->sheet, event->view, false));
	sheet_put(calls->sheet, SHEET_PLAIN, "(");
	sheet_put(calls->sheet, SHEET_PLAIN, calls->text);
	sheet_put(calls->sheet, SHEET_PLAIN, ")");
	if (event->end == EP_END_RETURN && result.used) {
		sheet_put(calls->sheet, SHEET_PLAIN, " = ");
		sheet_put(calls->sheet, SHEET_PLAIN, result_text);
	}
	if (event->end != EP_END_RETURN)
		sheet_put(calls->sheet, SHEET_WRONG, ends[event->end]);
	sheet_end(calls->sheet);
}

void calls_event(struct calls *calls, const struct trace_event *event)
{
	bool is_ours = strcmp(event->view->group, CALLS_GROUP) == 0 && event->is_timed;

	calls->count += is_ours;
	if (!is_ours)
		sheet_other(calls->sheet, event, 0);
	else if (calls->settings.sums_up)
		add_up(calls, event);
	else
		put_call(calls, event);
}
