/* SPDX-License-Identifier: MIT */
/* What dead threads have left is found again: there is never much more of it than there were threads at once. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe/thread/legacy.h"

TestSuite(legacy, .timeout = 120);

#define DEAD  0x3ffffff0u /* no thread has such an ID */
#define TAKER 0x3ffffff1u
#define STAY  26

static struct legacies all;
static struct legacy made[4096];
static uint32_t count;
static pthread_mutex_t until = PTHREAD_MUTEX_INITIALIZER;
static uint64_t other; /* a thread that is alive */

static void *live(void *began)
{
	other = (uint64_t)gettid();
	pthread_barrier_wait(began);
	pthread_mutex_lock(&until);
	pthread_mutex_unlock(&until);
	return NULL;
}

static void begin(void)
{
	static pthread_barrier_t began;
	pthread_t thread;

	pthread_mutex_lock(&until);
	pthread_barrier_init(&began, NULL, 2);
	cr_assert_eq(pthread_create(&thread, NULL, live, &began), 0);
	pthread_barrier_wait(&began);
}

static struct legacy *get(uint64_t owner)
{
	struct legacy *one = legacy_take(&all, TAKER);

	if (!one) {
		cr_assert_lt(count, sizeof(made) / sizeof(made[0]));
		one = &made[count++];
		legacy_add(&all, one, TAKER);
	}
	cr_assert_eq(one->owner, TAKER);
	one->owner = owner;
	return one;
}

Test(legacy, none)
{
	cr_expect_null(legacy_take(&all, 1));
}

Test(legacy, of_the_dead_is_taken, .init = begin)
{
	struct legacy *second = get(other), *first = get(DEAD);

	cr_expect_eq(legacy_take(&all, 7), first);
	cr_expect_eq(first->owner, 7);
	cr_expect_neq(second, first);
	cr_expect_eq(second->owner, other);
}

Test(legacy, of_the_living_is_not_taken, .init = begin)
{
	for (int i = 0; i < 100; i++)
		get(other);
	cr_expect_eq(count, 100);
}

Test(legacy, of_ones_own_id_is_taken, .init = begin)
{
	uint64_t self = (uint64_t)gettid();
	struct legacy *first = get(self);

	cr_expect_eq(legacy_take(&all, self), first);
}

Test(legacy, of_another_process_is_not_taken)
{
	get(5ull << 32 | DEAD);
	cr_expect_null(legacy_take(&all, 6ull << 32 | 9));
	cr_expect_not_null(legacy_take(&all, 5ull << 32 | 9));
}

/* In the order of their making, those that stay one after the other, and @at_once that come and go. */
static void churn(int at_once)
{
	struct legacy *go[64];

	for (int i = 0; i < STAY; i++)
		get(other);
	for (int round = 0; round < 20000; round++) {
		for (int i = 0; i < at_once; i++)
			go[i] = get(other);
		for (int i = 0; i < at_once; i++)
			go[i]->owner = DEAD;
	}
	cr_expect_leq(count, 2u * (STAY + (uint32_t)at_once), "%u", count);
	cr_expect_geq(count, STAY + (uint32_t)at_once);
}

Test(legacy, does_not_grow_with_one_at_a_time, .init = begin)
{
	churn(1);
}

Test(legacy, does_not_grow_with_many_at_a_time, .init = begin)
{
	churn(12);
}

Test(legacy, does_not_grow_with_as_many_as_stay, .init = begin)
{
	churn(60);
}
