/* SPDX-License-Identifier: MIT */
/* May run while the program ends, in the middle of anything: no malloc(). */
#include "trace/report/totals.h"

#include <string.h>

#include "trace/session/counts.h"

int trace_totals_init(struct trace_totals *totals, const struct trace_summary_process *processes,
		      size_t count, struct trace_arena *arena)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++)
		if (processes[i].count > most)
			most = processes[i].count;
	*totals = (struct trace_totals){
		.counts = trace_arena_alloc(arena, (most + 1) * sizeof(*totals->counts)),
		.sums = trace_arena_alloc(arena, (most + 1) * sizeof(struct trace_duration_sum *)),
		.scratch = {.limit = TRACE_TOTALS_SUMS_MAX},
	};
	return totals->counts && totals->sums ? 0 : -EP_NO_MEMORY;
}

void trace_totals_deinit(struct trace_totals *totals)
{
	trace_arena_deinit(&totals->scratch);
}

static int read_sums(const struct trace_summary_process *process, struct trace_totals *ret)
{
	trace_arena_deinit(&ret->scratch);
	memset(ret->sums, 0, process->count * sizeof(struct trace_duration_sum *));
	if (!process->timed)
		return 0;
	return trace_durations_read(
		process->session,
		(uint64_t)(process->timed - trace_session_process(process->session, 0)),
		process->count, &ret->scratch, ret->sums);
}

int trace_totals_read(const struct trace_summary_process *process, struct trace_totals *ret)
{
	if (process->process)
		trace_counts_read(process->session, process->process, process->counts,
				  process->views, process->count, ret->counts);
	else if (process->counts)
		memcpy(ret->counts, process->counts, process->count * sizeof(*ret->counts));
	else
		memset(ret->counts, 0, process->count * sizeof(*ret->counts));
	return read_sums(process, ret);
}
