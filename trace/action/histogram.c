/* SPDX-License-Identifier: MIT */
/* Histograms of programs that probe themselves, in memory of theirs. */
#include "include/emuprobe.h"
#include "sys/memory.h"
#include "trace/session/buckets.h"

_Static_assert(EP_HISTOGRAM_OCTAVES == TRACE_OCTAVES &&
		       EP_HISTOGRAM_BUCKETS == TRACE_OCTAVE_BUCKETS,
	       "as those of the session");

EP_TRAP_PATH static void add(uint64_t *to, uint64_t number)
{
	__atomic_fetch_add(to, number, __ATOMIC_RELAXED);
}

EP_TRAP_PATH void ep_histogram_add(struct ep_histogram *to, uint64_t value)
{
	uint64_t bounded = value < INT64_MAX ? value : INT64_MAX;
	uint32_t octave = trace_octave_of(bounded);

	add(&to->buckets[octave][trace_bucket_of(bounded, octave)], 1);
	add(&to->sum, value);
	add(&to->count, 1);
}

static uint64_t count_of(const struct ep_histogram *of, uint32_t index)
{
	return __atomic_load_n(
		&of->buckets[index / TRACE_OCTAVE_BUCKETS][index % TRACE_OCTAVE_BUCKETS],
		__ATOMIC_RELAXED);
}

static uint64_t middle_of(uint32_t octave, uint32_t bucket)
{
	uint64_t low = trace_bucket_low(octave, bucket);

	return low + (trace_bucket_low(octave, bucket + 1) - 1 - low) / 2;
}

/* Rounded up: of three values the median is the second one. */
static uint64_t rank_of(uint64_t total, uint32_t per_million)
{
	const uint64_t million = 1000000;
	uint64_t whole = total / million * per_million, rest = total % million * per_million;

	return whole + (rest + million - 1) / million;
}

uint64_t ep_histogram_quantile(const struct ep_histogram *of, uint32_t per_million)
{
	const uint32_t buckets = TRACE_OCTAVES * TRACE_OCTAVE_BUCKETS;
	uint64_t total = 0, rank, seen = 0;
	uint32_t index = 0;

	for (uint32_t i = 0; i < buckets; i++)
		total += count_of(of, i);
	if (!total)
		return 0;
	rank = rank_of(total, per_million < 1000000 ? per_million : 1000000);
	while (index < buckets && !(seen += count_of(of, index)))
		index++;
	while (seen < rank && index + 1 < buckets)
		seen += count_of(of, ++index);
	return middle_of(index / TRACE_OCTAVE_BUCKETS, index % TRACE_OCTAVE_BUCKETS);
}
