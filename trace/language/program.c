/* SPDX-License-Identifier: MIT */
#include "trace/language/program.h"

#include <stddef.h>

#define REGISTERS (sizeof(struct ep_regs) / sizeof(uint64_t))
#define VECTORS	  16
#define LANES	  16 /* bytes of one */

static bool is_source_sound(const struct trace_program *program, const struct trace_step *step)
{
	switch (step->code) {
	case TRACE_STEP_REGISTER:
	case TRACE_STEP_REGISTER_SIGNED:
		return step->from < REGISTERS;
	case TRACE_STEP_WORD:
		return step->from < TRACE_CALL_KEPT + program->kept_count &&
		       (step->from != TRACE_CALL_TIME || program->is_timed);
	case TRACE_STEP_VECTOR:
		return step->from < VECTORS && step->number <= LANES - 8;
	case TRACE_STEP_IF_VALUE:
		return step->from < program->value_count;
	case TRACE_STEP_IF_TEXT:
		return step->number != 0;
	default:
		return true;
	}
}

static bool is_step_sound(const struct trace_program *program, uint32_t index)
{
	const struct trace_step *step = &program->steps[index];
	uint32_t left = program->step_count - 1 - index;
	bool has_value = step->code <= TRACE_STEP_IF_TEXT;

	if (step->code >= TRACE_STEP_COUNT || (has_value && step->to >= program->value_count))
		return false;
	if (step->skip && step->skip >= left)
		return false;
	return step->left < 64 && step->right < 64 && step->compare < TRACE_COMPARE_COUNT &&
	       step->numbers < TRACE_NUMBER_COUNT && is_source_sound(program, step);
}

static bool is_kept_sound(const struct trace_keep *keep)
{
	if (keep->kind == TRACE_KEEP_REGISTER)
		return keep->number < REGISTERS;
	return keep->kind == TRACE_KEEP_STACK || keep->kind == TRACE_KEEP_DEPTH ||
	       (keep->kind == TRACE_KEEP_VECTOR && keep->number < VECTORS);
}

bool trace_program_is_sound(const struct trace_program *program)
{
	if (!program->step_count || program->value_count > TRACE_VALUES_MAX ||
	    program->recorded + program->bulk_count > program->value_count ||
	    program->kept_count > TRACE_KEPT_MAX ||
	    program->steps[program->step_count - 1].code != TRACE_STEP_ACCEPT)
		return false;
	for (uint32_t i = 0; i < program->step_count; i++)
		if (!is_step_sound(program, i))
			return false;
	for (uint32_t i = 0; i < program->kept_count; i++)
		if (!is_kept_sound(&program->kept[i]))
			return false;
	return true;
}
