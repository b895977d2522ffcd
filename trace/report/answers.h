/* SPDX-License-Identifier: MIT */
/* Answers: figures and tables for people, objects for machines. */
#ifndef EMUPROBE_TRACE_REPORT_ANSWERS_H
#define EMUPROBE_TRACE_REPORT_ANSWERS_H

#include <stdbool.h>

#include "trace/base/arena.h"
#include "trace/report/line.h"
#include "trace/session/answers.h"

/**
 * One answer: a bar for each bucket, from the first one that has hits to the last; or a line for each key,
 * those first that were hit most often, and of many only twenty, unless @all.
 *
 * @return   0, -EP_NO_MEMORY or what the sink returned.
 * Context:  as trace_line_init(); calls neither the allocator nor stdio.
 */
int trace_answer_text(const struct trace_question *question, const struct trace_answer_sum *sum,
		      bool all, struct trace_arena *arena, const struct trace_sink *sink);

/** The same as one JSON object, in one line: all keys, and the buckets that have hits. */
int trace_answer_json(const struct trace_question *question, const struct trace_answer_sum *sum,
		      struct trace_arena *arena, const struct trace_sink *sink);

#endif
