/* SPDX-License-Identifier: MIT */
/*
 * Callers remove probes twice, use them afterwards, hand in what is none; and some of them are
 * signal handlers, which may wait for no lock. So what users hold is no pointer, though it has the
 * type of one: it is a number, and the generation that the probe of this number had when it was
 * created.
 *
 *	 63                32 31                     0
 *	+--------------------+------------------------+
 *	| generation         | number, from 1 on      |
 *	+--------------------+------------------------+
 *
 * Numbers are indices into chunks that are never freed, each twice as large as the one before: so a
 * handle can be looked up, and found to be outdated, at any time. A number is used again; the same
 * handle comes back after 2^32 probes with that number.
 */
#include "probe/api/handles.h"

#include <string.h>
#include <sys/mman.h>

#include "sys/mapping.h"

#define FIRST_BITS  6 /* the first chunk has 2^6 probes */
#define CHUNKS	    (31 - FIRST_BITS)
#define NUMBER_MASK (PROBE_GENERATION - 1)

static _Atomic(struct ep_probe *) chunks[CHUNKS];
static struct ep_probe *free_probes;
static uint32_t used; /* numbers that were ever used */

/* @index counts from 0. Chunk i begins with index (2^i - 1) * 2^FIRST_BITS. */
EP_TRAP_PATH static unsigned int chunk_of(uint32_t index)
{
	uint32_t shifted = (index >> FIRST_BITS) + 1;

	return 31u - (unsigned int)__builtin_clz(shifted);
}

EP_TRAP_PATH static uint32_t first_of(unsigned int chunk)
{
	return ((1u << chunk) - 1) << FIRST_BITS;
}

static bool make_chunk(unsigned int chunk)
{
	size_t size = sizeof(struct ep_probe) << (FIRST_BITS + chunk);
	long at = sys_mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (sys_failed(at))
		return false;
	atomic_store(&chunks[chunk], (struct ep_probe *)at);
	return true;
}

EP_TRAP_PATH static struct ep_probe *probe_at(uint32_t index)
{
	unsigned int chunk = chunk_of(index);
	struct ep_probe *list = chunk < CHUNKS ? atomic_load(&chunks[chunk]) : NULL;

	return list ? &list[index - first_of(chunk)] : NULL;
}

/* One that was never used. */
static struct ep_probe *take_new(void)
{
	unsigned int chunk = chunk_of(used);
	struct ep_probe *probe;

	if (chunk >= CHUNKS || (!atomic_load(&chunks[chunk]) && !make_chunk(chunk)))
		return NULL;
	probe = probe_at(used++);
	atomic_store(&probe->state.word, PROBE_GENERATION);
	probe->number = used;
	return probe;
}

static void set_word(struct ep_probe *probe, uint64_t generations, uint64_t flags)
{
	struct probe_state_value old, new = {0};

	do {
		old = probe_state_read(&probe->state);
		new.word = probe_state_next(old.word, flags) + generations;
	} while (!probe_state_replace(&probe->state, old, new));
}

struct ep_probe *handles_take(void)
{
	struct ep_probe *probe = free_probes;
	uint32_t number;

	if (probe)
		free_probes = probe->next_removed;
	else
		probe = take_new();
	if (!probe)
		return NULL;
	number = probe->number;
	/* All but the state: somebody with an old handle may be looking at that. */
	memset((char *)probe + sizeof(probe->state), 0, sizeof(*probe) - sizeof(probe->state));
	probe->number = number;
	set_word(probe, 0, PROBE_LIVE);
	probe->handle =
		(struct ep_probe *)((atomic_load(&probe->state.word) & ~NUMBER_MASK) | number);
	return probe;
}

void handles_revoke(struct ep_probe *probe)
{
	set_word(probe, PROBE_GENERATION, 0);
}

void handles_give_back(struct ep_probe *probe)
{
	handles_revoke(probe);
	probe->next_removed = free_probes;
	free_probes = probe;
}

EP_TRAP_PATH bool handles_is_of(const struct ep_probe *handle, uint64_t word)
{
	return (word ^ (uint64_t)handle) < PROBE_GENERATION && word & PROBE_LIVE;
}

EP_TRAP_PATH struct ep_probe *handles_find(const struct ep_probe *handle)
{
	uint32_t number = (uint32_t)(uint64_t)handle;
	struct ep_probe *probe = number ? probe_at(number - 1) : NULL;

	return probe && handles_is_of(handle, atomic_load(&probe->state.word)) ? probe : NULL;
}
