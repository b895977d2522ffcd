/* SPDX-License-Identifier: MIT */
/*
 * Claims: an address has one site; arming writes what a trap then finds, disarming restores it; code
 * that has been replaced or unmapped under a site is never written to; what a dying process shows
 * is its own text.
 */
#include "probe/site/sites.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fallback-xol/guarded.h"
#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/site/registry.h"
#include "tests/unit/probe/functions.h"

enum { PAGE = 4096, AT = 64, NEXT = AT + 7 };

/* mov $1, %eax; inc %eax; ret; at NEXT: push %rbp; mov %rsp, %rbp; pop %rbp; ret */
static const uint8_t text[] = {0xb8, 1, 0, 0, 0, 0xff, 0xc0, 0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3};
static uint8_t *code, original[PAGE];

/* Generated code, which nobody tells the engine of. */
static void map_code(void)
{
	memset(original, 0x90, PAGE);
	memcpy(original + AT, text, sizeof(text));
	code = mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | (code ? MAP_FIXED : 0), -1, 0);
	cr_assert_neq(code, MAP_FAILED);
	memcpy(code, original, PAGE);
}

static void setup(void)
{
	map_code();
	engine_lock();
	cr_assert_eq(engine_start(), 0);
}

TestSuite(sites, .init = setup, .fini = engine_unlock, .timeout = 400);

static struct probe_site *get(uint64_t address)
{
	struct probe_site *site = NULL;

	cr_assert_eq(sites_get_known(address, EP_PLAN_AUTO, &site), 0);
	cr_assert_eq(site->address, address);
	return site;
}

static struct probe_site *get_code(size_t offset)
{
	return get((uint64_t)code + offset);
}

static void arm(struct probe_site *site)
{
	cr_assert_eq(sites_arm(&site, 1, false), 0);
}

static void disarm(struct probe_site *site)
{
	sites_disarm(&site, 1);
}

static struct probe_site *armed(size_t offset)
{
	struct probe_site *site = get_code(offset);

	arm(site);
	cr_assert(site_is_armed(site) && registry_stands(site));
	return site;
}

static bool is_int3(size_t offset)
{
	return code[offset] == 0xcc;
}

static void expect_original(void)
{
	cr_assert_arr_eq(code, original, PAGE);
}

/* ---- from nothing to an int3, and back ------------------------------------------------------- */

Test(sites, has_one_for_each_address)
{
	struct probe_site *site = get_code(AT);

	cr_assert_eq(get_code(AT), site);
	cr_assert_eq(registry_find((uint64_t)code + AT), site);
	cr_assert_neq(get_code(NEXT), site);
}

Test(sites, changes_nothing_before_it_arms)
{
	struct probe_site *site = get_code(AT);

	cr_assert_not(site_is_armed(site));
	cr_assert_not(registry_stands(site));
	expect_original();
}

Test(sites, arms_and_restores)
{
	struct probe_site *both[] = {get_code(AT), get_code(NEXT)};

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(sites_arm(both, 2, i % 2), 0);
		cr_assert(registry_stands(both[0]) && registry_stands(both[1]));
		cr_assert_neq(code[AT], original[AT]);
		cr_assert_neq(code[NEXT], original[NEXT]);
		sites_disarm(both, 2);
		cr_assert_not(site_is_armed(both[0]) || site_is_armed(both[1]));
		expect_original();
	}
}

Test(sites, arms_what_is_armed_once_only)
{
	struct probe_site *site = armed(AT);

	arm(site);
	cr_assert_eq(site->insn.bytes[0], original[AT]);
	disarm(site);
	expect_original();
	disarm(site);
	expect_original();
}

/* A site inside the five bytes of a jump: the jump goes, and comes back when the site does. */
Test(sites, undoes_a_jump_for_a_site_inside_it)
{
	struct probe_site *outer = get((uint64_t)starts_with_push), *inner;

	outer->asked = EP_PLAN_JUMP;
	arm(outer);
	if (!atomic_load(&outer->jump)) {
		disarm(outer);
		cr_skip_test("no jump can stand there");
	}
	inner = get(outer->address + outer->insn.length);
	cr_assert_eq(registry_find_cover(inner->address), outer);
	arm(inner);
	cr_assert_null((void *)registry_find_cover(inner->address));
	cr_assert(registry_stands(outer) && registry_stands(inner));
	disarm(inner);
	cr_assert_eq(registry_find_cover(inner->address), outer, "it is promoted again");
	disarm(outer);
	cr_assert_eq(starts_with_push(1, 2), 3);
}

Test(sites, forgets_what_could_not_be_written)
{
	struct probe_site *site = get_code(AT);

	cr_assert_eq(munmap(code, PAGE), 0);
	arm(site);
	cr_assert_not(site_is_armed(site));
	cr_assert_null((void *)atomic_load(&site->jump));
}

/* ---- code that is replaced ------------------------------------------------------------------- */

