/* SPDX-License-Identifier: MIT */
/* Claims: code memory is in reach, never W+X, separate after fork, and fails with a reason. */
#include "fallback-xol/code_memory.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fallback-xol/boost.h"
#include "fallback-xol/slot.h"
#include "tests/unit/fallback-xol/prepare.h"
#include "x86/encode.h"

/* Its shadow fills much of the address space, and it takes SIGSEGV for itself. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define TWO_GIB ((uint64_t)1 << 31)

static bool is_in_reach(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < TWO_GIB - XOL_SLACK;
}

static int boost_at(const uint8_t *code, uint64_t *ret)
{
	struct x86_insn insn;

	cr_assert_eq(x86_decode(code, X86_INSN_MAX, (uint64_t)code, &insn), 0);
	return xol_boost(&insn, ret);
}

Test(code_memory_alloc, is_in_reach_and_runs)
{
	static const uint8_t ret[] = {0xc3}; /* ret */
	struct xol_code code;

	cr_assert_eq(xol_code_alloc((uint64_t)run, 64, &code), 0);
	cr_assert(is_in_reach(code.rx, (uint64_t)run));
	memcpy(code.rw, ret, sizeof(ret));
	((void (*)(void))code.rx)();
}

Test(code_memory_alloc, shares_chunks)
{
	struct xol_memory_usage usage;
	struct xol_code code;

	for (int i = 0; i < 1000; i++)
		cr_assert_eq(xol_code_alloc((uint64_t)run + i * 1000, 64, &code), 0);
	xol_code_usage(&usage);
	cr_assert_eq(usage.chunks, 1);
	cr_assert_eq(usage.used, 64000);
}

Test(code_memory_alloc, finds_space_for_any_target, .disabled = SANITIZED)
{
	struct xol_code code;

	for (uint64_t near = 0x400000; near < 0x7fff00000000; near += 0x1234567000) {
		cr_assert_eq(xol_code_alloc(near, 64, &code), 0, "%#lx", near);
		cr_assert(is_in_reach(code.rx, near), "%#lx for %#lx", code.rx, near);
	}
}

Test(code_memory_alloc, is_never_writable_and_executable)
{
	struct xol_code code;
	uint64_t slot;

	cr_assert_eq(xol_code_alloc((uint64_t)run, 64, &code), 0);
	cr_assert_eq(boost_at(run_corpus[0].start, &slot), 0);
	cr_assert_not(run_finds_writable_code());
}

Test(code_memory_alloc, cannot_be_written_where_it_runs, .signal = SIGSEGV, .disabled = SANITIZED)
{
	struct xol_code code;

	cr_assert_eq(xol_code_alloc((uint64_t)run, 64, &code), 0);
	*(volatile uint8_t *)code.rx = 0;
}

Test(code_memory_alloc, keeps_to_a_window)
{
	uint64_t lo = ((uint64_t)run & ~(uint64_t)0xfff) - 0x33000000;
	struct sys_window window = {lo, lo + 0x100000};
	struct xol_code code;

	for (int i = 0; i < 4; i++) {
		cr_assert_eq(xol_code_alloc_in(window, (uint64_t)run, 0x4000, 0x4000, &code), 0);
		cr_assert_geq(code.rx, window.lo);
		cr_assert_leq(code.rx + 0x4000, window.hi);
		cr_assert_eq(code.rx % 0x4000, 0);
	}
}

Test(code_memory_alloc, refuses_where_all_space_is_taken)
{
	struct xol_code code;

	run_fill(xol_code_reach((uint64_t)run, 0));
	cr_assert_eq(xol_code_alloc((uint64_t)run, 64, &code), -EP_OUT_OF_REACH);
}

Test(code_memory_alloc, makes_do_with_a_small_gap)
{
	uint64_t gap = ((uint64_t)run & ~(uint64_t)0xffff) - 0x33000000;
	struct xol_code code;

	run_fill(xol_code_reach((uint64_t)run, 0));
	munmap((void *)gap, 0x20000);
	cr_assert_eq(xol_code_alloc((uint64_t)run, 64, &code), 0);
	cr_assert_lt(code.rx - gap, 0x20000);
}

