/* SPDX-License-Identifier: MIT */
#include "cli/wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/calls.h"
#include "cli/graph.h"
#include "trace/language/definition.h"

#define ALL_FUNCTIONS "**"
#define FILE_NUMBER   112 /* of glibc's FILE, on x86-64: where its descriptor is */

/* Calls into libraries of which nobody wants to know: this one is all of the program. */
#define START "__libc_start_main"

uint64_t wanted_time(const char *text)
{
	static const struct {
		const char *name;
		double size;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	char *end;
	double value = strtod(text, &end);

	if (*text < '0' || *text > '9')
		return 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(units[i].name, end) == 0 && value * units[i].size >= 1 &&
		    value * units[i].size < 1e18)
			return (uint64_t)(value * units[i].size);
	return 0;
}

/* ---- definitions as text -------------------------------------------------------------------- */

/* What is judged in the program itself costs least. */
static void put_condition(const struct wanted *wanted, FILE *to)
{
	const char *before = " if ";

	if (wanted->depth) {
		fprintf(to, "%s$depth <= %u", before, wanted->depth);
		before = " && ";
	}
	if (wanted->only_tid) {
		fprintf(to, "%s$tid == %u", before, wanted->only_tid);
		before = " && ";
	}
	if (wanted->min_time)
		fprintf(to, "%s$latency >= %lu", before, (unsigned long)wanted->min_time);
	fputc('\n', to);
}

static void put_graph(struct wanted *wanted, FILE *to)
{
	if (!wanted->pattern_count)
		wanted->patterns[wanted->pattern_count++] = ALL_FUNCTIONS;
	for (size_t i = 0; i < wanted->pattern_count; i++) {
		fprintf(to, "r:" GRAPH_GROUP "/ %s time=$latency " GRAPH_DEPTH "=$depth",
			wanted->patterns[i]);
		put_condition(wanted, to);
	}
	wanted->count = wanted->pattern_count;
}

/* ---- calls into libraries -------------------------------------------------------------------- */

/* @source: where the value is; @number: 0 for what is returned. */
static void put_value(FILE *to, const struct prototype_type *type, const char *source,
		      unsigned int number, bool with_address)
{
	const char *name = number ? "arg" : "ret", *address = number ? "at" : "ret_at";
	char digits[16] = "";

	if (number)
		snprintf(digits, sizeof(digits), "%u", number);
	if (with_address && (type->kind == PROTOTYPE_STRING || type->kind == PROTOTYPE_FILE))
		fprintf(to, " %s%s=%s", address, digits, source);
	if (type->kind == PROTOTYPE_STRING)
		fprintf(to, " %s%s=+0(%s):%s", name, digits, source, type->fetch);
	else if (type->kind == PROTOTYPE_FILE)
		fprintf(to, " %s%s=+%d(%s):%s", name, digits, FILE_NUMBER, source, type->fetch);
	else if (type->kind != PROTOTYPE_NONE)
		fprintf(to, " %s%s=%s:%s", name, digits, source, type->fetch);
}

static void put_prototype(FILE *to, const struct prototype *prototype, bool with_addresses)
{
	unsigned int whole = 0, floats = 0;
	char source[16];

	fprintf(to, "r:" CALLS_GROUP "/%s %s@" TRACE_IMPORTED "?", prototype->name,
		prototype->name);
	for (uint32_t i = 0; i < prototype->arg_count; i++) {
		bool is_float = prototype->args[i].kind == PROTOTYPE_FLOAT;

		snprintf(source, sizeof(source), "$arg%u", is_float ? ++floats : ++whole);
		put_value(to, &prototype->args[i], source, i + 1, with_addresses);
	}
	put_value(to, &prototype->result, "$retval", 0, with_addresses);
	fputs(" time=$latency if $from_program\n", to);
}

static void put_calls(struct wanted *wanted, bool for_people, FILE *to)
{
	fputs("r:" CALLS_GROUP "/" START " " START "@" TRACE_IMPORTED "? if $pid == 0\n", to);
	for (size_t i = 0; i < wanted->prototypes.count; i++)
		put_prototype(to, &wanted->prototypes.list[i], for_people);
	fprintf(to, "r:" CALLS_GROUP "/ *@" TRACE_IMPORTED "?%s if $from_program\n",
		wanted->sums_up ? " time=$latency"
				: " arg1=$arg1 arg2=$arg2 arg3=$arg3 ret=$retval time=$latency");
	wanted->count = wanted->prototypes.count + 2;
}

static int check(const struct wanted *wanted, struct ep_error_at *error)
{
	bool is_graph = wanted->show == SHOW_GRAPH;
	const char *wrong = wanted->depth && !is_graph	    ? "--depth: only with --graph"
			    : wanted->only_tid && !is_graph ? "--only-tid: only with --graph"
			    : wanted->min_time && !is_graph ? "--min-time: only with --graph"
			    : wanted->prototypes_path && wanted->show != SHOW_CALLS
				    ? "--prototypes: only with --calls"
				    : NULL;

	if (!wrong)
		return 0;
	snprintf(error->message, sizeof(error->message), "%s", wrong);
	return -EP_SYNTAX;
}

int wanted_make(struct wanted *wanted, bool for_people, struct trace_arena *arena, char **ret,
		struct ep_error_at *error)
{
	int failed = check(wanted, error);
	size_t size;
	FILE *to;

	*ret = NULL;
	if (!failed && wanted->show == SHOW_CALLS && !wanted->sums_up)
		failed =
			prototypes_read(&wanted->prototypes, wanted->prototypes_path, arena, error);
	if (failed || wanted->show == SHOW_EVENTS)
		return failed;
	to = open_memstream(ret, &size);
	if (!to)
		return -EP_NO_MEMORY;
	if (wanted->show == SHOW_GRAPH)
		put_graph(wanted, to);
	else
		put_calls(wanted, for_people, to);
	return fclose(to) ? -EP_NO_MEMORY : 0;
}
