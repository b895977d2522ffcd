/* SPDX-License-Identifier: MIT */
/* Which hits are wanted: by code in a detour, by a function, and what C says of the same numbers. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "fallback-xol/condition.h"
#include "include/emuprobe.h"

TestSuite(conditions, .timeout = 400);

enum { TARGETS = 64, TARGET_SIZE = 16, STATUS = 0x8d5, ALWAYS = 2 };

struct ep_regs conditions_in, conditions_out;
uint64_t conditions_target;
void conditions_call(void);
extern const uint8_t conditions_targets[];

static uint64_t handled;

static void on_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	handled++;
}

/* ---- chance -------------------------------------------------------------------------------- */

static uint64_t chance_state = 0x9e3779b97f4a7c15;

static uint64_t chance(void)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return chance_state;
}

/* Near where something changes, often. */
static uint64_t number(void)
{
	static const uint64_t edges[] = {
		0,	1,	0x7f,	    0x80,	 0xff,	      0x100,	  0x7fff,
		0x8000, 0xffff, 0x7fffffff, 0x80000000u, 0xffffffffu, 1ull << 32, 1ull << 63};
	uint64_t edge = edges[chance() % (sizeof(edges) / sizeof(edges[0]))];

	switch (chance() % 4) {
	case 0:
		return chance();
	case 1:
		return chance() % 16;
	case 2:
		return edge + chance() % 3 - 1;
	default:
		return -edge + chance() % 3 - 1;
	}
}

static uint8_t target(size_t from, size_t count)
{
	size_t later = from + 1 + chance() % 3;

	return later < count ? (uint8_t)later : chance() % 2 ? EP_TAKE : EP_LEAVE;
}

static size_t conditions(struct ep_condition *ret)
{
	static const uint8_t sizes[] = {1, 2, 4, 8};
	size_t count = 1 + chance() % 4;

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct ep_condition){
			.reg = (uint8_t)(chance() % 16),
			.size = sizes[chance() % 4],
			.is_signed = chance() % 2,
			.compare = (uint8_t)(chance() % (EP_HAS_BITS + 1)),
			.then = target(i, count),
			.otherwise = target(i, count),
			.number = number(),
		};
	return count;
}

/* ---- what C says --------------------------------------------------------------------------- */

static bool compare_signed(int64_t left, int64_t right, uint8_t compare)
{
	return compare == EP_LESS	  ? left < right
	       : compare == EP_LESS_EQUAL ? left <= right
	       : compare == EP_GREATER	  ? left > right
					  : left >= right;
}

static bool compare_unsigned(uint64_t left, uint64_t right, uint8_t compare)
{
	return compare == EP_EQUAL	  ? left == right
	       : compare == EP_UNEQUAL	  ? left != right
	       : compare == EP_HAS_BITS	  ? (left & right) != 0
	       : compare == EP_LESS	  ? left < right
	       : compare == EP_LESS_EQUAL ? left <= right
	       : compare == EP_GREATER	  ? left > right
					  : left >= right;
}

static bool holds(const struct ep_condition *condition)
{
	uint64_t value = ((const uint64_t *)&conditions_out)[condition->reg];

	if (condition->is_signed) {
		int64_t narrow = condition->size == 1	? (int8_t)value
				 : condition->size == 2 ? (int16_t)value
				 : condition->size == 4 ? (int32_t)value
							: (int64_t)value;

		return condition->compare >= EP_LESS && condition->compare <= EP_GREATER_EQUAL
			       ? compare_signed(narrow, (int64_t)condition->number,
						condition->compare)
			       : compare_unsigned((uint64_t)narrow, condition->number,
						  condition->compare);
	}
	value = condition->size == 1   ? (uint8_t)value
		: condition->size == 2 ? (uint16_t)value
		: condition->size == 4 ? (uint32_t)value
				       : value;
	return compare_unsigned(value, condition->number, condition->compare);
}

static bool wanted(const struct ep_condition *list)
{
	uint8_t at = 0;

	while (at < EP_TAKE)
		at = holds(&list[at]) ? list[at].then : list[at].otherwise;
	return at == EP_TAKE;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void call(void)
{
	for (size_t i = 0; i < 16; i++)
		((uint64_t *)&conditions_in)[i] = number();
	conditions_in.rflags = ALWAYS | (chance() & STATUS);
	conditions_call();
}

static void expect_untouched(void)
{
	struct ep_regs expected = conditions_in;

	expected.rsp = conditions_out.rsp;
	expected.rip = conditions_out.rip;
	conditions_out.rflags &= STATUS | ALWAYS;
	cr_expect_arr_eq(&conditions_out, &expected, sizeof(expected));
}

static uint64_t hits_of(const struct ep_probe *probe, enum ep_plan plan)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_expect_eq(info.plan, plan);
	cr_expect_eq(info.missed, 0);
	return info.hits;
}