Test(sites, makes_another_one_for_other_code)
{
	struct probe_site *old = get_code(AT), *new;

	code[AT] = 0x50; /* push %rax */
	new = get_code(AT);
	cr_assert_neq(new, old);
	cr_assert_eq(new->insn.length, 1);
	cr_assert_eq(registry_find((uint64_t)code + AT), new);
}

Test(sites, forgets_one_whose_int3_was_overwritten)
{
	struct probe_site *site = armed(AT);

	memcpy(code, original, PAGE);
	cr_assert_eq(get_code(AT), site);
	cr_assert_not(site_is_armed(site), "it can be armed again");
	arm(site);
	cr_assert(registry_stands(site));
	memset(code, 0x90, PAGE);
	disarm(site);
	for (size_t i = 0; i < PAGE; i++)
		cr_assert_eq(code[i], 0x90, "what is theirs is not written to");
}

/* An int3 of somebody's, in front of other code: ours or not, it is left. */
Test(sites, leaves_an_int3_that_may_not_be_its_own)
{
	struct probe_site *site = armed(AT), *other = NULL;

	if (atomic_load(&site->jump))
		cr_skip_test("it is a jump, which is known by its five bytes");
	code[AT + 1] ^= 0xff;
	cr_assert_eq(sites_get_known(site->address, EP_PLAN_AUTO, &other), -EP_FOREIGN_INT3);
	cr_assert_null(other);
	disarm(site);
	cr_assert(is_int3(AT));
	cr_assert_eq(atomic_load(&site->state), SITE_UNCLEAR);
	code[AT + 1] ^= 0xff;
	disarm(site);
	cr_assert_eq(code[AT], original[AT], "it was ours");
	cr_assert_not(site_is_armed(site));
}

/* Of an instruction of one byte, what stands behind it tells. */
Test(sites, looks_behind_an_instruction_of_one_byte)
{
	struct probe_site *site = armed(NEXT);

	if (atomic_load(&site->jump))
		cr_skip_test("it is a jump, which is known by its five bytes");
	code[NEXT + 1] ^= 0xff;
	disarm(site);
	cr_assert_eq(atomic_load(&site->state), SITE_UNCLEAR);
	cr_assert(is_int3(NEXT));
}

/* ---- code that is unmapped ------------------------------------------------------------------- */

static void never_called(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
}

Test(sites, forgets_those_of_a_range_and_no_others)
{
	struct probe_site *below = armed(AT), *at = armed(NEXT), *behind = armed(NEXT + 5);

	sites_forget(at->address, behind->address);
	cr_assert(site_is_armed(below) && site_is_armed(behind));
	cr_assert_not(site_is_armed(at));
}

/* The handler goes, its probe is in code that stays. */
Test(sites, never_calls_a_handler_that_is_unmapped)
{
	struct probe_site *site = get_code(AT);
	struct ep_probe probe = {.handler = never_called, .site = site};
	struct probe_list *list = calloc(1, sizeof(*list) + sizeof(list->probes[0]));

	atomic_store(&probe.state.word, PROBE_LIVE | PROBE_ENABLED);
	list->count = 1;
	list->probes[0] = &probe;
	atomic_store(&site->probes, list);
	sites_forget((uint64_t)never_called + 1, (uint64_t)never_called + 2);
	cr_assert(probe_state_enabled(&probe.state));
	sites_forget((uint64_t)never_called, (uint64_t)never_called + 1);
	cr_assert_not(probe_state_enabled(&probe.state));
	cr_assert(atomic_load(&probe.state.word) & PROBE_NEVER);
	atomic_store(&site->probes, NULL);
	free(list);
}

/* ---- guards ---------------------------------------------------------------------------------- */

Test(sites, keeps_the_guard_of_an_address)
{
	static const uint8_t call[] = {0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0xc3};
	static const struct xol_guard one, other;
	struct probe_site *first, *again, *another;
	uint64_t address = (uint64_t)code + 1000 + 5;

	memcpy(code + 1000, call, sizeof(call));
	cr_assert_eq(sites_get_guarded(address, true, &one, &first), 0);
	cr_assert_eq(first->guard, &one);
	cr_assert_eq(sites_get_guarded(address, true, &one, &again), 0);
	cr_assert_eq(again, first);
	cr_assert_eq(sites_get_guarded(address, true, &other, &another), 0);
	cr_assert_neq(another, first);
	cr_assert_eq(get(address)->guard, &other, "a probe joins what is there");
}

/* ---- a process that is about to die ---------------------------------------------------------- */

Test(sites, shows_the_original_text_in_a_core_dump)
{
	struct probe_site *ours = armed(AT), *gone = armed(NEXT);
	struct probe_site *promoted = get((uint64_t)starts_with_push);
	uint8_t before[8];

	memcpy(before, (const void *)promoted->address, sizeof(before));
	arm(promoted);
	code[NEXT] = original[NEXT] = 0x58; /* the program's own doing */
	sites_restore_text();
	expect_original();
	cr_assert_arr_eq((const void *)promoted->address, before, sizeof(before));
	cr_assert(site_is_armed(ours) && site_is_armed(gone), "a late trap still finds them");
}
