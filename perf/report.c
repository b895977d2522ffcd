/* SPDX-License-Identifier: MIT */
/* A table and a summary for people, JSON for plots. */
#include "perf/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "perf/stats.h"

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

static void print_line(const struct perf_table *table, const struct perf_case *one)
{
	const struct perf_case *base = one->against >= 0 ? &table->cases[one->against] : NULL;
	int width = widest_row(table);
	struct perf_comparison comparison;
	struct perf_stats s;

	if (one->skipped) {
		printf("%-*s %-23s skipped: %s\n", width, one->row, one->column, one->skipped);
		return;
	}
	s = perf_stats_of(one);
	printf("%-*s %-23s %10.2f %10.2f %10.2f-%-10.2f %-6s", width, one->row, one->column,
	       s.median, s.best, s.p10, s.p90, unit_of(one));
	if (perf_compare(table, one, &comparison))
		printf(" %8.3f x %+10.2f  %s %s", comparison.ratio, comparison.difference,
		       base->row, base->column);
	putchar('\n');
}

static void print_table(const struct perf_table *table, const struct perf_options *options)
{
	char text[256];

	machine(text, sizeof(text));
	printf("%s: %s\n%s; %u rounds%s\n\n", table->program, table->question, text,
	       options->repetitions, options->quick ? " (quick: too few to rely on)" : "");
	printf("%-*s %-23s %10s %10s %21s %-6s %10s %10s  %s\n", widest_row(table), "", "",
	       "median", "best", "10 % - 90 %", "", "ratio", "difference", "against");
	for (size_t i = 0; i < table->count; i++)
		print_line(table, &table->cases[i]);
}

static void print_value(double value, bool ratio)
{
	printf(ratio ? " %9.3f x" : " %+11.2f", value);
}

static void print_limit(double limit)
{
	if (isnan(limit))
		printf(" %6s", "-");
	else
		printf(" %6g", limit);
}

static void print_aim(const struct perf_table *table, const struct perf_aim *aim)
{
	struct perf_column column;

	if (!perf_column_of(table, aim->column, aim->ratio, &column))
		return;
	printf("%-23s %4u", aim->column, column.rows);
	print_value(column.median, aim->ratio);
	print_value(column.worst, aim->ratio);
	printf("  %-24s", column.worst_row);
	print_limit(aim->median);
	print_limit(aim->worst);
	if (!isnan(aim->median) || !isnan(aim->worst))
		printf(" %s", perf_aim_met(aim, &column) ? "met" : "MISSED");
	putchar('\n');
}

static void print_summary(const struct perf_table *table)
{
	printf("\nover all rows:\n%-23s %4s %11s "
	       "%11s  %-24s "
	       "%s\n",
	       "", "rows", "median", "worst", "the worst", "aim: median, worst");
	for (const struct perf_aim *aim = table->aims; aim->column; aim++)
		print_aim(table, aim);
}

/* ---- for machines -------------------------------------------------------------------------- */

static void write_case(FILE *to, const struct perf_table *table, const struct perf_case *one)
{
	struct perf_comparison comparison;
	struct perf_stats s;

	fprintf(to, "    {\"row\": \"%s\", \"column\": \"%s\", \"unit\": \"%s\"", one->row,
		one->column, unit_of(one));
	if (one->skipped) {
		fprintf(to, ", \"skipped\": \"%s\"}", one->skipped);
		return;
	}
	s = perf_stats_of(one);
	fprintf(to,
		", \"rounds\": %u, \"median\": %.4f, \"best\": %.4f, \"p10\": %.4f, \"p90\": %.4f",
		one->sample_count, s.median, s.best, s.p10, s.p90);
	if (perf_compare(table, one, &comparison))
		fprintf(to, ", \"against\": \"%s %s\", \"ratio\": %.5f, \"difference\": %.4f",
			table->cases[one->against].row, table->cases[one->against].column,
			comparison.ratio, comparison.difference);
	fputc('}', to);
}

static bool write_aim(FILE *to, const struct perf_table *table, const struct perf_aim *aim,
		      const char *separator)
{
	struct perf_column column;

	if (!perf_column_of(table, aim->column, aim->ratio, &column))
		return false;
	fprintf(to,
		"%s\n    {\"column\": \"%s\", \"of\": \"%s\", \"rows\": %u, \"median\": %.5f, "
		"\"worst\": %.5f, \"worst_row\": \"%s\", \"met\": %s}",
		separator, aim->column, aim->ratio ? "ratio" : "difference", column.rows,
		column.median, column.worst, column.worst_row,
		perf_aim_met(aim, &column) ? "true" : "false");
	return true;
}

static void write_results(FILE *to, const struct perf_table *table)
{
	const char *separator = "";

	fputs("  \"results\": [\n", to);
	for (size_t i = 0; i < table->count; i++) {
		write_case(to, table, &table->cases[i]);
		fputs(i + 1 < table->count ? ",\n" : "\n", to);
	}
	fputs("  ],\n  \"summary\": [", to);
	for (const struct perf_aim *aim = table->aims; aim && aim->column; aim++)
		if (write_aim(to, table, aim, separator))
			separator = ",";
	fputs("\n  ]\n}\n", to);
}

static int write_json(const struct perf_table *table, const struct perf_options *options)
{
	FILE *to = fopen(options->json, "w");
	time_t now = time(NULL);
	char text[256], date[32];

	if (!to) {
		perror(options->json);
		return 1;
	}
	machine(text, sizeof(text));
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	fprintf(to,
		"{\n  \"program\": \"%s\",\n  \"question\": \"%s\",\n  \"machine\": \"%s\",\n"
		"  \"date\": \"%s\",\n  \"rounds\": %u,\n  \"quick\": %s,\n",
		table->program, table->question, text, date, options->repetitions,
		options->quick ? "true" : "false");
	write_results(to, table);
	return fclose(to) == 0 ? 0 : 1;
}

int perf_report(const struct perf_table *table, const struct perf_options *options)
{
	print_table(table, options);
	if (table->aims)
		print_summary(table);
	return options->json ? write_json(table, options) : 0;
}
