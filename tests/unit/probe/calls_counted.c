/* SPDX-License-Identifier: MIT */
/*
 * Claim: where calls are only counted, which has code of its own, nothing of a call changes: neither a
 * register nor a flag, at its entry and at its end, whoever calls it.
 */
#include <criterion/criterion.h>

#include "include/counting.h"
#include "tests/unit/probe/followed.h"

TestSuite(calls_counted, .timeout = 400);

enum { REGISTERS = 16, RFLAGS = 15, CALLERS = 300, ROUNDS = 100, THREADS = 8 };

/* In the order of counted.S. What is given is found, what is returned comes back. */
uint64_t counted_given[REGISTERS], counted_found[REGISTERS];
uint64_t counted_returned[REGISTERS], counted_back[REGISTERS];

void counted_callee(void);
void counted_call(void);
void counted_tiny(void);
void counted_many(void);

/* CF, PF, AF, ZF, SF, DF, OF, and what is always set. */
static uint64_t flags_of(unsigned int i)
{
	static const uint64_t bits[] = {0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800};
	uint64_t ret = 0x202;

	for (unsigned int bit = 0; bit < sizeof(bits) / sizeof(bits[0]); bit++)
		ret |= i & 1u << bit ? bits[bit] : 0;
	return ret;
}

static void fill(uint64_t registers[REGISTERS], uint64_t seed, uint64_t flags)
{
	for (int i = 0; i < RFLAGS; i++)
		registers[i] = seed * 0x9e3779b97f4a7c15ull + (uint64_t)i;
	registers[RFLAGS] = flags;
}

static unsigned int compare(void)
{
	unsigned int differ = 0;

	for (int i = 0; i < REGISTERS; i++) {
		differ += counted_found[i] != counted_given[i];
		differ += counted_back[i] != counted_returned[i];
	}
	return differ;
}

static void exchange_all(const char *what)
{
	for (unsigned int i = 0; i < 128; i++) {
		fill(counted_given, 2 * i + 1, flags_of(i));
		fill(counted_returned, 2 * i + 2, flags_of(127 - i));
		counted_call();
		cr_assert_eq(compare(), 0, "%s, flags %#lx: %u", what, flags_of(i), compare());
	}
}

static struct ep_probe *probe_calls(const void *function, ep_call_handler handler)
{
	struct ep_options options = {.size = sizeof(options),
				     .plan = EP_PLAN_JUMP,
				     .flags = EP_CALLS | EP_GENERAL_REGS_ONLY,
				     .entered = handler,
				     .ended = handler};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create(function, &options, &probe), 0);
	return probe;
}

static void expect(const struct ep_probe *probe, const char *what, uint64_t hits, uint64_t missed)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_expect(info.hits == hits && info.returns == hits && info.missed == missed &&
			  info.abandoned == 0 && info.unwound == 0,
		  "%s: hits %lu of %lu, returns %lu, missed %lu of %lu", what, info.hits, hits,
		  info.returns, info.missed, missed);
}

__attribute__((target("general-regs-only"))) static void
do_nothing(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)call;
	(void)cookie;
}

Test(calls_counted, find_all_registers_and_flags)
{
	struct ep_probe *probe = probe_calls((const void *)counted_callee, NULL);

	exchange_all("counted");
	expect(probe, "counted", 128, 0);
	ep_probe_disable(probe);
	exchange_all("disabled");
	expect(probe, "disabled", 128, 0);
	ep_probe_enable(probe);
	exchange_all("enabled again");
	expect(probe, "enabled again", 256, 0);
	cr_expect_eq(ep_probe_remove(probe), 0);
	probe = probe_calls((const void *)counted_callee, do_nothing);
	exchange_all("with handlers");
	expect(probe, "with handlers", 128, 0);
	cr_expect_eq(ep_probe_remove(probe), 0);
	probe = probe_calls((const void *)counted_callee, NULL);
	exchange_all("and counted");
	expect(probe, "and counted", 128, 0);
	cr_expect_eq(ep_probe_remove(probe), 0);
}

/* ---- in a handler --------------------------------------------------------------------------- */

static uint64_t differ;

static void exchange_in_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	fill(counted_given, 5, flags_of(0x55));
	fill(counted_returned, 6, flags_of(0x2a));
	counted_call();
	differ += compare();
}

