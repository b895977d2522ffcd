/* SPDX-License-Identifier: MIT */
/*
 * Claim: handlers of calls that use scratch registers only, which code of its own calls (told.S), find and may
 * change these, at the entry and at the end; nothing else changes, whatever else happens to the probe
 * meanwhile. Signals and unwinders are in calls_signals.c, the ends of calls in all other tests of calls.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "include/counting.h"
#include "include/emuprobe.h"
#include "probe/thread/counters.h"
#include "probe/thread/records.h"
#include "tests/unit/probe/followed.h"

TestSuite(calls_told, .timeout = 400);

#define HANDLER __attribute__((target("general-regs-only")))
#define TOLD	(EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY)

enum { REGISTERS = 16, RFLAGS = 15, DIRECTION = 0x400, STATUS = 0x8d5, THREADS = 4, ROUNDS = 300 };

/* counted.S: what is given is found, what is returned comes back. */
extern uint64_t counted_given[REGISTERS], counted_found[REGISTERS];
extern uint64_t counted_returned[REGISTERS], counted_back[REGISTERS];
void counted_callee(void);
void counted_call(void);

/* In the order of counted.S, and which of them a called function may change. */
static const struct {
	size_t offset;
	bool is_scratch;
} registers[RFLAGS] = {
	{offsetof(struct ep_regs, rax), true},	{offsetof(struct ep_regs, rcx), true},
	{offsetof(struct ep_regs, rdx), true},	{offsetof(struct ep_regs, rbx), false},
	{offsetof(struct ep_regs, rbp), false}, {offsetof(struct ep_regs, rsi), true},
	{offsetof(struct ep_regs, rdi), true},	{offsetof(struct ep_regs, r8), true},
	{offsetof(struct ep_regs, r9), true},	{offsetof(struct ep_regs, r10), true},
	{offsetof(struct ep_regs, r11), true},	{offsetof(struct ep_regs, r12), false},
	{offsetof(struct ep_regs, r13), false}, {offsetof(struct ep_regs, r14), false},
	{offsetof(struct ep_regs, r15), false},
};

static struct ep_regs at_entry, at_end;
static struct ep_call ended;
static uint64_t wrong, full_hits, changes;

HANDLER static void look(struct ep_regs *regs, struct ep_regs *ret, const void *cookie)
{
	uint64_t *words = (uint64_t *)(void *)regs;
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	wrong += (flags & DIRECTION) != 0 || cookie != &ended ||
		 (uint64_t)__builtin_frame_address(0) % 16;
	for (size_t i = 0; i < sizeof(*ret) / 8; i++)
		((volatile uint64_t *)(void *)ret)[i] = words[i];
	for (size_t i = 0; i < RFLAGS; i++)
		if (registers[i].is_scratch)
			words[registers[i].offset / 8] += changes;
	errno = 4711;
}

HANDLER static void on_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			     void *cookie)
{
	(void)probe;
	for (uint64_t i = 0; i < EP_CALL_WORDS; i++)
		*(volatile uint64_t *)&call->words[i] = regs->rsp + i;
	look(regs, &at_entry, cookie);
}

HANDLER static void on_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			   void *cookie)
{
	(void)probe;
	for (uint64_t i = 0; i < EP_CALL_WORDS; i++)
		wrong += call->words[i] != regs->rsp - 8 + i;
	ended.return_address = call->return_address;
	ended.end = call->end;
	ended.xmm0 = call->xmm0;
	look(regs, &at_end, cookie);
}

static struct ep_probe *probe_by(ep_call_handler entered, ep_call_handler ends, uint32_t flags,
				 enum ep_plan plan)
{
	struct ep_options options = {.size = sizeof(options),
				     .plan = plan,
				     .flags = flags,
				     .entered = entered,
				     .ended = ends,
				     .cookie = &ended};
	struct ep_probe *probe;
	int error = ep_probe_create((const void *)counted_callee, &options, &probe);

	cr_assert_eq(error, 0, "%s", ep_strerror(error));
	return probe;
}

static struct ep_info info_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	return info;
}

static void expect(const struct ep_probe *probe, const char *what, uint64_t calls)
{
	struct ep_info info = info_of(probe);

	cr_expect(info.hits == calls && info.returns == calls && !info.missed && !info.abandoned,
		  "%s: hits %lu, returns %lu of %lu, missed %lu, abandoned %lu", what, info.hits,
		  info.returns, calls, info.missed, info.abandoned);
}

