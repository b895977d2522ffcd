/* SPDX-License-Identifier: MIT */
/*
 * Thousands of functions times hundreds of threads: what is not used must cost nothing, and what is,
 * little. So a thread has a table in pages, and what it measures of a probe is a header and the octaves
 * in which something lies, mostly three to five. All of it is in the process's heap:
 *
 *	thread -> table -> page -> entry -> | header | octaves | -> | 16 buckets |
 *	process.tables -> table -> ...		^
 *	process.durations -> histogram -> ... --+
 *
 * A table outlives its thread, and is taken over by the next one that needs one: with its histograms,
 * which go on. The reader follows the other list, in which each histogram is once and says whose it is.
 */
#include "trace/session/durations.h"

#include "trace/session/walk.h"

#define FORGET_AFTER 2048u /* pieces that the reader has looked at */
#define WHOLE	     1000u /* parts */

#define OCTAVE_SIZE (TRACE_OCTAVE_BUCKETS * sizeof(uint64_t))

_Static_assert(sizeof(struct trace_histogram) % TRACE_MEMORY_UNIT == 0, "no memory is wasted");
_Static_assert(offsetof(struct trace_histogram, octaves) == TRACE_MEMORY_UNIT,
	       "one cache line is for each call");

/* ---- tables --------------------------------------------------------------------------------- */

/* Where it was another thread's. */
EP_TRAP_PATH static void clear_depths(const struct trace_memory *all,
				      const struct trace_duration_table *table)
{
	for (uint32_t i = 0; i < TRACE_DURATION_PROBES / TRACE_DURATION_PAGE; i++) {
		struct trace_duration_entry *page =
			trace_memory_at(all, table->pages[i], TRACE_DURATION_PAGE * sizeof(*page));

		for (uint32_t k = 0; page && k < TRACE_DURATION_PAGE; k++)
			page[k].depth = 0;
	}
}

EP_TRAP_PATH struct trace_duration_table *trace_durations_take(const struct trace_memory *all)
{
	struct trace_process *process = trace_memory_process(all);
	struct trace_duration_table *ret =
		process ? trace_memory_take(all, &process->tables, sizeof(*ret)) : NULL;

	if (ret)
		clear_depths(all, ret);
	return ret;
}

EP_TRAP_PATH void trace_durations_clear(struct trace_process *process)
{
	process->tables = (struct trace_owners){.first = 0};
	atomic_store(&process->durations, 0);
}

/* ---- histograms ----------------------------------------------------------------------------- */

EP_TRAP_PATH static void publish(const struct trace_memory *all, struct trace_process *process,
				 struct trace_histogram *histogram)
{
	uint64_t at = (uint64_t)((char *)histogram - all->heap) +
		      all->session.heap * all->session.layout.heap_size;
	uint64_t next = atomic_load(&process->durations);

	do
		histogram->next = next;
	while (!atomic_compare_exchange_weak(&process->durations, &next, at));
}