static void judge(unsigned int turns, enum ep_plan plan, uint64_t *ret_fit)
{
	enum { CALLS = 20 };

	for (unsigned int turn = 0; turn < turns; turn++) {
		struct ep_condition list[4];
		struct ep_options options = {
			.size = sizeof(options),
			.plan = plan,
			.handler = turn % 2 ? on_hit : NULL,
			.flags = turn % 4 == 1 ? EP_GENERAL_REGS_ONLY : 0,
			.conditions = list,
			.condition_count = conditions(list),
		};
		struct ep_probe *probe;
		uint64_t expected = 0;

		*ret_fit += xol_conditions_fit(list, options.condition_count);
		conditions_target = (uint64_t)&conditions_targets[turn % TARGETS * TARGET_SIZE];
		cr_assert_eq(ep_probe_create((void *)conditions_target, &options, &probe), 0);
		handled = 0;
		for (int i = 0; i < CALLS; i++) {
			call();
			expect_untouched();
			expected += wanted(list);
		}
		cr_assert_eq(hits_of(probe, plan), expected, "turn %u", turn);
		cr_expect_eq(handled, options.handler ? expected : 0);
		ep_probe_remove(probe);
	}
}

Test(conditions, are_what_c_says_in_a_detour)
{
	uint64_t fit = 0;

	judge(4000, EP_PLAN_JUMP, &fit);
	cr_expect_gt(fit, 500, "%lu in detours", fit);
}

Test(conditions, are_what_c_says_in_a_trap)
{
	uint64_t fit = 0;

	judge(200, EP_PLAN_BOOST, &fit);
}

/* The longest code, and more than a detour has room for: a jump all the same, which says yes to the same hits. */
static void judge_long(size_t count, const struct ep_options *handling)
{
	struct ep_condition list[EP_CONDITIONS_MAX];
	struct ep_options options = *handling;
	struct ep_probe *probe;

	for (size_t i = 0; i < count; i++)
		list[i] = (struct ep_condition){
			.reg = EP_CONDITION_REG(rsp),
			.size = 8,
			.is_signed = true,
			.compare = EP_GREATER_EQUAL,
			.then = i + 1 == count ? EP_TAKE : (uint8_t)(i + 1),
			.otherwise = EP_LEAVE,
			.number = 0x7ffffff0,
		};
	options.conditions = list;
	options.condition_count = count;
	cr_expect_eq(xol_conditions_fit(list, count), count <= XOL_CONDITIONS_MAX);
	cr_assert_eq(ep_probe_create((void *)conditions_target, &options, &probe), 0);
	for (int i = 0; i < 10; i++)
		call();
	cr_assert_eq(hits_of(probe, EP_PLAN_JUMP), 10, "%zu conditions", count);
	ep_probe_remove(probe);
}

Test(conditions, of_any_number_leave_a_jump_a_jump)
{
	const struct ep_options handling[] = {
		{.size = sizeof(struct ep_options), .plan = EP_PLAN_JUMP},
		{.size = sizeof(struct ep_options), .plan = EP_PLAN_JUMP, .handler = on_hit},
		{.size = sizeof(struct ep_options),
		 .plan = EP_PLAN_JUMP,
		 .handler = on_hit,
		 .flags = EP_GENERAL_REGS_ONLY},
	};

	for (size_t target = 0; target < TARGETS; target++) {
		conditions_target = (uint64_t)&conditions_targets[target * TARGET_SIZE];
		for (size_t i = 0; i < sizeof(handling) / sizeof(handling[0]); i++)
			for (size_t count = 1; count <= EP_CONDITIONS_MAX; count++)
				judge_long(count, &handling[i]);
	}
}

/* ---- several probes ------------------------------------------------------------------------ */

static const struct ep_condition is_7 = {
	EP_CONDITION_REG(rdi), 8, 0, EP_EQUAL, EP_TAKE, EP_LEAVE, 0, 7};
static const struct ep_condition is_8 = {
	EP_CONDITION_REG(rdi), 8, 0, EP_EQUAL, EP_TAKE, EP_LEAVE, 0, 8};

static struct ep_probe *create_with(const struct ep_condition *condition)
{
	const struct ep_options options = {
		.size = sizeof(options),
		.plan = EP_PLAN_JUMP,
		.conditions = condition,
		.condition_count = condition ? 1 : 0,
	};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((void *)conditions_target, &options, &probe), 0);
	return probe;
}

static void call_with(uint64_t rdi)
{
	conditions_in = (struct ep_regs){.rdi = rdi, .rflags = ALWAYS};
	conditions_call();
}

