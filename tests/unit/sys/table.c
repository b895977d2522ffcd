/* SPDX-License-Identifier: MIT */
/*
 * Claims: a table finds what was added and nothing else, whatever is being added meanwhile; a reader
 * in a table that has grown finds all that was there before; without memory it stays as it is.
 */
#include "sys/table.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "include/emuprobe.h"

#define MANY	20000
#define HALF	2048 /* of 4096: the next key makes the table grow */
#define READERS 3

static bool no_memory;

static void *zeroed(size_t size)
{
	return no_memory ? NULL : calloc(1, size);
}

static uint64_t key_of(uint64_t i)
{
	return 0x400000 + i * 3;
}

static uint64_t value_of(uint64_t key)
{
	return ~key;
}

static void put_all(struct sys_table *table, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		cr_assert_eq(sys_table_put(table, key_of(i), value_of(key_of(i))), 0);
}

static void expect_all(struct sys_table *table, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		cr_assert_eq(sys_table_find(table, key_of(i)), value_of(key_of(i)));
		cr_assert_eq(sys_table_find(table, key_of(i) + 1), 0);
	}
	cr_assert_eq(sys_table_find(table, 0), 0);
}

Test(table, finds_nothing_before_anything_was_added)
{
	struct sys_table table = {.alloc = zeroed};
	struct sys_table_walk walk = sys_table_begin(&table);

	cr_assert_eq(sys_table_find(&table, 1), 0);
	cr_assert_eq(sys_table_next(&walk), 0);
}

Test(table, finds_each_of_many_and_nothing_else)
{
	struct sys_table table = {.alloc = zeroed};

	put_all(&table, 0, MANY);
	expect_all(&table, MANY);
}

/* All searches begin at the last entry but one, go round the end, and meet the others' keys. */
Test(table, finds_keys_whose_searches_begin_at_the_same_entry)
{
	struct sys_table table = {.alloc = zeroed};
	uint64_t keys[100];
	size_t count = 0;

	for (uint64_t key = 1; count < 100; key++)
		if ((sys_table_hash(key) & 255) == 254)
			keys[count++] = key;
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(sys_table_put(&table, keys[i], value_of(keys[i])), 0);
	cr_assert_eq(atomic_load(&table.entries)->mask, 255);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(sys_table_find(&table, keys[i]), value_of(keys[i]));
	cr_assert_eq(sys_table_find(&table, 0), 0);
}

Test(table, gives_a_key_that_is_there_a_new_value)
{
	struct sys_table table = {.alloc = zeroed};

	put_all(&table, 0, 10);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(sys_table_put(&table, key_of(3), 1 + (uint64_t)i), 0);
	cr_assert_eq(sys_table_find(&table, key_of(3)), MANY);
	cr_assert_eq(atomic_load(&table.entries)->used, 10, "it takes no further entry");
}

Test(table, is_never_more_than_half_full)
{
	struct sys_table table = {.alloc = zeroed};

	for (uint64_t i = 0; i < MANY; i++) {
		put_all(&table, i, i + 1);
		cr_assert_leq(atomic_load(&table.entries)->used * 2,
			      atomic_load(&table.entries)->mask + 1);
	}
}

/* The readers of an old table are still in it: it has all that it had, and stays reachable. */
Test(table, keeps_what_it_was_before_it_grew)
{
	struct sys_table table = {.alloc = zeroed};
	struct sys_table_entries *old, *newest;
	struct sys_table reader = {.alloc = zeroed};

	put_all(&table, 0, 100);
	old = atomic_load(&table.entries);
	atomic_store(&reader.entries, old);
	put_all(&table, 100, MANY);
	newest = atomic_load(&table.entries);
	cr_assert_neq(newest, old);
	expect_all(&reader, 100);
	while (newest && newest != old)
		newest = newest->old;
	cr_assert_eq(newest, old, "a leak checker does not find it");
}

