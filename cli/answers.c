/* SPDX-License-Identifier: MIT */
/*
 * Threads go on adding meanwhile: each number is one that was right at some time, and the last look, when
 * all have ended, finds all of it. The program says how many keys there are: so they have a limit.
 */
#include "cli/answers.h"

#include "trace/report/answers.h"

#define MEMORY_MAX (32ul << 20)

static int put_all(const struct options *options, const struct trace_answer_sum *sums,
		   struct trace_arena *arena, const struct trace_sink *sink)
{
	int error = 0;

	for (uint32_t i = 0; i < options->questions.count && !error; i++) {
		const struct trace_question *question = &options->questions.list[i];

		error = options->format == TRACE_FORMAT_JSON
				? trace_answer_json(question, &sums[i], arena, sink)
				: trace_answer_text(question, &sums[i], options->verbose, arena,
						    sink);
	}
	return error;
}

void answers_put(const struct options *options, const struct trace_session *session,
		 const struct trace_sink *sink)
{
	uint64_t count = trace_session_process_count(session);
	struct trace_answer_sum sums[TRACE_QUESTIONS_MAX] = {0};
	struct trace_arena keys = {.limit = MEMORY_MAX}, arena = {0};
	int error = 0;

	if (!options->questions.count)
		return;
	for (uint64_t i = 0; i < count; i++)
		if (trace_answer_read(session, i, &options->questions, &keys, sums))
			error = -EP_NO_MEMORY;
	if (error)
		complain("--hist, --top: there is no memory for all keys, or for a histogram");
	if (put_all(options, sums, &arena, sink) == -EP_NO_MEMORY)
		complain("--top: %s", ep_strerror(EP_NO_MEMORY));
	trace_arena_deinit(&arena);
	trace_arena_deinit(&keys);
}
