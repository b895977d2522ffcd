/* SPDX-License-Identifier: MIT */
/*
 * Buckets have bounds that a machine can compute with, [LOW, HIGH) everywhere; for people, powers of two
 * have short names, and below zero the bounds are those of the same number without its sign.
 *
 * What stands in a key was in the program's memory: it is written as names are, without what could forge
 * lines.
 */
#include "trace/report/answers.h"

#include <string.h>

#include "trace/base/sort.h"

#define BAR_WIDTH   52
#define LABEL_WIDTH 24
#define ROWS_MAX    20
#define PIECE	    8192 /* of a line: room for one row of JSON */
#define KEY_WIDTH   16

/* ---- numbers ------------------------------------------------------------------------------- */

static void put_number(struct trace_text *text, enum trace_form form, uint64_t value)
{
	if (form == TRACE_FORM_SIGNED)
		trace_text_signed(text, (int64_t)value);
	else
		trace_text_unsigned(text, value, 1, '0');
}

static uint64_t mean_of(enum trace_form form, uint64_t sum, uint64_t count)
{
	if (!count)
		return 0;
	return form == TRACE_FORM_SIGNED ? (uint64_t)((int64_t)sum / (int64_t)count) : sum / count;
}

/* 2^@power: 1, 512, 1K, 16E. */
static void put_power(struct trace_text *text, uint32_t power)
{
	static const char units[] = " KMGTPE";

	trace_text_unsigned(text, 1ull << power % 10, 1, '0');
	if (power >= 10)
		trace_text_char(text, units[power / 10]);
}

/* ---- buckets: bounds ----------------------------------------------------------------------- */

static bool is_linear(const struct trace_question *question)
{
	return question->kind == TRACE_QUESTION_LINEAR;
}

/* In the order of their values, those of negative powers come last in memory. */
static uint32_t bucket_at(const struct trace_question *question, uint32_t position)
{
	const uint32_t negative = TRACE_POWERS - TRACE_POWER_NEGATIVE;

	if (is_linear(question))
		return position;
	return position < negative ? TRACE_POWERS - 1 - position : position - negative;
}

static void put_power_range(struct trace_text *text, uint32_t bucket)
{
	bool is_negative = bucket >= TRACE_POWER_NEGATIVE;
	uint32_t power = is_negative ? bucket - TRACE_POWER_NEGATIVE : bucket - 1;

	if (bucket < 2 || bucket == TRACE_POWER_NEGATIVE) {
		trace_text_string(text, bucket == 0 ? "[0]" : is_negative ? "[-1]" : "[1]");
		return;
	}
	trace_text_string(text, is_negative ? "(-" : "[");
	put_power(text, is_negative ? power + 1 : power);
	trace_text_string(text, is_negative ? ", -" : ", ");
	put_power(text, is_negative ? power : power + 1);
	trace_text_char(text, is_negative ? ']' : ')');
}

static uint64_t step_low(const struct trace_question *question, uint32_t step)
{
	return (uint64_t)question->low + step * question->step;
}

static void put_step_range(struct trace_text *text, const struct trace_question *question,
			   uint32_t bucket)
{
	trace_text_string(text, bucket ? "[" : "(...");
	if (bucket)
		trace_text_signed(text, (int64_t)step_low(question, bucket - 1));
	trace_text_string(text, ", ");
	if (bucket <= question->steps)
		trace_text_signed(text, (int64_t)step_low(question, bucket));
	else
		trace_text_string(text, "...");
	trace_text_char(text, ')');
}

static void put_range(struct trace_text *text, const struct trace_question *question,
		      uint32_t bucket)
{
	if (is_linear(question))
		put_step_range(text, question, bucket);
	else
		put_power_range(text, bucket);
}

/* The largest is not a number of 64 bits. */
static void put_power_bounds(struct trace_text *text, uint32_t bucket)
{
	uint32_t power =
		bucket >= TRACE_POWER_NEGATIVE ? bucket - TRACE_POWER_NEGATIVE : bucket - 1;
	uint64_t low = bucket ? 1ull << power : 0;

	if (bucket >= TRACE_POWER_NEGATIVE) {
		trace_text_signed(text, (int64_t)(1 - 2 * low));
		trace_text_char(text, ',');
		trace_text_signed(text, (int64_t)(1 - low));
		return;
	}
	trace_text_unsigned(text, low, 1, '0');
	trace_text_char(text, ',');
	if (power == 63 && bucket)
		trace_text_string(text, "18446744073709551616");
	else
		trace_text_unsigned(text, bucket ? 2 * low : 1, 1, '0');
}

