// SPDX-License-Identifier: MIT
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