Test(calls_counted, in_handlers_are_missed)
{
	struct ep_options options = {
		.size = sizeof(options), .plan = EP_PLAN_JUMP, .handler = exchange_in_handler};
	struct ep_probe *calls = probe_calls((const void *)counted_callee, NULL), *outer;

	exchange_all("before");
	cr_assert_eq(ep_probe_create((const void *)counted_tiny, &options, &outer), 0);
	counted_many();
	cr_expect_eq(differ, 0, "%lu", differ);
	expect(calls, "in handlers", 128, CALLERS);
	cr_expect_eq(ep_probe_remove(outer), 0);
	exchange_all("behind");
	expect(calls, "behind", 256, CALLERS);
	cr_expect_eq(ep_probe_remove(calls), 0);
}

/* ---- from everywhere ------------------------------------------------------------------------ */

static void *call_from_everywhere(void *data)
{
	for (int i = 0; i < ROUNDS; i++)
		counted_many();
	return data;
}

Test(calls_counted, from_many_places)
{
	struct ep_probe *probe = probe_calls((const void *)counted_tiny, NULL);

	call_from_everywhere(NULL);
	expect(probe, "one thread", CALLERS * ROUNDS, 0);
	followed_in_threads(THREADS, call_from_everywhere, NULL);
	expect(probe, "all threads", (THREADS + 1) * CALLERS * ROUNDS, 0);
	cr_expect_eq(ep_probe_remove(probe), 0);
}

/* ---- one in some ---------------------------------------------------------------------------- */

enum { ONE_IN = 16 };

static __thread uint64_t told, told_ends, told_nested;

__attribute__((target("general-regs-only"))) static void
count_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	call->words[0] = ++told;
	told_nested += ep_call_is_nested(call);
}

__attribute__((target("general-regs-only"))) static void
count_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	told_ends += call->words[0] != 0 && call->end == EP_END_RETURN;
}

static struct ep_probe *sample_calls(const void *function)
{
	struct ep_options options = {.size = sizeof(options),
				     .plan = EP_PLAN_JUMP,
				     .flags = EP_CALLS | EP_GENERAL_REGS_ONLY,
				     .entered = count_entry,
				     .ended = count_end};
	struct ep_probe *probe;

	ep_sample_calls(ONE_IN);
	cr_assert_eq(ep_probe_create(function, &options, &probe), 0);
	ep_sample_calls(1);
	told = told_ends = told_nested = 0;
	return probe;
}

static atomic_bool told_wrongly;

/* Each thread has its own turns. */
static void *call_and_compare(void *data)
{
	told = told_ends = told_nested = 0;
	call_from_everywhere(data);
	if (told != CALLERS * ROUNDS / ONE_IN || told_ends != told || told_nested)
		told_wrongly = true;
	return data;
}

Test(calls_counted, are_told_of_one_in_some)
{
	struct ep_probe *probe = sample_calls((const void *)counted_tiny);

	call_and_compare(NULL);
	cr_expect_not(told_wrongly, "%lu of %d, %lu ends", told, CALLERS * ROUNDS / ONE_IN,
		      told_ends);
	expect(probe, "one thread", CALLERS * ROUNDS, 0);
	followed_in_threads(THREADS, call_and_compare, NULL);
	cr_expect_not(told_wrongly);
	expect(probe, "all threads", (THREADS + 1) * CALLERS * ROUNDS, 0);
	cr_expect_eq(ep_probe_remove(probe), 0);
}

Test(calls_counted, find_all_registers_and_flags_whoever_is_told)
{
	struct ep_probe *probe = sample_calls((const void *)counted_callee);

	exchange_all("one in some");
	expect(probe, "one in some", 128, 0);
	cr_expect_eq(told, 128 / ONE_IN);
	cr_expect_eq(ep_probe_remove(probe), 0);
}

FOLLOWED long recursive(long depth)
{
	long ret = depth ? recursive(depth - 1) + 1 : 0;

	FOLLOWED_STAY();
	return ret;
}

/* Also of one that its handlers have not been told of. */
Test(calls_counted, know_of_the_call_that_they_are_in)
{
	struct ep_probe *probe = sample_calls((const void *)recursive);

	cr_expect_eq(recursive(0), 0);
	cr_expect_eq(recursive(ONE_IN - 2), ONE_IN - 2); /* nobody is told */
	cr_expect_eq(told, 1);
	cr_expect_eq(told_nested, 0);
	cr_expect_eq(recursive(ONE_IN), ONE_IN);
	cr_expect_eq(told, 3);
	cr_expect_eq(told_nested, 1);
	for (int i = 0; i < ONE_IN - 2; i++)
		recursive(0);
	recursive(4);
	cr_expect_eq(told, 4);
	cr_expect_eq(told_nested, 2);
	cr_expect_eq(ep_probe_remove(probe), 0);
}