static void put_bounds(struct trace_text *text, const struct trace_question *question,
		       uint32_t bucket)
{
	if (!is_linear(question)) {
		put_power_bounds(text, bucket);
		return;
	}
	if (bucket)
		trace_text_signed(text, (int64_t)step_low(question, bucket - 1));
	else
		trace_text_string(text, "null");
	trace_text_char(text, ',');
	if (bucket <= question->steps)
		trace_text_signed(text, (int64_t)step_low(question, bucket));
	else
		trace_text_string(text, "null");
}

/* ---- buckets: text ------------------------------------------------------------------------- */

static uint64_t hits_at(const struct trace_question *question, const struct trace_answer_sum *sum,
			uint32_t position)
{
	return sum->buckets ? sum->buckets[bucket_at(question, position)] : 0;
}

static uint64_t bar_of(uint64_t hits, uint64_t most)
{
	while (hits > UINT64_MAX / BAR_WIDTH) {
		hits /= 2;
		most /= 2;
	}
	return most ? hits * BAR_WIDTH / most : 0;
}

static int put_bucket(const struct trace_question *question, uint32_t bucket, uint64_t hits,
		      uint64_t most, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();
	size_t start = line->text.used;

	put_range(&line->text, question, bucket);
	trace_text_pad(&line->text, start, LABEL_WIDTH);
	trace_line_right(line, hits, 12);
	trace_text_string(&line->text, " |");
	start = line->text.used;
	for (uint64_t i = bar_of(hits, most); i; i--)
		trace_text_char(&line->text, '@');
	trace_text_pad(&line->text, start, BAR_WIDTH);
	trace_text_char(&line->text, '|');
	return trace_line_end(line, sink);
}

static int put_buckets(const struct trace_question *question, const struct trace_answer_sum *sum,
		       const struct trace_sink *sink)
{
	uint32_t count = trace_question_buckets(question), first = count, end = 0;
	uint64_t most = 0;
	int error = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t hits = hits_at(question, sum, i);

		if (hits && first == count)
			first = i;
		if (hits)
			end = i + 1;
		if (hits > most)
			most = hits;
	}
	for (uint32_t i = first; i < end && !error; i++)
		error = put_bucket(question, bucket_at(question, i), hits_at(question, sum, i),
				   most, sink);
	return error;
}

static int put_title(const struct trace_question *question, const struct trace_answer_sum *sum,
		     const struct trace_question_field *value, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	trace_text_plain_within(&line->text, question->text, TRACE_LINE_NAME);
	trace_line_number(line, "  ", sum->hits);
	trace_text_string(&line->text, sum->hits == 1 ? " hit" : " hits");
	if (value && sum->hits) {
		trace_text_string(&line->text, ", sum ");
		put_number(&line->text, value->form, sum->sum);
		trace_text_string(&line->text, ", mean ");
		put_number(&line->text, value->form, mean_of(value->form, sum->sum, sum->hits));
	}
	if (question->kind == TRACE_QUESTION_TOP)
		trace_line_number(line, ", keys: ", sum->row_count);
	return trace_line_end(line, sink);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static bool is_more(const struct trace_answer_row *a, const struct trace_answer_row *b)
{
	if (a->hits != b->hits)
		return a->hits > b->hits;
	for (uint32_t i = 0; i < a->words && i < b->words; i++)
		if (a->key[i] != b->key[i])
			return a->key[i] < b->key[i];
	return a->words < b->words;
}

typedef const struct trace_answer_row *row_pointer;

static bool is_before(const row_pointer *a, const row_pointer *b)
{
	return is_more(*a, *b);
}

TRACE_DEFINE_SORT(sort, row_pointer, is_before)

/* All of them, sorted; NULL: there is no memory. */
static row_pointer *sort_rows(const struct trace_answer_sum *sum, struct trace_arena *arena)
{
	row_pointer *ret = trace_arena_alloc(arena, (sum->row_count + 1) * sizeof(*ret));
	uint64_t count = 0;

	for (uint32_t i = 0; ret && sum->rows && i < TRACE_ANSWER_ROW_LISTS; i++)
		for (const struct trace_answer_row *row = sum->rows[i]; row; row = row->next)
			ret[count++] = row;
	if (ret)
		sort(ret, count);
	return ret;
}

static const char *text_of(const struct trace_key_field *field, char *buffer)
{
	memcpy(buffer, field->text, field->size);
	buffer[field->size] = '\0';
	if (field->cut)
		memcpy(buffer + field->size, "...", sizeof("..."));
	return buffer;
}

/* Those that cannot be shown stay different ones. */
static void put_character(struct trace_text *text, uint64_t value, bool is_json)
{
	const char one[2] = {(char)value, '\0'};

	if (value < ' ' || value >= 0x7f)
		trace_text_unsigned(text, value, 1, '0');
	else if (is_json)
		trace_text_json(text, one);
	else
		trace_text_string(text, one);
}

/* @quote: what JSON has around what is no number. */
static void put_field(struct trace_text *text, enum trace_form form,
		      const struct trace_key_field *field, const char *quote)
{
	char buffer[TRACE_KEY_TEXT_MAX + sizeof("...")];

	if (field->absent) {
		trace_text_string(text, *quote ? "null" : "-");
	} else if (field->text && *quote) {
		trace_text_json(text, text_of(field, buffer));
	} else if (field->text) {
		trace_text_plain(text, text_of(field, buffer));
	} else if (form == TRACE_FORM_HEX) {
		trace_text_string(text, quote);
		trace_text_hex(text, field->number);
		trace_text_string(text, quote);
	} else if (form == TRACE_FORM_CHAR) {
		put_character(text, field->number, *quote);
	} else {
		put_number(text, form, field->number);
	}
}

static void put_key(struct trace_line *line, const struct trace_question *question,
		    const struct trace_answer_row *row, const char *quote)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < question->field_count; i++) {
		enum trace_form form = question->fields[i].form;
		struct trace_key_field field;
		size_t start = line->text.used;

		if (!trace_key_next(row->key, row->words, i, form == TRACE_FORM_TEXT, &at, &field))
			return;
		if (*quote && i)
			trace_text_char(&line->text, ',');
		put_field(&line->text, form, &field, quote);
		if (!*quote && i + 1 < question->field_count) {
			trace_text_pad(&line->text, start, KEY_WIDTH);
			trace_text_string(&line->text, "  ");
		}
	}
}

