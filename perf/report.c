/* SPDX-License-Identifier: MIT */
/* Sorts a copy of the samples of each case; comparisons pair the samples of one round. */
#include "perf/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct summary {
	double minimum, median, p10, p90;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct summary summarize(const double *samples, unsigned count)
{
	double *sorted = malloc(count * sizeof(*sorted));
	struct summary ret;

	if (!sorted)
		abort();
	memcpy(sorted, samples, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_value);
	ret = (struct summary){.minimum = sorted[0],
			       .median = sorted[count / 2],
			       .p10 = sorted[count / 10],
			       .p90 = sorted[count - 1 - count / 10]};
	free(sorted);
	return ret;
}

/* The median over the rounds of what @one costs more than, or as a multiple of, its baseline. */
static double compare(const struct perf_table *table, const struct perf_case *one, unsigned count,
		      bool ratio)
{
	const struct perf_case *base = &table->cases[one->against];
	double *pairs = malloc(count * sizeof(*pairs)), ret;

	if (!pairs)
		abort();
	for (unsigned i = 0; i < count; i++)
		pairs[i] = ratio ? one->samples[i] / base->samples[i]
				 : one->samples[i] - base->samples[i];
	ret = summarize(pairs, count).median;
	free(pairs);
	return ret;
}

static bool can_compare(const struct perf_table *table, const struct perf_case *one)
{
	return !one->skipped && one->against >= 0 && !table->cases[one->against].skipped;
}

static const char *unit_of(const struct perf_case *one)
{
	return one->unit ? one->unit : "ns";
}

/* ---- the machine --------------------------------------------------------------------------- */

static void read_cpu_model(char *buf, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(buf, size, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "model name", strlen("model name")) != 0)
			continue;
		snprintf(buf, size, "%s", strchr(line, ':') + 2);
		buf[strcspn(buf, "\n\"\\")] = '\0';
		break;
	}
	if (file)
		fclose(file);
}

static void machine(char *buf, size_t size)
{
	char model[128];
	struct utsname name;

	read_cpu_model(model, sizeof(model));
	if (uname(&name) != 0)
		snprintf(name.release, sizeof(name.release), "unknown");
	snprintf(buf, size, "%s, %u CPUs, Linux %s", model, perf_cpus(), name.release);
}

/* ---- for people ---------------------------------------------------------------------------- */

static int widest_row(const struct perf_table *table)
{
	size_t ret = 0;

	for (size_t i = 0; i < table->count; i++)
		if (strlen(table->cases[i].row) > ret)
			ret = strlen(table->cases[i].row);
	return (int)ret;
}

static void print_line(const struct perf_table *table, const struct perf_case *one, unsigned count)
{
	int width = widest_row(table);
	const struct perf_case *base = one->against >= 0 ? &table->cases[one->against] : NULL;
	struct summary s;

	if (one->skipped) {
		printf("%-*s %-21s skipped: %s\n", width, one->row, one->column, one->skipped);
		return;
	}
	s = summarize(one->samples, count);
	printf("%-*s %-21s %10.2f %10.2f %9.2f-%-9.2f %-4s", width, one->row, one->column, s.median,
	       s.minimum, s.p10, s.p90, unit_of(one));
	if (can_compare(table, one))
		printf(" %8.3f x %s %s, %+.2f", compare(table, one, count, true), base->row,
		       base->column, compare(table, one, count, false));
	putchar('\n');
}

static void print_table(const struct perf_table *table, const struct perf_options *options)
{
	char text[256];

	machine(text, sizeof(text));
	printf("%s: %s\n%s; %u rounds%s\n\n", table->program, table->question, text,
	       options->repetitions, options->quick ? " (quick: too few to rely on)" : "");
	printf("%-*s %-21s %10s %10s %19s %-4s %s\n", widest_row(table), "", "", "median",
	       "minimum", "10 % - 90 %", "", "against its baseline: ratio, difference");
	for (size_t i = 0; i < table->count; i++)
		print_line(table, &table->cases[i], options->repetitions);
}

/* ---- for machines -------------------------------------------------------------------------- */

static void write_case(FILE *to, const struct perf_table *table, const struct perf_case *one,
		       unsigned count)
{
	struct summary s;

	fprintf(to, "    {\"row\": \"%s\", \"column\": \"%s\", \"unit\": \"%s\"", one->row,
		one->column, unit_of(one));
	if (one->skipped) {
		fprintf(to, ", \"skipped\": \"%s\"}", one->skipped);
		return;
	}
	s = summarize(one->samples, count);
	fprintf(to, ", \"median\": %.4f, \"minimum\": %.4f, \"p10\": %.4f, \"p90\": %.4f", s.median,
		s.minimum, s.p10, s.p90);
	if (can_compare(table, one))
		fprintf(to, ", \"against\": \"%s %s\", \"ratio\": %.5f, \"difference\": %.4f",
			table->cases[one->against].row, table->cases[one->against].column,
			compare(table, one, count, true), compare(table, one, count, false));
	fputc('}', to);
}

static int write_json(const struct perf_table *table, const struct perf_options *options)
{
	FILE *to = fopen(options->json, "w");
	char text[256];

	if (!to) {
		perror(options->json);
		return 1;
	}
	machine(text, sizeof(text));
	fprintf(to,
		"{\n  \"program\": \"%s\",\n  \"question\": \"%s\",\n  \"machine\": \"%s\",\n"
		"  \"rounds\": %u,\n  \"quick\": %s,\n  \"results\": [\n",
		table->program, table->question, text, options->repetitions,
		options->quick ? "true" : "false");
	for (size_t i = 0; i < table->count; i++) {
		write_case(to, table, &table->cases[i], options->repetitions);
		fputs(i + 1 < table->count ? ",\n" : "\n", to);
	}
	fputs("  ]\n}\n", to);
	return fclose(to) == 0 ? 0 : 1;
}

int perf_report(const struct perf_table *table, const struct perf_options *options)
{
	print_table(table, options);
	return options->json ? write_json(table, options) : 0;
}
