/* SPDX-License-Identifier: MIT */
/* A handler that is left by a jump: out of a signal handler that interrupted it. */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>

#include "include/emuprobe.h"
#include "tests/unit/probe/functions.h"

static sigjmp_buf outside;
static bool leave;

static void jump_out(int sig)
{
	(void)sig;
	siglongjmp(outside, 1);
}

static void interrupted(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	if (leave)
		raise(SIGUSR1);
}

Test(left, a_handler_left_by_a_jump_is_called_again, .timeout = 400)
{
	struct ep_options options = {.size = sizeof(options), .handler = interrupted};
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe;

	signal(SIGUSR1, jump_out);
	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &probe), 0);
	leave = true;
	if (sigsetjmp(outside, 1) == 0) {
		starts_with_push(1, 2);
		cr_assert_fail("it was not left");
	}
	leave = false;
	cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_assert_eq(info.plan, EP_PLAN_JUMP);
	cr_assert_eq(info.hits, 2);
	cr_assert_eq(info.missed, 0);
}

/* ---- a handler that is only interrupted ----------------------------------------------------- */

static unsigned int depth, deepest, inner;

static void call_again(int sig)
{
	(void)sig;
	inner += starts_with_push(1, 2) == 3;
}

static void interrupted_once(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	depth++;
	deepest = depth > deepest ? depth : deepest;
	if (depth == 1)
		raise(SIGUSR1);
	depth--;
}

/* The signal's stack is in our own frame: right above that of the handler. */
Test(left, a_handler_interrupted_on_a_stack_above_is_still_running, .timeout = 400)
{
	char above[65536];
	const stack_t stack = {.ss_sp = above, .ss_size = sizeof(above)};
	struct sigaction action = {.sa_handler = call_again, .sa_flags = SA_ONSTACK};
	struct ep_options options = {.size = sizeof(options), .handler = interrupted_once};
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe;

	cr_assert_eq(sigaltstack(&stack, NULL), 0);
	sigaction(SIGUSR1, &action, NULL);
	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &probe), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_expect_eq(deepest, 1);
	cr_expect_eq(inner, 3);
	cr_expect_eq(info.hits, 3);
	cr_expect_eq(info.missed, 3);
}
