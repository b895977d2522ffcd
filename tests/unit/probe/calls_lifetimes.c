/* SPDX-License-Identifier: MIT */
/*
 * Claim: probes that follow calls may come and go, and be enabled and disabled, by whom and when one
 * likes: also in the middle of calls, which return all the same.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/patience.h"
#include "tests/unit/probe/followed.h"

TestSuite(calls_lifetimes, .timeout = 400);

enum { THREADS = 8 };

static _Atomic uint64_t differ;
static atomic_bool stop;

FOLLOWED long inner(long number)
{
	FOLLOWED_STAY();
	return number + 1;
}

static void call_it(void *data)
{
	(void)data;
	inner(0);
}

/* Calls @between in the middle. */
FOLLOWED long outer(long number, void (*between)(void *), void *data)
{
	long ret = inner(number);

	if (between)
		between(data);
	FOLLOWED_STAY();
	return ret * 2;
}

FOLLOWED long recursive(long depth, void (*at_bottom)(void *), void *data)
{
	long ret = 0;

	if (depth)
		ret = recursive(depth - 1, at_bottom, data) + 1;
	else
		at_bottom(data);
	FOLLOWED_STAY();
	return ret;
}

/* ---- several on one function --------------------------------------------------------------- */

struct order {
	int next;
	int wrong;
};

struct member {
	struct order *order;
	int number, at_end; /* in the order of calls */
	struct ep_probe *probe;
};

static void expect_turn(struct order *order, int number)
{
	order->wrong += order->next != number;
	order->next++;
}

static void plain_turn(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	struct member *member = cookie;

	(void)probe;
	(void)regs;
	expect_turn(member->order, member->number);
}

static void entry_turn(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		       void *cookie)
{
	call->words[3] = (uint64_t)cookie;
	plain_turn(probe, regs, cookie);
}

static void end_turn(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie)
{
	struct member *member = cookie;

	(void)probe;
	(void)regs;
	member->order->wrong += call->words[3] != (uint64_t)cookie;
	expect_turn(member->order, member->at_end);
}

/* At the end, the last that was told of the entry comes first. */
static void check_order(enum ep_plan plan)
{
	struct order order = {0, 0};
	struct member members[5] = {{&order, 0, 7, NULL},
				    {&order, 1, -1, NULL},
				    {&order, 2, 6, NULL},
				    {&order, 3, -1, NULL},
				    {&order, 4, 5, NULL}};

	for (int i = 0; i < 5; i++) {
		struct ep_options options = {
			.size = sizeof(options), .plan = plan, .cookie = &members[i]};

		if (members[i].at_end < 0) {
			options.handler = plain_turn;
		} else {
			options.entered = entry_turn;
			options.ended = end_turn;
		}
		cr_assert_eq(ep_probe_create((const void *)inner, &options, &members[i].probe), 0);
	}
	for (int i = 0; i < 100; i++) {
		order.next = 0;
		cr_expect_eq(inner(i), i + 1);
		cr_expect_eq(order.next, 8);
	}
	cr_expect_eq(order.wrong, 0, "%s: %d", ep_plan_name(plan), order.wrong);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(ep_probe_remove(members[i].probe), 0);
}

Test(calls_lifetimes, several_on_one_function)
{
	FOLLOWED_EACH_PLAN(plan)
	check_order(plan);
}

/* ---- in the middle of a call ---------------------------------------------------------------- */

static void remove_it(void *data)
{
	struct followed *followed = data;

	cr_expect_eq(ep_probe_remove(followed->probe), 0);
}

/* Removed at the bottom: none of the calls ends in the eyes of the handler. */
static void check_removed(enum ep_plan plan, long depth)
{
	struct followed followed, other;

	followed_begin(&followed, (const void *)recursive, plan);
	followed_begin(&other, (const void *)recursive, plan);
	cr_expect_eq(recursive(depth, remove_it, &followed), depth);
	cr_expect_eq(followed.entered, (uint64_t)depth + 1);
	cr_expect_eq(followed.ended[EP_END_RETURN], 0, "%s", ep_plan_name(plan));
	followed_end(&other, ep_plan_name(plan),
		     (struct followed_counts){.hits = (uint64_t)depth + 1,
					      .returns = (uint64_t)depth + 1});
}

