/* SPDX-License-Identifier: MIT */
/* The engine has counted the hit when it calls a handler: what the filter does not want is taken off again. */
#include "trace/action/count.h"

#include "trace/action/run.h"

EP_TRAP_PATH void trace_count_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct trace_probe *of = cookie;
	uint64_t values[TRACE_VALUES_MAX];
	struct trace_run run = {.regs = regs, .values = values};

	(void)probe;
	if (!trace_run(of->view.program, &run))
		trace_record_uncount(of);
}
