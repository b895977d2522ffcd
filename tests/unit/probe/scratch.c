/* SPDX-License-Identifier: MIT */
/*
 * Claim: a handler that uses scratch registers only, which code of its own calls (scratch.S), finds and may
 * change these, and nothing else changes: no register, no flag, not errno, whatever else happens to the
 * probe meanwhile. That it can be unwound is in unit/fallback-xol/jump_unwind.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "include/emuprobe.h"

TestSuite(scratch, .timeout = 400);

#define HANDLER __attribute__((target("general-regs-only")))

enum { DIRECTION = 0x400, STATUS = 0x8d5, THREADS = 4, ROUNDS = 300 };

/* conditions_call.S: these are in the registers when it calls, and when it has returned. */
extern struct ep_regs conditions_in, conditions_out;
extern uint64_t conditions_target;
void conditions_call(void);
extern const uint8_t conditions_targets[];

static struct ep_regs found;
static unsigned int changes, full_hits;
static uint64_t wrong;

static const size_t scratch[] = {offsetof(struct ep_regs, rax), offsetof(struct ep_regs, rcx),
				 offsetof(struct ep_regs, rdx), offsetof(struct ep_regs, rsi),
				 offsetof(struct ep_regs, rdi), offsetof(struct ep_regs, r8),
				 offsetof(struct ep_regs, r9),	offsetof(struct ep_regs, r10),
				 offsetof(struct ep_regs, r11)};
static const size_t kept[] = {offsetof(struct ep_regs, rbx), offsetof(struct ep_regs, rbp),
			      offsetof(struct ep_regs, r12), offsetof(struct ep_regs, r13),
			      offsetof(struct ep_regs, r14), offsetof(struct ep_regs, r15)};
static const size_t readable[] = {offsetof(struct ep_regs, rbp), offsetof(struct ep_regs, rsp)};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static uint64_t word(const struct ep_regs *regs, size_t offset)
{
	return *(const uint64_t *)(const void *)((const char *)regs + offset);
}

static unsigned int differ(const struct ep_regs *a, const struct ep_regs *b, const size_t *offsets,
			   size_t count, uint64_t by)
{
	unsigned int ret = 0;

	for (size_t i = 0; i < count; i++)
		ret += word(a, offsets[i]) + by != word(b, offsets[i]);
	return ret;
}

/* Moves the stack pointer and the direction flag about, as the ABI allows. */
HANDLER static void on_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	uint64_t *words = (uint64_t *)(void *)regs;
	uint64_t flags;

	(void)probe;
	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	wrong += (flags & DIRECTION) != 0 || cookie != &found ||
		 (uint64_t)__builtin_frame_address(0) % 16;
	for (size_t i = 0; i < sizeof(found) / 8; i++)
		((uint64_t *)(void *)&found)[i] = words[i];
	for (size_t i = 0; i < COUNT(scratch); i++)
		words[scratch[i] / 8] += changes;
	errno = 4711;
}

static struct ep_probe *probe_by(const void *function, ep_handler handler, uint32_t flags,
				 enum ep_plan plan)
{
	struct ep_options options = {.size = sizeof(options),
				     .plan = plan,
				     .flags = flags,
				     .handler = handler,
				     .cookie = &found};
	struct ep_probe *probe;
	int error = ep_probe_create(function, &options, &probe);

	cr_assert_eq(error, 0, "%s", ep_strerror(error));
	return probe;
}

static struct ep_probe *probe_scratch(const void *function, ep_handler handler)
{
	return probe_by(function, handler, EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY,
			EP_PLAN_JUMP);
}

static struct ep_info info_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	return info;
}

/* CF, PF, AF, ZF, SF, DF, OF, and what is always set. */
static uint64_t flags_of(unsigned int i)
{
	static const uint64_t bits[] = {0x1, 0x4, 0x10, 0x40, 0x80, DIRECTION, 0x800};
	uint64_t ret = 0x202;

	for (unsigned int bit = 0; bit < COUNT(bits); bit++)
		ret |= i & 1u << bit ? bits[bit] : 0;
	return ret;
}

static void fill(uint64_t seed, uint64_t flags)
{
	uint64_t *words = (uint64_t *)(void *)&conditions_in;

	for (uint64_t i = 0; i < sizeof(conditions_in) / 8; i++)
		words[i] = (seed + 1) * 0x9e3779b97f4a7c15ull + i;
	conditions_in.rflags = flags;
	conditions_target = (uint64_t)conditions_targets;
}

static void call_with(unsigned int flags)
{
	fill(flags, flags_of(flags));
	changes = flags + 1;
	errno = 42;
	conditions_call();
	cr_assert_eq(errno, 42);
}

static void expect_exchanged(const char *what, unsigned int flags)
{
	cr_assert_eq(differ(&conditions_in, &found, scratch, COUNT(scratch), 0), 0, "%s: found",
		     what);
	cr_assert_eq(differ(&conditions_out, &found, readable, COUNT(readable), 0), 0, "%s: read",
		     what);
	cr_assert_eq(found.rip, (uint64_t)conditions_targets, "%s", what);
	cr_assert_eq((found.rflags ^ flags_of(flags)) & (STATUS | DIRECTION), 0, "%s: flags %#lx",
		     what, found.rflags);
	cr_assert_eq(differ(&conditions_in, &conditions_out, scratch, COUNT(scratch), changes), 0,
		     "%s: changed", what);
	cr_assert_eq(differ(&conditions_in, &conditions_out, kept, COUNT(kept), 0), 0, "%s: kept",
		     what);
	cr_assert_eq((conditions_out.rflags ^ flags_of(flags)) & (STATUS | DIRECTION), 0,
		     "%s: flags %#lx, now %#lx", what, flags_of(flags), conditions_out.rflags);
	cr_assert_eq(wrong, 0, "%s: as the ABI wants it", what);
}