static void put_right(struct trace_line *line, enum trace_form form, uint64_t value)
{
	char buffer[32];
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};

	put_number(&text, form, value);
	buffer[text.used] = '\0';
	trace_line_right_text(line, buffer, 16);
}

static int put_heading(const struct trace_question *question, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	trace_line_right_text(line, "hits", 12);
	if (question->value.name) {
		trace_line_right_text(line, "sum", 16);
		trace_line_right_text(line, "mean", 16);
	}
	for (uint32_t i = 0; i < question->field_count; i++) {
		size_t start;

		trace_text_string(&line->text, "  ");
		start = line->text.used;
		trace_text_string(&line->text, question->fields[i].name);
		if (i + 1 < question->field_count)
			trace_text_pad(&line->text, start, KEY_WIDTH);
	}
	return trace_line_end(line, sink);
}

static int put_row(const struct trace_question *question, const struct trace_answer_row *row,
		   const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	trace_line_right(line, row->hits, 12);
	if (question->value.name) {
		enum trace_form form = question->value.form;

		put_right(line, form, row->sum);
		put_right(line, form, mean_of(form, row->sum, row->hits));
	}
	trace_text_string(&line->text, "  ");
	put_key(line, question, row, "");
	return trace_line_end(line, sink);
}

static int put_rest(uint64_t hits, uint64_t count, const char *what, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	trace_line_right(line, hits, 12);
	trace_line_number(line, "  ", count);
	trace_text_string(&line->text, what);
	return trace_line_end(line, sink);
}

static int put_rows(const struct trace_question *question, const struct trace_answer_sum *sum,
		    bool all, struct trace_arena *arena, const struct trace_sink *sink)
{
	row_pointer *rows = sort_rows(sum, arena);
	uint64_t shown = all || sum->row_count <= ROWS_MAX ? sum->row_count : ROWS_MAX, rest = 0;
	int error = rows ? 0 : -EP_NO_MEMORY;

	if (!error && shown)
		error = put_heading(question, sink);
	for (uint64_t i = 0; i < shown && !error; i++)
		error = put_row(question, rows[i], sink);
	for (uint64_t i = shown; i < sum->row_count && !error; i++)
		rest += rows[i]->hits;
	if (!error && rest)
		error = put_rest(rest, sum->row_count - shown, " other keys: -v shows all", sink);
	if (!error && sum->fallen)
		error = put_rest(sum->fallen, sum->fallen_keys,
				 " times a key fell out: there was no room for more; what is above "
				 "are the hits since each came in",
				 sink);
	return error;
}

