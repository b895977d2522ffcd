/* SPDX-License-Identifier: MIT */
/*
 * All is kept in counts of the clock and becomes nanoseconds here, the bounds of the buckets too: no
 * call is moved to another bucket for the sake of a round number.
 */
#include "trace/report/latency.h"

#include <string.h>

#include "trace/base/sort.h"
#define TIME_WIDTH 7 /* columns, of which three are digits */
#define EVENT_MAX  48
#define BAR_WIDTH  40
#define BARS_MAX   24 /* of more, some are put together */
#define BUCKETS	   (TRACE_OCTAVES * TRACE_OCTAVE_BUCKETS)
#define PIECE	   256 /* of a line: room for one bucket, and what closes the object */

static const struct trace_duration_sum nothing;

static const struct trace_duration_sum *sum_of(const struct trace_latency *row)
{
	return row->sum ? row->sum : &nothing;
}

/* None counts twice: what was called by another call of the same probe is in the time of that. */
static uint64_t total_of(const struct trace_duration_sum *sum)
{
	return sum->sum > sum->nested ? sum->sum - sum->nested : 0;
}

static uint64_t shortest_of(const struct trace_duration_sum *sum)
{
	return sum->count ? ~sum->shortest_inverted : 0;
}

static uint64_t mean_of(const struct trace_duration_sum *sum)
{
	return sum->count ? sum->sum / sum->count : 0;
}

/* A child of a fork may return from what its parent has entered. */
static uint64_t running_of(const struct ep_counts *counts)
{
	uint64_t ended = counts->returns + counts->unwound + counts->abandoned;

	return counts->hits > ended ? counts->hits - ended : 0;
}

static bool is_sampled(const struct trace_latency_unit *unit)
{
	return unit->sample > 1;
}

static uint64_t nanoseconds(const struct trace_latency_unit *unit, uint64_t counts)
{
	return trace_clock_duration(unit->clock, counts);
}

struct trace_latency_brief trace_latency_brief(const struct trace_latency *row,
					       const struct trace_latency_unit *unit)
{
	const struct trace_duration_sum *sum = sum_of(row);

	return (struct trace_latency_brief){
		nanoseconds(unit, total_of(sum)),
		nanoseconds(unit, trace_durations_percentile(sum, 500)),
		nanoseconds(unit, trace_durations_percentile(sum, 990)),
	};
}

/* ---- the table ----------------------------------------------------------------------------- */

static bool is_before(const struct trace_latency *a, const struct trace_latency *b)
{
	return total_of(sum_of(a)) > total_of(sum_of(b));
}

TRACE_DEFINE_SORT(sort, struct trace_latency, is_before)

static int put_heading(const struct trace_latency_unit *unit, const struct trace_sink *sink)
{
	static const char *const columns[] = {"total", "self", "min",	"mean", "p50",
					      "p90",   "p99",  "p99.9", "max"};
	struct trace_line *line = trace_line_init();

	trace_line_right_text(line, "calls", 12);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (i != 1 || !is_sampled(unit))
			trace_line_right_text(line, columns[i], TIME_WIDTH + 2);
	trace_text_string(&line->text, "  event");
	return trace_line_end(line, sink);
}

static void put_remark(struct trace_line *line, uint64_t count, const char *what, bool *any)
{
	if (!count)
		return;
	trace_line_number(line, *any ? ", " : " (", count);
	trace_text_string(&line->text, what);
	*any = true;
}

static void put_remarks(struct trace_line *line, const struct trace_latency *row,
			const struct trace_latency_unit *unit)
{
	uint64_t ended = row->counts.returns + row->counts.unwound;
	uint64_t timed = sum_of(row)->count;
	bool any = false;

	put_remark(line, row->counts.unwound, " by an exception", &any);
	put_remark(line, row->counts.abandoned, " left by a jump", &any);
	put_remark(line, running_of(&row->counts), " still running", &any);
	if (!is_sampled(unit) && ended > timed)
		put_remark(line, ended - timed, " not timed", &any);
	if (any)
		trace_text_char(&line->text, ')');
}