/* CF, PF, AF, ZF, SF, DF, OF, and what is always set. */
static uint64_t flags_of(unsigned int i)
{
	static const uint64_t bits[] = {0x1, 0x4, 0x10, 0x40, 0x80, DIRECTION, 0x800};
	uint64_t ret = 0x202;

	for (unsigned int bit = 0; bit < sizeof(bits) / sizeof(bits[0]); bit++)
		ret |= i & 1u << bit ? bits[bit] : 0;
	return ret;
}

static void fill(uint64_t list[REGISTERS], uint64_t seed, uint64_t flags)
{
	for (uint64_t i = 0; i < RFLAGS; i++)
		list[i] = seed * 0x9e3779b97f4a7c15ull + i;
	list[RFLAGS] = flags;
}

static void call_with(unsigned int flags)
{
	fill(counted_given, 2 * flags + 1, flags_of(flags));
	/* All others but DF, with which other code is called. */
	fill(counted_returned, 2 * flags + 2, flags_of(flags ^ 0x5f));
	changes = flags + 1;
	errno = 42;
	counted_call();
	cr_assert_eq(errno, 42);
	cr_assert(!records_if_any() || records_if_any()->top == 0, "a call has left its record");
}

static void expect_seen(const char *what, const struct ep_regs *seen, const uint64_t *before,
			const uint64_t *after, bool is_changed)
{
	for (size_t i = 0; i < RFLAGS; i++) {
		uint64_t word = ((const uint64_t *)(const void *)seen)[registers[i].offset / 8];
		uint64_t by = is_changed && registers[i].is_scratch ? changes : 0;

		if (is_changed && registers[i].is_scratch)
			cr_assert_eq(word, before[i], "%s: register %zu was seen as %#lx", what, i,
				     word);
		cr_assert_eq(after[i], before[i] + by, "%s: register %zu is %#lx", what, i,
			     after[i]);
	}
	if (is_changed)
		cr_assert_eq((seen->rflags ^ before[RFLAGS]) & (STATUS | DIRECTION), 0, "%s: seen",
			     what);
	cr_assert_eq((after[RFLAGS] ^ before[RFLAGS]) & (STATUS | DIRECTION), 0, "%s: flags %#lx",
		     what, after[RFLAGS]);
}

static void expect_exchanged(const char *what, bool is_told)
{
	expect_seen(what, &at_entry, counted_given, counted_found, is_told);
	expect_seen(what, &at_end, counted_returned, counted_back, is_told);
	cr_assert_eq(wrong, 0, "%s: as the ABI wants it, and with the words of the entry", what);
	if (!is_told)
		return;
	cr_assert_eq(at_entry.rip, (uint64_t)counted_callee, "%s", what);
	cr_assert_eq(at_end.rip, ended.return_address, "%s", what);
	cr_assert_eq(at_end.rsp, at_entry.rsp + 8, "%s", what);
	cr_assert(ended.return_address > (uint64_t)counted_call &&
			  ended.return_address < (uint64_t)counted_call + 512,
		  "%s", what);
	cr_assert_eq(ended.end, EP_END_RETURN, "%s", what);
}

Test(calls_told, nothing_else_changes)
{
	const struct {
		const char *name;
		uint32_t flags;
		enum ep_plan plan;
	} ways[] = {{"told", TOLD, EP_PLAN_JUMP},
		    {"all", EP_GENERAL_REGS_ONLY, EP_PLAN_JUMP},
		    {"vector", EP_SCRATCH_REGS_ONLY, EP_PLAN_JUMP},
		    {"trap", TOLD, EP_PLAN_TRAP},
		    {"told again", TOLD, EP_PLAN_JUMP}};

	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		struct ep_probe *probe =
			probe_by(on_entry, on_end, ways[way].flags, ways[way].plan);

		for (unsigned int flags = 0; flags < 128; flags++) {
			call_with(flags);
			expect_exchanged(ways[way].name, true);
		}
		expect(probe, ways[way].name, 128);
		cr_assert_eq(ep_probe_remove(probe), 0);
	}
}

/* ---- what is not the commonest case -------------------------------------------------------- */

