/* SPDX-License-Identifier: MIT */
/* What docs/guarantees.md promises, and what stress.c does not see. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fallback-xol/code_memory.h"
#include "include/emuprobe.h"
#include "tests/stress/patterns.h"

enum { CYCLES = 2000 };

TestSuite(guarantees, .timeout = 400);

static void hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	atomic_fetch_add((atomic_ulong *)cookie, 1);
}

static struct ep_probe *create(const struct pattern *pattern, atomic_ulong *hits)
{
	struct ep_options options = {.size = sizeof(options), .handler = hit, .cookie = hits};
	struct ep_probe *probe = NULL;

	cr_assert_eq(ep_probe_create((const void *)pattern->function, &options, &probe), 0);
	return probe;
}

/* ---- G2 ------------------------------------------------------------------------------------ */

static atomic_bool stop;
static atomic_ulong wrong;

/* Takes no signal but those that its own instructions raise. */
static void *run_without_signals(void *data)
{
	sigset_t all;

	(void)data;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!atomic_load(&stop))
		for (unsigned int i = 0; i < PATTERN_COUNT; i++)
			atomic_fetch_add(&wrong, !pattern_is_right(&patterns[i], 0, 3));
	return NULL;
}

static void *sleep_without_signals(void *pipe)
{
	sigset_t all;
	char byte;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	atomic_fetch_add(&wrong, read(*(int *)pipe, &byte, 1) != 0);
	return NULL;
}

Test(guarantees, g2_threads_that_sleep_or_block_all_signals_hold_nobody_up)
{
	pthread_t running, sleeping;
	atomic_ulong hits = 0;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	pthread_create(&running, NULL, run_without_signals, NULL);
	pthread_create(&sleeping, NULL, sleep_without_signals, &ends[0]);
	for (unsigned int i = 0; i < CYCLES; i++)
		ep_probe_remove(create(&patterns[i % PATTERN_COUNT], &hits));
	atomic_store(&stop, true);
	close(ends[1]);
	pthread_join(running, NULL);
	pthread_join(sleeping, NULL);
	cr_expect_eq(wrong, 0);
}

/* ---- G4 ------------------------------------------------------------------------------------ */

Test(guarantees, g4_memory_is_bounded_by_the_number_of_addresses)
{
	struct xol_memory_usage first, last;
	atomic_ulong hits = 0;

	for (unsigned int cycle = 0; cycle < CYCLES; cycle++) {
		for (unsigned int i = 0; i < PATTERN_COUNT; i++)
			ep_probe_remove(create(&patterns[i], &hits));
		if (cycle == 0)
			xol_code_usage(&first);
	}
	xol_code_usage(&last);
	cr_expect_eq(first.used, last.used, "%zu, then %zu bytes", first.used, last.used);
	cr_expect_eq(first.chunks, last.chunks);
}

/* ---- G5 ------------------------------------------------------------------------------------ */

static void *run_first_pattern(void *data)
{
	(void)data;
	while (!atomic_load(&stop))
		atomic_fetch_add(&wrong, !pattern_is_right(&patterns[0], 0, 1));
	return NULL;
}

/* Its cookie is one that may not be touched any more. */
static void linger(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	atomic_bool *valid = cookie;

	(void)probe;
	(void)regs;
	for (int i = 0; i < 100; i++)
		atomic_fetch_add(&wrong, !atomic_load(valid));
}

Test(guarantees, g5_no_handler_runs_once_its_probe_is_removed)
{
	pthread_t threads[4];
	static atomic_bool valid[CYCLES];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, run_first_pattern, NULL);
	for (int i = 0; i < CYCLES; i++) {
		struct ep_options options = {
			.size = sizeof(options),
			.handler = linger,
			.cookie = &valid[i],
			.plan = i % 2 ? EP_PLAN_TRAP : EP_PLAN_JUMP,
		};
		struct ep_probe *probe;

		atomic_store(&valid[i], true);
		cr_assert_eq(ep_probe_create((const void *)patterns[0].function, &options, &probe),
			     0);
		usleep(50);
		ep_probe_remove(probe);
		atomic_store(&valid[i], false);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(wrong, 0);
}

/* ---- G6 ------------------------------------------------------------------------------------ */

static void expect_no_writable_code(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512], perms[8];

	cr_assert(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %7s", perms) == 1)
			cr_expect(perms[1] != 'w' || perms[2] != 'x', "%s", line);
	fclose(file);
}

static void *watch(void *data)
{
	(void)data;
	while (!atomic_load(&stop))
		expect_no_writable_code();
	return NULL;
}

Test(guarantees, g6_no_page_is_ever_writable_and_executable)
{
	atomic_ulong hits = 0;
	pthread_t watcher;

	pthread_create(&watcher, NULL, watch, NULL);
	for (unsigned int i = 0; i < CYCLES; i++)
		ep_probe_remove(create(&patterns[i % PATTERN_COUNT], &hits));
	atomic_store(&stop, true);
	pthread_join(watcher, NULL);
	for (unsigned int i = 0; i < PATTERN_COUNT; i++)
		create(&patterns[i], &hits);
	expect_no_writable_code();
}

/* ---- G7 ------------------------------------------------------------------------------------ */

static void read_text(const struct pattern *pattern, unsigned int i, struct ep_info *ret)
{
	*ret = (struct ep_info){.size = sizeof(*ret)};
	cr_assert_eq(ep_check((const char *)pattern->function + pattern->offset[i], NULL, ret), 0);
}

Test(guarantees, g7_the_original_instructions_are_seen_under_a_jump)
{
	for (unsigned int p = 0; p < PATTERN_COUNT; p++) {
		const struct pattern *pattern = &patterns[p];
		struct ep_info before[5], now;
		struct ep_probe *probe;
		atomic_ulong hits = 0;

		for (unsigned int i = 0; i < pattern->count; i++)
			read_text(pattern, i, &before[i]);
		probe = create(pattern, &hits);
		for (unsigned int i = 0; i < pattern->count; i++) {
			read_text(pattern, i, &now);
			cr_expect_str_eq(before[i].insn, now.insn);
		}
		ep_probe_remove(probe);
	}
}