static int put_row(const struct trace_latency *row, const struct trace_latency_unit *unit,
		   const struct trace_sink *sink)
{
	const struct trace_duration_sum *sum = sum_of(row);
	const uint64_t times[] = {
		total_of(sum),
		sum->self,
		shortest_of(sum),
		mean_of(sum),
		trace_durations_percentile(sum, 500),
		trace_durations_percentile(sum, 900),
		trace_durations_percentile(sum, 990),
		trace_durations_percentile(sum, 999),
		sum->longest,
	};
	struct trace_line *line = trace_line_init();

	trace_line_right(line, row->counts.hits, 12);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (i == 1 && is_sampled(unit))
			continue;
		if (sum->count)
			trace_line_time(line, nanoseconds(unit, times[i]), TIME_WIDTH + 2);
		else
			trace_line_right_text(line, "-", TIME_WIDTH + 2);
	}
	trace_text_string(&line->text, "  ");
	trace_text_plain_within(&line->text, row->event, TRACE_LINE_NAME);
	put_remarks(line, row, unit);
	return trace_line_end(line, sink);
}

static int put_sample(const struct trace_latency_unit *unit, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	trace_line_number(line, "              timed 1 in ", unit->sample);
	trace_text_string(&line->text, " calls, of each thread and probe; nothing is scaled");
	return trace_line_end(line, sink);
}

int trace_latency_table(struct trace_latency *rows, size_t count,
			const struct trace_latency_unit *unit, const struct trace_sink *sink)
{
	int error;

	if (!count)
		return 0;
	sort(rows, count);
	error = put_heading(unit, sink);
	for (size_t i = 0; i < count && !error; i++)
		error = put_row(&rows[i], unit, sink);
	if (!error && is_sampled(unit))
		error = put_sample(unit, sink);
	return error;
}

/* ---- bars ---------------------------------------------------------------------------------- */

static uint64_t count_in(const struct trace_duration_sum *sum, uint32_t index)
{
	const uint64_t *octave = sum->octaves[index / TRACE_OCTAVE_BUCKETS];

	return octave ? octave[index % TRACE_OCTAVE_BUCKETS] : 0;
}

static uint64_t low_of(uint32_t index)
{
	return trace_bucket_low(index / TRACE_OCTAVE_BUCKETS, index % TRACE_OCTAVE_BUCKETS);
}

/* @step buckets from @first on. */
static uint64_t count_of_bar(const struct trace_duration_sum *sum, uint32_t first, uint32_t step)
{
	uint64_t ret = 0;

	for (uint32_t i = 0; i < step; i++)
		ret += count_in(sum, first + i);
	return ret;
}

/* From the first bucket that is not empty to behind the last; false: all of them are. */
static bool find_range(const struct trace_duration_sum *sum, uint32_t *ret_first, uint32_t *ret_end)
{
	uint32_t first = 0, end = BUCKETS;

	while (first < BUCKETS && !count_in(sum, first))
		first++;
	while (end > first && !count_in(sum, end - 1))
		end--;
	*ret_first = first;
	*ret_end = end;
	return first < end;
}

/* A power of two, at most a whole octave. */
static uint32_t step_of(uint32_t first, uint32_t end)
{
	uint32_t step = 1;

	while (step < TRACE_OCTAVE_BUCKETS && (end - first) / step > BARS_MAX)
		step *= 2;
	return step;
}

static uint64_t share_of(uint64_t count, uint64_t most)
{
	while (count > UINT64_MAX / BAR_WIDTH) {
		count /= 2;
		most /= 2;
	}
	return most && count * BAR_WIDTH >= most ? count * BAR_WIDTH / most : count != 0;
}

static int put_bar(uint32_t first, uint32_t step, uint64_t count, uint64_t most,
		   const struct trace_latency_unit *unit, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();
	size_t start;

	trace_line_time(line, nanoseconds(unit, low_of(first)), 12);
	trace_text_string(&line->text, " to ");
	trace_line_time(line, nanoseconds(unit, low_of(first + step)), TIME_WIDTH);
	trace_line_right(line, count, 12);
	trace_text_string(&line->text, "  |");
	start = line->text.used;
	for (uint64_t i = share_of(count, most); i; i--)
		trace_text_char(&line->text, '#');
	trace_text_pad(&line->text, start, BAR_WIDTH);
	trace_text_char(&line->text, '|');
	return trace_line_end(line, sink);
}

