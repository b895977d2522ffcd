/* SPDX-License-Identifier: MIT */
/* Which places are promoted under `auto`, which under `jump`, and what is said of the others. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/emuprobe.h"

#define PLACES(X)                                                                                  \
	/* name           under auto       under jump */                                           \
	X(padding, 0, 0)                                                                           \
	X(data, EP_JUMP_CODE, EP_JUMP_CODE)                                                        \
	X(entry, EP_JUMP_ENTRY, 0)                                                                 \
	X(part, 0, 0)                                                                              \
	X(target, EP_JUMP_TARGET, 0)                                                               \
	X(far_target, EP_JUMP_TARGET, 0)                                                           \
	X(loop_target, EP_JUMP_TARGET, 0)                                                          \
	X(target_in_part, 0, 0)                                                                    \
	X(return, EP_JUMP_RETURN, 0)

#define DECLARE(name, under_auto, under_jump) extern const char promote_##name[];
PLACES(DECLARE)
#undef DECLARE

static const struct place {
	const char *name;
	const char *address;
	int reason[2];
} places[] = {
#define ROW(name, under_auto, under_jump) {#name, promote_##name, {under_auto, under_jump}},
	PLACES(ROW)
#undef ROW
};

static const enum ep_plan asked[2] = {EP_PLAN_AUTO, EP_PLAN_JUMP};

static void expect(const struct place *place, int i, const struct ep_info *info, const char *who)
{
	cr_expect_eq(info->reason, place->reason[i], "%s %s under %s: \"%s\"", who, place->name,
		     ep_plan_name(asked[i]), ep_strerror(info->reason));
	cr_expect_eq(info->plan == EP_PLAN_JUMP, place->reason[i] == 0, "%s %s under %s: %s", who,
		     place->name, ep_plan_name(asked[i]), ep_plan_name(info->plan));
}

Test(promote, check_foresees_what_create_does)
{
	for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
		for (int i = 0; i < 2; i++) {
			struct ep_options options = {.size = sizeof(options), .plan = asked[i]};
			struct ep_info info = {.size = sizeof(info)};
			struct ep_probe *probe;

			cr_assert_eq(ep_check(places[p].address, &options, &info), 0);
			expect(&places[p], i, &info, "check");
			cr_assert_eq(ep_probe_create(places[p].address, &options, &probe), 0);
			cr_assert_eq(ep_probe_info(probe, &info), 0);
			expect(&places[p], i, &info, "create");
			ep_probe_remove(probe);
		}
	}
}

/* The kernel's struct sigaction. */
struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	const char *restorer;
	unsigned long mask;
};

static void handle(int sig)
{
	(void)sig;
}

/* Its FDE begins one byte before it, in the middle of a nop. */
Test(promote, what_handlers_return_to_is_no_function)
{
	struct kernel_action action;
	struct ep_info info = {.size = sizeof(info)};

	signal(SIGUSR1, handle);
	cr_assert_eq(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &action, sizeof(action.mask)), 0);
	cr_expect_eq(ep_check(action.restorer - 1, NULL, &info), -EP_NO_FUNCTION, "%s: %s",
		     info.insn, ep_strerror(info.reason));
}