/* As trace_memory_get(). Who finds the place taken puts nothing on the list: none may be there twice. */
EP_TRAP_PATH static struct trace_histogram *get_histogram(const struct trace_memory *all,
							  uint32_t probe, uint32_t *at)
{
	uint32_t old = __atomic_load_n(at, __ATOMIC_RELAXED), made;
	struct trace_histogram *ret = trace_memory_at(all, old, sizeof(*ret));
	struct trace_process *process = trace_memory_process(all);

	if (ret || !process)
		return ret;
	made = trace_memory_make(all, sizeof(*ret));
	ret = trace_memory_at(all, made, sizeof(*ret));
	if (!ret)
		return NULL;
	ret->probe = probe;
	ret->process = all->process;
	if (!__atomic_compare_exchange_n(at, &old, made, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return trace_memory_at(all, old, sizeof(*ret));
	publish(all, process, ret);
	return ret;
}

EP_TRAP_PATH struct trace_histogram *trace_durations_make(const struct trace_memory *all,
							  struct trace_duration_table *table,
							  uint32_t probe,
							  struct trace_duration_entry **ret_entry)
{
	struct trace_duration_entry *page =
		trace_memory_get(all, &table->pages[probe / TRACE_DURATION_PAGE],
				 TRACE_DURATION_PAGE * sizeof(*page));

	if (!page)
		return NULL;
	*ret_entry = &page[probe % TRACE_DURATION_PAGE];
	return get_histogram(all, probe, &(*ret_entry)->histogram);
}

EP_TRAP_PATH void trace_durations_add_slow(const struct trace_memory *all,
					   struct trace_histogram *histogram, uint64_t value)
{
	uint32_t octave = trace_octave_of(value);
	uint64_t *buckets = trace_memory_get(all, &histogram->octaves[octave], OCTAVE_SIZE);

	if (buckets)
		TRACE_ADD(buckets[trace_bucket_of(value, octave)], 1);
	else
		TRACE_ADD(histogram->unplaced, 1);
}

/* ---- adding up ------------------------------------------------------------------------------ */

/* false: there is no memory. */
static bool add_octave(struct trace_duration_sum *sum, uint32_t octave, const uint64_t *buckets,
		       struct trace_arena *arena)
{
	for (uint32_t i = 0; i < TRACE_OCTAVE_BUCKETS; i++) {
		uint64_t count = __atomic_load_n(&buckets[i], __ATOMIC_RELAXED);

		if (!count)
			continue;
		if (!sum->octaves[octave])
			sum->octaves[octave] = trace_arena_alloc(arena, OCTAVE_SIZE);
		if (!sum->octaves[octave])
			return false;
		sum->octaves[octave][i] += count;
		sum->count += count;
	}
	return true;
}

static void raise_to(uint64_t *to, uint64_t value)
{
	if (value > *to)
		*to = value;
}

int trace_durations_merge(struct trace_duration_sum *to, const struct trace_duration_sum *from,
			  struct trace_arena *arena)
{
	bool complete = true;

	for (uint32_t i = 0; i < TRACE_OCTAVES; i++)
		if (from->octaves[i])
			complete &= add_octave(to, i, from->octaves[i], arena);
	to->count += from->unplaced;
	to->unplaced += from->unplaced;
	to->sum += from->sum;
	to->nested += from->nested;
	to->self += from->self;
	raise_to(&to->longest, from->longest);
	raise_to(&to->shortest_inverted, from->shortest_inverted);
	return complete ? 0 : -EP_NO_MEMORY;
}

/* The middle of the bucket: of those that are one value wide, that value. */
static uint64_t middle_of(uint32_t octave, uint32_t bucket)
{
	uint64_t low = trace_bucket_low(octave, bucket),
		 high = trace_bucket_low(octave, bucket + 1);

	return low + (high - low) / 2;
}

static uint64_t within(const struct trace_duration_sum *sum, uint64_t value)
{
	uint64_t shortest = ~sum->shortest_inverted;

	if (value < shortest)
		value = shortest;
	return value < sum->longest ? value : sum->longest;
}

uint64_t trace_durations_percentile(const struct trace_duration_sum *sum, uint32_t part)
{
	uint64_t placed = sum->count - sum->unplaced;
	/* How many of them it must not be below; rounded up, without a product that overflows. */
	uint64_t rank = placed / WHOLE * part + (placed % WHOLE * part + WHOLE - 1) / WHOLE;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < TRACE_OCTAVES; i++)
		for (uint32_t k = 0; sum->octaves[i] && k < TRACE_OCTAVE_BUCKETS; k++) {
			seen += sum->octaves[i][k];
			if (seen && seen >= rank)
				return within(sum, middle_of(i, k));
		}
	return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* What is looked at becomes the reader's memory, and the program says where to look. */
static void looked_at(const struct trace_session *session, uint32_t *pieces)
{
	const struct trace_layout *layout = &session->layout;

	if (++*pieces % FORGET_AFTER == 0)
		trace_session_forget(session, (char *)session->shared + layout->heap,
				     layout->heap_max * layout->heap_size);
}

static bool add_octaves(const struct trace_session *session, uint64_t heap,
			const struct trace_histogram *from, struct trace_duration_sum *sum,
			struct trace_arena *arena, uint32_t *pieces)
{
	bool complete = true;

	for (uint32_t i = 0; i < TRACE_OCTAVES; i++) {
		uint32_t place = __atomic_load_n(&from->octaves[i], __ATOMIC_RELAXED);
		const uint64_t *buckets =
			place ? trace_session_at(session, heap + TRACE_MEMORY_UNIT * place,
						 OCTAVE_SIZE)
			      : NULL;

		if (!buckets)
			continue;
		complete &= add_octave(sum, i, buckets, arena);
		looked_at(session, pieces);
	}
	return complete;
}

static bool add_histogram(const struct trace_session *session, uint64_t at,
			  const struct trace_histogram *from, struct trace_duration_sum **to,
			  struct trace_arena *arena, uint32_t *pieces)
{
	struct trace_duration_sum counts = {.sum = from->sum,
					    .nested = from->nested,
					    .self = from->self,
					    .longest = from->longest,
					    .shortest_inverted = from->shortest_inverted,
					    .unplaced = from->unplaced};

	if (!*to)
		*to = trace_arena_alloc(arena, sizeof(**to));
	if (!*to)
		return false;
	trace_durations_merge(*to, &counts, arena);
	return add_octaves(session, at / session->layout.heap_size * session->layout.heap_size,
			   from, *to, arena, pieces);
}

static const struct trace_histogram *histogram_at(const struct trace_session *session, uint64_t at)
{
	return at ? trace_session_at(session, at, sizeof(struct trace_histogram)) : NULL;
}

int trace_durations_read(const struct trace_session *session, uint64_t process, uint32_t count,
			 struct trace_arena *arena, struct trace_duration_sum **ret)
{
	const struct trace_process *entry = trace_session_process(session, process);
	uint64_t at = entry ? atomic_load(&entry->durations) : 0;
	const struct trace_histogram *histogram = histogram_at(session, at);
	struct trace_walk walk = {0};
	uint32_t pieces = 0;
	bool complete = true;

	/* One that is another's is not looked at twice: no list leads into those of all others. */
	while (histogram && histogram->process == process && !trace_walk_is_ring(&walk, at)) {
		uint64_t next = __atomic_load_n(&histogram->next, __ATOMIC_RELAXED);
		uint32_t probe = __atomic_load_n(&histogram->probe, __ATOMIC_RELAXED);

		if (probe < count)
			complete &=
				add_histogram(session, at, histogram, &ret[probe], arena, &pieces);
		looked_at(session, &pieces);
		at = next;
		histogram = histogram_at(session, at);
	}
	return complete ? 0 : -EP_NO_MEMORY;
}
