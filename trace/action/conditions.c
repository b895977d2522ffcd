/* SPDX-License-Identifier: MIT */
#include "trace/action/conditions.h"

#include <string.h>

/* Values are numbered; of each the step that fetches it, NULL: it is no register. */
struct values {
	const struct trace_step *fetched[TRACE_VALUES_MAX];
};

static bool fetches(const struct trace_step *step)
{
	return step->code < TRACE_STEP_IF;
}

/* A value of several steps is more than a register. Returns the first step of the filter. */
static uint32_t note_values(const struct trace_program *program, struct values *ret)
{
	uint32_t at = 0;

	memset(ret, 0, sizeof(*ret));
	for (; at < program->step_count && fetches(&program->steps[at]); at++) {
		const struct trace_step *step = &program->steps[at];
		bool is_register = step->code <= TRACE_STEP_REGISTER_SIGNED;

		ret->fetched[step->to] = is_register ? step : NULL;
	}
	return at;
}

static bool is_whole(const struct trace_step *fetched)
{
	unsigned int bits = 64u - fetched->right;

	return fetched->left == fetched->right &&
	       (bits == 8 || bits == 16 || bits == 32 || bits == 64) &&
	       fetched->from <= EP_CONDITION_REG(rsp);
}

/* The tests are steps from @first on, and end with the filter's REJECT, at @reject. */
static uint8_t target_of(uint32_t target, uint32_t first, uint32_t reject)
{
	return target < reject ? (uint8_t)(target - first) : target == reject ? EP_LEAVE : EP_TAKE;
}

static uint8_t compare_of(uint8_t compare)
{
	static const uint8_t ret[] = {
		[TRACE_EQUAL] = EP_EQUAL,	[TRACE_UNEQUAL] = EP_UNEQUAL,
		[TRACE_LESS] = EP_LESS,		[TRACE_LESS_EQUAL] = EP_LESS_EQUAL,
		[TRACE_GREATER] = EP_GREATER,	[TRACE_GREATER_EQUAL] = EP_GREATER_EQUAL,
		[TRACE_HAS_BITS] = EP_HAS_BITS,
	};

	return ret[compare];
}

/*
 * The filter compares in 64 bits, whatever the value is. That is the same for numbers of fewer bits, if both are
 * meant with a sign, or both without.
 */
static bool make(const struct trace_program *program, const struct values *values, uint32_t at,
		 uint32_t first, uint32_t reject, struct ep_condition *ret)
{
	const struct trace_step *test = &program->steps[at], *fetched = values->fetched[test->to];
	bool is_signed = test->numbers == TRACE_NUMBER_SIGNED;
	uint8_t holds, fails;

	if (test->code != TRACE_STEP_IF || test->numbers > TRACE_NUMBER_SIGNED || !fetched ||
	    !is_whole(fetched))
		return false;
	if (is_signed != (fetched->code == TRACE_STEP_REGISTER_SIGNED) &&
	    (fetched->right || is_signed))
		return false;
	holds = target_of(at + 1 + (test->wanted ? test->skip : 0), first, reject);
	fails = target_of(at + 1 + (test->wanted ? 0 : test->skip), first, reject);
	*ret = (struct ep_condition){
		.reg = fetched->from,
		.size = (uint8_t)((64u - fetched->right) / 8),
		.is_signed = is_signed,
		.compare = compare_of(test->compare),
		.then = holds,
		.otherwise = fails,
		.number = test->number,
	};
	return true;
}

const struct ep_condition *trace_conditions_of(const struct trace_program *program,
					       struct trace_arena *arena, size_t *ret_count)
{
	struct values values;
	struct ep_condition *ret;
	uint32_t first, reject;

	*ret_count = 0;
	if (!program->has_filter)
		return NULL;
	reject = first = note_values(program, &values);
	while (reject < program->step_count && program->steps[reject].code != TRACE_STEP_REJECT)
		reject++;
	if (reject == first || reject - first > EP_CONDITIONS_MAX)
		return NULL;
	ret = trace_arena_alloc(arena, EP_CONDITIONS_MAX * sizeof(*ret));
	for (uint32_t at = first; ret && at < reject; at++)
		if (!make(program, &values, at, first, reject, &ret[at - first]))
			return NULL;
	*ret_count = ret ? reject - first : 0;
	return ret;
}
