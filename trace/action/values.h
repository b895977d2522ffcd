/* SPDX-License-Identifier: MIT */
/* Handlers of programs that probe themselves, called for what a definition's condition wants. */
#ifndef EMUPROBE_TRACE_ACTION_VALUES_H
#define EMUPROBE_TRACE_ACTION_VALUES_H

#include "trace/language/definition.h"

/* The program's handlers, and what its probes are defined by. The cookie of the engine's probes. */
struct trace_handlers {
	const struct trace_definition *definition;
	ep_handler handler;
	ep_call_handler entered, ended;
	void *cookie;
	struct ep_histogram *histogram; /* of the first argument */
};

/**
 * Put handlers of ours into @options, which call those that are there now.
 *
 * @ret      What they need, as long as the probes may run.
 *
 * @return   false: @definition has neither a condition nor arguments that a handler could ask for;
 *           nothing has changed.
 * Context:  any thread.
 */
bool trace_handlers_wrap(const struct trace_definition *definition, struct ep_options *options,
			 struct trace_handlers *ret);

/** Has that been done to @options, with which a probe was created? Context: any thread. */
bool trace_handlers_are_ours(const struct ep_options *options);

#endif