int trace_answer_text(const struct trace_question *question, const struct trace_answer_sum *sum,
		      bool all, struct trace_arena *arena, const struct trace_sink *sink)
{
	bool is_top = question->kind == TRACE_QUESTION_TOP;
	const struct trace_question_field *value = is_top ? &question->value : &question->fields[0];
	int error = put_title(question, sum, value->name ? value : NULL, sink);

	if (error)
		return error;
	return is_top ? put_rows(question, sum, all, arena, sink)
		      : put_buckets(question, sum, sink);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Room for the next piece. */
static int make_room(struct trace_line *line, const struct trace_sink *sink)
{
	int error = 0;

	if (line->text.size - line->text.used < PIECE) {
		error = sink->write(sink->data, line->buffer, line->text.used);
		line->text.used = 0;
	}
	return error;
}

static void put_signed(struct trace_line *line, const char *before, enum trace_form form,
		       uint64_t value)
{
	trace_text_string(&line->text, before);
	put_number(&line->text, form, value);
}

static int put_buckets_as_json(struct trace_line *line, const struct trace_question *question,
			       const struct trace_answer_sum *sum, const struct trace_sink *sink)
{
	const char *before = "[";
	int error = 0;

	put_signed(line, ",\"sum\":", question->fields[0].form, sum->sum);
	trace_text_string(&line->text, ",\"buckets\":[");
	for (uint32_t i = 0; i < trace_question_buckets(question) && !error; i++) {
		if (!hits_at(question, sum, i))
			continue;
		error = make_room(line, sink);
		trace_text_string(&line->text, before);
		put_bounds(&line->text, question, bucket_at(question, i));
		trace_line_number(line, ",", hits_at(question, sum, i));
		trace_text_char(&line->text, ']');
		before = ",[";
	}
	return error;
}

static void put_fallen(struct trace_line *line, const struct trace_question *question,
		       const struct trace_answer_sum *sum)
{
	if (question->value.name)
		put_signed(line, ",\"sum\":", question->value.form, sum->sum);
	trace_line_number(line, ",\"fallen\":{\"keys\":", sum->fallen_keys);
	trace_line_number(line, ",\"hits\":", sum->fallen);
	if (question->value.name)
		put_signed(line, ",\"sum\":", question->value.form, sum->fallen_sum);
}

static int put_rows_as_json(struct trace_line *line, const struct trace_question *question,
			    const struct trace_answer_sum *sum, struct trace_arena *arena,
			    const struct trace_sink *sink)
{
	row_pointer *rows = sort_rows(sum, arena);
	int error = rows ? 0 : -EP_NO_MEMORY;

	put_fallen(line, question, sum);
	trace_text_string(&line->text, "},\"rows\":[");
	for (uint64_t i = 0; i < sum->row_count && !error; i++) {
		error = make_room(line, sink);
		trace_text_string(&line->text, i ? ",{\"key\":[" : "{\"key\":[");
		put_key(line, question, rows[i], "\"");
		trace_line_number(line, "],\"hits\":", rows[i]->hits);
		if (question->value.name)
			put_signed(line, ",\"sum\":", question->value.form, rows[i]->sum);
		trace_text_char(&line->text, '}');
	}
	return error;
}

static void put_names(struct trace_line *line, const struct trace_question *question)
{
	bool is_top = question->kind == TRACE_QUESTION_TOP;

	trace_text_string(&line->text, is_top ? "{\"type\":\"top\"" : "{\"type\":\"histogram\"");
	trace_text_string(&line->text, ",\"event\":");
	trace_text_json(&line->text, question->event);
	trace_text_string(&line->text, is_top ? ",\"keys\":[" : ",\"field\":");
	for (uint32_t i = 0; i < question->field_count; i++) {
		if (i)
			trace_text_char(&line->text, ',');
		trace_text_json(&line->text, question->fields[i].name);
	}
	if (!is_top)
		return;
	trace_text_string(&line->text, "],\"value\":");
	if (question->value.name)
		trace_text_json(&line->text, question->value.name);
	else
		trace_text_string(&line->text, "null");
}

int trace_answer_json(const struct trace_question *question, const struct trace_answer_sum *sum,
		      struct trace_arena *arena, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();
	int error;

	put_names(line, question);
	trace_line_number(line, ",\"hits\":", sum->hits);
	error = question->kind == TRACE_QUESTION_TOP
			? put_rows_as_json(line, question, sum, arena, sink)
			: put_buckets_as_json(line, question, sum, sink);
	trace_text_string(&line->text, "]}");
	return error ? error : trace_line_end(line, sink);
}