Test(table, walks_over_each_value_once)
{
	static bool seen[MANY];
	struct sys_table table = {.alloc = zeroed};
	struct sys_table_walk walk;
	uint64_t value, count = 0;

	put_all(&table, 0, HALF);
	walk = sys_table_begin(&table);
	while ((value = sys_table_next(&walk))) {
		uint64_t i = (value_of(value) - key_of(0)) / 3;

		cr_assert_lt(i, HALF);
		cr_assert(!seen[i]);
		seen[i] = true;
		if (!count++)
			put_all(&table, HALF, MANY);
	}
	cr_assert_eq(count, HALF);
}

Test(table, stays_as_it_is_without_memory)
{
	struct sys_table table = {.alloc = zeroed};
	uint64_t count = 0;

	no_memory = true;
	cr_assert_eq(sys_table_put(&table, 1, 1), -EP_NO_MEMORY);
	cr_assert_eq(sys_table_find(&table, 1), 0);
	no_memory = false;
	put_all(&table, 0, 1);
	no_memory = true;
	while (!sys_table_put(&table, key_of(count), value_of(key_of(count))))
		count++;
	cr_assert_eq(count, 128, "half of the first table: %lu", count);
	expect_all(&table, count);
	cr_assert_eq(sys_table_find(&table, key_of(count)), 0);
	no_memory = false;
	put_all(&table, count, MANY);
	expect_all(&table, MANY);
}

/* As a reader finds it that comes between the two stores of sys_table_put(), in either order. */
Test(table, does_not_show_an_entry_that_is_half_written)
{
	struct sys_table table = {.alloc = zeroed};
	struct sys_table_entry *entry;
	struct sys_table_walk walk;

	put_all(&table, 0, 1);
	entry = atomic_load(&table.entries)->entry;
	for (uint64_t i = 0; i < 256; i++) {
		if (atomic_load(&entry[i].key))
			continue;
		atomic_store(&entry[i].value, i % 2);
		atomic_store(&entry[i].key, i % 2 ? 0 : key_of(i) + 1);
	}
	expect_all(&table, 1);
	walk = sys_table_begin(&table);
	cr_assert_eq(sys_table_next(&walk), value_of(key_of(0)));
	cr_assert_eq(sys_table_next(&walk), 0);
}

/* ---- while another thread adds ------------------------------------------------------------- */

#define ROUNDS	  200
#define PER_ROUND 700 /* keys: the table grows twice */

struct shared {
	struct sys_table table;
	_Atomic uint64_t added; /* this many keys are there */
	_Atomic uint64_t wrong, passes;
};

static uint64_t check_key(struct shared *shared, uint64_t i, uint64_t added)
{
	uint64_t key = key_of(i), value = sys_table_find(&shared->table, key);

	return (value != value_of(key) && (value || i < added)) +
	       (sys_table_find(&shared->table, key + 1) != 0);
}

static uint64_t check_walk(struct shared *shared, uint64_t added)
{
	struct sys_table_walk walk = sys_table_begin(&shared->table);
	uint64_t count = 0;

	while (sys_table_next(&walk))
		count++;
	return count < added;
}

static void *read_all(void *data)
{
	struct shared *shared = data;
	uint64_t added = 0, wrong = 0;

	while (added < PER_ROUND) {
		added = atomic_load(&shared->added);
		for (uint64_t i = 0; i < PER_ROUND; i += 13)
			wrong += check_key(shared, i, added);
		wrong += check_key(shared, added, added) + check_walk(shared, added);
		atomic_fetch_add(&shared->passes, 1);
	}
	atomic_fetch_add(&shared->wrong, wrong);
	return NULL;
}

static void add_while_others_read(void)
{
	struct shared shared = {.table.alloc = zeroed};
	pthread_t readers[READERS];

	for (int i = 0; i < READERS; i++)
		cr_assert_eq(pthread_create(&readers[i], NULL, read_all, &shared), 0);
	while (!atomic_load(&shared.passes))
		; /* now there are readers */
	for (uint64_t i = 0; i < PER_ROUND; i++) {
		put_all(&shared.table, i, i + 1);
		atomic_store(&shared.added, i + 1);
	}
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	cr_assert_eq(shared.wrong, 0, "%lu in %lu passes", shared.wrong, shared.passes);
}

Test(table, is_read_by_threads_while_another_one_adds)
{
	for (int i = 0; i < ROUNDS; i++)
		add_while_others_read();
}
