/* SPDX-License-Identifier: MIT */
/*
 * ep_define(): the same definitions that the tools take, for programs that probe themselves. What
 * it returns belongs to the caller, so it comes from malloc().
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/counting.h"
#include "trace/action/attach.h"
#include "trace/language/parse.h"
#include "trace/language/source.h"

static int report(struct ep_error_at *error, int code, size_t column, const char *message)
{
	if (error) {
		error->error = code;
		error->column = column;
		snprintf(error->message, sizeof(error->message), "%s", message);
	}
	return -code;
}

static int reject_args(const struct trace_definitions *definitions, struct ep_error_at *error)
{
	for (size_t i = 0; i < definitions->count; i++)
		if (definitions->list[i].arg_count)
			return report(error, EP_SYNTAX, definitions->list[i].column,
				      "arguments cannot be fetched here: the handler has the "
				      "registers");
	return 0;
}

/* Of callers that know more fields than we do, or fewer. */
union any_options {
	struct ep_options known;
	unsigned char bytes[4096];
};

/* @options, which may be NULL, with EP_CALLS. What is nonsense is refused as it stands. */
static const struct ep_options *follow_calls(const struct ep_options *options,
					     union any_options *ret)
{
	static const struct ep_options defaults = {.size = sizeof(defaults)};
	const struct ep_options *from = options ? options : &defaults;

	if (from->size < offsetof(struct ep_options, handler) || from->size > sizeof(*ret) ||
	    from->size % 8)
		return options;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, from, from->size);
	if (from->size < offsetof(struct ep_options, counts)) /* without flags */
		ret->known.size = offsetof(struct ep_options, counts);
	ret->known.flags |= EP_CALLS;
	return &ret->known;
}

static struct ep_request *make_requests(const struct trace_probes *probes,
					const struct ep_options *options,
					const struct ep_options *of_calls)
{
	struct ep_request *ret = calloc(probes->count + 1, sizeof(*ret));

	for (size_t i = 0; ret && i < probes->count; i++) {
		ret[i].addr = probes->list[i].addr;
		ret[i].options = probes->list[i].view.is_return ? of_calls : options;
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
		   const struct ep_request *requests, struct ep_probe **ret, size_t *ret_count,
		   struct ep_error_at *error)
{
	int failed = find_failure(probes, requests);
	size_t armed = 0;

	for (size_t i = 0; i < probes->count; i++)
		if (!requests[i].error) {
			ep_probe_use_semaphore(requests[i].probe, probes->list[i].semaphore);
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
		  const struct ep_options *options, struct ep_probe ***ret, size_t *ret_count,
		  struct ep_error_at *error)
{
	union any_options of_calls;
	struct ep_request *requests =
		make_requests(probes, options, follow_calls(options, &of_calls));
	struct ep_probe **created = calloc(probes->count + 1, sizeof(struct ep_probe *));
	int failed = -EP_NO_MEMORY;

	if (requests && created) {
		ep_probe_create_batch(requests, probes->count);
		failed = collect(definitions, probes, requests, created, ret_count, error);
	}
	free(requests);
	if (failed)
		free(created);
	else
		*ret = created;
	return failed;
}

static int define(const char *text, const struct ep_options *options, struct trace_arena *arena,
		  struct ep_probe ***ret, size_t *ret_count, struct ep_error_at *error)
{
	struct trace_definitions definitions;
	struct trace_probes probes;
	int failed = trace_definitions_parse(text, arena, &definitions, error);

	if (!failed)
		failed = reject_args(&definitions, error);
	if (!failed)
		failed = trace_attach_resolve(&definitions, false, arena, &probes, error);
	if (failed)
		return failed;
	return create(&definitions, &probes, options, ret, ret_count, error);
}

int ep_define(const char *definitions, const struct ep_options *options, struct ep_probe ***ret,
	      size_t *ret_count, struct ep_error_at *error)
{
	struct trace_arena arena = {0};
	int failed;

	if (!definitions || !ret || !ret_count)
		return report(error, EP_INVALID, 0, ep_strerror(EP_INVALID));
	if (error)
		error->error = 0;
	failed = define(definitions, options, &arena, ret, ret_count, error);
	if (failed && error && !error->error) /* not because of what the definitions say */
		report(error, -failed, 0, ep_strerror(failed));
	trace_arena_deinit(&arena);
	return failed;
}