static void remove_both(void *data)
{
	struct followed *followed = data;

	cr_expect_eq(ep_probe_remove(followed[0].probe), 0);
	cr_expect_eq(ep_probe_remove(followed[1].probe), 0);
}

static void check_all_removed(enum ep_plan plan, long depth)
{
	struct followed followed[2];

	followed_begin(&followed[0], (const void *)recursive, plan);
	followed_begin(&followed[1], (const void *)recursive, plan);
	cr_expect_eq(recursive(depth, remove_both, followed), depth);
	for (int i = 0; i < 2; i++)
		cr_expect(followed[i].entered == (uint64_t)depth + 1 &&
				  followed[i].ended[EP_END_RETURN] == 0,
			  "%s", ep_plan_name(plan));
}

struct successor {
	struct followed *old, new;
	enum ep_plan plan;
};

static void replace_it(void *data)
{
	struct successor *successor = data;

	cr_expect_eq(ep_probe_remove(successor->old->probe), 0);
	followed_begin(&successor->new, (const void *)recursive, successor->plan);
	cr_expect_eq(recursive(3, call_it, NULL), 3);
}

/* What was entered under the old probe does not end under the new one, maybe at the same address. */
static void check_replaced(enum ep_plan plan)
{
	struct followed old;
	struct successor successor = {.old = &old, .plan = plan};

	followed_begin(&old, (const void *)recursive, plan);
	cr_expect_eq(recursive(10, replace_it, &successor), 10);
	cr_expect(old.entered == 11 && old.ended[EP_END_RETURN] == 0);
	followed_end(&successor.new, ep_plan_name(plan),
		     (struct followed_counts){.hits = 4, .returns = 4});
}

Test(calls_lifetimes, removed_and_added_in_the_middle)
{
	FOLLOWED_EACH_PLAN(plan)
	{
		check_removed(plan, 0);
		check_removed(plan, 100);
		check_all_removed(plan, 0);
		check_all_removed(plan, 100);
		check_replaced(plan);
	}
}

static void disable_it(void *data)
{
	ep_probe_disable(((struct followed *)data)->probe);
}

static void disable_and_enable(void *data)
{
	ep_probe_disable(((struct followed *)data)->probe);
	cr_expect_eq(recursive(3, call_it, NULL), 3);
	ep_probe_enable(((struct followed *)data)->probe);
}

/* What has begun ends, and is told so, while it is disabled too. */
Test(calls_lifetimes, enabled_and_disabled_in_the_middle)
{
	FOLLOWED_EACH_PLAN(plan)
	{
		struct followed followed;

		followed_begin(&followed, (const void *)recursive, plan);
		cr_expect_eq(recursive(10, disable_it, &followed), 10);
		followed_expect(&followed, "disabled",
				(struct followed_counts){.hits = 11, .returns = 11});
		ep_probe_enable(followed.probe);
		cr_expect_eq(recursive(10, disable_and_enable, &followed), 10);
		followed_end(&followed, ep_plan_name(plan),
			     (struct followed_counts){.hits = 22, .returns = 22});
	}
}

/* ---- by its own handlers -------------------------------------------------------------------- */

static _Atomic uint64_t entered, ended;

static void remove_at_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			    void *cookie)
{
	(void)regs;
	(void)call;
	entered++;
	if (!cookie)
		differ += ep_probe_remove(probe) != 0;
}

static void remove_at_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			  void *cookie)
{
	(void)regs;
	(void)call;
	ended++;
	if (cookie)
		differ += ep_probe_remove(probe) != 0;
}

