/* SPDX-License-Identifier: MIT */
/*
 * ep_define(): the same definitions that the tools take, for programs that probe themselves. What
 * it returns belongs to the caller, so it comes from malloc().
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/counting.h"
#include "trace/action/attach.h"
#include "trace/action/conditions.h"
#include "trace/action/missing.h"
#include "trace/action/values.h"
#include "trace/clock/clock.h"
#include "trace/language/parse.h"
#include "trace/language/source.h"

static int report(struct ep_error_at *error, int code, size_t column, const char *message)
{
	if (error) {
		error->error = code;
		error->column = column;
		snprintf(error->message, sizeof(error->message), "%s%s", message,
			 trace_kernel_word(-code));
	}
	return -code;
}

/*
 * What the probes of one list need while they are there: the definitions, which are their programs and
 * the names of their arguments. It is freed with the last of these probes.
 */
struct kept {
	struct trace_arena arena;
	_Atomic size_t users; /* probes, and ep_define() */
};

static void release(void *data)
{
	struct kept *kept = data;

	if (atomic_fetch_sub(&kept->users, 1) != 1)
		return;
	trace_arena_deinit(&kept->arena);
	free(kept);
}

/* If the probe is gone already, nobody knows whether its handler has ended: then it is kept for ever. */
static void keep_for(struct kept *kept, struct ep_probe *probe)
{
	atomic_fetch_add(&kept->users, 1);
	ep_probe_on_free(probe, release, kept);
}

/* Of callers that know more fields than we do, or fewer. */
union any_options {
	struct ep_options known;
	unsigned char bytes[4096];
};

static const struct ep_options defaults = {.size = sizeof(defaults)};

static bool is_sane(const struct ep_options *options)
{
	return options->size >= offsetof(struct ep_options, handler) &&
	       options->size <= sizeof(union any_options) && options->size % 8 == 0;
}

/* @options, with EP_CALLS. What is nonsense is refused as it stands. */
static const struct ep_options *follow_calls(const struct ep_options *options,
					     union any_options *ret)
{
	if (!is_sane(options))
		return options;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, options, options->size);
	if (options->size < offsetof(struct ep_options, counts)) /* without flags */
		ret->known.size = offsetof(struct ep_options, counts);
	ret->known.flags |= EP_CALLS;
	return &ret->known;
}

/* @options, with handlers that do what the definition says. NULL: there is no memory. */
static const struct ep_options *wrap(const struct trace_definition *definition,
				     const struct ep_options *options, struct trace_arena *arena)
{
	size_t size = options->size < sizeof(*options) ? sizeof(*options) : options->size;
	struct ep_options *ret;
	struct trace_handlers *handlers;

	if (!is_sane(options) || (!definition->program.has_filter && !definition->arg_count))
		return options;
	ret = trace_arena_alloc(arena, size);
	handlers = trace_arena_alloc(arena, sizeof(*handlers));
	if (!ret || !handlers)
		return NULL;
	memcpy(ret, options, options->size);
	ret->size = size;
	/* That is refused, as it is without a condition. */
	if (ret->handler && (ret->flags & EP_CALLS || ret->entered || ret->ended))
		return options;
	if (!trace_handlers_wrap(definition, ret, handlers))
		return options;
	if (ret->handler && !ret->conditions) {
		ret->conditions =
			trace_conditions_of(&definition->program, arena, &ret->condition_count);
		if (ret->conditions && !handlers->handler && !handlers->histogram)
			ret->handler = NULL; /* the engine counts just these */
	}
	return ret;
}

/* For each definition. */
static const struct ep_options **make_options(const struct trace_definitions *definitions,
					      const struct ep_options *options,
					      union any_options *of_calls,
					      struct trace_arena *arena)
{
	const struct ep_options *calls = follow_calls(options, of_calls);
	const struct ep_options **ret =
		trace_arena_alloc(arena, (definitions->count + 1) * sizeof(struct ep_options *));

	for (size_t i = 0; ret && i < definitions->count; i++) {
		const struct trace_definition *definition = &definitions->list[i];

		ret[i] = wrap(definition, definition->is_return ? calls : options, arena);
		if (!ret[i])
			return NULL;
	}
	return ret;
}

static struct ep_request *make_requests(const struct trace_probes *probes,
					const struct ep_options **options)
{
	struct ep_request *ret = calloc(probes->count + 1, sizeof(*ret));

	for (size_t i = 0; ret && i < probes->count; i++) {
		ret[i].addr = probes->list[i].addr;
		ret[i].options = options[probes->list[i].view.definition];
	}
	return ret;
}

/* What failed for another reason than that a probe cannot stand there. */
static int find_failure(const struct trace_probes *probes, const struct ep_request *requests)
{
	for (size_t i = 0; i < probes->count; i++)
		if (requests[i].error && -requests[i].error < EP_NOT_EXECUTABLE)
			return requests[i].error;
	return 0;
}

