/* SPDX-License-Identifier: MIT */
/*
 * A hash table from one number to another, which a signal handler can read while another thread
 * adds to it: neither waits for the other.
 */
#ifndef EMUPROBE_SYS_TABLE_H
#define EMUPROBE_SYS_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SYS_TABLE_CALL static inline __attribute__((always_inline))

struct sys_table_entry {
	_Atomic uint64_t key;	/* 0: the entry is free, and a search ends here */
	_Atomic uint64_t value; /* 0 with a key: it is just being added */
};

struct sys_table_entries {
	struct sys_table_entries *old; /* the smaller ones before: readers may still be in them */
	size_t mask, used;
	struct sys_table_entry entry[];
};

/* To begin with, all but .alloc is zero. */
struct sys_table {
	_Atomic(struct sys_table_entries *) entries; /* NULL: nothing was ever added */
	/* Returns zeroed memory, aligned to 16, or NULL. It is never freed. */
	void *(*alloc)(size_t size);
};

/* The number of the entry at which a search for @key begins, before it is masked. */
SYS_TABLE_CALL size_t sys_table_hash(uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15u) >> 32;
}

/**
 * The value of @key.
 *
 * @return   0: there is no such key. The key 0 is never there.
 * Context:  TRAP_PATH; wait-free.
 */
SYS_TABLE_CALL uint64_t sys_table_find(struct sys_table *table, uint64_t key)
{
	struct sys_table_entries *entries =
		atomic_load_explicit(&table->entries, memory_order_acquire);

	if (!entries)
		return 0;
	for (size_t i = sys_table_hash(key);; i++) {
		struct sys_table_entry *entry = &entries->entry[i & entries->mask];
		uint64_t found = atomic_load_explicit(&entry->key, memory_order_acquire);

		if (!found)
			return 0;
		if (found == key)
			return atomic_load_explicit(&entry->value, memory_order_acquire);
	}
}

/**
 * Give @key the value @value, in place of an older one if it has one. Neither may be 0.
 *
 * @return   0 or -EP_NO_MEMORY; then the table is what it was.
 * Context:  one thread at a time: the caller holds a lock. Readers need none.
 */
int sys_table_put(struct sys_table *table, uint64_t key, uint64_t value);

/* A walk over the values that a table has when the walk begins. */
struct sys_table_walk {
	struct sys_table_entries *entries;
	size_t next;
};

SYS_TABLE_CALL struct sys_table_walk sys_table_begin(struct sys_table *table)
{
	return (struct sys_table_walk){
		.entries = atomic_load_explicit(&table->entries, memory_order_acquire)};
}

/**
 * The next value, in no particular order. What is added during the walk may be missed.
 *
 * @return   0: there are no more.
 * Context:  TRAP_PATH; wait-free.
 */
SYS_TABLE_CALL uint64_t sys_table_next(struct sys_table_walk *walk)
{
	while (walk->entries && walk->next <= walk->entries->mask) {
		struct sys_table_entry *entry = &walk->entries->entry[walk->next++];
		uint64_t key = atomic_load_explicit(&entry->key, memory_order_acquire);
		uint64_t value = atomic_load_explicit(&entry->value, memory_order_acquire);

		if (key && value)
			return value;
	}
	return 0;
}

#endif
