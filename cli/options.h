/* SPDX-License-Identifier: MIT */
/* The launcher's command line. */
#ifndef EMUPROBE_CLI_OPTIONS_H
#define EMUPROBE_CLI_OPTIONS_H

#include <stdbool.h>

#include "cli/cover_kinds.h"
#include "cli/format/counters.h"
#include "cli/wanted.h"
#include "trace/language/answers.h"
#include "trace/language/source.h"
#include "trace/report/format.h"
#include "trace/session/shared.h"

#define ATTACH_MAX 64

#define EXIT_OURS	    125 /* the launcher failed, the program was not run or not probed */
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND	    127

struct options {
	struct trace_source definitions;
	struct trace_definitions parsed;
	enum trace_mode mode;
	enum trace_format format;
	enum ep_plan plan;
	const char *output; /* NULL: standard error */
	uint64_t rotate;    /* bytes of a file of it; 0: any number */
	uint32_t kept;	    /* older files of it that stay */
	const char *flame;  /* file of a picture; NULL: none is wanted */
	struct counters counters;
	bool is_timed;		 /* how long calls take is needed of each */
	uint32_t sample;	 /* of calls, one in so many is timed */
	const char **histograms; /* names of events of calls */
	size_t histogram_count;
	const char *asked; /* what is asked of events, and which are wanted: a line for each */
	size_t limited;	   /* definitions, if there are limits; else 0 */
	double seconds;	   /* after which nothing is wanted any more; 0: there is no end */
	double deadline;   /* seconds that attaching may take; 0: as many as it does */
	struct trace_questions questions;		    /* the same */
	struct trace_stack_wish stacks[TRACE_STACK_EVENTS]; /* of these call stacks are counted */
	uint32_t stack_count;
	uint64_t ring; /* bytes that are kept for each thread; 0: events are written as they come */
	const char **dump_if; /* events that have what is kept written */
	size_t dump_if_count;
	enum cover_level cover;
	enum cover_format cover_format;
	char **cover_objects; /* globs */
	size_t cover_object_count;
	struct wanted wanted; /* --graph, --calls */
	bool explain;
	bool live; /* a table while the program runs */
	bool quiet;
	bool verbose;
	bool follow;
	bool drop;
	bool run_anyway;      /* without probes, where it cannot be probed */
	bool list;	      /* functions, instead of running anything */
	bool suggest;	      /* what could be asked, since nothing was */
	int pids[ATTACH_MAX]; /* of processes that run already: to be probed, or listed */
	size_t pid_count;
	const char *name; /* the same, by their name; NULL: not asked */
	bool wait;	  /* for all processes that are probed, not only the first */
	char **command;	  /* NULL-terminated */
};

/**
 * Read each option by itself; --help and --version print and exit.
 *
 * @return   0 or the exit status, after a message.
 */
int options_take(int argc, char **argv, struct trace_arena *arena, struct options *ret);

/** By enum trace_format: as --format takes them. */
extern const char *const options_format_names[];

/** Are processes to be probed that run already? */
bool options_attach(const struct options *options);

/** "emuprobe: MESSAGE" on standard error, a line of what can be shown: plain.h. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/** The same about a place in the definitions. */
void complain_about(const struct trace_source *source, const struct ep_error_at *error);

#endif
