/* SPDX-License-Identifier: MIT */
/*
 * Two bursts of a pair lie a few hundred microseconds apart, so that both mostly run at the same
 * clock and next to the same neighbours. All pairs are sorted by how long both took together, and
 * the quarter that took least is looked at: noise only ever makes things slower. The comparison is
 * the median over that quarter. Choosing by the sum favours neither side, as the smallest difference
 * would.
 */
#include "perf/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH 7 /* the median of fewer pairs is chance: all are taken */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct perf_stats summarize(const double *samples, unsigned count, bool rate)
{
	double *sorted = malloc(count * sizeof(*sorted));
	struct perf_stats ret;

	if (!sorted)
		abort();
	memcpy(sorted, samples, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_value);
	ret = (struct perf_stats){.best = rate ? sorted[count - 1] : sorted[0],
				  .median = sorted[count / 2],
				  .p10 = sorted[count / 10],
				  .p90 = sorted[count - 1 - count / 10]};
	free(sorted);
	return ret;
}

struct perf_stats perf_stats_of(const struct perf_case *one)
{
	return summarize(one->samples, one->sample_count, one->rate);
}

static int by_sum(const void *a, const void *b)
{
	const struct perf_pair *x = a, *y = b;
	double first = x->value + x->base, second = y->value + y->base;

	return (first > second) - (first < second);
}

static size_t quietest(const struct perf_case *one, const struct perf_pair **ret)
{
	size_t count = one->all_pairs ? one->pair_count : one->pair_count / 4;

	if (count < ENOUGH)
		count = one->pair_count < ENOUGH ? one->pair_count : ENOUGH;
	qsort(one->pairs, one->pair_count, sizeof(*one->pairs), by_sum);
	*ret = one->pairs + (one->rate ? one->pair_count - count : 0);
	return count;
}

bool perf_compare(const struct perf_table *table, const struct perf_case *one,
		  struct perf_comparison *ret)
{
	const struct perf_pair *pairs;
	double *values;
	size_t count;

	if (one->against < 0 || one->skipped || table->cases[one->against].skipped ||
	    !one->pair_count)
		return false;
	count = quietest(one, &pairs);
	values = calloc(count, sizeof(*values));
	if (!values)
		abort();
	for (size_t i = 0; i < count; i++)
		values[i] = pairs[i].value - pairs[i].base;
	ret->difference = summarize(values, (unsigned)count, false).median;
	for (size_t i = 0; i < count; i++)
		values[i] = pairs[i].value / pairs[i].base;
	ret->ratio = summarize(values, (unsigned)count, false).median;
	free(values);
	return true;
}

bool perf_column_of(const struct perf_table *table, const char *column, bool ratio,
		    struct perf_column *ret)
{
	double *values = calloc(table->count, sizeof(*values));
	struct perf_comparison comparison;

	if (!values)
		abort();
	*ret = (struct perf_column){.name = column};
	for (size_t i = 0; i < table->count; i++) {
		const struct perf_case *one = &table->cases[i];
		double value;

		if (strcmp(one->column, column) != 0 || !perf_compare(table, one, &comparison))
			continue;
		value = ratio ? comparison.ratio : comparison.difference;
		if (!ret->rows || (one->rate ? value < ret->worst : value > ret->worst)) {
			ret->worst = value;
			ret->worst_row = one->row;
		}
		ret->base = &table->cases[one->against];
		values[ret->rows++] = value;
	}
	if (ret->rows)
		ret->median = summarize(values, ret->rows, false).median;
	free(values);
	return ret->rows > 0;
}

bool perf_aim_met(const struct perf_aim *aim, const struct perf_column *column)
{
	double sign = column->base->rate ? -1 : 1;

	return !(sign * column->median > sign * aim->median) &&
	       !(sign * column->worst > sign * aim->worst);
}
