/* SPDX-License-Identifier: MIT */
/* Places of which only the first hit is wanted. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/stat.h>

#include "include/covering.h"
#include "probe/engine/lock.h"
#include "probe/image/objects.h"
#include "probe/image/original.h"
#include "probe/site/patch.h"

TestSuite(probe_cover, .timeout = 400);

#define INT3 0xcc

__attribute__((noinline)) static int first(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

__attribute__((noinline)) static int second(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 2;
}

static uint32_t offset_of(int (*function)(int))
{
	struct objects_object *object;
	uint64_t ret;

	engine_lock();
	object = objects_find((uint64_t)function);
	ret = object ? objects_file_offset(object, (uint64_t)function) : 0;
	engine_unlock();
	cr_assert_neq(ret, 0);
	return (uint32_t)ret;
}

static uint8_t byte_at(int (*function)(int))
{
	return *(volatile uint8_t *)(uint64_t)function;
}

static struct {
	uint32_t offsets[2];
	uint8_t bytes[2], hits[2];
	uint64_t unarmed;
	struct ep_cover cover;
	int (*at[2])(int);
} given;

static void watch(void)
{
	struct stat status;
	bool in_order = (uint64_t)first < (uint64_t)second;

	given.at[0] = in_order ? first : second;
	given.at[1] = in_order ? second : first;
	for (int i = 0; i < 2; i++) {
		given.offsets[i] = offset_of(given.at[i]);
		given.bytes[i] = byte_at(given.at[i]);
	}
	cr_assert_eq(stat("/proc/self/exe", &status), 0);
	given.cover = (struct ep_cover){.device = status.st_dev,
					.inode = status.st_ino,
					.offsets = given.offsets,
					.bytes = given.bytes,
					.hits = given.hits,
					.count = 2,
					.unarmed = &given.unarmed};
	cr_assert_eq(ep_cover(&given.cover, 1), 0);
}

static void expect_removed_by_first_hit(void)
{
	watch();
	cr_expect_eq(given.unarmed, 0);
	cr_expect_eq(byte_at(given.at[0]), INT3);
	given.at[0](3);
	cr_expect_eq(byte_at(given.at[0]), given.bytes[0]);
	cr_expect_eq(given.hits[0], 1);
	cr_expect_eq(given.hits[1], 0);
	cr_expect_eq(byte_at(given.at[1]), INT3);
	given.at[1](3);
	cr_expect_eq(given.hits[1], 1);
	cr_expect_eq(byte_at(given.at[1]), given.bytes[1]);
}

Test(probe_cover, a_first_hit_removes_it)
{
	expect_removed_by_first_hit();
}

Test(probe_cover, a_first_hit_removes_it_where_text_is_written_by_mprotect)
{
	patch_force_mprotect(true);
	expect_removed_by_first_hit();
}

Test(probe_cover, what_was_hit_before_is_left_alone)
{
	given.hits[0] = 1;
	watch();
	cr_expect_eq(byte_at(given.at[0]), given.bytes[0]);
	cr_expect_eq(byte_at(given.at[1]), INT3);
}

Test(probe_cover, what_stands_there_is_what_stood_there)
{
	uint8_t byte = 0;

	watch();
	engine_lock();
	cr_expect(original_read((uint64_t)given.at[0], &byte, 1));
	engine_unlock();
	cr_expect_eq(byte, given.bytes[0]);
}

Test(probe_cover, what_is_another_byte_is_not_watched)
{
	struct ep_cover *cover = &given.cover;

	watch();
	given.at[0](1);
	given.hits[0] = 0;
	given.bytes[0] ^= 1;
	cr_assert_eq(ep_cover(cover, 1), 0);
	cr_expect_geq(given.unarmed, 1);
	cr_expect_neq(byte_at(given.at[0]), INT3);
}

static void *call_all(void *data)
{
	for (int i = 0; i < 100; i++)
		*(int *)data += given.at[i % 2](i);
	return NULL;
}

Test(probe_cover, threads_that_come_at_once_all_go_on)
{
	enum { THREADS = 16 };
	pthread_t threads[THREADS];
	int sums[THREADS] = {0};

	watch();
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, call_all, &sums[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		cr_expect_eq(sums[i], sums[0]);
	}
	cr_expect_eq(given.hits[0] + given.hits[1], 2);
}
