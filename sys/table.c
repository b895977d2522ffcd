/* SPDX-License-Identifier: MIT */
/*
 * A signal handler looks things up by address, in any thread and at any moment, so it may neither
 * lock nor wait, and nobody can tell when it is done. Open addressing with linear probing answers
 * that: entries are only ever added, and one that has only its key or only its value yet is not
 * there for a reader. A table that is half full is copied to one of four times the size, so that a
 * search ends soon; the old one stays as it was, for the readers that are still in it. All old ones
 * together are smaller than the newest.
 */
#include "sys/table.h"

#include "include/emuprobe.h"

#define FIRST_SIZE 256 /* entries; sizes are powers of two */

static struct sys_table_entry *entry_for(struct sys_table_entries *entries, uint64_t key)
{
	size_t i = sys_table_hash(key);

	for (;; i++) {
		struct sys_table_entry *entry = &entries->entry[i & entries->mask];
		uint64_t found = atomic_load_explicit(&entry->key, memory_order_relaxed);

		if (!found || found == key)
			return entry;
	}
}

static void put(struct sys_table_entries *entries, uint64_t key, uint64_t value)
{
	struct sys_table_entry *entry = entry_for(entries, key);

	entries->used += !atomic_load_explicit(&entry->key, memory_order_relaxed);
	atomic_store_explicit(&entry->value, value, memory_order_release);
	atomic_store_explicit(&entry->key, key, memory_order_release);
}

static struct sys_table_entries *grow(struct sys_table *table, struct sys_table_entries *old)
{
	size_t size = old ? (old->mask + 1) * 4 : FIRST_SIZE;
	struct sys_table_entries *entries =
		table->alloc(sizeof(*entries) + size * sizeof(entries->entry[0]));

	if (!entries)
		return NULL;
	entries->old = old;
	entries->mask = size - 1;
	for (size_t i = 0; old && i <= old->mask; i++)
		if (atomic_load_explicit(&old->entry[i].key, memory_order_relaxed))
			put(entries, atomic_load(&old->entry[i].key),
			    atomic_load(&old->entry[i].value));
	atomic_store_explicit(&table->entries, entries, memory_order_release);
	return entries;
}

int sys_table_put(struct sys_table *table, uint64_t key, uint64_t value)
{
	struct sys_table_entries *entries = atomic_load(&table->entries);

	if (!entries || entries->used * 2 > entries->mask)
		entries = grow(table, entries);
	if (!entries)
		return -EP_NO_MEMORY;
	put(entries, key, value);
	return 0;
}