/* Those that were armed; a failure if something failed, or if there are none. */
static int collect(const struct trace_definitions *definitions, const struct trace_probes *probes,
		   const struct ep_request *requests, struct kept *kept, struct ep_probe **ret,
		   size_t *ret_count, struct ep_error_at *error)
{
	int failed = find_failure(probes, requests);
	size_t armed = 0;

	for (size_t i = 0; i < probes->count; i++)
		if (!requests[i].error) {
			ep_probe_use_semaphore(requests[i].probe, probes->list[i].semaphore);
			if (trace_handlers_are_ours(requests[i].options))
				keep_for(kept, requests[i].probe);
			ret[armed++] = requests[i].probe;
		}
	if (failed) {
		ep_probe_remove_batch(ret, armed);
		return report(error, -failed, 0, ep_strerror(failed));
	}
	if (!armed && probes->count) {
		uint32_t index = probes->list[0].view.definition;

		return report(error, -requests[0].error, definitions->list[index].place_column,
			      ep_strerror(requests[0].error));
	}
	*ret_count = armed;
	return 0;
}

static int create(const struct trace_definitions *definitions, const struct trace_probes *probes,
		  const struct ep_options *asked, struct kept *kept, struct ep_probe ***ret,
		  size_t *ret_count, struct ep_error_at *error)
{
	union any_options of_calls;
	const struct ep_options **options =
		make_options(definitions, asked ? asked : &defaults, &of_calls, &kept->arena);
	struct ep_request *requests = options ? make_requests(probes, options) : NULL;
	struct ep_probe **created = calloc(probes->count + 1, sizeof(struct ep_probe *));
	int failed = -EP_NO_MEMORY;

	if (requests && created) {
		ep_probe_create_batch(requests, probes->count);
		failed = collect(definitions, probes, requests, kept, created, ret_count, error);
	}
	free(requests);
	if (failed)
		free(created);
	else
		*ret = created;
	return failed;
}

static bool has_histogram(const struct ep_options *options)
{
	return options && is_sane(options) &&
	       options->size >=
		       offsetof(struct ep_options, histogram) + sizeof(options->histogram) &&
	       options->histogram;
}

static bool is_number(const struct trace_type *type)
{
	return type->kind <= TRACE_HEX && !type->elements;
}

static int check_histogram(const struct trace_definitions *definitions,
			   const struct ep_options *options, struct ep_error_at *error)
{
	if (!has_histogram(options))
		return 0;
	for (size_t i = 0; i < definitions->count; i++) {
		const struct trace_definition *one = &definitions->list[i];

		if (!one->arg_count || !is_number(&one->args[0].type))
			return report(error, EP_INVALID, one->place_column,
				      "a histogram is of the first argument, and that is not a "
				      "number: \"r PLACE $latency\", say");
	}
	return 0;
}

static bool may_ask_time(const struct trace_definitions *definitions)
{
	for (size_t i = 0; i < definitions->count; i++)
		if (definitions->list[i].arg_count || definitions->list[i].program.has_filter)
			return true;
	return false;
}

/* Without a system call, from here on. It is done before the first probe that reads the clock. */
static void prepare_clock(const struct trace_definitions *definitions)
{
	static bool is_prepared;

	if (!may_ask_time(definitions))
		return;
	ep_hold();
	if (!is_prepared)
		trace_clock_init(NULL);
	is_prepared = true;
	ep_release();
}

static int define(const char *text, const struct ep_options *options, struct kept *kept,
		  struct ep_probe ***ret, size_t *ret_count, struct ep_error_at *error)
{
	struct trace_definitions definitions;
	struct trace_probes probes;
	int failed = trace_definitions_parse(text, &kept->arena, &definitions, error);

	if (!failed)
		failed = check_histogram(&definitions, options, error);
	if (!failed)
		failed = trace_attach_resolve(&definitions, false, &kept->arena, &probes, error);
	if (failed)
		return failed;
	prepare_clock(&definitions);
	return create(&definitions, &probes, options, kept, ret, ret_count, error);
}

int ep_define(const char *definitions, const struct ep_options *options, struct ep_probe ***ret,
	      size_t *ret_count, struct ep_error_at *error)
{
	struct kept *kept;
	int failed;

	if (!definitions || !ret || !ret_count)
		return report(error, EP_INVALID, 0, ep_strerror(EP_INVALID));
	if (error)
		error->error = 0;
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return report(error, EP_NO_MEMORY, 0, ep_strerror(EP_NO_MEMORY));
	atomic_init(&kept->users, 1);
	failed = define(definitions, options, kept, ret, ret_count, error);
	if (failed && error && !error->error) /* not because of what the definitions say */
		report(error, -failed, 0, ep_strerror(failed));
	release(kept);
	return failed;
}
