/* SPDX-License-Identifier: MIT */
/* Stubs by themselves: which one a call gets, and what unwinders are told. */
#include "fallback-xol/stub.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/mman.h>

TestSuite(stub, .timeout = 400);

#define THREADS 8
#define CALLERS 2000

static uint64_t site_of_one[8] = {0x1000}, site_of_other[8] = {0x2000};

static void hit(struct ep_regs *regs, void *site, uint64_t where, void *vectors)
{
	(void)regs;
	(void)site;
	(void)where;
	(void)vectors;
}

static void make_ready(void)
{
	cr_assert_eq(xol_stub_init(), 0);
}

Test(stub, there_is_one_for_each_function_and_caller)
{
	struct xol_stub *stub;

	make_ready();
	cr_assert_null(xol_stub_find(site_of_one, 0x5005));
	stub = xol_stub_make(site_of_one, 0x5005, hit);
	cr_assert_not_null(stub);
	cr_expect_eq(stub->address, 0x5005);
	cr_expect_eq(xol_stub_find(site_of_one, 0x5005), stub);
	cr_expect_eq(xol_stub_make(site_of_one, 0x5005, hit), stub);
	cr_expect_null(xol_stub_find(site_of_other, 0x5005));
	cr_expect_neq(xol_stub_make(site_of_other, 0x5005, hit), stub);
	cr_expect_neq(xol_stub_make(site_of_one, 0x5006, hit), stub);
}

static struct xol_stub *found[THREADS][CALLERS];

static void *make_all(void *data)
{
	struct xol_stub **ret = data;

	for (uint64_t i = 0; i < CALLERS; i++)
		ret[i] = xol_stub_make(site_of_one, 0x700000 + 16 * i, hit);
	return NULL;
}

Test(stub, threads_that_want_the_same_get_the_same)
{
	pthread_t threads[THREADS];

	make_ready();
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, make_all, found[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < CALLERS; k++)
			cr_assert_eq(found[i][k], found[0][k]);
}

Test(stub, there_is_an_end_to_them)
{
	uint64_t made = 0;

	make_ready();
	while (made <= XOL_STUBS && xol_stub_make(site_of_one, 0x900000 + made, hit))
		made++;
	cr_expect_eq(made, XOL_STUBS);
	cr_expect_null(xol_stub_make(site_of_other, 1, hit));
	cr_expect_not_null(xol_stub_find(site_of_one, 0x900000 + made - 1));
}

Test(stub, an_address_in_one_says_what_the_program_is_to_see)
{
	uint64_t address, resume;
	struct xol_stub *stub;
	uint16_t state;
	bool returned;

	make_ready();
	stub = xol_stub_make(site_of_one, 0x5005, hit);
	cr_assert(xol_stub_origin(xol_stub_entry(stub), &address, &state, &resume, &returned));
	cr_expect_eq(address, 0x1000);
	cr_expect_not(returned);
	cr_expect(xol_stub_is_return(xol_stub_return(stub)));
	cr_expect_not(xol_stub_is_return(xol_stub_return(stub) + 1));
	cr_assert(xol_stub_origin(xol_stub_return(stub), &address, &state, &resume, &returned));
	cr_expect_eq(address, 0x5005);
	cr_expect(returned);
	cr_expect_eq(xol_stub_at(xol_stub_return(stub)), stub);
	cr_expect_null(xol_stub_at((uint64_t)&address));
}

Test(stub, address_space_is_kept_by_what_gives_up_its_memory)
{
	void *got;

	xol_stub_release();
	/* Nobody else may come to lie there. */
	got = mmap(xol_stubs, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		   -1, 0);
	cr_expect_eq(got, MAP_FAILED);
	make_ready();
	cr_expect_not_null(xol_stub_make(site_of_one, 0x5005, hit));
	xol_stub_release(); /* too late */
	cr_expect_not_null(xol_stub_find(site_of_one, 0x5005));
}

static unsigned int unwound;

static void note(const void *context)
{
	(void)context;
	unwound++;
}

/* As unwinders do: CONTINUE_UNWIND of the C++ ABI. */
enum { SEARCH = 1, CLEANUP = 2, GOES_ON = 8 };

Test(stub, unwinders_pass_and_are_noticed_when_they_clean_up)
{
	uint64_t saved = (uint64_t)note, context[2] = {(uint64_t)&saved, 0};

	xol_stub_on_unwind(note);
	cr_expect_eq(xol_stub_personality_at(1, SEARCH, 0, NULL, context), GOES_ON);
	cr_assert_not_null(xol_stub_personality_at);
	context[0] = 0;
	cr_expect_eq(xol_stub_personality_at(1, SEARCH, 0, NULL, context), GOES_ON);
	cr_assert_not_null(xol_stub_personality_at);
	cr_expect_eq(unwound, 0);
	cr_expect_eq(xol_stub_personality_at(1, CLEANUP, 0, NULL, context), GOES_ON);
	cr_expect_eq(unwound, 1);
}

Test(stub, the_unwinder_that_would_end_the_program_is_told_nothing)
{
	static void (*const table[])(const void *) = {note};
	uint64_t context[2] = {(uint64_t)table, 0};

	xol_stub_on_unwind(note);
	cr_expect_eq(xol_stub_personality_at(1, SEARCH, 0, NULL, context), GOES_ON);
	cr_expect_null(xol_stub_personality_at);
}