Test(calls_lifetimes, removed_by_their_own_handlers)
{
	FOLLOWED_EACH_PLAN(plan)
	for (uint64_t at_end = 0; at_end < 2; at_end++) {
		struct ep_options options = {.size = sizeof(options),
					     .plan = plan,
					     .cookie = (void *)at_end,
					     .entered = remove_at_entry,
					     .ended = remove_at_end};
		struct followed other;
		struct ep_probe *probe;

		entered = ended = differ = 0;
		followed_begin(&other, (const void *)inner, plan);
		cr_assert_eq(ep_probe_create((const void *)inner, &options, &probe), 0);
		for (int i = 0; i < 5; i++)
			cr_expect_eq(inner(i), i + 1);
		cr_expect(entered == 1 && ended == at_end && differ == 0, "%s: %lu, %lu",
			  ep_plan_name(plan), entered, ended);
		followed_end(&other, ep_plan_name(plan),
			     (struct followed_counts){.hits = 5, .returns = 5});
	}
}

/* ---- handlers that reach probes ------------------------------------------------------------- */

static void call_inner(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		       void *cookie)
{
	(void)probe;
	(void)regs;
	(void)call;
	(void)cookie;
	differ += inner(4) != 5;
	differ += recursive(2, call_it, NULL) != 2;
}

Test(calls_lifetimes, what_their_handlers_call_is_missed)
{
	FOLLOWED_EACH_PLAN(plan)
	{
		struct ep_options options = {.size = sizeof(options),
					     .plan = plan,
					     .entered = call_inner,
					     .ended = call_inner};
		struct followed called, nested;
		struct ep_probe *probe;

		differ = 0;
		followed_begin(&called, (const void *)inner, plan);
		followed_begin(&nested, (const void *)recursive, plan);
		cr_assert_eq(ep_probe_create((const void *)outer, &options, &probe), 0);
		for (int i = 0; i < 10; i++)
			cr_expect_eq(outer(i, NULL, NULL), 2 * (i + 1));
		cr_expect_eq(differ, 0);
		/* Twice in each of two handlers, and once by the program. */
		followed_end(&called, ep_plan_name(plan),
			     (struct followed_counts){.hits = 10, .returns = 10, .missed = 40});
		followed_end(&nested, ep_plan_name(plan), (struct followed_counts){.missed = 60});
		cr_expect_eq(ep_probe_remove(probe), 0);
	}
}

/* ---- other ways ----------------------------------------------------------------------------- */

FOLLOWED long elsewhere(long number)
{
	FOLLOWED_STAY();
	return number * 100;
}

static void go_elsewhere(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			 void *cookie)
{
	(void)probe;
	(void)call;
	entered++;
	if (*(int *)cookie) {
		regs->rip = (uint64_t)elsewhere;
		return;
	}
	regs->rax = 77; /* it returns at once */
	regs->rip = *(uint64_t *)regs->rsp;
	regs->rsp += 8;
}

/* The function is not entered: there is nothing that could end. */
Test(calls_lifetimes, sent_elsewhere_at_their_entry)
{
	FOLLOWED_EACH_PLAN(plan)
	for (int is_call = 0; is_call < 2; is_call++) {
		struct ep_options options = {.size = sizeof(options),
					     .plan = plan,
					     .cookie = &is_call,
					     .entered = go_elsewhere,
					     .ended = remove_at_end};
		struct ep_info info = {.size = sizeof(info)};
		struct followed nests;
		struct ep_probe *probe;

		entered = ended = 0;
		followed_begin(&nests, (const void *)outer, plan);
		cr_assert_eq(ep_probe_create((const void *)inner, &options, &probe), 0);
		for (long i = 0; i < 20; i++)
			cr_expect_eq(outer(i, NULL, NULL), is_call ? 200 * i : 154);
		cr_assert_eq(ep_probe_info(probe, &info), 0);
		cr_expect(entered == 20 && ended == 0 && info.returns == 0 && info.abandoned == 0 &&
			  info.missed == 0);
		followed_end(&nests, ep_plan_name(plan),
			     (struct followed_counts){.hits = 20, .returns = 20});
		cr_expect_eq(ep_probe_remove(probe), 0);
	}
}

