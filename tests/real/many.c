/* SPDX-License-Identifier: MIT */
/* A hundred thousand probes in one process: armed as one batch, hit, and gone without a trace. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"
#include "probe/image/functions.h"
#include "probe/image/objects.h"
#include "tests/real/workloads.h"
#include "tests/support/platform.h"
#include "x86/insn.h"

TestSuite(many, .timeout = 400);

enum { MANY = 100000 };

static struct ep_request requests[MANY];
static struct ep_probe *probes[MANY];

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t collect(struct objects_object *object, const struct ep_options *options)
{
	size_t count = 0;

	for (size_t i = 0; i < object->function_count; i++) {
		const struct objects_function *function = &object->functions[i];
		struct x86_insn insn;

		for (uint64_t at = function->start; at < function->end && count < MANY;
		     at += insn.length) {
			if (x86_decode((const uint8_t *)at, X86_INSN_MAX, at, &insn))
				break;
			requests[count++] = (struct ep_request){(const void *)at, options, NULL, 0};
		}
	}
	return count;
}

static void check(enum ep_plan plan)
{
	const struct ep_options options = {.size = sizeof(options), .plan = plan};
	const struct workload *work = &workload_sqlite;
	struct objects_object *object;
	size_t count, failed, size;
	const uint8_t *start;
	uint64_t expected;
	uint8_t *before;
	double seconds;

	if (!work->load())
		cr_skip("%s is not here", work->library);
	expected = work->run();
	engine_lock();
	object = objects_find((uint64_t)dlsym(RTLD_DEFAULT, "sqlite3_exec"));
	if (!object)
		object = objects_find(
			(uint64_t)dlsym(dlopen(work->library, RTLD_NOW), "sqlite3_exec"));
	cr_assert(object && objects_read_functions(object) == 0);
	count = collect(object, &options);
	engine_unlock();
	cr_assert_eq(count, MANY);
	start = requests[0].addr;
	size = (size_t)((const uint8_t *)requests[MANY - 1].addr - start);
	before = malloc(size);
	memcpy(before, start, size);
	seconds = now();
	failed = ep_probe_create_batch(requests, MANY);
	seconds = now() - seconds;
	cr_expect_lt(failed, MANY / 100, "%zu refused", failed);
	cr_expect_lt(seconds, 5 * platform()->slowness, "%.2f s",
		     seconds); /* 0.2 s on an idle machine */
	cr_expect_eq(work->run(), expected);
	for (int i = 0; i < MANY; i++)
		probes[i] = requests[i].probe;
	cr_expect_eq(ep_probe_remove_batch(probes, MANY), 0);
	cr_expect_eq(memcmp(before, start, size), 0, "the text is not what it was");
	cr_expect_eq(work->run(), expected);
	free(before);
}

Test(many, under_trap)
{
	check(EP_PLAN_TRAP);
}

Test(many, under_auto)
{
	check(EP_PLAN_AUTO);
}
