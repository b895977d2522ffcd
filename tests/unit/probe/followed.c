/* SPDX-License-Identifier: MIT */
#include "tests/unit/probe/followed.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#define HANDLER __attribute__((target("general-regs-only")))

enum { THREADS_MAX = 16, STAMP = 0x5eed };

static _Atomic uint64_t serial;

/* The words say which call they belong to, each of them in its own way. */
HANDLER static void stamp(uint64_t words[EP_CALL_WORDS], uint64_t rsp)
{
	words[0] = rsp;
	words[1] = atomic_fetch_add(&serial, 1);
	for (int i = 2; i < EP_CALL_WORDS; i++)
		words[i] = rsp * STAMP + words[1] * (uint64_t)i;
}

HANDLER static int is_stamped(const uint64_t words[EP_CALL_WORDS])
{
	for (int i = 2; i < EP_CALL_WORDS; i++)
		if (words[i] != words[0] * STAMP + words[1] * (uint64_t)i)
			return 0;
	return 1;
}

HANDLER void followed_on_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			       void *cookie)
{
	struct followed *followed = cookie;

	(void)probe;
	followed->entered++;
	stamp(call->words, regs->rsp);
}

HANDLER void followed_on_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			     void *cookie)
{
	struct followed *followed = cookie;

	(void)probe;
	followed->ended[call->end]++;
	if (!is_stamped(call->words) || (call->end == EP_END_RETURN) != (regs != NULL) ||
	    (regs && (regs->rip != call->return_address || regs->rsp != call->words[0] + 8)))
		followed->wrong++;
	for (int i = 0; i < EP_CALL_WORDS; i++)
		*(volatile uint64_t *)&call->words[i] = 0;
}

enum ep_plan followed_plan(const void *function, enum ep_plan plan)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan};
	struct ep_info info = {.size = sizeof(info)};
	int error;

	if (plan == FOLLOWED_COUNTED || plan == FOLLOWED_TOLD)
		options.plan = plan = EP_PLAN_JUMP;
	error = -ep_check(function, &options, &info);
	return error == EP_NOT_EMULATED || error == EP_NOT_BOOSTED ? EP_PLAN_TRAP : plan;
}

void followed_begin(struct followed *followed, const void *function, enum ep_plan plan)
{
	struct ep_options options = {.size = sizeof(options),
				     .plan = plan,
				     .cookie = followed,
				     .entered = followed_on_entry,
				     .ended = followed_on_end};
	bool is_counted = plan == FOLLOWED_COUNTED;
	uint32_t flags = plan == FOLLOWED_TOLD ? EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY : 0;
	struct ep_info info = {.size = sizeof(info)};
	int error;

	options.flags = flags;
	options.plan = plan = followed_plan(function, plan);
	memset(followed, 0, sizeof(*followed));
	followed->is_counted = is_counted;
	if (is_counted) {
		options.entered = options.ended = NULL;
		options.flags = EP_CALLS;
	}
	error = ep_probe_create(function, &options, &followed->probe);
	cr_assert_eq(error, 0, "%s: %s", ep_plan_name(plan), ep_strerror(error));
	cr_assert_eq(ep_probe_info(followed->probe, &info), 0);
	if (plan >= EP_PLAN_EMULATE)
		cr_assert_eq(info.plan, plan, "%s: it is %s", ep_plan_name(plan),
			     ep_plan_name(info.plan));
}

uint64_t followed_entered(const struct followed *followed)
{
	struct ep_info info = {.size = sizeof(info)};

	if (!followed->is_counted)
		return followed->entered;
	cr_assert_eq(ep_probe_info(followed->probe, &info), 0);
	return info.hits;
}

const char *followed_plan_name(enum ep_plan plan)
{
	return plan == FOLLOWED_COUNTED ? "jump, counted"
	       : plan == FOLLOWED_TOLD	? "jump, told"
					: ep_plan_name(plan);
}

void followed_expect(const struct followed *followed, const char *what,
		     struct followed_counts counts)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(followed->probe, &info), 0);
	cr_expect(info.hits == counts.hits && info.returns == counts.returns &&
			  info.unwound == counts.unwound && info.abandoned == counts.abandoned &&
			  info.missed == counts.missed,
		  "%s: hits %lu of %lu, returns %lu of %lu, unwound %lu of %lu, abandoned %lu of "
		  "%lu, missed %lu of %lu",
		  what, info.hits, counts.hits, info.returns, counts.returns, info.unwound,
		  counts.unwound, info.abandoned, counts.abandoned, info.missed, counts.missed);
	if (followed->is_counted)
		return;
	cr_expect_eq(followed->entered, counts.hits, "%s: entered %lu", what, followed->entered);
	cr_expect_eq(followed->ended[EP_END_RETURN], counts.returns, "%s: %lu", what,
		     followed->ended[EP_END_RETURN]);
	cr_expect_eq(followed->ended[EP_END_UNWIND], counts.unwound, "%s: %lu", what,
		     followed->ended[EP_END_UNWIND]);
	cr_expect_eq(followed->ended[EP_END_JUMP], counts.abandoned, "%s: %lu", what,
		     followed->ended[EP_END_JUMP]);
	cr_expect_eq(followed->wrong, 0, "%s: %lu ends are of another call", what, followed->wrong);
}

void followed_end(struct followed *followed, const char *what, struct followed_counts counts)
{
	followed_expect(followed, what, counts);
	cr_expect_eq(ep_probe_remove(followed->probe), 0);
}

void followed_in_threads(unsigned int count, void *(*work)(void *), void *data)
{
	pthread_t threads[THREADS_MAX];

	cr_assert_leq(count, THREADS_MAX);
	for (unsigned int i = 0; i < count; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, work, data), 0);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}