Test(code_memory, a_limit_of_file_sizes_does_not_kill)
{
	struct rlimit before, after;
	struct xol_code code;

	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, before.rlim_max});
	cr_assert_eq(xol_code_alloc((uint64_t)&xol_code_alloc, 64, &code), 0);
	getrlimit(RLIMIT_FSIZE, &after);
	cr_assert_eq(after.rlim_cur, 0);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0});
	cr_assert_eq(xol_code_alloc(0x100000000000, 64, &code), -EP_NO_MEMORY);
}

Test(code_memory_alloc, refuses_without_address_space)
{
	struct rlimit before;
	struct xol_code code;
	uint64_t slot;

	getrlimit(RLIMIT_AS, &before);
	setrlimit(RLIMIT_AS, &(struct rlimit){0, before.rlim_max});
	int code_error = xol_code_alloc((uint64_t)run, 64, &code);
	int slot_error = boost_at(run_corpus[0].start, &slot);
	setrlimit(RLIMIT_AS, &before);
	cr_assert_eq(code_error, -EP_NO_MEMORY);
	cr_assert_eq(slot_error, -EP_NO_MEMORY);
}

Test(code_memory_alloc, refuses_without_a_descriptor)
{
	struct rlimit before;
	struct xol_code code;

	getrlimit(RLIMIT_NOFILE, &before);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max});
	int error = xol_code_alloc((uint64_t)run, 64, &code);

	setrlimit(RLIMIT_NOFILE, &before);
	cr_assert(error == -EP_NO_MEMORY || error == -EP_UNSUPPORTED);
}

/* Leaves no descriptor behind for the program to trip over. */
Test(code_memory_alloc, opens_nothing)
{
	struct xol_code code;
	int before = dup(0), after;

	close(before);
	cr_assert_eq(xol_code_alloc((uint64_t)run, 64, &code), 0);
	after = dup(0);
	cr_assert_eq(after, before);
}

/* ---- fork ---------------------------------------------------------------------------------- */

/* The child boosts one instruction, the parent another: neither may write over the other's. */
Test(code_memory_fork, separates_parent_and_child)
{
	const struct run_case *first = run_corpus, *second = run_corpus + 1,
			      *third = run_corpus + 2;
	uint64_t old_slot, slot;
	struct xol_origin origin;
	int status;

	cr_assert_eq(boost_at(first->start, &old_slot), 0);
	pid_t child = fork();

	if (!child) {
		if (boost_at(second->start, &slot) || slot >> 14 == old_slot >> 14)
			_exit(1);
		run_prepare(old_slot, 0);
		run();
		run_prepare(slot, 0);
		run();
		_exit(!xol_origin(old_slot, &origin) || !xol_origin(slot, &origin));
	}
	waitpid(child, &status, 0);
	cr_assert_eq(status, 0);
	cr_assert_eq(boost_at(third->start, &slot), 0);
	cr_assert_eq(slot, old_slot + XOL_CELL);
}

Test(code_memory_fork, child_of_child_has_its_own)
{
	uint64_t slots[3];
	int status;

	cr_assert_eq(boost_at(run_corpus[0].start, &slots[0]), 0);
	pid_t child = fork();

	if (child) {
		waitpid(child, &status, 0);
		cr_assert_eq(status, 0);
		return;
	}
	if (boost_at(run_corpus[1].start, &slots[1]))
		_exit(1);
	child = fork();
	if (!child)
		_exit(boost_at(run_corpus[2].start, &slots[2]) ||
		      slots[2] >> 14 == slots[1] >> 14 || slots[2] >> 14 == slots[0] >> 14);
	waitpid(child, &status, 0);
	_exit(status != 0);
}

/* ---- slots --------------------------------------------------------------------------------- */

Test(slot_find, knows_slots_and_nothing_else)
{
	static uint64_t slots[20000];
	struct xol_origin origin;

	for (int i = 0; i < 20000; i++)
		cr_assert_eq(boost_at(run_corpus[0].start, &slots[i]), 0);
	for (int i = 0; i < 20000; i++) {
		cr_assert(xol_origin(slots[i], &origin));
		cr_assert_eq(origin.address, (uint64_t)run_corpus[0].start);
		cr_assert_not(origin.executed);
	}
	cr_assert_not(xol_origin(slots[19999] + XOL_CELL, &origin));
	cr_assert_not(xol_origin((uint64_t)run, &origin));
	cr_assert_not(xol_origin(0, &origin));
	cr_assert_not(xol_origin(~(uint64_t)0, &origin));
}