Test(calls_told, one_handler_will_do)
{
	struct ep_probe *probe = probe_by(on_entry, NULL, TOLD, EP_PLAN_JUMP);

	call_with(1);
	cr_expect_eq(at_entry.rip, (uint64_t)counted_callee);
	cr_expect_eq(at_end.rip, 0);
	expect(probe, "at the entry", 1);
	cr_assert_eq(ep_probe_remove(probe), 0);
	at_entry.rip = 0;
	wrong = 0;
	probe = probe_by(NULL, on_end, TOLD, EP_PLAN_JUMP);
	call_with(2);
	call_with(3);
	cr_expect_eq(at_entry.rip, 0);
	cr_expect_eq(at_end.rip, ended.return_address);
	expect(probe, "at the end", 2);
	cr_assert_eq(ep_probe_remove(probe), 0);
}

/* Needs what told.S does not save. */
HANDLER static void on_full(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			    void *cookie)
{
	(void)probe;
	(void)call;
	(void)cookie;
	full_hits++;
	wrong += regs->rbx != counted_given[3] && regs->rbx != counted_returned[3];
	wrong += regs->r15 != counted_given[14] && regs->r15 != counted_returned[14];
}

Test(calls_told, another_probe_finds_all)
{
	struct ep_probe *probe = probe_by(on_entry, on_end, TOLD, EP_PLAN_JUMP), *full;

	call_with(1);
	full = probe_by(on_full, on_full, EP_GENERAL_REGS_ONLY, EP_PLAN_JUMP);
	call_with(2);
	expect_exchanged("two", true);
	cr_assert_eq(ep_probe_remove(probe), 0);
	call_with(3);
	cr_expect_eq(full_hits, 4);
	cr_expect_eq(wrong, 0);
	cr_assert_eq(ep_probe_remove(full), 0);
	probe = probe_by(on_entry, on_end, TOLD, EP_PLAN_JUMP);
	call_with(4);
	expect_exchanged("alone again", true);
	expect(probe, "alone again", 1);
	cr_assert_eq(ep_probe_remove(probe), 0);
}

Test(calls_told, disabled_it_is_not_called)
{
	struct ep_probe *probe = probe_by(on_entry, on_end, TOLD, EP_PLAN_JUMP);

	call_with(4);
	ep_probe_disable(probe);
	at_entry.rip = at_end.rip = 0;
	for (unsigned int flags = 0; flags < 128; flags++) {
		call_with(flags);
		expect_exchanged("disabled", false);
	}
	cr_expect_eq(at_entry.rip | at_end.rip, 0);
	ep_probe_enable(probe);
	call_with(6);
	expect_exchanged("enabled", true);
	expect(probe, "enabled", 2);
	cr_assert_eq(ep_probe_remove(probe), 0);
}

static void call_in_handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	call_with(7);
}

FOLLOWED long handled(long number)
{
	FOLLOWED_STAY();
	return number;
}

Test(calls_told, in_a_handler_they_are_missed)
{
	struct ep_options options = {.size = sizeof(options), .handler = call_in_handler};
	struct ep_probe *probe = probe_by(on_entry, on_end, TOLD, EP_PLAN_JUMP), *outer;

	call_with(5);
	cr_assert_eq(ep_probe_create((const void *)handled, &options, &outer), 0);
	at_entry.rip = 0;
	cr_expect_eq(handled(5), 5);
	expect_exchanged("in a handler", false);
	cr_expect_eq(at_entry.rip, 0);
	cr_expect_eq(info_of(probe).hits, 1);
	cr_expect_eq(info_of(probe).missed, 1);
}

/* Hits have the last counter that there is, returns have none. */
Test(calls_told, without_a_counter_they_are_counted_all_the_same)
{
	struct ep_probe *probe;
	uint32_t taken = 0, last = COUNTERS_NONE, next;

	while ((next = counters_alloc()) != COUNTERS_NONE) {
		last = next;
		taken++;
	}
	cr_assert_gt(taken, 1000);
	counters_free(last);
	probe = probe_by(on_entry, on_end, TOLD, EP_PLAN_JUMP);
	cr_assert_eq(ep_probe_return_counter(probe), COUNTERS_NONE);
	for (unsigned int flags = 0; flags < 128; flags++) {
		call_with(flags);
		expect_exchanged("without", true);
	}
	expect(probe, "without", 128);
	cr_assert_eq(ep_probe_remove(probe), 0);
}