Test(conditions, of_each_probe_of_an_instruction_are_its_own)
{
	struct ep_probe *probes[3];

	conditions_target = (uint64_t)conditions_targets;
	probes[0] = create_with(&is_7);
	call_with(7);
	call_with(8);
	probes[1] = create_with(&is_8);
	probes[2] = create_with(NULL);
	call_with(7);
	call_with(8);
	call_with(9);
	cr_expect_eq(hits_of(probes[0], EP_PLAN_JUMP), 2);
	cr_expect_eq(hits_of(probes[1], EP_PLAN_JUMP), 1);
	cr_expect_eq(hits_of(probes[2], EP_PLAN_JUMP), 3);
	ep_probe_remove(probes[0]);
	ep_probe_remove(probes[2]);
	call_with(7);
	call_with(8);
	cr_expect_eq(hits_of(probes[1], EP_PLAN_JUMP), 2);
	ep_probe_remove(probes[1]);
	probes[0] = create_with(&is_7);
	call_with(8);
	cr_expect_eq(hits_of(probes[0], EP_PLAN_JUMP), 0, "the detour of another one");
	call_with(7);
	cr_expect_eq(hits_of(probes[0], EP_PLAN_JUMP), 1);
}

/* Code is made for that many conditions at one instruction; then a function looks. */
Test(conditions, may_change_as_often_as_one_likes)
{
	conditions_target = (uint64_t)conditions_targets;
	for (int i = 0; i < 300; i++) {
		struct ep_probe *probe = create_with(i % 2 ? &is_7 : &is_8);

		call_with(7);
		call_with(8);
		call_with(8);
		cr_assert_eq(hits_of(probe, EP_PLAN_JUMP), i % 2 ? 1 : 2, "probe %d", i);
		ep_probe_remove(probe);
	}
}

/* ---- under way ----------------------------------------------------------------------------- */

static _Atomic bool stop;
static _Atomic uint64_t wrong;

static void on_7(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	if (regs->rdi != 7)
		atomic_fetch_add(&wrong, 1);
}

static void *call_on(void *data)
{
	void (*function)(uint64_t) = (void (*)(uint64_t))(uintptr_t)conditions_targets;

	for (uint64_t i = 0; !atomic_load(&stop); i++)
		function(i % 16);
	return data;
}

/* Probes with them and without come and go while threads run. */
Test(conditions, are_never_anothers)
{
	pthread_t threads[3];

	conditions_target = (uint64_t)conditions_targets;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, call_on, NULL);
	for (int i = 0; i < 600; i++) {
		const struct ep_options options = {
			.size = sizeof(options),
			.handler = on_7,
			.conditions = &is_7,
			.condition_count = 1,
		};
		struct ep_probe *probe, *other = create_with(i % 3 ? &is_8 : NULL);

		cr_assert_eq(ep_probe_create(conditions_targets, &options, &probe), 0);
		ep_probe_remove(i % 2 ? probe : other);
		ep_probe_remove(i % 2 ? other : probe);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(wrong, 0);
}

/* ---- misuse -------------------------------------------------------------------------------- */

static int create_of(struct ep_condition condition, size_t count, uint32_t flags)
{
	struct ep_condition list[EP_CONDITIONS_MAX + 1];
	struct ep_probe *probe = NULL;
	int error;

	for (size_t i = 0; i <= EP_CONDITIONS_MAX; i++)
		list[i] = condition;
	error = ep_probe_create(conditions_targets,
				&(struct ep_options){.size = sizeof(struct ep_options),
						     .flags = flags,
						     .conditions = list,
						     .condition_count = count},
				&probe);
	if (!error)
		ep_probe_remove(probe);
	return error;
}

#define REFUSES(field, value)                                                                      \
	do {                                                                                       \
		struct ep_condition bad = is_7;                                                    \
		bad.field = (value);                                                               \
		cr_expect_eq(create_of(bad, 1, 0), -EP_INVALID, #field " = " #value);              \
	} while (0)

Test(conditions, that_mean_nothing_are_refused)
{
	cr_expect_eq(create_of(is_7, 1, 0), 0);
	cr_expect_eq(create_of(is_7, EP_CONDITIONS_MAX, 0), 0);
	cr_expect_eq(create_of(is_7, EP_CONDITIONS_MAX + 1, 0), -EP_INVALID);
	cr_expect_eq(create_of(is_7, 0, 0), -EP_INVALID);
	cr_expect_eq(create_of(is_7, 1, EP_CALLS), -EP_INVALID);
	REFUSES(reg, 16);
	REFUSES(size, 3);
	REFUSES(size, 0);
	REFUSES(is_signed, 2);
	REFUSES(compare, EP_HAS_BITS + 1);
	REFUSES(then, 0);
	REFUSES(otherwise, 1);
	REFUSES(reserved, 1);
}