Test(scratch, nothing_else_changes)
{
	const struct {
		const char *name;
		uint32_t flags;
		enum ep_plan plan;
	} ways[] = {{"scratch", EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY, EP_PLAN_JUMP},
		    {"all", EP_GENERAL_REGS_ONLY, EP_PLAN_JUMP},
		    {"vector", EP_SCRATCH_REGS_ONLY, EP_PLAN_JUMP},
		    {"trap", EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY, EP_PLAN_TRAP}};

	for (size_t way = 0; way < COUNT(ways); way++) {
		struct ep_probe *probe =
			probe_by(conditions_targets, on_hit, ways[way].flags, ways[way].plan);

		for (unsigned int flags = 0; flags < 128; flags++) {
			call_with(flags);
			expect_exchanged(ways[way].name, flags);
		}
		cr_expect_eq(info_of(probe).hits, 128, "%s", ways[way].name);
		cr_assert_eq(ep_probe_remove(probe), 0);
	}
}

/* ---- what is not the commonest case -------------------------------------------------------- */

/* Needs what scratch.S does not save. */
HANDLER static void on_full_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	full_hits++;
	wrong += differ(regs, &conditions_in, kept, COUNT(kept), 0);
}

Test(scratch, another_probe_finds_all)
{
	struct ep_probe *probe = probe_scratch(conditions_targets, on_hit), *full;

	call_with(1);
	full = probe_by(conditions_targets, on_full_hit, EP_GENERAL_REGS_ONLY, EP_PLAN_JUMP);
	call_with(2);
	expect_exchanged("two", 2);
	cr_assert_eq(ep_probe_remove(probe), 0);
	call_with(3);
	cr_expect_eq(full_hits, 2);
	cr_expect_eq(wrong, 0);
	cr_assert_eq(ep_probe_remove(full), 0);
	probe = probe_scratch(conditions_targets, on_hit);
	call_with(4);
	expect_exchanged("alone again", 4);
	cr_expect_eq(info_of(probe).hits, 1);
}

Test(scratch, disabled_it_is_not_called)
{
	struct ep_probe *probe = probe_scratch(conditions_targets, on_hit);

	ep_probe_disable(probe);
	memset(&found, 0, sizeof(found));
	call_with(5);
	cr_expect_eq(found.rip, 0);
	cr_expect_eq(differ(&conditions_in, &conditions_out, scratch, COUNT(scratch), 0), 0);
	ep_probe_enable(probe);
	call_with(6);
	expect_exchanged("enabled", 6);
	cr_expect_eq(info_of(probe).hits, 1);
}

HANDLER static void calls_again(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	found.rdi = regs->rdi;
	((void (*)(void))(conditions_targets + 16))();
}

Test(scratch, in_a_handler_it_is_missed)
{
	struct ep_probe *outer = probe_scratch(conditions_targets, calls_again);
	struct ep_probe *inner = probe_scratch(conditions_targets + 16, on_hit);

	call_with(7);
	cr_expect_eq(found.rdi, conditions_in.rdi);
	cr_expect_eq(info_of(outer).hits, 1);
	cr_expect_eq(info_of(inner).hits, 0);
	cr_expect_eq(info_of(inner).missed, 1);
}

/* ---- others add, remove and disable probes meanwhile ------------------------------------------ */

static _Atomic bool stopped;
static _Atomic uint64_t calls, wrong_sums;

static __attribute__((noinline, aligned(16))) uint64_t sum(uint64_t a, uint64_t b, uint64_t c)
{
	__asm__ volatile("nopl 0(%%rax,%%rax,1)" : "+r"(a));
	return a + 2 * b + 4 * c;
}

HANDLER static void adds_one(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	regs->r11 = regs->rdi + regs->rsi + regs->rdx;
}

static void *call_sum(void *unused)
{
	(void)unused;
	for (uint64_t i = 0; !atomic_load(&stopped); i++) {
		if (sum(i, i + 1, i + 2) != 7 * i + 10)
			atomic_fetch_add(&wrong_sums, 1);
		atomic_fetch_add(&calls, 1);
	}
	return NULL;
}

static _Atomic uint64_t full_calls;

HANDLER static void counts_full(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)cookie;
	atomic_fetch_add(&full_calls, 1);
	if (regs->rip != (uint64_t)sum || regs->rsi != regs->rdi + 1)
		atomic_fetch_add(&wrong_sums, 1);
}

Test(scratch, others_come_and_go_under_threads)
{
	struct ep_probe *probe = probe_scratch((const void *)sum, adds_one);
	uint64_t added = 0;
	pthread_t threads[THREADS];
	struct ep_info info;

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, call_sum, NULL), 0);
	for (int round = 0; round < ROUNDS; round++) {
		struct ep_probe *full = probe_by((const void *)sum, counts_full,
						 EP_GENERAL_REGS_ONLY, EP_PLAN_JUMP);

		sched_yield();
		added += info_of(full).hits;
		ep_probe_disable(full);
		cr_assert_eq(ep_probe_remove(full), 0);
		sched_yield();
	}
	atomic_store(&stopped, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	info = info_of(probe);
	cr_expect_eq(info.hits + info.missed, atomic_load(&calls), "%lu and %lu of %lu", info.hits,
		     info.missed, atomic_load(&calls));
	cr_expect_eq(atomic_load(&wrong_sums), 0);
	cr_expect_leq(added, atomic_load(&full_calls));
}
