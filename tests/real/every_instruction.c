/* SPDX-License-Identifier: MIT */
/*
 * Every instruction of every function that a workload enters, in real libraries, is probed: all at
 * once and, a sample, one at a time, under each plan. The result must be that of an unprobed run.
 * The handler leaves nothing as it was that it may change.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"
#include "probe/image/functions.h"
#include "probe/image/objects.h"
#include "tests/real/workloads.h"
#include "x86/insn.h"

TestSuite(every_instruction, .timeout = 400);

static struct ep_request *requests;
static struct ep_probe **probes;
static struct ep_counts *counts;
static size_t request_count;

static const void *addresses[400000];
static size_t address_count;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- where the instructions are ------------------------------------------------------------ */

static int keep_address(const struct ep_match *match, void *data)
{
	*(uint64_t *)data = (uint64_t)match->addr;
	return 1;
}

static struct objects_object *find_library(const char *name)
{
	struct ep_place place = {.object = name, .symbol = "*"};
	struct objects_object *object;
	uint64_t address = 0;

	ep_resolve(&place, keep_address, &address);
	engine_lock();
	object = objects_find(address);
	if (object)
		objects_read_functions(object);
	engine_unlock();
	cr_assert(object, "%s", name);
	return object;
}

static void add_instructions(const struct objects_function *function)
{
	struct x86_insn insn;

	for (uint64_t at = function->start; at < function->end; at += insn.length) {
		if (address_count == sizeof(addresses) / sizeof(addresses[0]) ||
		    x86_decode((const uint8_t *)at, X86_INSN_MAX, at, &insn))
			return;
		addresses[address_count++] = (const void *)at;
	}
}

/* ---- a batch ------------------------------------------------------------------------------- */

static bool has_avx, has_avx512;

/* Clobbers what a C function may. */
static void trash(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	++*(volatile uint64_t *)cookie;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1; pcmpeqd %%xmm7, %%xmm7;"
			 "pcmpeqd %%xmm8, %%xmm8; pcmpeqd %%xmm15, %%xmm15"
			 :
			 :
			 : "xmm0", "xmm1", "xmm7", "xmm8", "xmm15");
	if (has_avx)
		__asm__ volatile("vpcmpeqd %%xmm2, %%xmm2, %%xmm2; vxorps %%ymm3, %%ymm3, %%ymm3;"
				 "vxorps %%ymm12, %%ymm12, %%ymm12; vzeroupper"
				 :
				 :
				 : "xmm2", "xmm3", "xmm12");
	if (has_avx512)
		__asm__ volatile(".byte 0x62, 0xa1, 0x7c, 0x40, 0x57, 0xc0\n" /* vxorps zmm16 */
				 ".byte 0xc5, 0xf4, 0x47, 0xc9"		      /* kxorw k1, k1, k1 */
				 :
				 :
				 : "memory");
}

/* Every @stride-th instruction: nearer than five bytes jumps are in each other's way. */
static void arm_all(enum ep_plan plan, size_t stride, ep_handler handler, uint64_t *calls)
{
	struct ep_options options = {
		.size = sizeof(options), .plan = plan, .handler = handler, .cookie = calls};

	request_count = address_count / stride;
	requests = calloc(request_count + 1, sizeof(*requests));
	probes = calloc(request_count + 1, sizeof(*probes));
	for (size_t i = 0; i < request_count; i++)
		requests[i] = (struct ep_request){addresses[i * stride], &options, NULL, 0};
	ep_probe_create_batch(requests, request_count);
	for (size_t i = 0; i < request_count; i++)
		probes[i] = requests[i].probe;
}

static void disarm_all(void)
{
	ep_probe_remove_batch(probes, request_count);
	free(probes);
	free(requests);
}

/* The functions that @work enters: counted at their starts. */
static void choose_functions(const struct workload *work, struct objects_object *object)
{
	struct ep_options *options = calloc(object->function_count + 1, sizeof(*options));

	requests = calloc(object->function_count + 1, sizeof(*requests));
	counts = calloc(object->function_count + 1, sizeof(*counts));
	probes = calloc(object->function_count + 1, sizeof(*probes));
	for (size_t i = 0; i < object->function_count; i++) {
		options[i] = (struct ep_options){
			.size = sizeof(options[i]), .plan = EP_PLAN_TRAP, .counts = &counts[i]};
		requests[i] = (struct ep_request){(const void *)object->functions[i].start,
						  &options[i], NULL, 0};
	}
	ep_probe_create_batch(requests, object->function_count);
	for (size_t i = 0; i < object->function_count; i++)
		probes[i] = requests[i].probe;
	work->run();
	ep_probe_remove_batch(probes, object->function_count);
	for (size_t i = 0; i < object->function_count; i++)
		if (counts[i].hits &&
		    (i == 0 || object->functions[i].start != object->functions[i - 1].start))
			add_instructions(&object->functions[i]);
	free(requests);
	free(probes);
	free(counts);
	free(options);
}