static int put_title(const struct trace_latency *row, const struct trace_latency_unit *unit,
		     const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	trace_text_plain_within(&line->text, row->event, TRACE_LINE_NAME);
	trace_text_string(&line->text, ":$latency (");
	trace_text_plain_within(&line->text, row->place, TRACE_LINE_NAME);
	trace_line_number(line, "), ", sum_of(row)->count);
	trace_text_string(&line->text, sum_of(row)->count == 1 ? " call" : " calls");
	if (is_sampled(unit))
		trace_line_number(line, ", timed 1 in ", unit->sample);
	return trace_line_end(line, sink);
}

int trace_latency_bars(const struct trace_latency *row, const struct trace_latency_unit *unit,
		       const struct trace_sink *sink)
{
	const struct trace_duration_sum *sum = sum_of(row);
	uint32_t first, end, step;
	uint64_t most = 0;
	int error = put_title(row, unit, sink);

	if (!find_range(sum, &first, &end))
		return error;
	step = step_of(first, end);
	first = first / step * step;
	for (uint32_t i = first; i < end; i += step)
		if (count_of_bar(sum, i, step) > most)
			most = count_of_bar(sum, i, step);
	for (uint32_t i = first; i < end && !error; i += step)
		error = put_bar(i, step, count_of_bar(sum, i, step), most, unit, sink);
	return error;
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

static int put_buckets(const struct trace_duration_sum *sum, const struct trace_latency_unit *unit,
		       struct trace_line *line, const struct trace_sink *sink)
{
	const char *before = "[";
	int error = 0;

	trace_text_string(&line->text, ",\"buckets\":[");
	for (uint32_t i = 0; i < BUCKETS && !error; i++) {
		if (!count_in(sum, i))
			continue;
		error = make_room(line, sink);
		trace_line_number(line, before, nanoseconds(unit, low_of(i)));
		trace_line_number(line, ",", nanoseconds(unit, low_of(i + 1)));
		trace_line_number(line, ",", count_in(sum, i));
		trace_text_char(&line->text, ']');
		before = ",[";
	}
	trace_text_char(&line->text, ']');
	return error;
}

static void put_times(const struct trace_duration_sum *sum, const struct trace_latency_unit *unit,
		      struct trace_line *line)
{
	trace_line_number(line, ",\"latency\":{\"timed\":", sum->count);
	trace_line_number(line, ",\"sample\":", is_sampled(unit) ? unit->sample : 1);
	trace_line_number(line, ",\"sum\":", nanoseconds(unit, sum->sum));
	trace_line_number(line, ",\"total\":", nanoseconds(unit, total_of(sum)));
	if (is_sampled(unit))
		trace_text_string(&line->text, ",\"self\":null");
	else
		trace_line_number(line, ",\"self\":", nanoseconds(unit, sum->self));
	trace_line_number(line, ",\"min\":", nanoseconds(unit, shortest_of(sum)));
	trace_line_number(line, ",\"max\":", nanoseconds(unit, sum->longest));
}

int trace_latency_json(const struct trace_latency *row, const struct trace_latency_unit *unit,
		       struct trace_line *line, const struct trace_sink *sink)
{
	int error = make_room(line, sink);

	trace_line_number(line, ",\"returns\":", row->counts.returns);
	trace_line_number(line, ",\"unwound\":", row->counts.unwound);
	trace_line_number(line, ",\"abandoned\":", row->counts.abandoned);
	if (error || !unit->clock)
		return error;
	error = make_room(line, sink);
	put_times(sum_of(row), unit, line);
	if (!error)
		error = make_room(line, sink);
	if (!error)
		error = put_buckets(sum_of(row), unit, line, sink);
	trace_text_char(&line->text, '}');
	return error;
}
