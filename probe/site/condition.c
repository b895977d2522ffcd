/* SPDX-License-Identifier: MIT */
#include "probe/site/condition.h"

#include <stdlib.h>
#include <string.h>

#include "fallback-xol/condition.h"

static bool is_target(uint8_t target, size_t from, size_t count)
{
	return target == EP_TAKE || target == EP_LEAVE || (target > from && target < count);
}

static bool is_sound(const struct ep_condition *condition, size_t at, size_t count)
{
	uint8_t size = condition->size;

	return condition->reg <= EP_CONDITION_REG(rsp) &&
	       (size == 1 || size == 2 || size == 4 || size == 8) && condition->is_signed <= 1 &&
	       condition->compare <= EP_HAS_BITS && condition->reserved == 0 &&
	       is_target(condition->then, at, count) && is_target(condition->otherwise, at, count);
}

bool conditions_are_sound(const struct ep_condition *conditions, size_t count)
{
	if (!conditions)
		return count == 0;
	if (count == 0 || count > EP_CONDITIONS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!is_sound(&conditions[i], i, count))
			return false;
	return true;
}

static struct probe_conditions *all;

struct probe_conditions *conditions_copy(const struct ep_condition *conditions, size_t count)
{
	struct probe_conditions *ret = calloc(1, sizeof(*ret));

	if (!ret)
		return NULL;
	ret->count = (uint32_t)count;
	ret->fit = xol_conditions_fit(conditions, count);
	memcpy(ret->list, conditions, count * sizeof(*conditions));
	ret->before = &all;
	ret->next = all;
	if (all)
		all->before = &ret->next;
	all = ret;
	return ret;
}

void conditions_free(struct probe_conditions *conditions)
{
	if (!conditions)
		return;
	*conditions->before = conditions->next;
	if (conditions->next)
		conditions->next->before = conditions->before;
	free(conditions);
}

EP_TRAP_PATH static uint64_t value_of(const struct ep_condition *condition,
				      const struct ep_regs *regs)
{
	uint64_t value = ((const uint64_t *)regs)[condition->reg];
	unsigned int unused = 64 - 8 * condition->size;

	return condition->is_signed ? (uint64_t)((int64_t)(value << unused) >> unused)
				    : value << unused >> unused;
}

EP_TRAP_PATH static bool is_less(uint64_t left, uint64_t right, bool is_signed)
{
	return is_signed ? (int64_t)left < (int64_t)right : left < right;
}

EP_TRAP_PATH static bool holds(const struct ep_condition *condition, const struct ep_regs *regs)
{
	uint64_t value = value_of(condition, regs), number = condition->number;

	if (condition->compare == EP_EQUAL)
		return value == number;
	if (condition->compare == EP_UNEQUAL)
		return value != number;
	if (condition->compare == EP_LESS)
		return is_less(value, number, condition->is_signed);
	if (condition->compare == EP_LESS_EQUAL)
		return !is_less(number, value, condition->is_signed);
	if (condition->compare == EP_GREATER)
		return is_less(number, value, condition->is_signed);
	if (condition->compare == EP_GREATER_EQUAL)
		return !is_less(value, number, condition->is_signed);
	return value & number;
}

EP_TRAP_PATH bool conditions_hold(const struct probe_conditions *conditions,
				  const struct ep_regs *regs)
{
	uint8_t at = 0;

	while (at < conditions->count)
		at = holds(&conditions->list[at], regs) ? conditions->list[at].then
							: conditions->list[at].otherwise;
	return at == EP_TAKE;
}
