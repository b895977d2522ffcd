/* SPDX-License-Identifier: MIT */
/* Environments, completed and cleaned: never more than there is room for. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/readable.h"
#include "trace/execute/environment.h"

TestSuite(trace_environment, .timeout = 400);

#define PAGE 4096

static const char *const variables[] = {"EMUPROBE_SESSION=/x", "EMUPROBE_PLAN=trap", NULL};
static const struct trace_environment ours = {
	.library = "/lib/" TRACE_LIBRARY, .variables = variables, .calms_asan = true};
static char theirs[][40] = {"A=1", "LD_PRELOAD=/a.so:/b.so", "ASAN_OPTIONS=x=1", "B=2"};
static char *const envp[] = {theirs[0], theirs[1], theirs[2], theirs[3], NULL};

/* What was measured is too little where another thread has put something in since. */
Test(trace_environment, room_is_never_exceeded)
{
	size_t whole = trace_environment_size(envp, &ours);
	char block[1024];

	cr_assert_lt(whole, sizeof(block));
	cr_expect_not_null(trace_environment_complete(envp, &ours, block, whole));
	for (size_t size = 0; size < whole; size++) {
		memset(block, '#', sizeof(block));
		if (trace_environment_complete(envp, &ours, block, size))
			cr_expect_gt(size, 150, "%zu of %zu", size, whole);
		for (size_t i = size; i < sizeof(block); i++)
			cr_assert_eq(block[i], '#', "%zu of %zu", i, size);
		memset(block, '#', sizeof(block));
		trace_environment_clean(envp, block, size);
		for (size_t i = size; i < sizeof(block); i++)
			cr_assert_eq(block[i], '#', "%zu of %zu", i, size);
	}
}

Test(trace_environment, completed_and_cleaned_again)
{
	char block[1024], second[1024];
	char **full = trace_environment_complete(envp, &ours, block, sizeof(block)), **clean;

	cr_assert_not_null(full);
	cr_expect_str_eq(full[1], "LD_PRELOAD=/lib/" TRACE_LIBRARY ":/a.so:/b.so");
	cr_expect_str_eq(full[2], "ASAN_OPTIONS=x=1:verify_asan_link_order=0");
	cr_expect_str_eq(full[4], variables[0]);
	cr_expect_null(trace_environment_complete(full, &ours, second, sizeof(second)));
	clean = trace_environment_clean(full, second, sizeof(second));
	cr_assert_not_null(clean);
	for (size_t i = 0; i < 4; i++)
		cr_expect_str_eq(clean[i], theirs[i]);
	cr_expect_null(clean[4]);
}

Test(trace_environment, unreadable_memory_is_noticed)
{
	char *pages =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char **vector = (char **)(void *)(pages + 2 * PAGE) - 2;

	cr_assert_eq(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE), 0);
	cr_expect(sys_readable_vector(NULL));
	cr_expect(sys_readable_vector(envp));
	cr_expect_not(sys_readable_string(NULL));
	cr_expect_not(sys_readable_string((const char *)8));
	memset(pages, 'a', 2 * PAGE);
	cr_expect_not(sys_readable_string(pages + 10));
	pages[2 * PAGE - 1] = '\0';
	cr_expect(sys_readable_string(pages + 10));
	vector[0] = pages;
	vector[1] = NULL;
	cr_expect(sys_readable_vector(vector));
	vector[1] = theirs[0];
	cr_expect_not(sys_readable_vector(vector));
	cr_expect_not(sys_readable_vector((char **)(void *)((char *)vector + 12)));
}