/* ---- claims -------------------------------------------------------------------------------- */

static size_t count_jumps(void)
{
	size_t ret = 0;

	for (size_t i = 0; i < request_count; i += 16) {
		struct ep_info info = {.size = sizeof(info)};

		if (probes[i] && ep_probe_info(probes[i], &info) == 0)
			ret += info.plan == EP_PLAN_JUMP;
	}
	return ret * 16;
}

static void report(const struct workload *work, enum ep_plan plan, uint64_t calls, double seconds)
{
	size_t by_error[64] = {0}, armed = 0;

	for (size_t i = 0; i < request_count; i++)
		if (requests[i].error)
			by_error[-requests[i].error & 63]++;
		else
			armed++;
	fprintf(stderr, "%s, %s: %zu of %zu instructions probed, about %zu jumps, %lu hits, %.2f s",
		work->name, ep_plan_name(plan), armed, request_count, count_jumps(), calls,
		seconds);
	for (int error = 1; error < 64; error++)
		if (by_error[error])
			fprintf(stderr, ", %zu %s", by_error[error], ep_error_name(error));
	fputc('\n', stderr);
}

/* @return the hits. */
static uint64_t check_all_at_once(const struct workload *work, enum ep_plan plan, size_t stride,
				  ep_handler handler, uint64_t expected)
{
	uint64_t calls = 0, hits, result;
	double start = now();

	arm_all(plan, stride, handler, &calls);
	result = work->run();
	hits = calls; /* whoever reports may use the very functions */
	report(work, plan, hits, now() - start);
	disarm_all();
	cr_expect_eq(result, expected, "%s: one in %zu under %s", work->name, stride,
		     ep_plan_name(plan));
	cr_expect_eq(work->run(), expected, "%s: after %s", work->name, ep_plan_name(plan));
	if (handler)
		cr_expect_gt(hits, 100, "%s under %s", work->name, ep_plan_name(plan));
	return hits;
}

static void check_one_by_one(const struct workload *work, enum ep_plan plan, uint64_t expected,
			     size_t sample)
{
	size_t stride = address_count / sample + 1;

	for (size_t i = (size_t)plan % stride; i < address_count; i += stride) {
		uint64_t calls = 0;
		struct ep_options options = {
			.size = sizeof(options), .plan = plan, .handler = trash, .cookie = &calls};
		struct ep_probe *probe;

		if (ep_probe_create(addresses[i], &options, &probe))
			continue;
		cr_expect_eq(work->run(), expected, "%s: %p under %s", work->name, addresses[i],
			     ep_plan_name(plan));
		ep_probe_remove(probe);
	}
}

static void check(const struct workload *work)
{
	static const enum ep_plan plans[] = {EP_PLAN_TRAP, EP_PLAN_BOOST, EP_PLAN_AUTO,
					     EP_PLAN_JUMP};
	uint64_t expected, hits[4];

	if (!work->load())
		cr_skip("%s is not here", work->library);
	has_avx = __builtin_cpu_supports("avx");
	has_avx512 = __builtin_cpu_supports("avx512f");
	expected = work->run();
	cr_assert_eq(work->run(), expected, "%s is not repeatable", work->name);
	choose_functions(work, find_library(work->library));
	cr_assert_gt(address_count, 100, "%s", work->name);
	for (int i = 0; i < 4; i++) {
		hits[i] = check_all_at_once(work, plans[i], 1, trash, expected);
		check_one_by_one(work, plans[i], expected, 200);
	}
	/* Some have random numbers to make now and then. */
	cr_expect(llabs((long long)(hits[2] - hits[0])) <= (long long)hits[0] / 200);
	cr_expect(llabs((long long)(hits[3] - hits[0])) <= (long long)hits[0] / 200);
	for (size_t stride = 3; stride <= 11; stride += 4) {
		check_all_at_once(work, EP_PLAN_AUTO, stride, NULL, expected);
		check_all_at_once(work, EP_PLAN_JUMP, stride, NULL, expected);
		check_all_at_once(work, EP_PLAN_JUMP, stride, trash, expected);
	}
}

Test(every_instruction, of_libz)
{
	check(&workload_libz);
}

Test(every_instruction, of_libm)
{
	check(&workload_libm);
}

Test(every_instruction, of_libc_strings)
{
	check(&workload_strings);
}

Test(every_instruction, of_sha256)
{
	check(&workload_sha256);
}

Test(every_instruction, of_aes_gcm)
{
	check(&workload_aes_gcm);
}

Test(every_instruction, of_sqlite)
{
	check(&workload_sqlite);
}