/* The stack that a handler chooses, with the return address on top of it. */
static void move_stack(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		       void *cookie)
{
	uint64_t *top = cookie;

	(void)probe;
	entered++;
	call->words[0] = regs->rsp;
	top[-2] = *(uint64_t *)regs->rsp;
	regs->rsp = (uint64_t)&top[-2];
}

static void move_back(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		      void *cookie)
{
	(void)probe;
	differ += regs->rsp != (uint64_t)((uint64_t *)cookie - 1);
	ended++;
	regs->rsp = call->words[0] + 8;
}

Test(calls_lifetimes, sent_to_another_stack_and_back)
{
	static uint64_t stack[8192];

	FOLLOWED_EACH_PLAN(plan)
	{
		struct ep_options options = {.size = sizeof(options),
					     .plan = plan,
					     .cookie = &stack[8190],
					     .entered = move_stack,
					     .ended = move_back};
		struct ep_info info = {.size = sizeof(info)};
		struct ep_probe *probe;

		entered = ended = differ = 0;
		cr_assert_eq(ep_probe_create((const void *)inner, &options, &probe), 0);
		for (long i = 0; i < 20; i++)
			cr_expect_eq(outer(i, NULL, NULL), 2 * (i + 1));
		cr_assert_eq(ep_probe_info(probe, &info), 0);
		cr_expect(entered == 20 && ended == 20 && differ == 0 && info.returns == 20 &&
				  info.abandoned == 0,
			  "%s: %lu %lu", ep_plan_name(plan), entered, ended);
		cr_expect_eq(ep_probe_remove(probe), 0);
	}
}

/* ---- while others run ----------------------------------------------------------------------- */

static void *run_until_stopped(void *data)
{
	while (!stop) {
		differ += outer(3, NULL, NULL) != 8;
		differ += recursive(5, call_it, NULL) != 5;
	}
	return data;
}

/* A handler that runs when its probe is removed finds its cookie gone. */
struct fragile {
	_Atomic uint64_t is_alive;
	_Atomic uint64_t running;
};

static _Atomic uint64_t late;

static void use_fragile(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			void *cookie)
{
	struct fragile *fragile = cookie;

	(void)probe;
	(void)regs;
	(void)call;
	late += !fragile->is_alive;
	fragile->running++;
	for (int i = 0; i < 20; i++)
		__asm__ volatile("pause");
	late += !fragile->is_alive;
	fragile->running--;
}

static void cycle(enum ep_plan plan, struct fragile *fragile, int i)
{
	static const void *const targets[] = {(const void *)inner, (const void *)outer,
					      (const void *)recursive};
	struct ep_options options = {.size = sizeof(options),
				     .plan = plan,
				     .cookie = fragile,
				     .entered = use_fragile,
				     .ended = use_fragile};
	struct ep_probe *probe;

	fragile->is_alive = 1;
	cr_assert_eq(ep_probe_create(targets[i % 3], &options, &probe), 0);
	if (i % 7 == 0)
		usleep(50);
	cr_assert_eq(ep_probe_remove(probe), 0);
	differ += fragile->running;
	fragile->is_alive = 0;
}

static void check_cycles(enum ep_plan plan, int times)
{
	static struct fragile fragiles[2];
	pthread_t threads[THREADS];

	stop = false;
	differ = late = 0;
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_until_stopped, NULL), 0);
	for (int i = 0; i < times; i++)
		cycle(plan, &fragiles[i % 2], i);
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(differ, 0, "%s: %lu wrong results", ep_plan_name(plan), differ);
	cr_expect_eq(late, 0, "%s: %lu handlers ran too late", ep_plan_name(plan), late);
}

Test(calls_lifetimes, come_and_go_while_threads_run)
{
	check_cycles(EP_PLAN_AUTO, 8000); /* stress_calls does 10^6 of them in ./dev soak */
	check_cycles(EP_PLAN_TRAP, 2000);
	check_cycles(EP_PLAN_EMULATE, 1000);
	check_cycles(EP_PLAN_BOOST, 1000);
}