/* ---- others come and go, and what is running ends as it should ------------------------------- */

static atomic_bool stopped;
static _Atomic uint64_t calls, wrong_sums, entered_told, ended_told;

FOLLOWED uint64_t sum(uint64_t a, uint64_t b, uint64_t c)
{
	FOLLOWED_STAY();
	return a + 2 * b + 4 * c;
}

HANDLER static void on_sum(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			   void *cookie)
{
	(void)probe;
	(void)cookie;
	atomic_fetch_add(&entered_told, 1);
	call->words[0] = regs->rdi;
	regs->rdi += 1;
}

HANDLER static void on_sum_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			       void *cookie)
{
	(void)probe;
	(void)cookie;
	atomic_fetch_add(&ended_told, 1);
	if (regs->rax != 7 * call->words[0] + 11)
		atomic_fetch_add(&wrong_sums, 1);
	regs->rax -= 1;
}

static void *call_sum(void *data)
{
	for (uint64_t i = 0; !stopped; i++) {
		if (sum(i, i + 1, i + 2) != 7 * i + 10)
			atomic_fetch_add(&wrong_sums, 1);
		atomic_fetch_add(&calls, 1);
	}
	return data;
}

static struct ep_probe *probe_sum(ep_call_handler entered, ep_call_handler ends, uint32_t flags)
{
	struct ep_options options = {.size = sizeof(options),
				     .plan = EP_PLAN_JUMP,
				     .flags = flags,
				     .entered = entered,
				     .ended = ends};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)sum, &options, &probe), 0);
	return probe;
}

HANDLER static void on_all(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			   void *cookie)
{
	(void)probe;
	(void)cookie;
	call->words[0] += regs->rbx;
}

static void *others_come_and_go(void *data)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct ep_probe *other = probe_sum(on_all, on_all, EP_GENERAL_REGS_ONLY);

		sched_yield();
		ep_probe_disable(other);
		cr_assert_eq(ep_probe_remove(other), 0);
		sched_yield();
	}
	stopped = true;
	return data;
}

static _Atomic unsigned int turn;

static void *call_or_come(void *data)
{
	return atomic_fetch_add(&turn, 1) ? call_sum(data) : others_come_and_go(data);
}

Test(calls_told, others_come_and_go_under_threads)
{
	struct ep_probe *probe = probe_sum(on_sum, on_sum_end, TOLD);
	struct ep_info info;

	followed_in_threads(THREADS + 1, call_or_come, NULL);
	info = info_of(probe);
	cr_expect_eq(info.missed + info.abandoned, 0);
	cr_expect_eq(info.hits, calls, "%lu of %lu", info.hits, calls);
	cr_expect_eq(info.returns, calls, "%lu of %lu", info.returns, calls);
	cr_expect_eq(entered_told, calls);
	cr_expect_eq(ended_told, calls);
	cr_expect_eq(wrong_sums, 0);
}

static struct ep_probe *to_remove, *in_its_place;
static const void *place;

static struct ep_probe *probe_place(void)
{
	struct ep_options options = {.size = sizeof(options),
				     .plan = EP_PLAN_JUMP,
				     .flags = TOLD,
				     .entered = on_entry,
				     .ended = on_end,
				     .cookie = &ended};
	struct ep_probe *ret;

	cr_assert_eq(ep_probe_create(place, &options, &ret), 0);
	return ret;
}

FOLLOWED long removes(long number)
{
	struct ep_probe *probe = to_remove;

	to_remove = NULL;
	if (probe) {
		cr_assert_eq(ep_probe_remove(probe), 0);
		in_its_place = probe_place();
	}
	return number + 1;
}

/* Neither the handlers of a probe that was removed, nor those of the one that has taken its place. */
Test(calls_told, removed_while_they_run_nobody_is_told)
{
	place = (const void *)removes;
	in_its_place = probe_place();
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(removes(i), i + 1);
		cr_expect_neq(at_end.rip, 0);
		at_end.rip = 0;
		to_remove = in_its_place;
		cr_expect_eq(removes(i), i + 1);
		cr_expect_eq(at_end.rip, 0);
		expect(in_its_place, "in its place", 0);
	}
}
