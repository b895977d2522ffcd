/* SPDX-License-Identifier: MIT */
/* A thread whose area is not libc's: what is counted and called under each plan. */
#include <asm/prctl.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/unit/probe/functions.h"

enum { PAGE = 4096 };

static unsigned int called;

static void on_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	called++;
}

static long arch_prctl(long code, uint64_t value)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(SYS_arch_prctl), "D"(code), "S"(value)
			 : "rcx", "r11", "memory");
	return ret;
}

/* A page with its own address in front, and nothing around it. */
static char *make_area(void)
{
	char *memory = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	cr_assert_eq(mprotect(memory + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	*(void **)(void *)(memory + PAGE) = memory + PAGE;
	return memory + PAGE;
}

static uint64_t call_in(char *area)
{
	uint64_t own, sum;

	arch_prctl(ARCH_GET_FS, (uint64_t)&own);
	arch_prctl(ARCH_SET_FS, (uint64_t)area);
	sum = starts_with_push(1, 2);
	arch_prctl(ARCH_SET_FS, own);
	return sum;
}

/* @hits and @missed: what one call in a foreign area adds. */
static void check(enum ep_plan plan, ep_handler handler, uint64_t hits, uint64_t missed)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan, .handler = handler};
	struct ep_info info = {.size = sizeof(info)};
	char *areas[] = {make_area(), NULL};
	struct ep_probe *probe;

	called = 0;
	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &probe), 0);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(call_in(areas[i]), 3);
	cr_expect_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_expect_eq(info.hits, 1 + 2 * hits, "plan %d: %lu hits", plan, info.hits);
	cr_expect_eq(info.missed, 2 * missed, "plan %d: %lu missed", plan, info.missed);
	cr_expect_eq(called, handler ? 1 : 0);
	ep_probe_remove(probe);
}

static const enum ep_plan plans[] = {EP_PLAN_AUTO, EP_PLAN_EMULATE, EP_PLAN_BOOST, EP_PLAN_JUMP};

Test(areas, that_are_foreign_are_counted, .timeout = 400)
{
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		check(plans[i], NULL, 1, 0);
}

Test(areas, that_are_foreign_call_no_handler, .timeout = 400)
{
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		check(plans[i], on_hit, 0, 1);
}

/* ---- a fork meanwhile ------------------------------------------------------------------------- */

enum { PROBES = 2000, FORKS = 40 };

static volatile bool ends;

static int hits_without_end(void *area)
{
	arch_prctl(ARCH_SET_FS, (uint64_t)area);
	while (!ends)
		starts_with_push(1, 2);
	return 0;
}

/* Takes a probe away, for which it has to wait until no thread counts it. */
static int child_status(struct ep_probe *probe)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		alarm(20);
		ep_probe_remove(probe);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return status;
}

/* With so many probes in one place it is nearly always at counting them. */
Test(areas, that_are_foreign_are_not_waited_for_in_a_child, .timeout = 400)
{
	static struct ep_probe *probes[PROBES];
	static char stack[64 * 1024];
	pid_t thread;

	for (int i = 0; i < PROBES; i++)
		cr_assert_eq(ep_probe_create((const void *)starts_with_push, NULL, &probes[i]), 0);
	thread = clone(hits_without_end, stack + sizeof(stack),
		       CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			       CLONE_SYSVSEM,
		       make_area());
	cr_assert_gt(thread, 0);
	for (int i = 0; i < FORKS; i++)
		cr_assert_eq(child_status(probes[i]), 0);
	ends = true;
	for (int i = 0; i < PROBES; i++)
		ep_probe_remove(probes[i]);
}
