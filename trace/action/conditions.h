/* SPDX-License-Identifier: MIT */
/* What of a filter the engine can look at by itself. */
#ifndef EMUPROBE_TRACE_ACTION_CONDITIONS_H
#define EMUPROBE_TRACE_ACTION_CONDITIONS_H

#include <stddef.h>

#include "include/emuprobe.h"
#include "trace/base/arena.h"
#include "trace/language/program.h"

/**
 * The filter of @program as conditions of the probe, if it compares nothing but registers with integers, and
 * not too often: hits that it rejects are then none, and cost next to nothing.
 *
 * @return   In @arena; NULL: the program itself must look, or there is no memory.
 * Context:  any thread.
 */
const struct ep_condition *trace_conditions_of(const struct trace_program *program,
					       struct trace_arena *arena, size_t *ret_count);

#endif
